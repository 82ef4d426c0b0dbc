//! What the store asks of a key-value engine, and nothing more.

use std::fmt::Debug;

/// One ordered table of an [`Engine`].
///
/// Keys and values are described in the format's documentation. The number is part of the format: it enters the checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Table {
    /// What the tables hold as a whole: the head.
    Meta = 0,
    /// keccak(address) -> account.
    Accounts = 1,
    /// keccak(address), keccak(slot) -> value that is not zero.
    Slots = 2,
    /// keccak(code) -> code.
    Codes = 3,
    /// Height -> hash, parent's hash, state root, encoded header.
    Headers = 4,
    /// Height -> encoded body.
    Bodies = 5,
    /// Height -> encoded receipts.
    Receipts = 6,
    /// Block hash -> height.
    Numbers = 7,
    /// Transaction hash -> height, position.
    Transactions = 8,
    /// Address of a log, height -> nothing.
    AddressBlocks = 9,
    /// Topic of a log, height -> nothing.
    TopicBlocks = 10,
    /// Height -> encoded record (access list).
    Records = 11,
    /// Height -> what the block overwrote.
    History = 12,
    /// Height -> hashes, addresses and topics under which other tables know the block.
    Names = 13,
    /// keccak(address), height -> the account before that block; archives only.
    AccountHistory = 14,
    /// keccak(address), keccak(slot), height -> the value before that block; archives only.
    SlotHistory = 15,
    /// Trie, path -> node, where the tries are kept on disk.
    Nodes = 16,
}

impl Table {
    /// All tables, by number.
    pub const ALL: [Self; 17] = [
        Self::Meta,
        Self::Accounts,
        Self::Slots,
        Self::Codes,
        Self::Headers,
        Self::Bodies,
        Self::Receipts,
        Self::Numbers,
        Self::Transactions,
        Self::AddressBlocks,
        Self::TopicBlocks,
        Self::Records,
        Self::History,
        Self::Names,
        Self::AccountHistory,
        Self::SlotHistory,
        Self::Nodes,
    ];

    /// The name that engines and errors know the table by.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Accounts => "accounts",
            Self::Slots => "slots",
            Self::Codes => "codes",
            Self::Headers => "headers",
            Self::Bodies => "bodies",
            Self::Receipts => "receipts",
            Self::Numbers => "numbers",
            Self::Transactions => "transactions",
            Self::AddressBlocks => "address_blocks",
            Self::TopicBlocks => "topic_blocks",
            Self::Records => "records",
            Self::History => "history",
            Self::Names => "names",
            Self::AccountHistory => "account_history",
            Self::SlotHistory => "slot_history",
            Self::Nodes => "nodes",
        }
    }

    /// The table with this number.
    pub fn by_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Position in [`Table::ALL`].
    pub const fn pos(self) -> usize {
        self as usize
    }
}

/// One write: a value to put, or `None` to delete the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Where.
    pub table: Table,
    /// The key; never empty.
    pub key: Vec<u8>,
    /// The bytes as stored, or `None`: the key goes.
    pub value: Option<Vec<u8>>,
}

/// Key and value of a row.
pub type Row = (Vec<u8>, Vec<u8>);

/// Rows in ascending order of their keys.
pub type Rows<'a> = Box<dyn Iterator<Item = Result<Row, EngineError>> + 'a>;

/// An ordered key-value engine with tables.
///
/// Invariants, which the crash safety of the store rests on:
/// - [`write`](Self::write) is atomic over all tables, for readers and for crashes;
/// - after a crash the tables hold the effect of the first `n` batches for some `n`, and `n` counts every batch that
///   was written before the last [`flush`](Self::flush) that succeeded;
/// - reads run while a batch is written and see each row before or after it.
///
/// The second is not taken on trust: the store marks every table in every batch and compares the marks when it opens.
pub trait Engine: Send + Sync + Debug {
    /// The engine's name, as the store's format file records it.
    fn name(&self) -> &'static str;

    /// The value of a key.
    ///
    /// # Errors
    /// When the engine fails; not when the key is absent.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError>;

    /// Writes all or nothing. Of several writes to one key the last one counts.
    ///
    /// # Errors
    /// When the engine fails. Whether the batch is in the tables is then unknown until the next opening.
    fn write(&self, batch: Vec<Write>) -> Result<(), EngineError>;

    /// Rows from a key (inclusive) to the table's end.
    fn rows(&self, table: Table, from: &[u8]) -> Rows<'_>;

    /// Returns once everything written so far is on disk.
    ///
    /// # Errors
    /// When the engine fails.
    fn flush(&self) -> Result<(), EngineError>;
}

/// An engine that cannot do what it is asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("tables ({engine}): {action}: {reason}")]
pub struct EngineError {
    /// The engine.
    pub engine: &'static str,
    /// What it was asked for.
    pub action: &'static str,
    /// What it says.
    pub reason: String,
}
