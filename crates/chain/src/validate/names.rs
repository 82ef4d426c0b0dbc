//! The names that the public test suites have for what makes a block invalid.
//!
//! Two vocabularies: that of ethereum/execution-spec-tests (`BlockException.X`, `TransactionException.X`),
//! and the older one of ethereum/tests and its tool retesteth (`TR_NoFunds`, `InvalidGasLimit`). A case
//! names one exception, or several with `|` between them; a client passes when its verdict has one of
//! them. A [`BlockError`] can have several names, since the suites cut some of them finer than a client
//! can: a block whose access list is wrong in any way fails by the hash of that list alone.

use super::BlockError;
use motet_types::{ListFormError, TxError};

/// The names of an invalid block's error in the public test suites. Only [`TxError::Refused`] has none.
pub fn exception_names(error: &BlockError) -> &'static [&'static str] {
    use BlockError as E;
    match error {
        E::Rlp(error) => rlp_exception_names(error),
        E::RlpTooLong { .. } => &["BlockException.RLP_BLOCK_LIMIT_EXCEEDED", "BlockException.BLOCK_RLP_TOO_LARGE"],
        E::UnknownParent { parent_hash } | E::ParentHash { got: parent_hash, .. } if parent_hash.is_zero() => {
            &["BlockException.UNKNOWN_PARENT_ZERO", "BlockException.UNKNOWN_PARENT", "UnknownParent2", "UnknownParent"]
        }
        E::UnknownParent { .. } | E::ParentHash { .. } => &["BlockException.UNKNOWN_PARENT", "UnknownParent"],
        E::Number { .. } => &["BlockException.INVALID_BLOCK_NUMBER", "InvalidNumber"],
        E::Timestamp { .. } => {
            &["BlockException.INVALID_BLOCK_TIMESTAMP_OLDER_THAN_PARENT", "InvalidTimestampOlderParent"]
        }
        E::ExtraDataTooLong { .. } => &["BlockException.EXTRA_DATA_TOO_BIG", "ExtraDataTooBig"],
        E::DaoExtraData { .. } => &["BlockException.EXTRA_DATA_INVALID_DAO", "ExtraDataIncorrectDAO"],
        E::MissingField { .. } => &[
            "BlockException.INCORRECT_BLOCK_FORMAT",
            "BlockException.IMPORT_IMPOSSIBLE_LEGACY",
            "BlockException.IMPORT_IMPOSSIBLE_LEGACY_WRONG_PARENT",
            "BlockException.IMPORT_IMPOSSIBLE_LONDON_OVER_PARIS",
            "BlockException.IMPORT_IMPOSSIBLE_PARIS_OVER_SHANGHAI",
            "LegacyBlockImportImpossible",
            "LegacyBlockImportImpossible2",
            "ParisBlockImportImpossible",
            "MergeBlockImportImpossible",
        ],
        E::UnexpectedField { .. } => &[
            "BlockException.INCORRECT_BLOCK_FORMAT",
            "BlockException.IMPORT_IMPOSSIBLE_LONDON_WRONG_PARENT",
            "BlockException.IMPORT_IMPOSSIBLE_SHANGHAI",
            "1559BlockImportImpossible_HeaderIsLegacy",
            "ShanghaiBlockImportImpossible",
        ],
        E::GasLimitAboveMax { .. } => {
            &["BlockException.GASLIMIT_TOO_BIG", "BlockException.INVALID_GASLIMIT", "InvalidGasLimit"]
        }
        E::GasLimitBelowMin { .. } | E::GasLimitStep { .. } => &[
            "BlockException.INVALID_GASLIMIT",
            "InvalidGasLimit",
            "InvalidGasLimit2",
            "1559BlockImportImpossible_TargetGasLow",
            "1559BlockImportImpossible_TargetGasHigh",
            "1559BlockImportImpossible_InitialGasLimitInvalid",
        ],
        E::GasUsedAboveLimit { .. } => &[
            "BlockException.INVALID_GAS_USED_ABOVE_LIMIT",
            "BlockException.GAS_USED_OVERFLOW",
            "BlockException.INVALID_GAS_USED",
            "TooMuchGasUsed",
            "InvalidGasUsed",
        ],
        // A proof-of-stake block before the terminal difficulty is one whose difficulty is zero.
        E::Difficulty { got, .. } if got.is_zero() => &[
            "BlockException.IMPORT_IMPOSSIBLE_PARIS_WRONG_POS",
            "BlockException.INVALID_DIFFICULTY",
            "InvalidDifficulty",
            "InvalidDifficulty2",
        ],
        E::Difficulty { .. } => &["BlockException.INVALID_DIFFICULTY", "InvalidDifficulty", "InvalidDifficulty2"],
        E::DifficultyAfterMerge { .. } => &[
            "BlockException.IMPORT_IMPOSSIBLE_DIFFICULTY_OVER_PARIS",
            "BlockException.IMPORT_IMPOSSIBLE_PARIS_WRONG_POW",
            "BlockException.INVALID_DIFFICULTY",
            "PostParisDifficultyIsNot0",
            "3675PreParis1559BlockRejected",
        ],
        E::NonceAfterMerge { .. } => &["BlockException.INCORRECT_BLOCK_FORMAT"],
        E::OmmersAfterMerge { .. } => {
            &["BlockException.IMPORT_IMPOSSIBLE_UNCLES_OVER_PARIS", "PostParisUncleHashIsNotEmpty"]
        }
        E::BaseFee { .. } => &[
            "BlockException.INVALID_BASEFEE_PER_GAS",
            "1559BlockImportImpossible_BaseFeeWrong",
            "1559BlockImportImpossible_InitialBaseFeeWrong",
        ],
        E::ExcessBlobGas { .. } => &["BlockException.INCORRECT_EXCESS_BLOB_GAS"],
        E::BlobGasUsedPart { .. } | E::BlobGasUsed { .. } => &["BlockException.INCORRECT_BLOB_GAS_USED"],
        // A header above the limit that tells the truth has transactions above the limit.
        E::BlobGasUsedAboveMax { .. } => &[
            "BlockException.BLOB_GAS_USED_ABOVE_LIMIT",
            "BlockException.INCORRECT_BLOB_GAS_USED",
            "TransactionException.TYPE_3_TX_MAX_BLOB_GAS_ALLOWANCE_EXCEEDED",
        ],
        E::TooManyOmmers { .. } => &["BlockException.TOO_MANY_UNCLES", "TooManyUncles"],
        // The suites call two equal ommers brothers, and some fillers also the sibling of the block.
        E::OmmerTwice { .. } => &["BlockException.UNCLE_IS_BROTHER", "UncleIsBrother"],
        E::OmmerAlreadyIncluded { .. } => &["BlockException.UNCLE_IN_CHAIN", "UncleInChain"],
        E::OmmerIsAncestor { .. } => {
            &["BlockException.UNCLE_IS_ANCESTOR", "BlockException.UNCLE_IN_CHAIN", "UncleIsAncestor", "UncleInChain"]
        }
        E::OmmerIsSibling { .. } => &[
            "BlockException.UNCLE_PARENT_INCORRECT",
            "BlockException.UNCLE_IS_BROTHER",
            "UncleParentIncorrect",
            "UncleIsBrother",
        ],
        E::OmmerParent { .. } => &[
            "BlockException.UNCLE_PARENT_INCORRECT",
            "BlockException.UNCLE_UNKNOWN_PARENT",
            "UncleParentIncorrect",
            "UncleParentIsNotAncestor",
            "UncleUnknownParent",
        ],
        E::OmmerHeader { error, .. } => exception_names(error),
        E::OmmersHash { .. } => &["BlockException.INVALID_UNCLES_HASH", "InvalidUnclesHash"],
        E::TransactionsRoot { .. } => &["BlockException.INVALID_TRANSACTIONS_ROOT", "InvalidTransactionsRoot"],
        E::WithdrawalsRoot { .. } => {
            &["BlockException.INVALID_WITHDRAWALS_ROOT", "InvalidWithdrawals", "InvalidWithdrawalsRoot"]
        }
        E::MissingWithdrawals | E::UnexpectedWithdrawals => &[
            "BlockException.RLP_WITHDRAWALS_NOT_READ",
            "BlockException.RLP_STRUCTURES_ENCODING",
            "BlockException.INCORRECT_BLOCK_FORMAT",
        ],
        E::Transaction { error, .. } => tx_exception_names(error),
        E::AccessListForm(ListFormError::TooLong { .. }) => &["BlockException.BLOCK_ACCESS_LIST_GAS_LIMIT_EXCEEDED"],
        E::AccessListForm(_) => &["BlockException.INCORRECT_BLOCK_FORMAT", "BlockException.INVALID_BLOCK_ACCESS_LIST"],
        E::AccessListContent { .. } | E::AccessListHash { .. } => &[
            "BlockException.INVALID_BLOCK_ACCESS_LIST",
            "BlockException.INVALID_BAL_HASH",
            "BlockException.INVALID_BAL_EXTRA_ACCOUNT",
            "BlockException.INVALID_BAL_MISSING_ACCOUNT",
            "BlockException.INCORRECT_BLOCK_FORMAT",
        ],
        E::SystemContractAbsent { .. } => &["BlockException.SYSTEM_CONTRACT_EMPTY"],
        E::SystemCall { .. } => &["BlockException.SYSTEM_CONTRACT_CALL_FAILED"],
        E::DepositLayout { .. } => &["BlockException.INVALID_DEPOSIT_EVENT_LAYOUT"],
        E::GasUsed { .. } => &["BlockException.INVALID_GAS_USED", "InvalidGasUsed"],
        E::LogsBloom => &["BlockException.INVALID_LOG_BLOOM", "InvalidLogBloom"],
        E::ReceiptsRoot { .. } => &["BlockException.INVALID_RECEIPTS_ROOT", "InvalidReceiptsStateRoot"],
        E::RequestsHash { .. } => &["BlockException.INVALID_REQUESTS"],
        E::StateRoot { .. } => &["BlockException.INVALID_STATE_ROOT", "InvalidStateRoot"],
    }
}

/// The names of an invalid transaction's error in the public test suites.
pub fn tx_exception_names(error: &TxError) -> &'static [&'static str] {
    use TxError as E;
    match error {
        E::PriorityFeeGreaterThanMaxFee => &[
            "TransactionException.PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS",
            "TransactionException.PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS_2",
            "TR_TipGtFeeCap",
        ],
        E::GasPriceLessThanBaseFee => &[
            "TransactionException.INSUFFICIENT_MAX_FEE_PER_GAS",
            "TR_FeeCapLessThanBlocks",
            "TR_FeeCapLessThanBlocksORNoFunds",
            "TR_FeeCapLessThanBlocksORGasLimitReached",
        ],
        E::CallerGasLimitMoreThanBlock | E::BlockGasExceeded { .. } => &[
            "TransactionException.GAS_ALLOWANCE_EXCEEDED",
            "BlockException.GAS_USED_OVERFLOW",
            "TR_GasLimitReached",
            "TR_FeeCapLessThanBlocksORGasLimitReached",
            "TooMuchGasUsed",
        ],
        E::GasLimitAboveCap { .. } => &["TransactionException.GAS_LIMIT_EXCEEDS_MAXIMUM"],
        E::IntrinsicGasTooLow { .. } => {
            &["TransactionException.INTRINSIC_GAS_TOO_LOW", "TR_IntrinsicGas", "IntrinsicGas", "TR_NoFundsOrGas"]
        }
        E::FloorGasTooLow { .. } => {
            &["TransactionException.INTRINSIC_GAS_BELOW_FLOOR_GAS_COST", "TransactionException.INTRINSIC_GAS_TOO_LOW"]
        }
        E::SenderHasCode => &["TransactionException.SENDER_NOT_EOA", "SenderNotEOA", "SenderNotEOAorNoCASH"],
        E::LackOfFunds { .. } => &[
            "TransactionException.INSUFFICIENT_ACCOUNT_FUNDS",
            "TR_NoFunds",
            "TR_NoFundsX",
            "TR_NoFundsOrGas",
            "TR_NoFundsValue",
            "TR_FeeCapLessThanBlocksORNoFunds",
            "SenderNotEOAorNoCASH",
        ],
        E::PaymentOverflow => &[
            "TransactionException.GASLIMIT_PRICE_PRODUCT_OVERFLOW",
            "TransactionException.INSUFFICIENT_ACCOUNT_FUNDS",
            "TR_NoFundsX",
            "TR_NoFunds",
        ],
        E::NonceOverflow => &[
            "TransactionException.NONCE_IS_MAX",
            "TransactionException.NONCE_OVERFLOW",
            "TransactionException.NONCE_TOO_BIG",
            "TR_NonceHasMaxValue",
        ],
        E::NonceTooHigh { .. } => &["TransactionException.NONCE_MISMATCH_TOO_HIGH", "TR_NonceTooHigh"],
        E::NonceTooLow { .. } => &["TransactionException.NONCE_MISMATCH_TOO_LOW", "TR_NonceTooLow"],
        E::InitCodeTooLarge => &["TransactionException.INITCODE_SIZE_EXCEEDED", "TR_InitCodeLimitExceeded"],
        // The chain id of a legacy transaction is part of its `v`, so that the suites also call another chain's a
        // wrong signature. EIP-155.
        E::InvalidChainId | E::MissingChainId => {
            &["TransactionException.INVALID_CHAINID", "TransactionException.INVALID_SIGNATURE_VRS"]
        }
        E::TypeNotSupported(1) => &[
            "TransactionException.TYPE_1_TX_PRE_FORK",
            "TransactionException.TYPE_NOT_SUPPORTED",
            "TR_TypeNotSupported",
        ],
        E::TypeNotSupported(2) => &[
            "TransactionException.TYPE_2_TX_PRE_FORK",
            "TransactionException.TYPE_NOT_SUPPORTED",
            "TR_TypeNotSupported",
            "LegacyBlockBaseFeeTransaction",
        ],
        E::TypeNotSupported(3) => &[
            "TransactionException.TYPE_3_TX_PRE_FORK",
            "TransactionException.TYPE_NOT_SUPPORTED",
            "TR_TypeNotSupported",
            "TR_TypeNotSupportedBlob",
        ],
        E::TypeNotSupported(4) => &[
            "TransactionException.TYPE_4_TX_PRE_FORK",
            "TransactionException.TYPE_NOT_SUPPORTED",
            "TR_TypeNotSupported",
        ],
        E::TypeNotSupported(_) => &["TransactionException.TYPE_NOT_SUPPORTED", "TR_TypeNotSupported"],
        E::BlobGasPriceGreaterThanMax => &["TransactionException.INSUFFICIENT_MAX_FEE_PER_BLOB_GAS"],
        E::EmptyBlobs => &["TransactionException.TYPE_3_TX_ZERO_BLOBS", "TR_EMPTYBLOB"],
        E::BlobCreateTransaction => &["TransactionException.TYPE_3_TX_CONTRACT_CREATION", "TR_BLOBCREATE"],
        E::TooManyBlobs { .. } => &["TransactionException.TYPE_3_TX_BLOB_COUNT_EXCEEDED", "TR_BLOBLIST_OVERSIZE"],
        // Before Osaka one transaction may fill the block, and the two limits are one.
        E::BlockBlobGasExceeded { .. } => &[
            "TransactionException.TYPE_3_TX_MAX_BLOB_GAS_ALLOWANCE_EXCEEDED",
            "TransactionException.TYPE_3_TX_BLOB_COUNT_EXCEEDED",
            "TR_BLOBLIST_OVERSIZE",
        ],
        E::BlobVersion => &["TransactionException.TYPE_3_TX_INVALID_BLOB_VERSIONED_HASH", "TR_BLOBVERSION_INVALID"],
        E::EmptyAuthorizationList => &["TransactionException.TYPE_4_EMPTY_AUTHORIZATION_LIST"],
        E::SetCodeCreateTransaction => &["TransactionException.TYPE_4_TX_CONTRACT_CREATION"],
        E::InvalidSignature(_) => {
            &["TransactionException.INVALID_SIGNATURE_VRS", "TransactionException.EC_RECOVERY_FAIL"]
        }
        // The executor has no name for it, and neither do the suites.
        E::Refused(_) => &[],
    }
}

/// Bytes that do not decode: the decoder stops at the first fault and cannot say which structure the
/// sender meant, so all names of undecodable blocks and transactions apply, the finer ones by fault.
fn rlp_exception_names(error: &alloy_rlp::Error) -> &'static [&'static str] {
    use alloy_rlp::Error as E;
    match error {
        // A number may be too long for its leading zeros, which the decoder then never comes to; and where an
        // element is missing, the next one stands in its place and may be too long for it.
        E::Overflow => &[
            "BlockException.RLP_STRUCTURES_ENCODING",
            "BlockException.RLP_INVALID_FIELD_OVERFLOW_64",
            "TransactionException.RLP_LEADING_ZEROS_BASEFEE",
            "TransactionException.RLP_LEADING_ZEROS_GASLIMIT",
            "TransactionException.RLP_LEADING_ZEROS_GASPRICE",
            "TransactionException.RLP_LEADING_ZEROS_NONCE",
            "TransactionException.RLP_LEADING_ZEROS_PRIORITY_FEE",
            "TransactionException.RLP_LEADING_ZEROS_R",
            "TransactionException.RLP_LEADING_ZEROS_S",
            "TransactionException.RLP_LEADING_ZEROS_V",
            "TransactionException.RLP_LEADING_ZEROS_VALUE",
            "BlockException.INCORRECT_BLOCK_FORMAT",
            "TransactionException.RLP_INVALID_VALUE",
            "TransactionException.RLP_TOO_FEW_ELEMENTS",
            "TransactionException.GASLIMIT_OVERFLOW",
            "TransactionException.GASPRICE_OVERFLOW",
            "TransactionException.PRIORITY_OVERFLOW",
            "TransactionException.VALUE_OVERFLOW",
            "TransactionException.NONCE_OVERFLOW",
            "TransactionException.NONCE_TOO_BIG",
            "TransactionException.GASLIMIT_PRICE_PRODUCT_OVERFLOW",
            "TransactionException.INVALID_SIGNATURE_VRS",
            "TR_RLP_WRONGVALUE",
        ],
        E::LeadingZero => &[
            "BlockException.RLP_STRUCTURES_ENCODING",
            "BlockException.INCORRECT_BLOCK_FORMAT",
            "TransactionException.RLP_LEADING_ZEROS_BASEFEE",
            "TransactionException.RLP_LEADING_ZEROS_GASLIMIT",
            "TransactionException.RLP_LEADING_ZEROS_GASPRICE",
            "TransactionException.RLP_LEADING_ZEROS_NONCE",
            "TransactionException.RLP_LEADING_ZEROS_PRIORITY_FEE",
            "TransactionException.RLP_LEADING_ZEROS_R",
            "TransactionException.RLP_LEADING_ZEROS_S",
            "TransactionException.RLP_LEADING_ZEROS_V",
            "TransactionException.RLP_LEADING_ZEROS_VALUE",
            "TR_RLP_LEADINGZEROS",
        ],
        // alloy calls a legacy transaction of any fault one of an unknown type, so that the names of numbers that
        // are too long or padded apply as well.
        _ => &[
            "BlockException.RLP_STRUCTURES_ENCODING",
            "BlockException.INCORRECT_BLOCK_FORMAT",
            "TransactionException.GASLIMIT_OVERFLOW",
            "TransactionException.GASLIMIT_PRICE_PRODUCT_OVERFLOW",
            "TransactionException.GASPRICE_OVERFLOW",
            "TransactionException.NONCE_OVERFLOW",
            "TransactionException.VALUE_OVERFLOW",
            "TransactionException.RLP_LEADING_ZEROS_GASLIMIT",
            "TransactionException.RLP_LEADING_ZEROS_GASPRICE",
            "TransactionException.RLP_LEADING_ZEROS_NONCE",
            "TransactionException.RLP_LEADING_ZEROS_R",
            "TransactionException.RLP_LEADING_ZEROS_S",
            "TransactionException.RLP_LEADING_ZEROS_V",
            "TransactionException.RLP_LEADING_ZEROS_VALUE",
            "BlockException.RLP_INVALID_ADDRESS",
            "BlockException.RLP_INVALID_FIELD_OVERFLOW_64",
            "BlockException.RLP_WITHDRAWALS_NOT_READ",
            "TransactionException.ADDRESS_TOO_LONG",
            "TransactionException.ADDRESS_TOO_SHORT",
            "TransactionException.INVALID_CHAINID",
            "TransactionException.INVALID_SIGNATURE_VRS",
            "TransactionException.RLP_INVALID_ACCESS_LIST_ADDRESS_TOO_LONG",
            "TransactionException.RLP_INVALID_ACCESS_LIST_ADDRESS_TOO_SHORT",
            "TransactionException.RLP_INVALID_ACCESS_LIST_STORAGE_TOO_LONG",
            "TransactionException.RLP_INVALID_ACCESS_LIST_STORAGE_TOO_SHORT",
            "TransactionException.RLP_INVALID_VALUE",
            "TransactionException.RLP_TOO_FEW_ELEMENTS",
            "TransactionException.RLP_TOO_MANY_ELEMENTS",
            "TransactionException.TYPE_3_TX_CONTRACT_CREATION",
            "TransactionException.TYPE_3_TX_WITH_FULL_BLOBS",
            "TransactionException.TYPE_4_TX_CONTRACT_CREATION",
            "TransactionException.TYPE_NOT_SUPPORTED",
            "RLP_ExpectedAsList",
            "RLP_TooFewElements",
            "RLP_TooManyElements",
            "RLP_Error_EOF",
            "RLP_Error_RLP_Size",
            "RLP_Error_Size_Information",
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{Address, B64, B256, U256};
    use motet_types::TxIndex;
    use std::collections::BTreeSet;

    /// Every exception name that occurs in the public suites: execution-spec-tests v5.4.0, their releases
    /// for block access lists, and ethereum/tests of October 2024, blockchain, state and transaction tests.
    const OCCURRING: &[&str] = &[
        "BlockException.BLOCK_ACCESS_LIST_GAS_LIMIT_EXCEEDED",
        "BlockException.EXTRA_DATA_TOO_BIG",
        "BlockException.GASLIMIT_TOO_BIG",
        "BlockException.GAS_USED_OVERFLOW",
        "BlockException.IMPORT_IMPOSSIBLE_DIFFICULTY_OVER_PARIS",
        "BlockException.IMPORT_IMPOSSIBLE_PARIS_WRONG_POS",
        "BlockException.IMPORT_IMPOSSIBLE_PARIS_WRONG_POW",
        "BlockException.IMPORT_IMPOSSIBLE_UNCLES_OVER_PARIS",
        "BlockException.INCORRECT_BLOCK_FORMAT",
        "BlockException.INCORRECT_EXCESS_BLOB_GAS",
        "BlockException.INVALID_BAL_HASH",
        "BlockException.INVALID_BASEFEE_PER_GAS",
        "BlockException.INVALID_BLOCK_ACCESS_LIST",
        "BlockException.INVALID_BLOCK_NUMBER",
        "BlockException.INVALID_BLOCK_TIMESTAMP_OLDER_THAN_PARENT",
        "BlockException.INVALID_DEPOSIT_EVENT_LAYOUT",
        "BlockException.INVALID_DIFFICULTY",
        "BlockException.INVALID_GASLIMIT",
        "BlockException.INVALID_GAS_USED",
        "BlockException.INVALID_LOG_BLOOM",
        "BlockException.INVALID_RECEIPTS_ROOT",
        "BlockException.INVALID_REQUESTS",
        "BlockException.INVALID_STATE_ROOT",
        "BlockException.INVALID_TRANSACTIONS_ROOT",
        "BlockException.INVALID_WITHDRAWALS_ROOT",
        "BlockException.RLP_INVALID_ADDRESS",
        "BlockException.RLP_INVALID_FIELD_OVERFLOW_64",
        "BlockException.RLP_STRUCTURES_ENCODING",
        "BlockException.RLP_WITHDRAWALS_NOT_READ",
        "BlockException.SYSTEM_CONTRACT_CALL_FAILED",
        "BlockException.SYSTEM_CONTRACT_EMPTY",
        "BlockException.UNKNOWN_PARENT",
        "BlockException.UNKNOWN_PARENT_ZERO",
        "TransactionException.ADDRESS_TOO_LONG",
        "TransactionException.ADDRESS_TOO_SHORT",
        "TransactionException.EC_RECOVERY_FAIL",
        "TransactionException.GASLIMIT_OVERFLOW",
        "TransactionException.GASLIMIT_PRICE_PRODUCT_OVERFLOW",
        "TransactionException.GASPRICE_OVERFLOW",
        "TransactionException.GAS_ALLOWANCE_EXCEEDED",
        "TransactionException.GAS_LIMIT_EXCEEDS_MAXIMUM",
        "TransactionException.INITCODE_SIZE_EXCEEDED",
        "TransactionException.INSUFFICIENT_ACCOUNT_FUNDS",
        "TransactionException.INSUFFICIENT_MAX_FEE_PER_BLOB_GAS",
        "TransactionException.INSUFFICIENT_MAX_FEE_PER_GAS",
        "TransactionException.INTRINSIC_GAS_BELOW_FLOOR_GAS_COST",
        "TransactionException.INTRINSIC_GAS_TOO_LOW",
        "TransactionException.INVALID_CHAINID",
        "TransactionException.INVALID_SIGNATURE_VRS",
        "TransactionException.NONCE_IS_MAX",
        "TransactionException.NONCE_MISMATCH_TOO_HIGH",
        "TransactionException.NONCE_MISMATCH_TOO_LOW",
        "TransactionException.NONCE_OVERFLOW",
        "TransactionException.NONCE_TOO_BIG",
        "TransactionException.PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS",
        "TransactionException.PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS_2",
        "TransactionException.PRIORITY_OVERFLOW",
        "TransactionException.RLP_INVALID_ACCESS_LIST_ADDRESS_TOO_LONG",
        "TransactionException.RLP_INVALID_ACCESS_LIST_ADDRESS_TOO_SHORT",
        "TransactionException.RLP_INVALID_ACCESS_LIST_STORAGE_TOO_LONG",
        "TransactionException.RLP_INVALID_ACCESS_LIST_STORAGE_TOO_SHORT",
        "TransactionException.RLP_INVALID_VALUE",
        "TransactionException.RLP_LEADING_ZEROS_BASEFEE",
        "TransactionException.RLP_LEADING_ZEROS_GASLIMIT",
        "TransactionException.RLP_LEADING_ZEROS_GASPRICE",
        "TransactionException.RLP_LEADING_ZEROS_NONCE",
        "TransactionException.RLP_LEADING_ZEROS_PRIORITY_FEE",
        "TransactionException.RLP_LEADING_ZEROS_R",
        "TransactionException.RLP_LEADING_ZEROS_S",
        "TransactionException.RLP_LEADING_ZEROS_V",
        "TransactionException.RLP_LEADING_ZEROS_VALUE",
        "TransactionException.RLP_TOO_FEW_ELEMENTS",
        "TransactionException.RLP_TOO_MANY_ELEMENTS",
        "TransactionException.SENDER_NOT_EOA",
        "TransactionException.TYPE_1_TX_PRE_FORK",
        "TransactionException.TYPE_2_TX_PRE_FORK",
        "TransactionException.TYPE_3_TX_BLOB_COUNT_EXCEEDED",
        "TransactionException.TYPE_3_TX_CONTRACT_CREATION",
        "TransactionException.TYPE_3_TX_INVALID_BLOB_VERSIONED_HASH",
        "TransactionException.TYPE_3_TX_MAX_BLOB_GAS_ALLOWANCE_EXCEEDED",
        "TransactionException.TYPE_3_TX_WITH_FULL_BLOBS",
        "TransactionException.TYPE_3_TX_ZERO_BLOBS",
        "TransactionException.TYPE_4_EMPTY_AUTHORIZATION_LIST",
        "TransactionException.TYPE_4_TX_CONTRACT_CREATION",
        "TransactionException.TYPE_4_TX_PRE_FORK",
        "TransactionException.TYPE_NOT_SUPPORTED",
        "TransactionException.VALUE_OVERFLOW",
    ];

    /// One error of each variant.
    fn every_error() -> Vec<BlockError> {
        use BlockError as E;
        let (zero, one) = (B256::ZERO, B256::repeat_byte(1));
        let contract = Address::ZERO;
        let mut errors = vec![
            E::Rlp(alloy_rlp::Error::Overflow),
            E::Rlp(alloy_rlp::Error::LeadingZero),
            E::Rlp(alloy_rlp::Error::InputTooShort),
            E::RlpTooLong { bytes: 1, max: 0 },
            E::UnknownParent { parent_hash: zero },
            E::UnknownParent { parent_hash: one },
            E::ParentHash { got: one, expected: zero },
            E::Number { got: 0, parent: 0 },
            E::Timestamp { got: 0, parent: 0 },
            E::ExtraDataTooLong { bytes: 33 },
            E::DaoExtraData { number: 0 },
            E::MissingField { field: "requests_hash" },
            E::UnexpectedField { field: "requests_hash" },
            E::GasLimitAboveMax { got: 0 },
            E::GasLimitBelowMin { got: 0 },
            E::GasLimitStep { got: 0, parent: 0 },
            E::GasUsedAboveLimit { gas_used: 1, gas_limit: 0 },
            E::Difficulty { got: U256::ZERO, expected: U256::ZERO },
            E::Difficulty { got: U256::from(1), expected: U256::ZERO },
            E::DifficultyAfterMerge { got: U256::ZERO },
            E::NonceAfterMerge { got: B64::ZERO },
            E::OmmersAfterMerge { got: zero },
            E::BaseFee { got: 0, expected: 0 },
            E::ExcessBlobGas { got: 0, expected: 0 },
            E::BlobGasUsedPart { got: 0 },
            E::BlobGasUsedAboveMax { got: 0, max: 0 },
            E::TooManyOmmers { count: 3 },
            E::OmmerTwice { ommer: 0 },
            E::OmmerAlreadyIncluded { ommer: 0 },
            E::OmmerIsAncestor { ommer: 0 },
            E::OmmerIsSibling { ommer: 0 },
            E::OmmerParent { ommer: 0, parent_hash: zero },
            E::OmmersHash { got: zero, computed: zero },
            E::WithdrawalsRoot { got: zero, computed: zero },
            E::MissingWithdrawals,
            E::UnexpectedWithdrawals,
            E::AccessListForm(ListFormError::TooLong { items: 1, max: 0 }),
            E::AccessListForm(ListFormError::AccountOrder { address: contract }),
            E::AccessListContent { reason: String::new() },
            E::SystemContractAbsent { contract },
            E::SystemCall { contract, reason: String::new() },
            E::DepositLayout { tx: TxIndex(0), log: 0 },
            E::TransactionsRoot { got: zero, computed: zero },
            E::GasUsed { got: 0, computed: 0 },
            E::BlobGasUsed { got: 0, computed: 0 },
            E::LogsBloom,
            E::ReceiptsRoot { got: zero, computed: zero },
            E::RequestsHash { got: zero, computed: zero },
            E::AccessListHash { got: zero, computed: zero },
            E::StateRoot { got: zero, computed: zero },
        ];
        errors.extend(every_tx_error().into_iter().map(|error| E::Transaction { tx: TxIndex(0), error }));
        errors
    }

    fn every_tx_error() -> Vec<TxError> {
        use TxError as E;
        let mut errors = vec![
            E::PriorityFeeGreaterThanMaxFee,
            E::GasPriceLessThanBaseFee,
            E::CallerGasLimitMoreThanBlock,
            E::GasLimitAboveCap { gas_limit: 0, cap: 0 },
            E::IntrinsicGasTooLow { initial_gas: 0, gas_limit: 0 },
            E::FloorGasTooLow { floor: 0, gas_limit: 0 },
            E::SenderHasCode,
            E::LackOfFunds { balance: U256::ZERO, needed: U256::ZERO },
            E::PaymentOverflow,
            E::NonceOverflow,
            E::NonceTooHigh { tx: 0, state: 0 },
            E::NonceTooLow { tx: 0, state: 0 },
            E::InitCodeTooLarge,
            E::InvalidChainId,
            E::MissingChainId,
            E::BlobGasPriceGreaterThanMax,
            E::EmptyBlobs,
            E::BlobCreateTransaction,
            E::TooManyBlobs { have: 0, max: 0 },
            E::BlobVersion,
            E::EmptyAuthorizationList,
            E::SetCodeCreateTransaction,
            E::BlockGasExceeded { gas_limit: 0, available: 0 },
            E::BlockBlobGasExceeded { blob_gas: 0, available: 0 },
            E::InvalidSignature(None),
        ];
        errors.extend((0..=5).map(E::TypeNotSupported));
        errors
    }

    #[test]
    fn every_name_that_occurs_is_the_name_of_some_error() {
        let known: BTreeSet<&str> = every_error().iter().flat_map(exception_names).copied().collect();
        for name in OCCURRING {
            assert!(known.contains(name), "{name}");
        }
    }

    #[test]
    fn every_error_has_a_name() {
        for error in every_error() {
            assert!(!exception_names(&error).is_empty(), "{error}");
        }
    }

    #[test]
    fn nested_errors_have_the_names_of_what_they_hold() {
        let tx = BlockError::Transaction { tx: TxIndex(3), error: TxError::SenderHasCode };
        assert_eq!(exception_names(&tx)[0], "TransactionException.SENDER_NOT_EOA");
        let ommer = BlockError::OmmerHeader { ommer: 0, error: Box::new(BlockError::LogsBloom) };
        assert_eq!(exception_names(&ommer)[0], "BlockException.INVALID_LOG_BLOOM");
    }

    #[test]
    fn zero_parents_and_zero_difficulties_have_names_of_their_own() {
        let unknown = |parent_hash| exception_names(&BlockError::UnknownParent { parent_hash })[0];
        assert_eq!(unknown(B256::ZERO), "BlockException.UNKNOWN_PARENT_ZERO");
        assert_eq!(unknown(B256::repeat_byte(1)), "BlockException.UNKNOWN_PARENT");
        let difficulty = |got| exception_names(&BlockError::Difficulty { got, expected: U256::from(2) })[0];
        assert_eq!(difficulty(U256::ZERO), "BlockException.IMPORT_IMPOSSIBLE_PARIS_WRONG_POS");
        assert_eq!(difficulty(U256::from(1)), "BlockException.INVALID_DIFFICULTY");
    }
}
