//! The first block of a chain.

use crate::root::RootCalculator;
use alloy_consensus::Header;
use alloy_consensus::constants::EMPTY_WITHDRAWALS;
use alloy_eip7928::compute_block_access_list_hash;
use alloy_eips::eip1559::INITIAL_BASE_FEE;
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_genesis::Genesis;
use alloy_primitives::{B64, B256, U256};
use motet_types::{ChainSpec, Fork, MemoryState, SpecError};

/// A chain's rules, its first header and its first state.
#[derive(Clone, Debug)]
pub struct GenesisBlock {
    /// The rules of the chain.
    pub spec: ChainSpec,
    /// The header, with every field that its fork has.
    pub header: Header,
    /// Hash of the header.
    pub hash: B256,
    /// The allocation.
    pub state: RootCalculator,
}

/// A genesis file that describes no chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GenesisError {
    /// The fork configuration makes no sense.
    #[error("genesis config: {0}")]
    Spec(#[from] SpecError),
    /// The base fee does not fit 64 bits.
    #[error("genesis baseFeePerGas: {0} does not fit 64 bits")]
    BaseFee(u128),
}

impl GenesisBlock {
    /// The first block of the chain that a genesis file describes, its rules from the file's `config`.
    ///
    /// # Errors
    /// When the file contradicts itself.
    pub fn from_genesis(genesis: &Genesis) -> Result<Self, GenesisError> {
        Self::with_spec(genesis, ChainSpec::from_genesis_config(&genesis.config)?)
    }

    /// The first block of a chain whose rules are known otherwise, as with the public chains, whose
    /// genesis files often lack a `config`.
    ///
    /// # Errors
    /// When a field cannot stand in a header.
    pub fn with_spec(genesis: &Genesis, spec: ChainSpec) -> Result<Self, GenesisError> {
        let mut state = RootCalculator::new(allocated_state(genesis));
        let header = Header { state_root: state.root(), ..genesis_header(genesis, &spec)? };
        let hash = header.hash_slow();
        Ok(Self { spec, header, hash, state })
    }

    /// The first block of a test chain: header and state as the test gives them. Whether the header's
    /// state root is the state's is for the test to check.
    pub fn from_parts(spec: ChainSpec, header: Header, state: MemoryState) -> Self {
        let hash = header.hash_slow();
        Self { spec, header, hash, state: RootCalculator::new(state) }
    }
}

/// The accounts of the allocation. Empty ones stay: EIP-161 removes them only once they are touched.
fn allocated_state(genesis: &Genesis) -> MemoryState {
    let mut state = MemoryState::new();
    for (address, account) in &genesis.alloc {
        let storage = account.storage.iter().flatten().map(|(slot, value)| ((*slot).into(), (*value).into()));
        let code = account.code.clone().unwrap_or_default();
        state.insert_account(*address, account.balance, account.nonce.unwrap_or(0), code, storage);
    }
    state
}

/// The header without its state root. Fields that a fork added are there exactly when it is active; what
/// the file does not give has the value that an empty block has.
fn genesis_header(genesis: &Genesis, spec: &ChainSpec) -> Result<Header, GenesisError> {
    let number = genesis.number.unwrap_or(0);
    let rules = spec.rules_at(number, genesis.timestamp, Some(U256::ZERO));
    let since = |fork: Fork| rules.is_active(fork);
    let base_fee = match genesis.base_fee_per_gas {
        Some(fee) => u64::try_from(fee).map_err(|_| GenesisError::BaseFee(fee))?,
        None => INITIAL_BASE_FEE,
    };
    Ok(Header {
        parent_hash: genesis.parent_hash.unwrap_or_default(),
        number,
        timestamp: genesis.timestamp,
        gas_limit: genesis.gas_limit,
        difficulty: genesis.difficulty,
        beneficiary: genesis.coinbase,
        extra_data: genesis.extra_data.clone(),
        mix_hash: genesis.mix_hash,
        nonce: B64::from(genesis.nonce.to_be_bytes()),
        base_fee_per_gas: since(Fork::London).then_some(base_fee),
        withdrawals_root: since(Fork::Shanghai).then_some(EMPTY_WITHDRAWALS),
        blob_gas_used: since(Fork::Cancun).then_some(genesis.blob_gas_used.unwrap_or(0)),
        excess_blob_gas: since(Fork::Cancun).then_some(genesis.excess_blob_gas.unwrap_or(0)),
        parent_beacon_block_root: since(Fork::Cancun).then_some(B256::ZERO),
        requests_hash: since(Fork::Prague).then_some(EMPTY_REQUESTS_HASH),
        block_access_list_hash: since(Fork::Amsterdam).then(|| compute_block_access_list_hash(&[])),
        slot_number: since(Fork::Amsterdam).then_some(genesis.slot_number.unwrap_or(0)),
        ..Header::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_genesis::ChainConfig;
    use alloy_primitives::b256;
    use alloy_trie::EMPTY_ROOT_HASH;

    #[test]
    fn every_fork_adds_its_header_fields() {
        let header = |fork| {
            let spec = ChainSpec::at_fork(1, fork);
            GenesisBlock::with_spec(&Genesis::default(), spec).unwrap().header
        };
        assert_eq!(header(Fork::Berlin).base_fee_per_gas, None);
        assert_eq!(header(Fork::London).base_fee_per_gas, Some(1_000_000_000));
        assert_eq!(header(Fork::Paris).withdrawals_root, None);
        assert_eq!(header(Fork::Shanghai).withdrawals_root, Some(EMPTY_ROOT_HASH));
        assert_eq!(header(Fork::Cancun).excess_blob_gas, Some(0));
        assert_eq!(header(Fork::Cancun).requests_hash, None);
        assert_eq!(header(Fork::Prague).requests_hash, Some(EMPTY_REQUESTS_HASH));
        let amsterdam = header(Fork::Amsterdam);
        let empty_list = b256!("0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347");
        assert_eq!(amsterdam.block_access_list_hash, Some(empty_list));
        assert_eq!(amsterdam.slot_number, Some(0));
    }

    #[test]
    fn a_genesis_that_contradicts_itself_is_refused() {
        let genesis = Genesis { base_fee_per_gas: Some(1 << 64), ..Genesis::default() };
        let error = GenesisBlock::with_spec(&genesis, ChainSpec::at_fork(1, Fork::London)).unwrap_err();
        assert_eq!(error, GenesisError::BaseFee(1 << 64));
        let config = ChainConfig { shanghai_time: Some(10), cancun_time: Some(5), ..ChainConfig::default() };
        let genesis = Genesis { config, ..Genesis::default() };
        assert!(matches!(GenesisBlock::from_genesis(&genesis), Err(GenesisError::Spec(_))));
    }
}
