//! What the end of a simulated block waited for.

use motet_types::TxIndex;

/// A kind of work, or of waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Work {
    /// Before the first transaction: system calls, the index of a list, tables.
    Opening,
    /// Getting threads to begin.
    Starting,
    /// Running transactions ahead of their turn.
    Executing,
    /// Running transactions in their turn.
    Redoing,
    /// Checking outcomes and entering them into the ledger.
    Committing,
    /// Getting tasks from the scheduler, also waiting for its lock.
    Dispatching,
    /// From being notified to running.
    Waking,
    /// After the last transaction: requests, record, diff, receipts root, threads that end.
    Closing,
}

impl Work {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::Opening,
        Self::Starting,
        Self::Executing,
        Self::Redoing,
        Self::Committing,
        Self::Dispatching,
        Self::Waking,
        Self::Closing,
    ];

    /// Its name in tables and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Starting => "starting",
            Self::Executing => "executing",
            Self::Redoing => "in order",
            Self::Committing => "committing",
            Self::Dispatching => "dispatching",
            Self::Waking => "waking",
            Self::Closing => "closing",
        }
    }
}

/// A chain of work from the start of a block to its end, each piece begun when the one before was over: the previous one of
/// the same worker or, where that slept, the one that woke it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Path {
    times_ns: [u64; Work::ALL.len()],
    /// The transaction that ran last, and for how long so far.
    running: Option<(TxIndex, u64)>,
    longest: Option<(TxIndex, u64)>,
}

impl Path {
    pub(crate) fn of(work: Work, ns: u64) -> Self {
        let mut path = Self::default();
        path.add(work, ns);
        path
    }

    pub(crate) fn add(&mut self, work: Work, ns: u64) {
        self.times_ns[work as usize] += ns;
    }

    /// Adds to what a transaction runs.
    pub(crate) fn add_run(&mut self, tx: TxIndex, ns: u64) {
        let so_far = self.running.filter(|running| running.0 == tx).map_or(0, |running| running.1);
        let running = (tx, so_far + ns);
        self.running = Some(running);
        if self.longest.is_none_or(|longest| longest.1 < running.1) {
            self.longest = Some(running);
        }
    }

    /// Time of one kind.
    pub fn ns(&self, work: Work) -> u64 {
        self.times_ns[work as usize]
    }

    /// All of it.
    pub fn total_ns(&self) -> u64 {
        self.times_ns.iter().sum()
    }

    /// The transaction that ran longest without a break, and for how long.
    pub fn longest(&self) -> Option<(TxIndex, u64)> {
        self.longest
    }
}
