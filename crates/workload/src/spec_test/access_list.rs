//! EIP-7928 block access lists in the fixtures' JSON.

use super::error::FieldError;
use super::json::Node;
use alloy_eip7928::{
    AccountChanges, BalanceChange, BlockAccessIndex, BlockAccessList, CodeChange, NonceChange, SlotChanges,
    StorageChange,
};

/// The list as written: order and repetitions stay, since invalid lists are part of the tests.
pub(super) fn parse_access_list(node: &Node<'_>) -> Result<BlockAccessList, FieldError> {
    node.list(|account| {
        Ok(AccountChanges {
            address: account.field("address")?.address()?,
            storage_changes: account.field("storageChanges")?.list(|slot| {
                Ok(SlotChanges {
                    slot: slot.field("slot")?.u256()?,
                    changes: slot.field("slotChanges")?.list(|change| {
                        Ok(StorageChange {
                            block_access_index: index_of(change)?,
                            new_value: change.field("postValue")?.u256()?,
                        })
                    })?,
                })
            })?,
            storage_reads: account.field("storageReads")?.list(Node::u256)?,
            balance_changes: account.field("balanceChanges")?.list(|change| {
                Ok(BalanceChange {
                    block_access_index: index_of(change)?,
                    post_balance: change.field("postBalance")?.u256()?,
                })
            })?,
            nonce_changes: account.field("nonceChanges")?.list(|change| {
                Ok(NonceChange { block_access_index: index_of(change)?, new_nonce: change.field("postNonce")?.u64()? })
            })?,
            code_changes: account.field("codeChanges")?.list(|change| {
                Ok(CodeChange { block_access_index: index_of(change)?, new_code: change.field("newCode")?.bytes()? })
            })?,
        })
    })
}

fn index_of(change: &Node<'_>) -> Result<BlockAccessIndex, FieldError> {
    change.field("blockAccessIndex")?.u64().map(BlockAccessIndex)
}
