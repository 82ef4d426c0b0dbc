//! What a transaction must satisfy whatever the state is.

use super::BlockError;
use alloy_consensus::crypto::SECP256K1N_HALF;
use alloy_consensus::{Transaction as _, Typed2718};
use alloy_eips::eip4844::{DATA_GAS_PER_BLOB, VERSIONED_HASH_VERSION_KZG};
use alloy_eips::eip7594::MAX_BLOBS_PER_TX_FUSAKA;
use alloy_eips::eip7825::MAX_TX_GAS_LIMIT_OSAKA;
use motet_types::{BlockRules, Fork, Transaction, TxError, TxIndex};

/// Longest init code of a transaction, in bytes, and `None` where there is no limit.
///
/// Amsterdam's limit is that of EIP-7954 since June 2026, 128 KiB; the text before, and the devnet tests of
/// that time, had 64 KiB.
///
/// Source: EIP-3860 (Shanghai), EIP-7954 (Amsterdam).
pub fn initcode_bytes_max(fork: Fork) -> Option<usize> {
    if fork >= Fork::Amsterdam {
        Some(131_072)
    } else if fork >= Fork::Shanghai {
        Some(49_152)
    } else {
        None
    }
}

/// Checks the rules on transactions that need no state: known type, chain id, low `s`, gas cap, blobs,
/// init code, authorizations. Senders are recovered and fees compared elsewhere.
///
/// The executor checks most of them again on each transaction's turn. Here they run before any state is
/// read, over the whole block, and catch what the executor takes for granted: signatures and the sum of
/// blobs.
///
/// # Errors
/// Names the first transaction that breaks a rule.
pub fn validate_transactions(transactions: &[Transaction], rules: &BlockRules) -> Result<(), BlockError> {
    let mut blob_gas_left = rules.blob.map_or(0, |params| params.max_blob_gas_per_block());
    for (pos, tx) in transactions.iter().enumerate() {
        validate_transaction(tx, rules, blob_gas_left)
            .map_err(|error| BlockError::Transaction { tx: TxIndex::from(pos), error })?;
        blob_gas_left = blob_gas_left.saturating_sub(tx.blob_gas_used().unwrap_or(0));
    }
    Ok(())
}

fn validate_transaction(tx: &Transaction, rules: &BlockRules, blob_gas_left: u64) -> Result<(), TxError> {
    if !is_known_type(tx.ty(), rules.fork) {
        return Err(TxError::TypeNotSupported(tx.ty()));
    }
    match tx.chain_id() {
        Some(chain_id) if chain_id != rules.chain_id => return Err(TxError::InvalidChainId),
        // EIP-155 signatures have a `v` that no earlier fork knows.
        Some(_) if !rules.is_active(Fork::SpuriousDragon) => return Err(TxError::InvalidChainId),
        _ => {}
    }
    if rules.is_active(Fork::Homestead) && tx.signature().s() > SECP256K1N_HALF {
        return Err(TxError::InvalidSignature(None));
    }
    // Amsterdam caps the regular gas that a transaction can use, not its limit (EIP-8037).
    let gas_limit = tx.gas_limit();
    let capped = rules.is_active(Fork::Osaka) && !rules.is_active(Fork::Amsterdam);
    if capped && gas_limit > MAX_TX_GAS_LIMIT_OSAKA {
        return Err(TxError::GasLimitAboveCap { gas_limit, cap: MAX_TX_GAS_LIMIT_OSAKA });
    }
    if tx.nonce() == u64::MAX {
        return Err(TxError::NonceOverflow);
    }
    if tx.is_create() && initcode_bytes_max(rules.fork).is_some_and(|max| tx.input().len() > max) {
        return Err(TxError::InitCodeTooLarge);
    }
    if let Some(hashes) = tx.blob_versioned_hashes() {
        validate_blobs(hashes.iter().map(|hash| hash[0]), rules, blob_gas_left)?;
    }
    if tx.authorization_list().is_some_and(|list| list.is_empty()) {
        return Err(TxError::EmptyAuthorizationList);
    }
    Ok(())
}

/// Checks the blobs of one transaction by the versions of their hashes. EIP-4844, EIP-7594.
fn validate_blobs(
    versions: impl ExactSizeIterator<Item = u8>,
    rules: &BlockRules,
    blob_gas_left: u64,
) -> Result<(), TxError> {
    let have = versions.len();
    if have == 0 {
        return Err(TxError::EmptyBlobs);
    }
    let blob_gas = (have as u64).saturating_mul(DATA_GAS_PER_BLOB);
    if blob_gas > blob_gas_left {
        return Err(TxError::BlockBlobGasExceeded { blob_gas, available: blob_gas_left });
    }
    let max = MAX_BLOBS_PER_TX_FUSAKA as usize;
    if rules.is_active(Fork::Osaka) && have > max {
        return Err(TxError::TooManyBlobs { have, max });
    }
    for version in versions {
        if version != VERSIONED_HASH_VERSION_KZG {
            return Err(TxError::BlobVersion);
        }
    }
    Ok(())
}

/// Whether a fork has transactions of an EIP-2718 type.
pub fn is_known_type(tx_type: u8, fork: Fork) -> bool {
    match tx_type {
        0 => true,
        1 => fork >= Fork::Berlin,
        2 => fork >= Fork::London,
        3 => fork >= Fork::Cancun,
        4 => fork >= Fork::Prague,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_consensus::{SignableTransaction, TxEip2930, TxEip4844, TxEip7702, TxLegacy};
    use alloy_primitives::{B256, Bytes, Signature, TxKind, U256};
    use motet_types::ChainSpec;

    fn signature(s: U256) -> Signature {
        Signature::new(U256::from(1), s, false)
    }

    fn sign<T: SignableTransaction<Signature>>(tx: T) -> Transaction
    where
        Transaction: From<alloy_consensus::Signed<T>>,
    {
        tx.into_signed(signature(U256::from(1))).into()
    }

    fn verdict(fork: Fork, tx: Transaction) -> Result<(), TxError> {
        verdicts(fork, &[tx]).map_err(|(_, error)| error)
    }

    fn verdicts(fork: Fork, transactions: &[Transaction]) -> Result<(), (TxIndex, TxError)> {
        let rules = ChainSpec::at_fork(1, fork).rules_at(1, 1, None);
        validate_transactions(transactions, &rules).map_err(|error| match error {
            BlockError::Transaction { tx, error } => (tx, error),
            other => panic!("not about a transaction: {other}"),
        })
    }

    fn blobs(count: usize) -> TxEip4844 {
        let hash = B256::with_last_byte(1) | B256::from(U256::from(1) << 248);
        TxEip4844 { chain_id: 1, blob_versioned_hashes: vec![hash; count], ..TxEip4844::default() }
    }

    #[test]
    fn types_are_known_from_their_fork_on() {
        let tx = sign(TxEip2930 { chain_id: 1, ..TxEip2930::default() });
        assert_eq!(verdict(Fork::MuirGlacier, tx.clone()), Err(TxError::TypeNotSupported(1)));
        assert_eq!(verdict(Fork::Berlin, tx), Ok(()));
        assert_eq!(verdict(Fork::Shanghai, sign(blobs(1))), Err(TxError::TypeNotSupported(3)));
        let tx = sign(TxEip7702 { chain_id: 1, ..TxEip7702::default() });
        assert_eq!(verdict(Fork::Cancun, tx.clone()), Err(TxError::TypeNotSupported(4)));
        assert_eq!(verdict(Fork::Prague, tx), Err(TxError::EmptyAuthorizationList));
    }

    #[test]
    fn a_chain_id_must_be_ours_and_is_unknown_before_eip_155() {
        let with = |chain_id| sign(TxLegacy { chain_id, ..TxLegacy::default() });
        assert_eq!(verdict(Fork::Osaka, with(None)), Ok(()));
        assert_eq!(verdict(Fork::Osaka, with(Some(1))), Ok(()));
        assert_eq!(verdict(Fork::Osaka, with(Some(2))), Err(TxError::InvalidChainId));
        assert_eq!(verdict(Fork::Tangerine, with(Some(1))), Err(TxError::InvalidChainId));
        assert_eq!(verdict(Fork::SpuriousDragon, with(Some(1))), Ok(()));
    }

    #[test]
    fn a_high_s_is_valid_in_frontier_alone() {
        let with = |s| Transaction::from(TxLegacy::default().into_signed(signature(s)));
        let high = SECP256K1N_HALF + U256::from(1);
        assert_eq!(verdict(Fork::Homestead, with(SECP256K1N_HALF)), Ok(()));
        assert_eq!(verdict(Fork::Homestead, with(high)), Err(TxError::InvalidSignature(None)));
        assert_eq!(verdict(Fork::Frontier, with(high)), Ok(()));
    }

    #[test]
    fn osaka_caps_gas_and_amsterdam_lifts_the_cap() {
        let tx = sign(TxLegacy { gas_limit: MAX_TX_GAS_LIMIT_OSAKA + 1, ..TxLegacy::default() });
        assert_eq!(verdict(Fork::Prague, tx.clone()), Ok(()));
        assert!(matches!(verdict(Fork::Osaka, tx.clone()), Err(TxError::GasLimitAboveCap { .. })));
        assert!(matches!(verdict(Fork::Bpo2, tx.clone()), Err(TxError::GasLimitAboveCap { .. })));
        assert_eq!(verdict(Fork::Amsterdam, tx), Ok(()));
    }

    #[test]
    fn init_code_is_bounded_from_shanghai_on() {
        let with = |bytes: usize, to| sign(TxLegacy { input: Bytes::from(vec![0; bytes]), to, ..TxLegacy::default() });
        assert_eq!(verdict(Fork::Paris, with(49_153, TxKind::Create)), Ok(()));
        assert_eq!(verdict(Fork::Shanghai, with(49_152, TxKind::Create)), Ok(()));
        assert_eq!(verdict(Fork::Shanghai, with(49_153, TxKind::Create)), Err(TxError::InitCodeTooLarge));
        assert_eq!(verdict(Fork::Shanghai, with(49_153, TxKind::Call(Default::default()))), Ok(()));
        assert_eq!(verdict(Fork::Amsterdam, with(131_072, TxKind::Create)), Ok(()));
        assert_eq!(verdict(Fork::Amsterdam, with(131_073, TxKind::Create)), Err(TxError::InitCodeTooLarge));
    }

    #[test]
    fn blobs_are_bounded_by_block_and_by_transaction() {
        assert_eq!(verdict(Fork::Cancun, sign(blobs(0))), Err(TxError::EmptyBlobs));
        assert_eq!(verdict(Fork::Cancun, sign(blobs(6))), Ok(()));
        assert!(matches!(verdict(Fork::Cancun, sign(blobs(7))), Err(TxError::BlockBlobGasExceeded { .. })));
        assert_eq!(verdict(Fork::Prague, sign(blobs(9))), Ok(()));
        assert_eq!(verdict(Fork::Osaka, sign(blobs(7))), Err(TxError::TooManyBlobs { have: 7, max: 6 }));
        let (tx, error) = verdicts(Fork::Osaka, &[sign(blobs(6)), sign(blobs(3)), sign(blobs(1))]).unwrap_err();
        assert_eq!(tx, TxIndex(2));
        assert_eq!(error, TxError::BlockBlobGasExceeded { blob_gas: DATA_GAS_PER_BLOB, available: 0 });
    }

    #[test]
    fn a_blob_hash_must_have_the_known_version() {
        let mut tx = blobs(2);
        tx.blob_versioned_hashes[1][0] = 2;
        assert_eq!(verdict(Fork::Cancun, sign(tx)), Err(TxError::BlobVersion));
    }

    #[test]
    fn the_highest_nonce_is_refused() {
        let tx = sign(TxLegacy { nonce: u64::MAX, ..TxLegacy::default() });
        assert_eq!(verdict(Fork::Frontier, tx), Err(TxError::NonceOverflow));
    }
}
