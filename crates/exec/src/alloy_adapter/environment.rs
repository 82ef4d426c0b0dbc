//! From an EVM's environment back to a block and its rules.
//!
//! alloy-evm makes an environment of a header and forgets the header; the engine starts from a block. Going
//! back is checked by going forth again: a block whose environment is not equal to the one given, field by
//! field, is not executed here.

use super::obstacle::Obstacle;
use crate::vm::{CfgEnv, TxEnv, block_env, cfg_env, tx_env};
use alloy_consensus::{BlockBody, Header};
use alloy_eips::eip4844::DATA_GAS_PER_BLOB;
use alloy_eips::eip4895::Withdrawals;
use alloy_eips::eip7702::{RecoveredAuthorization, SignedAuthorization};
use alloy_eips::eip7840::BlobParams;
use alloy_evm::eth::EthBlockExecutionCtx;
use alloy_evm::eth::EthEvmContext;
use alloy_evm::eth::spec::EthExecutorSpec;
use alloy_evm::precompiles::PrecompilesMap;
use alloy_evm::revm::Inspector;
use alloy_evm::revm::context_interface::either::Either;
use alloy_evm::revm::precompile::{PrecompileSpecId, Precompiles};
use alloy_evm::{Database, EthEvm, Evm};
use alloy_primitives::Address;
use motet_types::{Block, BlockRules, ChainSpec, Fork, RecoveredBlock, Transaction, TxIndex};

/// More blobs than gas can count: the stock executor does not bound the blobs of a block, its users do.
const BLOBS_UNBOUNDED: u64 = u64::MAX / DATA_GAS_PER_BLOB;

/// A block and its rules, equal in effect to an EVM's environment.
#[derive(Clone, Debug)]
pub(super) struct Environment {
    pub(super) block: RecoveredBlock,
    pub(super) rules: BlockRules,
}

impl Environment {
    /// The block that an EVM stands in, without transactions yet.
    pub(super) fn of<DB: Database, I: Inspector<EthEvmContext<DB>>>(
        evm: &EthEvm<DB, I, PrecompilesMap>,
        ctx: &EthBlockExecutionCtx<'_>,
        spec: &impl EthExecutorSpec,
        blob_params: &[BlobParams],
    ) -> Result<Self, Obstacle> {
        let (env, cfg) = (evm.block(), evm.cfg_env());
        let number = u64::try_from(env.number).map_err(|_| Obstacle::Environment)?;
        let timestamp = u64::try_from(env.timestamp).map_err(|_| Obstacle::Environment)?;
        let is_active =
            |fork: &&Fork| spec.ethereum_fork_activation(**fork).active_at_timestamp_or_number(timestamp, number);
        let fork = Fork::VARIANTS.iter().rev().find(is_active).copied().unwrap_or(Fork::Frontier);
        if fork < Fork::Byzantium {
            return Err(Obstacle::BeforeByzantium);
        }
        if number == 0 {
            return Err(Obstacle::Genesis);
        }
        if !has_precompiles_of_fork(evm.precompiles(), cfg) {
            return Err(Obstacle::Precompiles);
        }
        let header = Header {
            parent_hash: ctx.parent_hash,
            parent_beacon_block_root: ctx.parent_beacon_block_root,
            beneficiary: env.beneficiary,
            number,
            timestamp,
            difficulty: env.difficulty,
            mix_hash: env.prevrandao.unwrap_or_default(),
            gas_limit: env.gas_limit,
            base_fee_per_gas: Some(env.basefee),
            excess_blob_gas: env.blob_excess_gas_and_price.map(|blob| blob.excess_blob_gas),
            slot_number: Some(env.slot_num),
            extra_data: ctx.extra_data.clone(),
            ..Header::default()
        };
        let body = BlockBody {
            transactions: Vec::new(),
            ommers: ctx.ommers.to_vec(),
            withdrawals: ctx.withdrawals.as_deref().map(|withdrawals| Withdrawals::new(withdrawals.to_vec())),
        };
        let block = RecoveredBlock::new(Block { header, body }, Vec::new(), Vec::new());
        let rules = |blob| BlockRules {
            chain_id: cfg.chain_id,
            fork,
            blob,
            dao_transition: false,
            // No log comes from the zero address: nobody has its key, and no creation ends there.
            deposit_contract: spec.deposit_contract_address().unwrap_or_default(),
        };
        let same = |rules: &BlockRules| block_env(&block, rules) == *env && same_cfg(&cfg_env(rules), cfg);
        let rules = blob_candidates(cfg, fork, blob_params).map(rules).find(same).ok_or(Obstacle::Environment)?;
        Ok(Self { block, rules })
    }

    /// With the block's transactions: each with the EVM's input and its sender.
    pub(super) fn with_transactions<'t>(
        mut self,
        transactions: impl Iterator<Item = (&'t TxEnv, Transaction, Address)>,
    ) -> Result<Self, Obstacle> {
        for (env, tx, sender) in transactions {
            let index = TxIndex::from(self.block.tx_count());
            self.block.block.body.transactions.push(tx);
            self.block.senders.push(sender);
            self.block.authorities.push(env.authorization_list.iter().map(authority).collect());
            if !same_input(&tx_env(&self.block, index), env) {
                return Err(Obstacle::TransactionInput);
            }
        }
        Ok(self)
    }
}

/// Blob parameters that the environment may have been made with: first the fork's own, then all others that
/// are known. Only the price that they give and the blobs that they allow a transaction have an effect, so any
/// that gives the environment's price is as good as the one that was used.
fn blob_candidates<'a>(
    cfg: &'a CfgEnv,
    fork: Fork,
    own: &'a [BlobParams],
) -> impl Iterator<Item = Option<BlobParams>> + 'a {
    let mainnet = ChainSpec::at_fork(cfg.chain_id, Fork::Bpo2);
    let forks = [fork, Fork::Cancun, Fork::Prague, Fork::Osaka, Fork::Bpo1, Fork::Bpo2];
    let known: Vec<BlobParams> = forks.iter().filter_map(|fork| mainnet.blob_params(*fork)).collect();
    let unbounded = |params: BlobParams| BlobParams {
        max_blob_count: BLOBS_UNBOUNDED,
        max_blobs_per_tx: cfg.max_blobs_per_tx.unwrap_or(params.max_blobs_per_tx),
        ..params
    };
    std::iter::once(None).chain(own.iter().copied().chain(known).map(unbounded).map(Some))
}

/// Whether two configurations execute alike. The update fraction prices blobs for the block's environment,
/// where the price is compared itself; execution does not read it.
fn same_cfg(ours: &CfgEnv, given: &CfgEnv) -> bool {
    let mut ours = ours.clone();
    ours.blob_base_fee_update_fraction = given.blob_base_fee_update_fraction;
    ours == *given
}

/// Precompiles are compared by address: what stands behind an address cannot be seen.
fn has_precompiles_of_fork(precompiles: &PrecompilesMap, cfg: &CfgEnv) -> bool {
    let expected = Precompiles::new(PrecompileSpecId::from_spec_id(cfg.spec));
    let mut count = 0;
    let known = precompiles.addresses().all(|address| {
        count += 1;
        expected.contains(address)
    });
    known && count == expected.len()
}

/// Whether two inputs are the same, where an authorization with its signature equals one that was recovered
/// from it.
fn same_input(ours: &TxEnv, given: &TxEnv) -> bool {
    if given.authorization_list.is_empty() && ours.authorization_list.is_empty() {
        return ours == given;
    }
    let recovered = |env: &TxEnv| -> Vec<_> {
        env.authorization_list
            .iter()
            .map(|entry| match entry {
                Either::Left(signed) => (signed.inner().clone(), authority(entry)),
                Either::Right(known) => ((**known).clone(), authority(entry)),
            })
            .collect()
    };
    let stripped = |env: &TxEnv| TxEnv { authorization_list: Vec::new(), ..env.clone() };
    recovered(ours) == recovered(given) && stripped(ours) == stripped(given)
}

fn authority(entry: &Either<SignedAuthorization, RecoveredAuthorization>) -> Option<Address> {
    match entry {
        Either::Left(signed) => signed.recover_authority().ok(),
        Either::Right(known) => known.authority(),
    }
}
