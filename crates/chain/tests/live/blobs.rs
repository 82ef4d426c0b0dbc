//! Transactions with blobs.

use crate::building::check_imports;
use crate::world::{CHAIN_ID, GWEI, Place, genesis, live, next, sign};
use alloy_consensus::transaction::{EthereumTxEnvelope, TxEip4844WithSidecar};
use alloy_consensus::{SignableTransaction, TxEip4844};
use alloy_eips::eip2718::Encodable2718;
use alloy_eips::eip4844::{Blob, BlobTransactionSidecar, Bytes48, kzg_to_versioned_hash};
use alloy_eips::eip7594::{BlobTransactionSidecarEip7594, BlobTransactionSidecarVariant};
use alloy_eips::eip7840::BlobParams;
use alloy_hardforks::ForkCondition;
use alloy_primitives::{Address, Bytes};
use motet_chain::pool::Origin;
use motet_chain::{BuildSource, GenesisBlock, PoolError, PoolLimits, PoolOptions};
use motet_types::{ChainSpec, Fork, TxError};

/// The point at infinity: commitment to the empty blob, and every proof of it.
fn infinity() -> Bytes48 {
    let mut point = Bytes48::ZERO;
    point[0] = 0xc0;
    point
}

pub(crate) fn sent(
    person: usize,
    nonce: u64,
    blobs: usize,
    fee: u128,
    has_cells: bool,
    edit: impl FnOnce(&mut BlobTransactionSidecarVariant),
) -> Bytes {
    let (all, commitments) = (vec![Blob::ZERO; blobs], vec![infinity(); blobs]);
    let mut sidecar = match has_cells {
        false => BlobTransactionSidecarVariant::Eip4844(BlobTransactionSidecar {
            blobs: all,
            commitments,
            proofs: vec![infinity(); blobs],
        }),
        true => BlobTransactionSidecarVariant::Eip7594(BlobTransactionSidecarEip7594 {
            blobs: all,
            commitments,
            cell_proofs: vec![infinity(); blobs * 128],
        }),
    };
    edit(&mut sidecar);
    let tx = TxEip4844 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: fee,
        max_priority_fee_per_gas: fee,
        to: Address::repeat_byte(0xee),
        blob_versioned_hashes: vec![kzg_to_versioned_hash(infinity().as_slice()); blobs],
        max_fee_per_blob_gas: GWEI,
        ..TxEip4844::default()
    };
    let signature = sign(person, tx.signature_hash());
    let tx = TxEip4844WithSidecar { tx, sidecar }.into_signed(signature);
    EthereumTxEnvelope::<TxEip4844WithSidecar<BlobTransactionSidecarVariant>>::Eip4844(tx).encoded_2718().into()
}

#[test]
fn blocks_hold_as_many_blobs_as_their_fork_allows() {
    for (fork, per_block) in [(Fork::Cancun, 6), (Fork::Prague, 9), (Fork::Osaka, 9)] {
        let has_cells = fork >= Fork::Osaka;
        let genesis = genesis(fork, 6, 10, 30_000_000);
        let place = Place::new("blobs");
        let live = live(&place, &genesis, PoolOptions::default());
        for person in 0..6 {
            let raw = sent(person, 0, 2, 10 * GWEI, has_cells, |_| ());
            let hash = live.pool().submit(&raw, Origin::External).unwrap();
            let held = live.pool().get(&hash).unwrap();
            assert_eq!(held.encoded(), raw, "{fork}");
            assert_eq!(held.hash(), hash);
        }
        assert_eq!(live.pool().status().blobs, 12);
        let start = live.reader().head().hash();
        let sealed = live.seal(next(&live, BuildSource::Pool)).unwrap();
        assert_eq!(sealed.senders.len(), per_block / 2, "{fork}");
        assert_eq!(sealed.gas.blob, (per_block as u64 / 2) * 2 * 131_072, "{fork}");
        // They come back with their blobs.
        live.set_head(start).unwrap();
        assert_eq!(live.pool().status().blobs, 12, "{fork}");
        let again = live.seal(next(&live, BuildSource::Pool)).unwrap();
        assert_eq!(again.block.block().header.blob_gas_used, sealed.block.block().header.blob_gas_used);
        live.seal(next(&live, BuildSource::Pool)).unwrap();
        assert_eq!(live.pool().status().pending, 0, "{fork}");
    }
}

#[test]
fn sidecars_are_refused_for_what_is_wrong_with_them() {
    for (fork, has_cells) in [(Fork::Cancun, false), (Fork::Osaka, true)] {
        let genesis = genesis(fork, 2, 10, 30_000_000);
        let place = Place::new("sidecars");
        let live = live(&place, &genesis, PoolOptions::default());
        let refused = |raw: Bytes| live.pool().submit(&raw, Origin::External).unwrap_err();
        let edited = |edit: fn(&mut BlobTransactionSidecarVariant)| refused(sent(0, 0, 1, 10 * GWEI, has_cells, edit));
        use BlobTransactionSidecarVariant as Sidecar;
        let error = refused(sent(0, 0, 1, 10 * GWEI, !has_cells, |_| ()));
        assert!(matches!(error, PoolError::SidecarVersion { .. }), "{fork}: {error}");
        let error = edited(|sidecar| match sidecar {
            Sidecar::Eip4844(sidecar) => sidecar.blobs[0][31] = 1,
            Sidecar::Eip7594(sidecar) => sidecar.blobs[0][31] = 1,
        });
        assert_eq!(error, PoolError::Kzg("invalid proof"), "{fork}");
        let error = edited(|sidecar| match sidecar {
            Sidecar::Eip4844(sidecar) => sidecar.proofs[0][0] = 1,
            Sidecar::Eip7594(sidecar) => sidecar.cell_proofs[5][0] = 1,
        });
        assert!(matches!(error, PoolError::Kzg(_)), "{fork}: {error}");
        let error = edited(|sidecar| match sidecar {
            Sidecar::Eip4844(sidecar) => sidecar.commitments[0][3] = 1,
            Sidecar::Eip7594(sidecar) => sidecar.commitments[0][3] = 1,
        });
        assert!(matches!(error, PoolError::BlobHash { blob: 0, .. }), "{fork}: {error}");
        let error = edited(|sidecar| match sidecar {
            Sidecar::Eip4844(sidecar) => sidecar.blobs.clear(),
            Sidecar::Eip7594(sidecar) => sidecar.blobs.clear(),
        });
        assert!(matches!(error, PoolError::SidecarCount { what: "blobs", have: 0, want: 1 }), "{fork}: {error}");
        let error = edited(|sidecar| match sidecar {
            Sidecar::Eip4844(sidecar) => sidecar.proofs.clear(),
            Sidecar::Eip7594(sidecar) => sidecar.cell_proofs.truncate(127),
        });
        assert!(matches!(error, PoolError::SidecarCount { what: "blob proofs", .. }), "{fork}: {error}");
        let error = refused(sent(0, 0, 7, 10 * GWEI, has_cells, |_| ()));
        assert!(matches!(error, PoolError::TooManyBlobs { have: 7, permitted: 6 }), "{fork}: {error}");
        let error = refused(sent(0, 1, 1, 10 * GWEI, has_cells, |_| ()));
        assert_eq!(error.to_string(), "nonce too high: tx nonce 1, gapped nonce 0");
        assert_eq!(live.pool().status(), Default::default());
    }
}

#[test]
fn blobs_have_a_bound_of_their_own_and_the_worst_go() {
    let genesis = genesis(Fork::Prague, 6, 10, 30_000_000);
    let place = Place::new("blob-bound");
    let limits = PoolLimits { blobs_max: 3, ..PoolLimits::default() };
    let live = live(&place, &genesis, PoolOptions { limits, ..PoolOptions::default() });
    let submit = |person, fee| live.pool().submit(&sent(person, 0, 1, fee, false, |_| ()), Origin::External);
    let held: Vec<_> = (0..3).map(|person| submit(person, (10 + person as u128) * GWEI).unwrap()).collect();
    assert_eq!(submit(3, 10 * GWEI).unwrap_err(), PoolError::Underpriced);
    submit(3, 11 * GWEI).unwrap();
    assert!(live.pool().get(&held[0]).is_none() && live.pool().get(&held[1]).is_some());
    // Twice as much is asked of what replaces blobs.
    let error = live.pool().submit(&sent(3, 0, 1, 12 * GWEI, false, |_| ()), Origin::External).unwrap_err();
    assert_eq!(error, PoolError::ReplacementUnderpriced);
}

#[test]
fn a_transaction_of_the_fork_before_does_not_make_an_invalid_block() {
    let mut spec = ChainSpec::at_fork(CHAIN_ID, Fork::Prague);
    spec.set_activation(Fork::Osaka, ForkCondition::Timestamp(1012));
    // As a genesis file says it that knows of no bound for one transaction.
    spec.set_blob_params(Fork::Osaka, BlobParams { max_blobs_per_tx: 9, ..BlobParams::osaka() }).unwrap();
    let genesis = GenesisBlock { spec, ..genesis(Fork::Prague, 2, 10, 30_000_000) };
    let place = Place::new("boundary");
    let live = live(&place, &genesis, PoolOptions::default());
    let many = live.pool().submit(&sent(0, 0, 7, 10 * GWEI, false, |_| ()), Origin::External).unwrap();
    let few = live.pool().submit(&sent(1, 0, 2, 9 * GWEI, false, |_| ()), Origin::External).unwrap();
    let sealed = live.seal(next(&live, BuildSource::Pool)).unwrap();
    assert_eq!(sealed.block.fork(), Fork::Osaka);
    assert_eq!(sealed.left_out, [(many, TxError::TooManyBlobs { have: 7, max: 6 })]);
    assert_eq!(*sealed.block.block().body.transactions[0].tx_hash(), few);
    check_imports(&genesis, &[sealed], "boundary");
    assert_eq!(live.pool().status().pending, 0);
}
