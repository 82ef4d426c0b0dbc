//! A header against its parent.

use super::{BlockError, next_base_fee, next_difficulty, next_excess_blob_gas};
use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, Header};
use alloy_eips::eip1559::{DEFAULT_ELASTICITY_MULTIPLIER, GAS_LIMIT_BOUND_DIVISOR};
use alloy_eips::eip4844::DATA_GAS_PER_BLOB;
use alloy_hardforks::ForkCondition;
use alloy_primitives::{B64, B256, U256};
use motet_types::{BlockRules, ChainSpec, Fork};

/// Longest extra data, in bytes. Yellow Paper, section 4.4.4.
const EXTRA_DATA_BYTES_MAX: usize = 32;
/// Lowest gas limit. Yellow Paper, section 4.4.4.
const GAS_LIMIT_MIN: u64 = 5000;
/// Highest gas limit. EIP-1985.
const GAS_LIMIT_MAX: u64 = i64::MAX as u64;
/// What headers around the DAO fork must carry. EIP-779.
const DAO_EXTRA_DATA: &[u8] = b"dao-hard-fork";
/// How many headers, from the DAO fork's own on, must carry it. EIP-779.
const DAO_EXTRA_DATA_BLOCKS: u64 = 10;

/// What validation needs to know of a parent.
#[derive(Clone, Copy, Debug)]
pub struct ParentHeader<'a> {
    /// Hash of the header.
    pub hash: B256,
    /// The header.
    pub header: &'a Header,
    /// Total difficulty up to and including the parent; it decides Paris on chains that merge by
    /// difficulty. `None` where the chain's specification names the block.
    pub total_difficulty: Option<U256>,
}

/// Checks a header against its parent and gives the rules that are in force in its block.
///
/// The seal (`mix_hash`, and `nonce` before Paris) is not verified.
///
/// # Errors
/// Names the first rule that the header breaks.
///
/// Source: Yellow Paper, section 4.4.4, and the EIP named at each check.
pub fn validate_header(header: &Header, parent: &ParentHeader<'_>, spec: &ChainSpec) -> Result<BlockRules, BlockError> {
    if header.parent_hash != parent.hash {
        return Err(BlockError::ParentHash { got: header.parent_hash, expected: parent.hash });
    }
    if Some(header.number) != parent.header.number.checked_add(1) {
        return Err(BlockError::Number { got: header.number, parent: parent.header.number });
    }
    if header.timestamp <= parent.header.timestamp {
        return Err(BlockError::Timestamp { got: header.timestamp, parent: parent.header.timestamp });
    }
    let rules = spec.rules_at(header.number, header.timestamp, parent.total_difficulty);
    validate_extra_data(header, spec)?;
    validate_presence(header, &rules)?;
    validate_gas(header, parent.header, &rules)?;
    validate_consensus_fields(header, parent.header, &rules)?;
    validate_base_fee(header, parent.header)?;
    validate_blob_gas(header, parent.header, &rules)?;
    Ok(rules)
}

fn validate_extra_data(header: &Header, spec: &ChainSpec) -> Result<(), BlockError> {
    let bytes = header.extra_data.len();
    if bytes > EXTRA_DATA_BYTES_MAX {
        return Err(BlockError::ExtraDataTooLong { bytes });
    }
    if let ForkCondition::Block(first) = spec.activation(Fork::Dao) {
        let marked = first..first.saturating_add(DAO_EXTRA_DATA_BLOCKS);
        if marked.contains(&header.number) && *header.extra_data != *DAO_EXTRA_DATA {
            return Err(BlockError::DaoExtraData { number: header.number });
        }
    }
    Ok(())
}

/// Every field that a fork added is present exactly from that fork on.
fn validate_presence(header: &Header, rules: &BlockRules) -> Result<(), BlockError> {
    let fields = [
        ("base_fee_per_gas", header.base_fee_per_gas.is_some(), Fork::London),
        ("withdrawals_root", header.withdrawals_root.is_some(), Fork::Shanghai),
        ("blob_gas_used", header.blob_gas_used.is_some(), Fork::Cancun),
        ("excess_blob_gas", header.excess_blob_gas.is_some(), Fork::Cancun),
        ("parent_beacon_block_root", header.parent_beacon_block_root.is_some(), Fork::Cancun),
        ("requests_hash", header.requests_hash.is_some(), Fork::Prague),
        ("block_access_list_hash", header.block_access_list_hash.is_some(), Fork::Amsterdam),
        ("slot_number", header.slot_number.is_some(), Fork::Amsterdam),
    ];
    for (field, present, since) in fields {
        match (present, rules.is_active(since)) {
            (false, true) => return Err(BlockError::MissingField { field }),
            (true, false) => return Err(BlockError::UnexpectedField { field }),
            _ => {}
        }
    }
    Ok(())
}

fn validate_gas(header: &Header, parent: &Header, rules: &BlockRules) -> Result<(), BlockError> {
    let got = header.gas_limit;
    if got > GAS_LIMIT_MAX {
        return Err(BlockError::GasLimitAboveMax { got });
    }
    if got < GAS_LIMIT_MIN {
        return Err(BlockError::GasLimitBelowMin { got });
    }
    // Where London starts the limit doubles, so that the target stays what the limit was. EIP-1559.
    let doubles = rules.is_active(Fork::London) && parent.base_fee_per_gas.is_none();
    let from = parent.gas_limit.saturating_mul(if doubles { DEFAULT_ELASTICITY_MULTIPLIER } else { 1 });
    if got.abs_diff(from) >= from / GAS_LIMIT_BOUND_DIVISOR {
        return Err(BlockError::GasLimitStep { got, parent: from });
    }
    if header.gas_used > got {
        return Err(BlockError::GasUsedAboveLimit { gas_used: header.gas_used, gas_limit: got });
    }
    Ok(())
}

/// Difficulty before the merge; the constants that EIP-3675 put in its place after it.
fn validate_consensus_fields(header: &Header, parent: &Header, rules: &BlockRules) -> Result<(), BlockError> {
    if rules.is_active(Fork::Paris) {
        if !header.difficulty.is_zero() {
            return Err(BlockError::DifficultyAfterMerge { got: header.difficulty });
        }
        if header.ommers_hash != EMPTY_OMMER_ROOT_HASH {
            return Err(BlockError::OmmersAfterMerge { got: header.ommers_hash });
        }
        if header.nonce != B64::ZERO {
            return Err(BlockError::NonceAfterMerge { got: header.nonce });
        }
        return Ok(());
    }
    let expected = next_difficulty(parent, header.timestamp, rules.fork);
    if header.difficulty == expected {
        Ok(())
    } else {
        Err(BlockError::Difficulty { got: header.difficulty, expected })
    }
}

fn validate_base_fee(header: &Header, parent: &Header) -> Result<(), BlockError> {
    let Some(got) = header.base_fee_per_gas else {
        return Ok(());
    };
    let expected = next_base_fee(parent);
    if got == expected { Ok(()) } else { Err(BlockError::BaseFee { got, expected }) }
}

fn validate_blob_gas(header: &Header, parent: &Header, rules: &BlockRules) -> Result<(), BlockError> {
    if let Some(got) = header.excess_blob_gas {
        let expected = next_excess_blob_gas(parent, rules);
        if got != expected {
            return Err(BlockError::ExcessBlobGas { got, expected });
        }
    }
    if let (Some(got), Some(params)) = (header.blob_gas_used, &rules.blob) {
        let max = params.max_blob_gas_per_block();
        if got > max {
            return Err(BlockError::BlobGasUsedAboveMax { got, max });
        }
        if got % DATA_GAS_PER_BLOB != 0 {
            return Err(BlockError::BlobGasUsedPart { got });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::Bytes;

    /// A parent and a valid child of it under `fork`.
    fn pair(fork: Fork) -> (Header, Header) {
        let since = |first: Fork| fork >= first;
        let parent = Header {
            number: 100,
            timestamp: 1000,
            gas_limit: 30_000_000,
            gas_used: 15_000_000,
            difficulty: U256::from(if since(Fork::Paris) { 0 } else { 1_000_000 }),
            base_fee_per_gas: since(Fork::London).then_some(1_000_000_000),
            withdrawals_root: since(Fork::Shanghai).then_some(B256::ZERO),
            blob_gas_used: since(Fork::Cancun).then_some(0),
            excess_blob_gas: since(Fork::Cancun).then_some(0),
            parent_beacon_block_root: since(Fork::Cancun).then_some(B256::ZERO),
            requests_hash: since(Fork::Prague).then_some(B256::ZERO),
            block_access_list_hash: since(Fork::Amsterdam).then_some(B256::ZERO),
            slot_number: since(Fork::Amsterdam).then_some(1),
            ..Header::default()
        };
        let mut child = Header { parent_hash: parent.hash_slow(), number: 101, timestamp: 1012, ..parent.clone() };
        if !since(Fork::Paris) {
            child.difficulty = next_difficulty(&parent, child.timestamp, fork);
        }
        (parent, child)
    }

    fn verdict(fork: Fork, parent: &Header, child: &Header) -> Result<(), BlockError> {
        let parent = ParentHeader { hash: parent.hash_slow(), header: parent, total_difficulty: None };
        validate_header(child, &parent, &ChainSpec::at_fork(1, fork)).map(|rules| assert_eq!(rules.fork, fork))
    }

    fn change(fork: Fork, edit: impl FnOnce(&mut Header)) -> BlockError {
        let (parent, mut child) = pair(fork);
        edit(&mut child);
        verdict(fork, &parent, &child).unwrap_err()
    }

    #[test]
    fn every_fork_has_valid_headers() {
        for fork in Fork::VARIANTS.iter().filter(|fork| **fork != Fork::Dao) {
            let (parent, child) = pair(*fork);
            assert_eq!(verdict(*fork, &parent, &child), Ok(()), "{fork}");
        }
    }

    #[test]
    fn a_field_of_the_wrong_fork_is_refused_by_name() {
        for fork in Fork::VARIANTS.iter().filter(|fork| **fork != Fork::Dao) {
            for later in Fork::VARIANTS.iter().filter(|later| **later > *fork) {
                let (parent, _) = pair(*fork);
                let (_, mut child) = pair(*later);
                child.parent_hash = parent.hash_slow();
                child.difficulty = next_difficulty(&parent, child.timestamp, *fork);
                let fields = |header: &Header| {
                    (header.base_fee_per_gas, header.withdrawals_root, header.excess_blob_gas, header.requests_hash)
                };
                if fields(&parent) != fields(&child) {
                    let error = verdict(*fork, &parent, &child).unwrap_err();
                    assert!(matches!(error, BlockError::UnexpectedField { .. }), "{later} in {fork}: {error}");
                }
            }
        }
    }

    #[test]
    fn every_rule_reports_its_own_variant() {
        use BlockError as E;
        let fork = Fork::Osaka;
        assert!(matches!(change(fork, |h| h.parent_hash = B256::ZERO), E::ParentHash { .. }));
        assert!(matches!(change(fork, |h| h.number = 102), E::Number { got: 102, parent: 100 }));
        assert!(matches!(change(fork, |h| h.timestamp = 1000), E::Timestamp { .. }));
        assert!(matches!(change(fork, |h| h.extra_data = Bytes::from([0; 33])), E::ExtraDataTooLong { bytes: 33 }));
        assert!(matches!(change(fork, |h| h.gas_limit = 1 << 63), E::GasLimitAboveMax { .. }));
        assert!(matches!(change(fork, |h| h.gas_limit = 30_029_296), E::GasLimitStep { .. }));
        assert!(matches!(change(fork, |h| h.gas_limit = 29_970_704), E::GasLimitStep { .. }));
        assert!(matches!(change(fork, |h| h.gas_used = 30_000_001), E::GasUsedAboveLimit { .. }));
        assert!(matches!(change(fork, |h| h.difficulty = U256::from(1)), E::DifficultyAfterMerge { .. }));
        assert!(matches!(change(fork, |h| h.nonce = B64::from([1; 8])), E::NonceAfterMerge { .. }));
        assert!(matches!(change(fork, |h| h.ommers_hash = B256::ZERO), E::OmmersAfterMerge { .. }));
        assert!(matches!(change(fork, |h| h.base_fee_per_gas = Some(7)), E::BaseFee { got: 7, .. }));
        assert!(matches!(change(fork, |h| h.excess_blob_gas = Some(1)), E::ExcessBlobGas { got: 1, expected: 0 }));
        assert!(matches!(change(fork, |h| h.blob_gas_used = Some(1)), E::BlobGasUsedPart { got: 1 }));
        let above = 10 * DATA_GAS_PER_BLOB;
        assert!(matches!(change(fork, |h| h.blob_gas_used = Some(above)), E::BlobGasUsedAboveMax { .. }));
        assert!(matches!(change(fork, |h| h.requests_hash = None), E::MissingField { field: "requests_hash" }));
        assert!(matches!(change(fork, |h| h.slot_number = Some(1)), E::UnexpectedField { field: "slot_number" }));
        assert!(matches!(change(Fork::London, |h| h.difficulty = U256::from(1)), E::Difficulty { .. }));
    }

    #[test]
    fn the_gas_limit_may_move_by_less_than_a_1024th() {
        let (parent, child) = pair(Fork::Osaka);
        for gas_limit in [30_029_295, 29_970_705] {
            let child = Header { gas_limit, ..child.clone() };
            assert_eq!(verdict(Fork::Osaka, &parent, &child), Ok(()));
        }
    }

    #[test]
    fn london_starts_by_doubling_the_gas_limit() {
        let (parent, _) = pair(Fork::Berlin);
        let mut child = Header { parent_hash: parent.hash_slow(), number: 101, timestamp: 1012, ..parent.clone() };
        child.difficulty = next_difficulty(&parent, child.timestamp, Fork::London);
        child.base_fee_per_gas = Some(1_000_000_000);
        assert!(matches!(verdict(Fork::London, &parent, &child), Err(BlockError::GasLimitStep { .. })));
        child.gas_limit = 60_000_000;
        assert_eq!(verdict(Fork::London, &parent, &child), Ok(()));
        child.base_fee_per_gas = Some(875_000_000);
        assert!(matches!(verdict(Fork::London, &parent, &child), Err(BlockError::BaseFee { .. })));
    }

    #[test]
    fn ten_headers_must_carry_the_mark_of_the_dao_fork() {
        let spec = ChainSpec::mainnet();
        for (number, marked) in [(1_919_999, false), (1_920_000, true), (1_920_009, true), (1_920_010, false)] {
            let header = Header { number, ..Header::default() };
            assert_eq!(validate_extra_data(&header, &spec).is_err(), marked, "{number}");
            let header = Header { extra_data: Bytes::from_static(DAO_EXTRA_DATA), ..header };
            assert_eq!(validate_extra_data(&header, &spec), Ok(()), "{number}");
        }
    }

    #[test]
    fn total_difficulty_decides_which_rules_a_header_follows() {
        let (parent, child) = pair(Fork::London);
        let mut spec = ChainSpec::at_fork(1, Fork::London);
        let total_difficulty = U256::from(50);
        spec.set_activation(
            Fork::Paris,
            ForkCondition::TTD { activation_block_number: u64::MAX, fork_block: None, total_difficulty },
        );
        let hash = parent.hash_slow();
        let at = |sum| ParentHeader { hash, header: &parent, total_difficulty: Some(U256::from(sum)) };
        assert!(validate_header(&child, &at(49), &spec).is_ok());
        assert!(matches!(validate_header(&child, &at(50), &spec), Err(BlockError::DifficultyAfterMerge { .. })));
        let child = Header { difficulty: U256::ZERO, ..child };
        assert!(validate_header(&child, &at(50), &spec).is_ok());
        assert!(matches!(validate_header(&child, &at(49), &spec), Err(BlockError::Difficulty { .. })));
    }
}
