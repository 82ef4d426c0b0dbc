//! Which fork's rules a fetched block follows.

use alloy_consensus::Header;
use motet_chain::validate::next_excess_blob_gas;
use motet_types::{BlockRules, ChainSpec, Fork};
use std::fmt;

/// The forks that a block may follow, the likeliest first, and how that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ForkChoice {
    /// At least one.
    pub(super) candidates: Vec<Fork>,
    pub(super) source: Source,
}

/// Where a fork comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The command line.
    Given,
    /// The schedule of a chain that is built in.
    Schedule { chain_id: u64 },
    /// The header's fields, and which rules give what the header says.
    Inferred { chain_id: u64 },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given => f.write_str("given on the command line"),
            Self::Schedule { chain_id } => write!(f, "by the schedule of chain {chain_id}"),
            Self::Inferred { chain_id } => write!(
                f,
                "chain {chain_id} is not built in: the first fork with these header fields under which the checks \
                 hold; --fork names another"
            ),
        }
    }
}

impl ForkChoice {
    /// The choice for a block. `given` outranks all.
    pub(super) fn new(given: Option<Fork>, chain_id: u64, header: &Header) -> Self {
        if let Some(fork) = given {
            return Self { candidates: vec![fork], source: Source::Given };
        }
        match ChainSpec::by_chain_id(chain_id) {
            Ok(spec) => Self {
                candidates: vec![spec.fork_at(header.number, header.timestamp, None)],
                source: Source::Schedule { chain_id },
            },
            Err(_) => Self { candidates: by_fields(header), source: Source::Inferred { chain_id } },
        }
    }
}

/// The forks whose headers have the fields that this one has. Where several have the same, a block that the
/// later one would execute in another way is told by its gas, bloom and receipts.
fn by_fields(header: &Header) -> Vec<Fork> {
    if header.block_access_list_hash.is_some() {
        vec![Fork::Amsterdam]
    } else if header.requests_hash.is_some() {
        vec![Fork::Prague, Fork::Osaka, Fork::Bpo1, Fork::Bpo2]
    } else if header.parent_beacon_block_root.is_some() {
        vec![Fork::Cancun]
    } else if header.withdrawals_root.is_some() {
        vec![Fork::Shanghai]
    } else if header.base_fee_per_gas.is_some() {
        vec![if header.difficulty.is_zero() { Fork::Paris } else { Fork::London }]
    } else {
        vec![
            Fork::Berlin,
            Fork::Istanbul,
            Fork::Petersburg,
            Fork::Constantinople,
            Fork::Byzantium,
            Fork::SpuriousDragon,
            Fork::Tangerine,
            Fork::Homestead,
            Fork::Frontier,
        ]
    }
}

/// Whether the block's excess blob gas follows from its parent's under these rules: what tells forks apart that
/// differ in blob parameters alone.
pub(super) fn blob_gas_follows(header: &Header, parent: &Header, rules: &BlockRules) -> bool {
    header.excess_blob_gas.is_none_or(|excess| excess == next_excess_blob_gas(parent, rules))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{B256, U256};

    #[test]
    fn fields_name_the_fork() {
        let first = |header: &Header| ForkChoice::new(None, 31_337, header).candidates[0];
        let mut header = Header { difficulty: U256::from(1), ..Header::default() };
        assert_eq!(first(&header), Fork::Berlin);
        header.base_fee_per_gas = Some(7);
        assert_eq!(first(&header), Fork::London);
        header.difficulty = U256::ZERO;
        assert_eq!(first(&header), Fork::Paris);
        header.withdrawals_root = Some(B256::ZERO);
        assert_eq!(first(&header), Fork::Shanghai);
        header.parent_beacon_block_root = Some(B256::ZERO);
        assert_eq!(first(&header), Fork::Cancun);
        header.requests_hash = Some(B256::ZERO);
        assert_eq!(first(&header), Fork::Prague);
        header.block_access_list_hash = Some(B256::ZERO);
        assert_eq!(first(&header), Fork::Amsterdam);
    }

    #[test]
    fn the_command_line_outranks_the_schedule_which_outranks_the_fields() {
        let header = Header { number: 19_426_587, timestamp: 1_710_338_135, ..Header::default() };
        let choice = ForkChoice::new(None, 1, &header);
        assert_eq!((choice.candidates, choice.source), (vec![Fork::Cancun], Source::Schedule { chain_id: 1 }));
        let choice = ForkChoice::new(Some(Fork::Osaka), 1, &header);
        assert_eq!((choice.candidates, choice.source), (vec![Fork::Osaka], Source::Given));
    }
}
