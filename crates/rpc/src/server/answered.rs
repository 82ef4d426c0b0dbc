//! The text of an answer, with its share of the bytes that answers of a port may have until they are sent.

use crate::server::byte_budget::{ByteBudget, Held};
use bytes::Bytes;

/// Answers up to this size are not counted: a client that takes its large ones slowly must not keep others from the answers
/// that most calls have.
const SMALL_BYTES_MAX: usize = 16 << 10;

/// An answer on its way. What it holds of the budget goes back when it is dropped, which is when it was written.
#[derive(Debug, Default)]
pub(crate) struct Answered {
    pub(crate) text: String,
    pub(crate) held: Held,
}

impl Answered {
    /// An answer that is small, as all that the server says of itself is.
    pub(crate) fn small(text: String) -> Self {
        Self { text, held: Held::default() }
    }
}

impl From<Answered> for Bytes {
    fn from(answered: Answered) -> Self {
        Self::from_owner(answered)
    }
}

impl AsRef<[u8]> for Answered {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

/// Takes what an answer that has so many bytes needs for more of them; false when there is no room.
pub(crate) fn take_for_answer(budget: &ByteBudget, held: &mut Held, bytes: usize, more: usize) -> bool {
    bytes.saturating_add(more) <= SMALL_BYTES_MAX || budget.take(held, more)
}
