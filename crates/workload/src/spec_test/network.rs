//! Network names of the fixtures, as chain specifications.
//!
//! A name is a fork (`Cancun`: in force from genesis) or a transition: `FrontierToHomesteadAt5` (block
//! number), `ShanghaiToCancunAtTime15k` (seconds, `k` for thousands), `ArrowGlacierToParisAtDiffC0000`
//! (terminal total difficulty, hexadecimal).

use super::error::{Excerpt, Fault, FieldError};
use super::json::Node;
use alloy_eips::eip7840::BlobParams;
use alloy_hardforks::ForkCondition;
use alloy_primitives::U256;
use motet_types::spec::fork_by_name;
use motet_types::{ChainSpec, Fork};

/// A network name that gives no chain specification.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown network {0:?}")]
pub struct UnknownNetwork(pub String);

/// The chain specification that a network's name stands for.
///
/// In a transition, forks between the two activate together with the second one. The DAO fork's
/// irregular state change happens only where the name says `Dao`.
///
/// # Errors
/// When the name is neither a fork nor a transition between two forks.
pub fn network_spec(network: &str, chain_id: u64) -> Result<ChainSpec, UnknownNetwork> {
    if let Ok(fork) = fork_by_name(network) {
        return Ok(ChainSpec::at_fork(chain_id, fork));
    }
    let (from, to, condition) = parse_transition(network).ok_or_else(|| UnknownNetwork(network.to_owned()))?;
    let mut spec = ChainSpec::at_fork(chain_id, from);
    for fork in Fork::VARIANTS.iter().filter(|fork| **fork > from && **fork <= to) {
        if *fork != Fork::Dao || to == Fork::Dao {
            spec.set_activation(*fork, condition);
        }
    }
    Ok(spec)
}

fn parse_transition(network: &str) -> Option<(Fork, Fork, ForkCondition)> {
    let (forks, at) = network.rsplit_once("At")?;
    let (from, to) = forks.split_once("To")?;
    let (from, to) = (fork_by_name(from).ok()?, fork_by_name(to).ok()?);
    (from < to).then_some((from, to, parse_condition(at)?))
}

fn parse_condition(at: &str) -> Option<ForkCondition> {
    if let Some(seconds) = at.strip_prefix("Time") {
        return parse_number(seconds).map(ForkCondition::Timestamp);
    }
    if let Some(difficulty) = at.strip_prefix("Diff") {
        let total_difficulty = U256::from(u128::from_str_radix(difficulty, 16).ok()?);
        return Some(ForkCondition::TTD { activation_block_number: u64::MAX, fork_block: None, total_difficulty });
    }
    parse_number(at).map(ForkCondition::Block)
}

fn parse_number(text: &str) -> Option<u64> {
    match text.strip_suffix('k') {
        Some(thousands) => thousands.parse::<u64>().ok()?.checked_mul(1000),
        None => text.parse().ok(),
    }
}

/// The specification of `network` with the chain id and blob parameters of a case's `config`.
pub(super) fn parse_spec(network: &Node<'_>, config: Option<&Node<'_>>) -> Result<ChainSpec, FieldError> {
    named_spec(network.text()?, config)?.map_err(|UnknownNetwork(name)| unknown(network, &name))
}

/// As [`parse_spec`], for a network that is named by a key.
pub(super) fn named_spec(
    network: &str,
    config: Option<&Node<'_>>,
) -> Result<Result<ChainSpec, UnknownNetwork>, FieldError> {
    let chain_id = config.map(parse_chain_id).transpose()?.unwrap_or(1);
    let mut spec = match network_spec(network, chain_id) {
        Ok(spec) => spec,
        Err(error) => return Ok(Err(error)),
    };
    if let Some(schedule) = config.map(|config| config.optional("blobSchedule")).transpose()?.flatten() {
        for (name, params) in schedule.entries()? {
            let fork = fork_by_name(name).map_err(|_| unknown(&params, name))?;
            set_blob_params(&mut spec, fork, &params)?;
        }
    }
    Ok(Ok(spec))
}

/// The EIP-155 chain id of a case: mainnet's where no `config` names another.
pub(super) fn parse_chain_id(config: &Node<'_>) -> Result<u64, FieldError> {
    match config.optional_as("chainid", Node::u64)? {
        Some(chain_id) => Ok(chain_id),
        None => Ok(config.optional_as("chainId", Node::u64)?.unwrap_or(1)),
    }
}

/// The schedule gives target, maximum and update fraction; what else the fork defines stays.
fn set_blob_params(spec: &mut ChainSpec, fork: Fork, node: &Node<'_>) -> Result<(), FieldError> {
    let params = BlobParams {
        target_blob_count: node.field("target")?.u64()?,
        max_blob_count: node.field("max")?.u64()?,
        update_fraction: node.field("baseFeeUpdateFraction")?.u128()?,
        ..spec.blob_params(fork).unwrap_or_else(BlobParams::cancun)
    };
    spec.set_blob_params(fork, with_blobs_per_tx(fork, params))
        .map_err(|error| node.fault(Fault::BlobSchedule(error.to_string())))
}

/// Before Osaka a transaction may carry as many blobs as a block (EIP-7594 sets a limit of its own).
fn with_blobs_per_tx(fork: Fork, params: BlobParams) -> BlobParams {
    if fork < Fork::Osaka { BlobParams { max_blobs_per_tx: params.max_blob_count, ..params } } else { params }
}

fn unknown(node: &Node<'_>, name: &str) -> FieldError {
    node.fault(Fault::UnknownNetwork(Excerpt::new(name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn transitions_activate_where_their_name_says() {
        let spec = network_spec("ParisToShanghaiAtTime15k", 1).expect("known");
        assert_eq!(spec.fork_at(9, 14_999, None), Fork::Paris);
        assert_eq!(spec.fork_at(9, 15_000, None), Fork::Shanghai);

        let spec = network_spec("FrontierToHomesteadAt5", 1).expect("known");
        assert_eq!((spec.fork_at(4, 0, None), spec.fork_at(5, 0, None)), (Fork::Frontier, Fork::Homestead));

        let spec = network_spec("ArrowGlacierToParisAtDiffC0000", 1).expect("known");
        let below = Some(U256::from(0xbffff));
        assert_eq!(spec.fork_at(9, 0, below), Fork::ArrowGlacier);
        assert_eq!(spec.fork_at(9, 0, Some(U256::from(0xc0000))), Fork::Paris);

        let spec = network_spec("BPO2ToAmsterdamAtTime15k", 1).expect("known");
        assert_eq!(spec.fork_at(1, 14_999, None), Fork::Bpo2);
        assert_eq!(spec.fork_at(1, 15_000, None), Fork::Amsterdam);

        let spec = network_spec("ByzantiumToConstantinopleFixAt5", 1).expect("known");
        assert_eq!((spec.fork_at(4, 0, None), spec.fork_at(5, 0, None)), (Fork::Byzantium, Fork::Petersburg));
    }

    #[test]
    fn only_a_dao_network_has_the_irregular_state_change() {
        let dao = network_spec("HomesteadToDaoAt5", 1).expect("known");
        assert!(dao.rules_at(5, 0, None).dao_transition);
        assert!(!dao.rules_at(6, 0, None).dao_transition);
        let tangerine = network_spec("HomesteadToEIP150At5", 1).expect("known");
        assert!(!tangerine.rules_at(5, 0, None).dao_transition);
        assert_eq!(tangerine.fork_at(5, 0, None), Fork::Tangerine);
    }

    #[test]
    fn other_names_are_unknown() {
        for name in
            ["", "To", "Atlantis", "CancunToAt5", "CancunToParisAt5", "ParisToCancunAtTime", "ParisToCancunAt5q"]
        {
            assert!(network_spec(name, 1).is_err(), "{name}");
        }
    }

    #[test]
    fn blob_schedules_override_the_defaults() {
        let config = json!({"chainid": "0x05", "blobSchedule": {
            "Cancun": {"target": "0x01", "max": "0x02", "baseFeeUpdateFraction": "0x0100"},
            "Amsterdam": {"target": "0x03", "max": "0x04", "baseFeeUpdateFraction": "0x0200"},
        }});
        let spec = named_spec("Amsterdam", Some(&Node::root(&config))).expect("parses").expect("known");
        assert_eq!(spec.chain_id, 5);
        let cancun = spec.blob_params(Fork::Cancun).expect("set");
        assert_eq!((cancun.target_blob_count, cancun.max_blob_count, cancun.max_blobs_per_tx), (1, 2, 2));
        let amsterdam = spec.blob_params(Fork::Amsterdam).expect("set");
        assert_eq!((amsterdam.max_blob_count, amsterdam.update_fraction), (4, 0x200));
        assert_eq!(amsterdam.max_blobs_per_tx, BlobParams::osaka().max_blobs_per_tx);

        let config =
            json!({"blobSchedule": {"Cancun": {"target": "0x01", "max": "0x02", "baseFeeUpdateFraction": "0x0"}}});
        assert!(named_spec("Cancun", Some(&Node::root(&config))).is_err());
    }
}
