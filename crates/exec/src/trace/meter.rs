//! How much a trace may hold.

/// What a frame, an account or a slot of a trace takes besides the bytes that it carries, about.
pub(super) const ENTRY_BYTES: usize = 256;

/// Counts the bytes that a trace holds, up to a bound.
///
/// Invariant: once the bound is passed it stays passed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meter {
    bytes_left: usize,
    is_exceeded: bool,
}

impl Meter {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_left: bytes_max, is_exceeded: false }
    }

    /// Asks for room; what is refused must not be kept.
    pub(super) fn takes(&mut self, bytes: usize) -> bool {
        match self.bytes_left.checked_sub(bytes) {
            Some(left) if !self.is_exceeded => {
                self.bytes_left = left;
                true
            }
            _ => {
                self.is_exceeded = true;
                false
            }
        }
    }

    /// Whether something was refused.
    pub(super) fn is_exceeded(&self) -> bool {
        self.is_exceeded
    }
}
