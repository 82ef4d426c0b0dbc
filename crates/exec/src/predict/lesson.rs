//! What one executed transaction has to teach, noted while the block runs and studied when it is over.

use super::expression::Preimage;
use crate::sync::Mutex;
use crate::vm::EvmState;
use alloy_primitives::{Address, B256, U256};
use motet_types::TxIndex;

/// Preimages that are kept of one transaction. Loops may hash without end.
pub(crate) const PREIMAGES_MAX: usize = 256;
/// Accounts and slots that are kept of one transaction.
const TOUCHED_MAX: usize = 512;

/// One transaction, as far as it teaches.
#[derive(Debug)]
pub(super) struct Lesson {
    pub(super) tx: TxIndex,
    /// Accounts (`None`) and their slots that it accessed.
    pub(super) touched: Vec<(Address, Option<U256>)>,
    /// `None`: it only ran in its turn, where nobody listens. Nothing is known of mappings then.
    pub(super) preimages: Option<Vec<Preimage>>,
}

/// What is to be noted of a transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Want {
    #[default]
    Nothing,
    /// The code of its recipient: by that it is recognised the next time.
    Code,
    /// All that it touches.
    Lesson,
}

/// Which transactions of a block are to be noted, and what was.
#[derive(Debug, Default)]
pub(crate) struct Notebook {
    wants: Vec<Want>,
    lessons: Mutex<Vec<Lesson>>,
    /// Recipients with their code.
    codes: Mutex<Vec<(Address, B256)>>,
}

impl Notebook {
    pub(super) fn new(wants: Vec<Want>) -> Self {
        Self { wants, ..Self::default() }
    }

    #[inline]
    fn want(&self, tx: TxIndex) -> Want {
        self.wants.get(tx.pos()).copied().unwrap_or_default()
    }

    /// Whether the preimages of a transaction are to be noted.
    #[inline]
    pub(crate) fn wants_preimages(&self, tx: TxIndex) -> bool {
        self.want(tx) == Want::Lesson
    }

    /// Notes a transaction whose turn has come. `preimages` are of a run ahead: most were hashed in its turn too.
    pub(crate) fn note(
        &self,
        tx: TxIndex,
        recipient: Option<Address>,
        state: &EvmState,
        preimages: Option<Vec<Preimage>>,
    ) {
        let want = self.want(tx);
        if want == Want::Nothing {
            return;
        }
        if let Some((recipient, account)) = recipient.and_then(|recipient| Some((recipient, state.get(&recipient)?))) {
            self.codes.lock().push((recipient, account.info.code_hash));
        }
        if want != Want::Lesson {
            return;
        }
        let mut touched = Vec::new();
        for (address, account) in state {
            if touched.len() >= TOUCHED_MAX {
                break;
            }
            touched.push((*address, None));
            let room = TOUCHED_MAX - touched.len();
            touched.extend(account.storage.keys().take(room).map(|slot| (*address, Some(*slot))));
        }
        self.lessons.lock().push(Lesson { tx, touched, preimages });
    }

    /// Recipients with their code, and the lessons in the order of the block.
    pub(super) fn into_notes(self) -> (Vec<(Address, B256)>, Vec<Lesson>) {
        let mut lessons = self.lessons.into_inner();
        lessons.sort_unstable_by_key(|lesson| lesson.tx);
        // The journal's order is that of a hash table.
        lessons.iter_mut().for_each(|lesson| lesson.touched.sort_unstable());
        (self.codes.into_inner(), lessons)
    }
}
