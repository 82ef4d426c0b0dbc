//! Who is told when the stages of an import begin and end: to measure them. The chain itself reads no clock.

use std::fmt;

/// A stage of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// Header, body and ommers checked, senders recovered.
    Senders,
    /// Executed, and the outcome compared with the header.
    Execution,
    /// The change brought into the trie, and the root computed and compared.
    Root,
    /// Encoded and made durable.
    Commit,
}

impl Stage {
    /// All stages, in the order of a block's way.
    pub const ALL: [Self; 4] = [Self::Senders, Self::Execution, Self::Root, Self::Commit];

    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Senders => "senders",
            Self::Execution => "execution",
            Self::Root => "root",
            Self::Commit => "commit",
        }
    }
}

/// Somebody who looks at clocks when stages begin and end.
///
/// It is told by the threads that work on the stages: of one stage never two at once.
pub trait StageWatch: Send + Sync + fmt::Debug {
    /// A stage begins.
    fn began(&self, stage: Stage);

    /// A stage is over, whether or not it succeeded.
    fn ended(&self, stage: Stage);
}

/// Does the work of a stage, and tells who watches.
pub(crate) fn watched<T>(watch: Option<&dyn StageWatch>, stage: Stage, work: impl FnOnce() -> T) -> T {
    let Some(watch) = watch else { return work() };
    watch.began(stage);
    let done = work();
    watch.ended(stage);
    done
}
