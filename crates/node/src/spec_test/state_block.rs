//! The block that the transactions of state tests run in: an environment, and nothing else of a block.

use alloy_consensus::{BlockBody, Header};
use alloy_primitives::{Address, B256, U256, keccak256};
use motet_exec::{BlockInput, SystemCalls};
use motet_types::{
    Block, BlockHashes, BlockRules, Fork, Location, MemoryState, Read, RecoveredBlock, StateView, Transaction, Value,
    ViewError,
};
use motet_workload::spec_test::StateEnv;

/// Base fee where the environment states none. The custom of state tests.
const BASE_FEE_DEFAULT: u64 = 10;

/// A header with what the EVM can see of `env`.
pub(super) fn header(env: &StateEnv, rules: &BlockRules) -> Header {
    let since = |fork: Fork| rules.is_active(fork);
    Header {
        parent_hash: env.previous_hash.unwrap_or_default(),
        beneficiary: env.coinbase,
        difficulty: if since(Fork::Paris) { U256::ZERO } else { env.difficulty },
        number: env.number,
        gas_limit: env.gas_limit,
        timestamp: env.timestamp,
        mix_hash: env.random.unwrap_or_default(),
        base_fee_per_gas: since(Fork::London).then(|| env.base_fee.unwrap_or(BASE_FEE_DEFAULT)),
        excess_blob_gas: since(Fork::Cancun).then(|| env.excess_blob_gas.unwrap_or_default()),
        parent_beacon_block_root: env.parent_beacon_block_root,
        slot_number: since(Fork::Amsterdam).then(|| env.slot_number.unwrap_or_default()),
        ..Header::default()
    }
}

/// A block of these transactions, each with its sender and the signers of its authorizations.
pub(super) fn block(
    header: Header,
    transactions: impl IntoIterator<Item = (Transaction, Address, Vec<Option<Address>>)>,
) -> RecoveredBlock {
    let mut body = BlockBody::default();
    let (mut senders, mut authorities) = (Vec::new(), Vec::new());
    for (transaction, sender, signers) in transactions {
        body.transactions.push(transaction);
        senders.push(sender);
        authorities.push(signers);
    }
    RecoveredBlock::new(Block { header, body }, senders, authorities)
}

/// The terms of state tests: no system calls, no requests, no rewards.
pub(super) fn input<'a>(block: &'a RecoveredBlock, rules: &'a BlockRules) -> BlockInput<'a> {
    BlockInput { system_calls: SystemCalls::None, rewards: false, ..BlockInput::new(block, rules) }
}

/// A state with the ancestors' hashes that state tests have by custom: keccak-256 of the decimal number,
/// where the environment states none.
#[derive(Clone, Copy, Debug)]
pub(super) struct EnvView<'a> {
    /// The state.
    pub(super) state: &'a MemoryState,
    /// The hashes that the environment states.
    pub(super) hashes: &'a BlockHashes,
}

impl StateView for EnvView<'_> {
    fn read(&self, location: Location) -> Result<Read, ViewError> {
        match location {
            Location::BlockHash(number) => Ok(Read::Ready(Value::BlockHash(self.block_hash(number)))),
            other => self.state.read(other),
        }
    }

    fn has_storage(&self, address: Address) -> Result<bool, ViewError> {
        self.state.has_storage(address)
    }
}

impl EnvView<'_> {
    fn block_hash(&self, number: u64) -> B256 {
        self.hashes.get(&number).copied().unwrap_or_else(|| keccak256(number.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::b256;

    #[test]
    fn ancestors_without_a_stated_hash_have_that_of_their_number() {
        let state = MemoryState::new();
        let hashes = BlockHashes::from([(1, B256::repeat_byte(7))]);
        let view = EnvView { state: &state, hashes: &hashes };
        assert_eq!(view.block_hash(1), B256::repeat_byte(7));
        let zero = b256!("0x044852b2a670ade5407e78fb2863c51de9fcb96542a07186fe3aeda6bb8a116d");
        assert_eq!(view.block_hash(0), zero);
    }
}
