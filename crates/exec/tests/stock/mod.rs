//! alloy-evm's stock executor under the conditions of our tests: its rules, its database, its changes.

use alloy_evm::eth::spec::EthExecutorSpec;
use alloy_evm::{EvmEnv, FromRecoveredTx};
use alloy_hardforks::{EthereumHardforks, ForkCondition};
use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256};
use motet_types::{
    Account, BlockRules, Fork, Location, Read, RecoveredBlock, StateDiff, StateView, TxIndex, Value, ViewError,
};
use revm::context::{DBErrorMarker, TxEnv};
use revm::context_interface::either::Either;
use revm::context_interface::transaction::{RecoveredAuthority, RecoveredAuthorization};
use revm::database::BundleState;
use revm::state::{AccountInfo, Bytecode};
use std::collections::BTreeMap;

/// Rules of one block as alloy-evm asks for them: every fork up to the block's own is active since
/// genesis, later ones never.
#[derive(Clone, Debug)]
pub(crate) struct FixedFork {
    rules: BlockRules,
    number: u64,
}

impl FixedFork {
    pub(crate) fn new(rules: &BlockRules, number: u64) -> Self {
        Self { rules: rules.clone(), number }
    }
}

impl EthereumHardforks for FixedFork {
    fn ethereum_fork_activation(&self, fork: Fork) -> ForkCondition {
        match fork {
            Fork::Dao if self.rules.dao_transition => ForkCondition::Block(self.number),
            Fork::Dao => ForkCondition::Never,
            fork if fork > self.rules.fork => ForkCondition::Never,
            fork if fork >= Fork::Shanghai => ForkCondition::Timestamp(0),
            _ => ForkCondition::Block(0),
        }
    }
}

impl EthExecutorSpec for FixedFork {
    fn deposit_contract_address(&self) -> Option<Address> {
        Some(self.rules.deposit_contract)
    }
}

/// The environment that alloy-evm makes of a header.
pub(crate) fn evm_env(block: &RecoveredBlock, rules: &BlockRules) -> EvmEnv {
    let spec = FixedFork::new(rules, block.header().number);
    EvmEnv::for_eth_block(block.header(), &spec, rules.chain_id, rules.blob)
}

/// A transaction's input as alloy-evm makes it, with the block's own senders and authorities: files
/// without signatures have nothing else.
pub(crate) fn tx_env(block: &RecoveredBlock, index: TxIndex) -> TxEnv {
    let (tx, sender) = (&block.transactions()[index.pos()], block.senders[index.pos()]);
    let mut env = TxEnv::from_recovered_tx(tx, sender);
    for (entry, authority) in env.authorization_list.iter_mut().zip(&block.authorities[index.pos()]) {
        let inner = match entry {
            Either::Left(signed) => signed.inner().clone(),
            Either::Right(recovered) => alloy_eips::eip7702::Authorization::clone(recovered),
        };
        let authority = authority.map_or(RecoveredAuthority::Invalid, RecoveredAuthority::Valid);
        *entry = Either::Right(RecoveredAuthorization::new_unchecked(inner, authority));
    }
    env
}

/// A [`StateView`] as revm's database.
#[derive(Clone, Copy)]
pub(crate) struct ViewDb<'a, V>(pub(crate) &'a V);

impl<V> std::fmt::Debug for ViewDb<'_, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ViewDb")
    }
}

#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct ViewDbError(#[from] ViewError);

impl DBErrorMarker for ViewDbError {}

impl<V: StateView> ViewDb<'_, V> {
    fn ready(&self, location: Location) -> Result<Value, ViewDbError> {
        match self.0.read(location)? {
            Read::Ready(value) => Ok(value),
            Read::Pending(_) => panic!("the views of files never pend"),
        }
    }
}

impl<V: StateView> revm::Database for ViewDb<'_, V> {
    type Error = ViewDbError;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, ViewDbError> {
        let Value::Account(account) = self.ready(Location::Account(address))? else {
            unreachable!("asked for an account")
        };
        Ok(account.map(|Account { balance, nonce, code_hash }| AccountInfo {
            balance,
            nonce,
            code_hash,
            code: None,
            ..AccountInfo::default()
        }))
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, ViewDbError> {
        if hash == KECCAK256_EMPTY {
            return Ok(Bytecode::default());
        }
        let Value::Code(code) = self.ready(Location::Code(hash))? else { unreachable!("asked for code") };
        Ok(Bytecode::new_raw_checked(code.clone()).unwrap_or_else(|_| Bytecode::new_legacy(code)))
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, ViewDbError> {
        let Value::Slot(value) = self.ready(Location::Slot(address, slot))? else { unreachable!("asked for a slot") };
        Ok(value)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, ViewDbError> {
        let Value::BlockHash(hash) = self.ready(Location::BlockHash(number))? else { unreachable!("asked for a hash") };
        Ok(hash)
    }
}

/// One account's change, in words that a bundle and a [`StateDiff`] share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    /// The account after; `None` when it does not exist.
    pub account: Option<Account>,
    /// Whether storage from before is gone. Only said of accounts that can have had storage.
    pub wiped: bool,
    /// Slots whose value differs from the one before; all non-zero slots where `wiped`.
    pub storage: BTreeMap<U256, U256>,
}

fn plain(info: &AccountInfo) -> Account {
    Account { balance: info.balance, nonce: info.nonce, code_hash: info.code_hash }
}

/// Whether an account can have storage: contracts can; so could accounts before EIP-158 whose creation
/// failed, none of which is in our files.
fn may_have_storage(account: Option<Account>) -> bool {
    account.is_some_and(|account| account.code_hash != KECCAK256_EMPTY || account.nonce != 0)
}

/// The changes that revm's bundle says.
///
/// A bundle also lists accounts that are as they were before the block (touched, or created and destroyed
/// within it): they are left out, as in a [`StateDiff`].
pub(crate) fn bundle_changes(bundle: &BundleState) -> BTreeMap<Address, Change> {
    let mut changes = BTreeMap::new();
    for (address, account) in &bundle.state {
        let (before, after) = (account.original_info.as_ref().map(plain), account.info.as_ref().map(plain));
        let wiped = account.was_destroyed() && may_have_storage(before);
        let fresh = account.was_destroyed() || before.is_none();
        let storage: BTreeMap<U256, U256> = account
            .storage
            .iter()
            .filter(|(_, slot)| {
                let start = if fresh { U256::ZERO } else { slot.previous_or_original_value };
                slot.present_value != start
            })
            .map(|(key, slot)| (*key, slot.present_value))
            .collect();
        if before != after || wiped || !storage.is_empty() {
            changes.insert(*address, Change { account: after, wiped, storage });
        }
    }
    changes
}

/// The changes that our diff says.
pub(crate) fn diff_changes<V: StateView>(diff: &StateDiff, parent: &V) -> BTreeMap<Address, Change> {
    let mut parent = ViewDb(parent);
    diff.accounts
        .iter()
        .map(|(address, change)| {
            let before = revm::Database::basic(&mut parent, *address).expect("execution read it").as_ref().map(plain);
            let wiped = change.wiped && may_have_storage(before);
            (*address, Change { account: change.account, wiped, storage: change.storage.clone() })
        })
        .collect()
}

/// Codes that accounts of a bundle came to have, by hash: those that a [`StateDiff`] lists.
pub(crate) fn bundle_codes(bundle: &BundleState) -> BTreeMap<B256, alloy_primitives::Bytes> {
    let mut codes = BTreeMap::new();
    for account in bundle.state.values() {
        let Some(info) = &account.info else { continue };
        let before = account.original_info.as_ref().map(|info| info.code_hash);
        if info.code_hash != KECCAK256_EMPTY && before != Some(info.code_hash) {
            let code = bundle.contracts.get(&info.code_hash).expect("a bundle carries the codes that it sets");
            codes.insert(info.code_hash, code.original_bytes());
        }
    }
    codes
}
