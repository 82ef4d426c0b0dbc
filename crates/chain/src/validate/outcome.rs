//! What execution gave against what the header says.

use super::BlockError;
use alloy_consensus::{Header, Transaction as _};
use alloy_eip7928::compute_block_access_list_hash;
use alloy_primitives::B256;
use motet_types::access_list::{ITEM_COST, list_items};
use motet_types::{Block, BlockOutcome, ListFormError};

/// Checks the outcome of a block, and the state root after it, against the block's header.
///
/// `state_root` is asked for last, since it is dear: only when everything else fits. Fields that the fork
/// does not have are absent from the header and not checked; [`super::validate_header`] has seen to it
/// that all others are there.
///
/// # Errors
/// Names the first field that differs.
pub fn validate_outcome(
    block: &Block,
    outcome: &BlockOutcome,
    state_root: impl FnOnce() -> B256,
) -> Result<(), BlockError> {
    validate_results(block, outcome)?;
    validate_state_root(&block.header, state_root())
}

/// Checks everything of an outcome but the state root: gas, blooms, receipts, requests, access list.
///
/// # Errors
/// Names the first field that differs.
pub fn validate_results(block: &Block, outcome: &BlockOutcome) -> Result<(), BlockError> {
    let header = &block.header;
    if header.gas_used != outcome.gas.header {
        return Err(BlockError::GasUsed { got: header.gas_used, computed: outcome.gas.header });
    }
    if let Some(got) = header.blob_gas_used {
        let computed = block.body.transactions.iter().filter_map(|tx| tx.blob_gas_used()).sum();
        if got != computed {
            return Err(BlockError::BlobGasUsed { got, computed });
        }
    }
    if header.logs_bloom != outcome.logs_bloom {
        return Err(BlockError::LogsBloom);
    }
    let computed = outcome.receipts_root;
    if header.receipts_root != computed {
        return Err(BlockError::ReceiptsRoot { got: header.receipts_root, computed });
    }
    if let Some(got) = header.requests_hash {
        let computed = outcome.requests.requests_hash();
        if got != computed {
            return Err(BlockError::RequestsHash { got, computed });
        }
    }
    if let Some(got) = header.block_access_list_hash {
        let (items, max) = (list_items(&outcome.record.list), header.gas_limit / ITEM_COST);
        if items > max {
            return Err(BlockError::AccessListForm(ListFormError::TooLong { items, max }));
        }
        let computed = compute_block_access_list_hash(&outcome.record.list);
        if got != computed {
            return Err(BlockError::AccessListHash { got, computed });
        }
    }
    Ok(())
}

/// Checks the state root.
///
/// # Errors
/// When it is another one.
pub fn validate_state_root(header: &Header, computed: B256) -> Result<(), BlockError> {
    if header.state_root != computed {
        return Err(BlockError::StateRoot { got: header.state_root, computed });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_eip7928::AccountChanges;
    use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
    use alloy_primitives::{Address, Bloom, b256};

    const ROOT: B256 = B256::repeat_byte(7);
    const EMPTY_LIST_HASH: B256 = b256!("0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347");

    fn block() -> Block {
        let header = Header {
            state_root: ROOT,
            blob_gas_used: Some(0),
            requests_hash: Some(EMPTY_REQUESTS_HASH),
            block_access_list_hash: Some(EMPTY_LIST_HASH),
            ..Header::default()
        };
        Block { header, ..Block::default() }
    }

    fn change(edit: impl FnOnce(&mut Header)) -> BlockError {
        let mut block = block();
        edit(&mut block.header);
        validate_outcome(&block, &BlockOutcome::default(), || ROOT).unwrap_err()
    }

    #[test]
    fn every_field_reports_its_own_variant() {
        use BlockError as E;
        assert_eq!(validate_outcome(&block(), &BlockOutcome::default(), || ROOT), Ok(()));
        assert_eq!(change(|h| h.gas_used = 1), E::GasUsed { got: 1, computed: 0 });
        assert_eq!(change(|h| h.blob_gas_used = Some(1)), E::BlobGasUsed { got: 1, computed: 0 });
        assert_eq!(change(|h| h.logs_bloom = Bloom::repeat_byte(1)), E::LogsBloom);
        assert!(matches!(change(|h| h.receipts_root = ROOT), E::ReceiptsRoot { .. }));
        assert!(matches!(change(|h| h.requests_hash = Some(ROOT)), E::RequestsHash { .. }));
        assert!(matches!(change(|h| h.block_access_list_hash = Some(ROOT)), E::AccessListHash { .. }));
        assert!(matches!(change(|h| h.state_root = B256::ZERO), E::StateRoot { .. }));
    }

    #[test]
    fn a_list_that_the_gas_cannot_pay_for_is_refused() {
        let mut outcome = BlockOutcome::default();
        outcome.record.list = vec![AccountChanges::new(Address::ZERO)];
        let mut block = block();
        block.header.gas_limit = ITEM_COST - 1;
        let error = BlockError::AccessListForm(ListFormError::TooLong { items: 1, max: 0 });
        assert_eq!(validate_outcome(&block, &outcome, || ROOT), Err(error));
    }

    #[test]
    fn the_state_root_is_not_asked_for_when_something_else_differs() {
        let mut block = block();
        block.header.gas_used = 1;
        let result = validate_outcome(&block, &BlockOutcome::default(), || unreachable!("the root is dear"));
        assert!(result.is_err());
    }
}
