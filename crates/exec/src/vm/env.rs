//! A block's environment in revm's words.

use super::{BlockEnv, CfgEnv, SpecId, TxEnv};
use alloy_consensus::{Header, Transaction as _};
use alloy_eips::eip7702::{RecoveredAuthority, RecoveredAuthorization};
use alloy_evm::FromRecoveredTx;
use alloy_primitives::{Address, U256};
use motet_types::{BlockRules, Fork, RecoveredBlock, Transaction, TxIndex, impersonated_sender};
use revm::context_interface::block::BlobExcessGasAndPrice;
use revm::context_interface::either::Either;

/// Cap on a transaction's gas from Osaka on. EIP-7825.
const TX_GAS_LIMIT_MAX: u64 = 1 << 24;

/// revm's name of a fork's rules. Forks that change no rule of execution share one.
pub(crate) fn spec_id(fork: Fork) -> SpecId {
    match fork {
        Fork::Frontier => SpecId::FRONTIER,
        Fork::Homestead | Fork::Dao => SpecId::HOMESTEAD,
        Fork::Tangerine => SpecId::TANGERINE,
        Fork::SpuriousDragon => SpecId::SPURIOUS_DRAGON,
        Fork::Byzantium => SpecId::BYZANTIUM,
        // Constantinople as activated never ran on mainnet: revm knows it only with Petersburg's fix.
        Fork::Constantinople | Fork::Petersburg => SpecId::PETERSBURG,
        Fork::Istanbul | Fork::MuirGlacier => SpecId::ISTANBUL,
        Fork::Berlin => SpecId::BERLIN,
        Fork::London | Fork::ArrowGlacier | Fork::GrayGlacier => SpecId::LONDON,
        Fork::Paris => SpecId::MERGE,
        Fork::Shanghai => SpecId::SHANGHAI,
        Fork::Cancun => SpecId::CANCUN,
        Fork::Prague => SpecId::PRAGUE,
        Fork::Osaka | Fork::Bpo1 | Fork::Bpo2 | Fork::Bpo3 | Fork::Bpo4 | Fork::Bpo5 => SpecId::OSAKA,
        _ => SpecId::AMSTERDAM,
    }
}

/// Rules of the block.
pub(crate) fn cfg_env(rules: &BlockRules) -> CfgEnv {
    let mut cfg = CfgEnv::new_with_spec(spec_id(rules.fork)).with_chain_id(rules.chain_id);
    if let Some(blob) = &rules.blob {
        cfg.set_max_blobs_per_tx(blob.max_blobs_per_tx);
        cfg.blob_base_fee_update_fraction = u64::try_from(blob.update_fraction).ok();
    }
    if rules.is_active(Fork::Osaka) {
        cfg.tx_gas_limit_cap = Some(TX_GAS_LIMIT_MAX);
    }
    cfg
}

/// Rules for the transactions of a block. Where a development chain lets somebody send without a signature, that may be a
/// contract; no key can be found for one, so what is signed is judged as ever. EIP-3607.
pub(crate) fn cfg_of(block: &RecoveredBlock, rules: &BlockRules) -> CfgEnv {
    let is_impersonated = |tx: &Transaction| impersonated_sender(tx.signature()).is_some();
    let mut cfg = cfg_env(rules);
    cfg.disable_eip3607 = block.transactions().iter().any(is_impersonated);
    cfg
}

/// Header values that the EVM can see.
pub(crate) fn block_env(block: &RecoveredBlock, rules: &BlockRules) -> BlockEnv {
    block_of(block.header(), rules)
}

/// What the EVM can see of a header.
pub(crate) fn block_of(header: &Header, rules: &BlockRules) -> BlockEnv {
    let merged = rules.is_active(Fork::Paris);
    BlockEnv {
        number: U256::from(header.number),
        beneficiary: header.beneficiary,
        timestamp: U256::from(header.timestamp),
        difficulty: if merged { U256::ZERO } else { header.difficulty },
        prevrandao: merged.then_some(header.mix_hash),
        gas_limit: header.gas_limit,
        basefee: header.base_fee_per_gas.unwrap_or_default(),
        blob_excess_gas_and_price: header.excess_blob_gas.zip(rules.blob).map(|(excess_blob_gas, params)| {
            BlobExcessGasAndPrice { excess_blob_gas, blob_gasprice: params.calc_blob_fee(excess_blob_gas) }
        }),
        slot_num: header.slot_number.unwrap_or_default(),
    }
}

/// One transaction, with authorities as the sender stage recovered them.
pub(crate) fn tx_env(block: &RecoveredBlock, index: TxIndex) -> TxEnv {
    let sender = block.senders[index.pos()];
    match &block.transactions()[index.pos()] {
        Transaction::Legacy(tx) => TxEnv::from_recovered_tx(tx.tx(), sender),
        Transaction::Eip2930(tx) => TxEnv::from_recovered_tx(tx.tx(), sender),
        Transaction::Eip1559(tx) => TxEnv::from_recovered_tx(tx.tx(), sender),
        Transaction::Eip4844(tx) => TxEnv::from_recovered_tx(tx.tx(), sender),
        Transaction::Eip7702(tx) => {
            let tx = tx.tx();
            TxEnv {
                tx_type: 4,
                caller: sender,
                gas_limit: tx.gas_limit,
                gas_price: tx.max_fee_per_gas,
                kind: tx.to.into(),
                value: tx.value,
                data: tx.input.clone(),
                nonce: tx.nonce,
                chain_id: Some(tx.chain_id),
                gas_priority_fee: Some(tx.max_priority_fee_per_gas),
                access_list: tx.access_list.clone(),
                authorization_list: authorizations(
                    tx.authorization_list().unwrap_or_default(),
                    &block.authorities[index.pos()],
                ),
                ..TxEnv::default()
            }
        }
    }
}

fn authorizations(
    signed: &[alloy_eips::eip7702::SignedAuthorization],
    authorities: &[Option<Address>],
) -> Vec<Either<alloy_eips::eip7702::SignedAuthorization, RecoveredAuthorization>> {
    signed
        .iter()
        .zip(authorities)
        .map(|(authorization, authority)| {
            let authority = authority.map_or(RecoveredAuthority::Invalid, RecoveredAuthority::Valid);
            Either::Right(RecoveredAuthorization::new_unchecked(authorization.inner().clone(), authority))
        })
        .collect()
}

/// Longest code that can be deployed. EIP-170, EIP-7954.
pub(crate) fn code_bytes_max(rules: &BlockRules) -> usize {
    use revm::context_interface::Cfg as _;
    cfg_env(rules).max_code_size()
}
