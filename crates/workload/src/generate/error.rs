//! Why no blocks can be generated from the given options.

use motet_types::Fork;

/// Options that no block follows from, or a fault in the compiled contracts.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GenerateError {
    /// All weights are zero, or there are none.
    #[error("mix: no kind of traffic has a weight above zero")]
    NoTraffic,
    /// Below what the scenes need.
    #[error("{field}: {have} is below the minimum of {min}")]
    TooLow {
        /// The option.
        field: &'static str,
        /// Its value.
        have: u64,
        /// The bound.
        min: u64,
    },
    /// Above what one run may ask for.
    #[error("{field}: {have} is above the maximum of {max}")]
    TooHigh {
        /// The option.
        field: &'static str,
        /// Its value.
        have: u64,
        /// The bound.
        max: u64,
    },
    /// The skew is negative, too large or no number.
    #[error("zipf_skew: {skew} is not between 0 and {max}")]
    Skew {
        /// The value.
        skew: f64,
        /// The bound.
        max: f64,
    },
    /// The contracts are compiled for a later fork.
    #[error("fork: {fork} is before {earliest}, which the contracts are compiled for")]
    ForkTooEarly {
        /// The fork asked for.
        fork: Fork,
        /// The first one possible.
        earliest: Fork,
    },
    /// A secret key outside of the curve's order.
    #[error("account {account}: the secret key of this seed is outside of the curve's order; use another seed")]
    SecretKey {
        /// Position of the account.
        account: usize,
    },
    /// The embedded file of compiled contracts does not parse.
    #[error("compiled.json: {reason}")]
    Artifacts {
        /// What the parser says.
        reason: String,
    },
    /// The embedded file of compiled contracts lacks something.
    #[error("compiled.json: contract {contract} has no {item}")]
    Artifact {
        /// The contract.
        contract: &'static str,
        /// The missing function or storage variable.
        item: &'static str,
    },
}
