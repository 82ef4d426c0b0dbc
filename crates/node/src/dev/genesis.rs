//! The first block of a development chain: funded accounts, the contracts that the protocol calls, and what tools expect to
//! find deployed. It depends on its options alone, so that a restart and a follower come to the same block.

use alloy_genesis::{ChainConfig, Genesis, GenesisAccount};
use alloy_primitives::{Address, Bytes, U256, address, bytes};
use motet_chain::{GenesisBlock, GenesisError};
use motet_types::spec::fork_by_name;
use motet_types::{Fork, SpecError};
use motet_workload::generate::system_contracts;
use std::collections::BTreeMap;

/// Where tools expect the deterministic deployment proxy, which deploys by CREATE2 for anybody.
const DEPLOYMENT_PROXY: Address = address!("0x4e59b44847b379578588920cA78FbF26c0B4956C");
/// Its code: the input is a salt and creation code.
static DEPLOYMENT_PROXY_CODE: Bytes = bytes!(
    "0x7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
);

/// What decides the first block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DevGenesis {
    /// EIP-155.
    pub(crate) chain_id: u64,
    /// In force from the first block on.
    pub(crate) fork: Fork,
    /// Of every block.
    pub(crate) gas_limit: u64,
    /// Of the first block; `None`: what EIP-1559 starts with.
    pub(crate) base_fee: Option<u64>,
    /// Who has how much.
    pub(crate) funded: Vec<(Address, U256)>,
}

impl DevGenesis {
    /// Chain id of development chains.
    pub(crate) const CHAIN_ID: u64 = 31337;
    /// Mainnet's.
    pub(crate) const GAS_LIMIT: u64 = 60_000_000;

    /// As a genesis file has it.
    pub(crate) fn to_file(&self) -> Genesis {
        let mut alloc: BTreeMap<Address, GenesisAccount> = system_contracts()
            .into_iter()
            .map(|(address, code)| (address, code.clone()))
            .chain([(DEPLOYMENT_PROXY, DEPLOYMENT_PROXY_CODE.clone())])
            // EIP-161: contracts begin with the nonce 1.
            .map(|(address, code)| (address, GenesisAccount::default().with_nonce(Some(1)).with_code(Some(code))))
            .collect();
        for (address, balance) in &self.funded {
            alloc.entry(*address).or_default().balance = *balance;
        }
        Genesis {
            config: self.config(),
            gas_limit: self.gas_limit,
            base_fee_per_gas: self.base_fee.map(u128::from),
            difficulty: U256::ZERO,
            alloc,
            ..Genesis::default()
        }
    }

    /// The block.
    ///
    /// # Errors
    /// When a field cannot stand in a header.
    pub(crate) fn to_block(&self) -> Result<GenesisBlock, GenesisError> {
        GenesisBlock::from_genesis(&self.to_file())
    }

    /// The fork and all before it, from the first block on.
    fn config(&self) -> ChainConfig {
        let since = |fork: Fork| (self.fork >= fork).then_some(0);
        ChainConfig {
            chain_id: self.chain_id,
            homestead_block: Some(0),
            eip150_block: Some(0),
            eip155_block: Some(0),
            eip158_block: Some(0),
            byzantium_block: Some(0),
            constantinople_block: Some(0),
            petersburg_block: Some(0),
            istanbul_block: Some(0),
            muir_glacier_block: Some(0),
            berlin_block: Some(0),
            london_block: Some(0),
            arrow_glacier_block: Some(0),
            gray_glacier_block: Some(0),
            terminal_total_difficulty: Some(U256::ZERO),
            terminal_total_difficulty_passed: true,
            shanghai_time: since(Fork::Shanghai),
            cancun_time: since(Fork::Cancun),
            prague_time: since(Fork::Prague),
            osaka_time: since(Fork::Osaka),
            bpo1_time: since(Fork::Bpo1),
            bpo2_time: since(Fork::Bpo2),
            bpo3_time: since(Fork::Bpo3),
            bpo4_time: since(Fork::Bpo4),
            bpo5_time: since(Fork::Bpo5),
            amsterdam_time: since(Fork::Amsterdam),
            ..ChainConfig::default()
        }
    }
}

/// A fork by name, of those on which blocks can be made here: without proof of work.
///
/// # Errors
/// When no fork has the name, or it is older.
pub(crate) fn parse_fork(name: &str) -> Result<Fork, ForkError> {
    match fork_by_name(name)? {
        fork if fork >= Fork::Paris => Ok(fork),
        fork => Err(ForkError::ProofOfWork { fork }),
    }
}

/// A fork that a development chain cannot have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ForkError {
    /// There is none of this name.
    #[error(transparent)]
    Name(#[from] SpecError),
    /// Its blocks need proof of work.
    #[error("blocks of {fork} need proof of work; take paris or a later fork")]
    ProofOfWork {
        /// The fork.
        fork: Fork,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{b256, keccak256};

    fn usual() -> DevGenesis {
        DevGenesis {
            chain_id: DevGenesis::CHAIN_ID,
            fork: Fork::Osaka,
            gas_limit: DevGenesis::GAS_LIMIT,
            base_fee: None,
            funded: vec![(Address::repeat_byte(7), U256::from(5))],
        }
    }

    #[test]
    fn equal_options_give_equal_blocks_and_others_do_not() {
        let hash = |genesis: &DevGenesis| genesis.to_block().unwrap().hash;
        assert_eq!(hash(&usual()), hash(&usual()));
        for other in [
            DevGenesis { gas_limit: 1, ..usual() },
            DevGenesis { base_fee: Some(0), ..usual() },
            DevGenesis { funded: Vec::new(), ..usual() },
            DevGenesis { fork: Fork::Cancun, ..usual() },
        ] {
            assert_ne!(hash(&usual()), hash(&other), "{other:?}");
        }
        let block = usual().to_block().unwrap();
        assert_eq!(block.spec.fork_at(0, 0, None), Fork::Osaka);
        assert_eq!((block.header.base_fee_per_gas, block.header.excess_blob_gas), (Some(1_000_000_000), Some(0)));
        assert_eq!(block.state.state().accounts().count(), 6);
    }

    #[test]
    fn forks_of_proof_of_work_are_refused() {
        assert_eq!(parse_fork("osaka"), Ok(Fork::Osaka));
        assert_eq!(parse_fork("London"), Err(ForkError::ProofOfWork { fork: Fork::London }));
        assert!(matches!(parse_fork("usaka"), Err(ForkError::Name(_))));
        for fork in ["paris", "shanghai", "cancun", "prague", "bpo2", "amsterdam"] {
            let fork = parse_fork(fork).unwrap();
            let block = DevGenesis { fork, ..usual() }.to_block().unwrap();
            assert_eq!(block.spec.fork_at(1, 1, None), fork);
        }
    }

    #[test]
    fn the_deployment_proxy_is_the_one_that_tools_look_for() {
        let expected = b256!("0x2fa86add0aed31f33a762c9d88e807c475bd51d0f52bd0955754b2608f7e4989");
        assert_eq!(keccak256(&DEPLOYMENT_PROXY_CODE), expected);
    }
}
