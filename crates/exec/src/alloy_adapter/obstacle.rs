//! Why a block runs on the stock executor.

/// Why a whole block runs on the stock executor instead of in parallel. The result is the same, only not
/// faster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// There is nobody to share the work with.
    #[error("one worker")]
    OneWorker,
    /// There is nothing to share.
    #[error("fewer than two transactions")]
    TooSmall,
    /// Transactions were already executed one by one.
    #[error("the block was begun transaction by transaction")]
    Started,
    /// An inspector wants to see every step in order.
    #[error("an inspector is installed")]
    Inspector,
    /// Before Byzantium receipts carry a state root, the stock executor's a status; and the DAO fork changes
    /// balances at another moment.
    #[error("the block is from before Byzantium")]
    BeforeByzantium,
    /// The genesis block has rules of its own.
    #[error("the block is the genesis block")]
    Genesis,
    /// The EVM was configured in a way that a block and its fork do not say: checks switched off, values of
    /// the block overridden, an unknown blob price.
    #[error("the EVM's environment is not what a header and a fork give")]
    Environment,
    /// The EVM has other precompiles than the fork.
    #[error("the EVM's precompiles are not the fork's")]
    Precompiles,
    /// A transaction's input was changed after it was made from the transaction.
    #[error("the input of a transaction is not what the transaction says")]
    TransactionInput,
}
