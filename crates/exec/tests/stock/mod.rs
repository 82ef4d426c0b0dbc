//! alloy-evm's stock executor under the conditions of our tests: its rules, its database, its changes.

use alloy_consensus::TxEnvelope;
use alloy_consensus::transaction::Recovered;
use alloy_evm::eth::EthBlockExecutionCtx;
use alloy_evm::eth::spec::EthExecutorSpec;
use alloy_evm::{EvmEnv, FromRecoveredTx};
use alloy_hardforks::{EthereumHardforks, ForkCondition};
use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256};
use motet_types::{Account, BlockRules, Fork, Location, Read, RecoveredBlock, StateView, TxIndex, Value, ViewError};
use motet_workload::block_file::{ParentState, ReplayBlock};
use revm::context::{DBErrorMarker, TxEnv};
use revm::context_interface::either::Either;
use revm::context_interface::transaction::{RecoveredAuthority, RecoveredAuthorization};
use revm::state::{AccountInfo, Bytecode};
use std::path::PathBuf;

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

/// The folder of fixtures; a line says so when there is none.
pub(crate) fn fixtures() -> Option<PathBuf> {
    let root = std::env::var_os("MOTET_FIXTURES")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/fixtures")), PathBuf::from);
    if root.is_dir() {
        return Some(root);
    }
    println!("skipped: no fixtures at {}", root.display());
    None
}

/// A block to execute, with the state before it.
#[derive(Debug)]
pub(crate) struct Case<'a, V> {
    pub(crate) name: String,
    pub(crate) block: &'a RecoveredBlock,
    pub(crate) rules: &'a BlockRules,
    pub(crate) state: &'a V,
}

impl<'a> From<&'a ReplayBlock> for Case<'a, ParentState> {
    fn from(file: &'a ReplayBlock) -> Self {
        Self {
            name: file.source.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            block: &file.block,
            rules: &file.rules,
            state: &file.state,
        }
    }
}

/// What the stock executor wants to know of a block besides the EVM's environment.
pub(crate) fn execution_ctx(block: &RecoveredBlock) -> EthBlockExecutionCtx<'_> {
    let (header, body) = (block.header(), &block.block.body);
    EthBlockExecutionCtx {
        parent_hash: header.parent_hash,
        parent_beacon_block_root: header.parent_beacon_block_root,
        ommers: &body.ommers,
        withdrawals: body.withdrawals.as_ref().map(|withdrawals| withdrawals.as_slice().into()),
        extra_data: header.extra_data.clone(),
        tx_count_hint: Some(block.tx_count()),
        slot_number: header.slot_number,
    }
}

/// The environment that alloy-evm makes of a header.
pub(crate) fn evm_env(block: &RecoveredBlock, rules: &BlockRules) -> EvmEnv {
    let spec = FixedFork::new(rules, block.header().number);
    EvmEnv::for_eth_block(block.header(), &spec, rules.chain_id, rules.blob)
}

/// A transaction as the stock executor takes it, with the block's own senders and authorities: files
/// without signatures have nothing else.
pub(crate) fn stock_tx(block: &RecoveredBlock, index: TxIndex) -> (TxEnv, Recovered<TxEnvelope>) {
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
    (env, Recovered::new_unchecked(TxEnvelope::from(tx.clone()), sender))
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
