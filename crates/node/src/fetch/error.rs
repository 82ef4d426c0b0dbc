//! Why a block cannot be fetched.

use motet_exec::ExecError;
use motet_types::Fork;
use motet_workload::block_file::BlockFileError;

/// Characters of a node's text that a message repeats.
const EXCERPT_CHARS_MAX: usize = 300;

/// A block that cannot be fetched. `node` is the node's host: the rest of its address may hold a key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// The address is none that can be asked.
    #[error("--rpc: {reason}")]
    Address {
        /// What is wrong.
        reason: &'static str,
    },
    /// No answer came, or no whole one.
    #[error("{node}: {method}: {error} (attempt {attempts})")]
    Transport {
        /// The node.
        node: String,
        /// The method that was called.
        method: &'static str,
        /// How many times it was tried.
        attempts: u32,
        /// What happened.
        error: Box<ureq::Error>,
    },
    /// The answer comes from a web server, not from a node.
    #[error("{node}: {method}: HTTP status {status}: {body}")]
    Status {
        /// The node.
        node: String,
        /// The method that was called.
        method: &'static str,
        /// The status.
        status: u16,
        /// The start of the answer.
        body: String,
    },
    /// The node refuses a call.
    #[error("{node}: {method}: error {code}: {message}")]
    Refused {
        /// The node.
        node: String,
        /// The method that was called.
        method: &'static str,
        /// JSON-RPC error code.
        code: i64,
        /// The node's words.
        message: String,
    },
    /// The node gives no trace.
    #[error(
        "{refusal}. The block's state cannot be traced there: use a node with the debug API and the state of the \
         parent block, or pass --no-trace to find the state by executing, one value at a time, through eth_* methods"
    )]
    NoTrace {
        /// What the node said.
        refusal: Box<FetchError>,
    },
    /// The answer is not what the method gives.
    #[error("{node}: {method}: {reason}")]
    Answer {
        /// The node.
        node: String,
        /// The method that was called.
        method: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The node does not have the block.
    #[error("{node}: there is no block {block}")]
    NoBlock {
        /// The node.
        node: String,
        /// What was asked for.
        block: String,
    },
    /// Nothing comes before the first block.
    #[error("block 0 has no parent whose state could be fetched")]
    Genesis,
    /// A type that no Ethereum fork has.
    #[error("block.transactions[{tx}]: type {tx_type:#x} is none of Ethereum's")]
    TransactionType {
        /// Position of the transaction.
        tx: usize,
        /// Its type.
        tx_type: u64,
    },
    /// Another block took the parent's place while the state was read.
    #[error("the node changed its block {number} meanwhile: what was read does not belong together; try again")]
    Reorganised {
        /// The parent's number.
        number: u64,
    },
    /// The block is not what it says about itself.
    #[error("{0}")]
    File(#[from] BlockFileError),
    /// The block does not execute on what was fetched.
    #[error("the block does not execute under {fork}: {error}")]
    Execution {
        /// The rules.
        fork: Fork,
        /// What happened.
        error: ExecError,
    },
}

/// Text from a node, cut to a length that a message can carry, on one line.
pub(crate) fn excerpt(text: &str) -> String {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(EXCERPT_CHARS_MAX) {
        Some((cut, _)) => format!("{}...", &line[..cut]),
        None => line,
    }
}
