//! Blobs, commitments and proofs of a transaction. EIP-4844, EIP-7594.

use super::error::PoolError;
use alloy_consensus::Transaction as _;
use alloy_eips::eip4844::{BLOB_TX_MIN_BLOB_GASPRICE, VERSIONED_HASH_VERSION_KZG, kzg_to_versioned_hash};
use alloy_eips::eip7594::{BlobTransactionSidecarVariant, CELLS_PER_EXT_BLOB, MAX_BLOBS_PER_TX_FUSAKA};
use alloy_primitives::B256;
use c_kzg::{Blob, Bytes48, Cell, KzgSettings, ethereum_kzg_settings};
use motet_types::{BlockRules, Fork, Transaction};

/// The trusted setup's precomputed tables: verifying needs none.
const KZG_PRECOMPUTE: u64 = 0;

/// Checks what a blob transaction brings along, proofs last.
pub(crate) fn check_sidecar(
    tx: &Transaction,
    sidecar: Option<&BlobTransactionSidecarVariant>,
    rules: &BlockRules,
) -> Result<(), PoolError> {
    let sidecar = sidecar.ok_or(PoolError::NoSidecar)?;
    let has_cells = rules.is_active(Fork::Osaka);
    if sidecar.is_eip7594() != has_cells {
        return Err(PoolError::SidecarVersion { want: u8::from(has_cells), got: u8::from(sidecar.is_eip7594()) });
    }
    let fee = tx.max_fee_per_blob_gas().unwrap_or(0);
    if fee < BLOB_TX_MIN_BLOB_GASPRICE {
        return Err(PoolError::BlobFeeTooLow { fee, needed: BLOB_TX_MIN_BLOB_GASPRICE });
    }
    let hashes = tx.blob_versioned_hashes().unwrap_or_default();
    check_count(hashes.len(), rules)?;
    let blobs = sidecar.blobs();
    let commitments = sidecar.commitments();
    let counted = |what, have: usize, want: usize| match have == want {
        true => Ok(()),
        false => Err(PoolError::SidecarCount { what, have, want }),
    };
    counted("blobs", blobs.len(), hashes.len())?;
    counted("blob commitments", commitments.len(), hashes.len())?;
    for (blob, (commitment, have)) in commitments.iter().zip(hashes).enumerate() {
        let computed: B256 = kzg_to_versioned_hash(commitment.as_slice());
        if computed != *have || have[0] != VERSIONED_HASH_VERSION_KZG {
            return Err(PoolError::BlobHash { blob, computed, have: *have });
        }
    }
    let settings = ethereum_kzg_settings(KZG_PRECOMPUTE);
    let commitments: Vec<Bytes48> = commitments.iter().map(|commitment| Bytes48::from(commitment.0)).collect();
    // c-kzg's blobs are plain arrays as alloy's are; they are copied one at a time, as each is 128 KiB.
    let verified = match sidecar {
        BlobTransactionSidecarVariant::Eip4844(sidecar) => {
            counted("blob proofs", sidecar.proofs.len(), hashes.len())?;
            let proofs = sidecar.proofs.iter().map(|proof| Bytes48::from(proof.0));
            blobs.iter().zip(&commitments).zip(proofs).try_fold(true, |all, ((blob, commitment), proof)| {
                let blob = Box::new(Blob::new(blob.0));
                Ok::<_, c_kzg::Error>(all && settings.verify_blob_kzg_proof(&blob, commitment, &proof)?)
            })
        }
        BlobTransactionSidecarVariant::Eip7594(sidecar) => {
            counted("blob proofs", sidecar.cell_proofs.len(), hashes.len().saturating_mul(CELLS_PER_EXT_BLOB))?;
            let proofs: Vec<Bytes48> = sidecar.cell_proofs.iter().map(|proof| Bytes48::from(proof.0)).collect();
            verify_cells(settings, blobs, &commitments, &proofs)
        }
    };
    match verified {
        Ok(true) => Ok(()),
        Ok(false) => Err(PoolError::Kzg("invalid proof")),
        Err(_) => Err(PoolError::Kzg("invalid blob, commitment or proof")),
    }
}

fn check_count(have: usize, rules: &BlockRules) -> Result<(), PoolError> {
    if have == 0 {
        return Err(PoolError::NoBlobs);
    }
    let of_block = rules.blob.map_or(0, |params| usize::try_from(params.max_blob_count).unwrap_or(usize::MAX));
    let of_tx = if rules.is_active(Fork::Osaka) { MAX_BLOBS_PER_TX_FUSAKA as usize } else { usize::MAX };
    let permitted = of_block.min(of_tx);
    if have > permitted { Err(PoolError::TooManyBlobs { have, permitted }) } else { Ok(()) }
}

/// All cells of all blobs against one proof each.
fn verify_cells(
    settings: &KzgSettings,
    blobs: &[alloy_eips::eip4844::Blob],
    commitments: &[Bytes48],
    proofs: &[Bytes48],
) -> Result<bool, c_kzg::Error> {
    let count = blobs.len().saturating_mul(CELLS_PER_EXT_BLOB);
    let mut cells: Vec<Cell> = Vec::with_capacity(count);
    let mut indices: Vec<u64> = Vec::with_capacity(count);
    let mut of_cells: Vec<Bytes48> = Vec::with_capacity(count);
    for (blob, commitment) in blobs.iter().zip(commitments) {
        let blob = Box::new(Blob::new(blob.0));
        cells.extend_from_slice(settings.compute_cells(&blob)?.as_slice());
        indices.extend(0..CELLS_PER_EXT_BLOB as u64);
        of_cells.extend(std::iter::repeat_n(*commitment, CELLS_PER_EXT_BLOB));
    }
    settings.verify_cell_kzg_proof_batch(&of_cells, &indices, &cells, proofs)
}
