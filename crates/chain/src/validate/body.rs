//! A body against its header, and the access list that came with it.

use super::transaction::validate_transactions;
use super::{BlockError, initcode_bytes_max};
use alloy_consensus::proofs::{calculate_ommers_root, calculate_transaction_root, calculate_withdrawals_root};
use alloy_eip7928::{BlockAccessList, compute_block_access_list_hash};
use alloy_rlp::Encodable;
use motet_types::{Block, BlockRules, Fork, validate_list_form};

/// Longest RLP of a block, in bytes. EIP-7934, MAX_RLP_BLOCK_SIZE: 10 MiB less 2 MiB for the beacon block.
pub const BLOCK_RLP_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Checks a block's body against its header, whose rules `rules` are, and the rules on transactions that
/// need no state.
///
/// Two checks wait until the transactions have been executed, [`validate_transactions_root`] and the sum
/// of blob gas: a block with a transaction that may not stand there is to be refused for that transaction,
/// and the headers of such blocks often leave it out.
///
/// # Errors
/// Names the first rule that the body breaks.
pub fn validate_body(block: &Block, rules: &BlockRules) -> Result<(), BlockError> {
    if rules.is_active(Fork::Osaka) {
        let bytes = block.length();
        if bytes > BLOCK_RLP_BYTES_MAX {
            return Err(BlockError::RlpTooLong { bytes, max: BLOCK_RLP_BYTES_MAX });
        }
    }
    let (header, body) = (&block.header, &block.body);
    let computed = calculate_ommers_root(&body.ommers);
    if header.ommers_hash != computed {
        return Err(BlockError::OmmersHash { got: header.ommers_hash, computed });
    }
    match (header.withdrawals_root, &body.withdrawals) {
        (Some(got), Some(withdrawals)) => {
            let computed = calculate_withdrawals_root(withdrawals);
            if got != computed {
                return Err(BlockError::WithdrawalsRoot { got, computed });
            }
        }
        (Some(_), None) => return Err(BlockError::MissingWithdrawals),
        (None, Some(_)) => return Err(BlockError::UnexpectedWithdrawals),
        (None, None) => {}
    }
    validate_transactions(&body.transactions, rules)
}

/// Checks that the header names the root of the block's transactions.
///
/// # Errors
/// [`BlockError::TransactionsRoot`] when it does not.
pub fn validate_transactions_root(block: &Block) -> Result<(), BlockError> {
    let got = block.header.transactions_root;
    let computed = calculate_transaction_root(&block.body.transactions);
    if got == computed { Ok(()) } else { Err(BlockError::TransactionsRoot { got, computed }) }
}

/// Checks the access list that came with a block: it is the one that the header names, and in canonical
/// form. What it says is for the executor to check. EIP-7928.
///
/// # Errors
/// [`BlockError::AccessListHash`], [`BlockError::AccessListForm`], or [`BlockError::MissingField`] where
/// the header names none.
pub fn validate_access_list(block: &Block, list: &BlockAccessList, rules: &BlockRules) -> Result<(), BlockError> {
    let Some(got) = block.header.block_access_list_hash else {
        return Err(BlockError::MissingField { field: "block_access_list_hash" });
    };
    let computed = compute_block_access_list_hash(list);
    if got != computed {
        return Err(BlockError::AccessListHash { got, computed });
    }
    // Deployed code may be half as long as init code. EIP-3860, EIP-7954.
    let code_bytes_max = initcode_bytes_max(rules.fork).map_or(usize::MAX, |max| max / 2);
    let tx_count = block.body.transactions.len();
    Ok(validate_list_form(list, tx_count, Some(block.header.gas_limit), code_bytes_max)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_consensus::{Header, SignableTransaction, TxLegacy};
    use alloy_eip7928::AccountChanges;
    use alloy_eips::eip4895::{Withdrawal, Withdrawals};
    use alloy_primitives::{Address, B256, Bytes, Signature, U256};
    use motet_types::{ChainSpec, ListFormError, Transaction};

    fn rules(fork: Fork) -> BlockRules {
        ChainSpec::at_fork(1, fork).rules_at(1, 1, None)
    }

    fn block() -> Block {
        let tx: Transaction =
            TxLegacy::default().into_signed(Signature::new(U256::from(1), U256::from(1), false)).into();
        let mut block = Block::default();
        block.body.transactions = vec![tx];
        block.body.withdrawals = Some(Withdrawals::new(vec![Withdrawal::default()]));
        block.header = Header {
            transactions_root: calculate_transaction_root(&block.body.transactions),
            withdrawals_root: block.body.calculate_withdrawals_root(),
            gas_limit: 30_000_000,
            ..Header::default()
        };
        block
    }

    fn change(edit: impl FnOnce(&mut Block)) -> BlockError {
        let mut block = block();
        assert_eq!(validate_body(&block, &rules(Fork::Shanghai)), Ok(()));
        edit(&mut block);
        validate_body(&block, &rules(Fork::Shanghai)).unwrap_err()
    }

    #[test]
    fn every_rule_reports_its_own_variant() {
        use BlockError as E;
        assert!(matches!(change(|b| b.header.ommers_hash = B256::ZERO), E::OmmersHash { .. }));
        assert!(matches!(change(|b| b.body.ommers.push(Header::default())), E::OmmersHash { .. }));
        assert!(matches!(change(|b| b.header.withdrawals_root = Some(B256::ZERO)), E::WithdrawalsRoot { .. }));
        assert!(matches!(change(|b| b.body.withdrawals = None), E::MissingWithdrawals));
        assert!(matches!(change(|b| b.header.withdrawals_root = None), E::UnexpectedWithdrawals));
    }

    #[test]
    fn the_header_must_name_the_root_of_the_transactions() {
        let mut block = block();
        assert_eq!(validate_transactions_root(&block), Ok(()));
        block.body.transactions.clear();
        assert!(matches!(validate_transactions_root(&block), Err(BlockError::TransactionsRoot { .. })));
    }

    #[test]
    fn blocks_are_bounded_in_bytes_from_osaka_on() {
        let mut block = block();
        let input = Bytes::from(vec![1; BLOCK_RLP_BYTES_MAX]);
        let tx = TxLegacy { input, to: Address::ZERO.into(), ..TxLegacy::default() };
        block.body.transactions = vec![tx.into_signed(Signature::new(U256::from(1), U256::from(1), false)).into()];
        block.header.transactions_root = calculate_transaction_root(&block.body.transactions);
        assert_eq!(validate_body(&block, &rules(Fork::Prague)), Ok(()));
        let bytes = alloy_rlp::encode(&block).len();
        let error = BlockError::RlpTooLong { bytes, max: BLOCK_RLP_BYTES_MAX };
        assert_eq!(validate_body(&block, &rules(Fork::Osaka)), Err(error));
    }

    #[test]
    fn a_list_must_be_the_headers_and_well_formed() {
        let mut block = block();
        let rules = rules(Fork::Amsterdam);
        let account = |byte| AccountChanges::new(Address::with_last_byte(byte));
        let list: BlockAccessList = vec![account(1), account(2)];
        let missing = BlockError::MissingField { field: "block_access_list_hash" };
        assert_eq!(validate_access_list(&block, &list, &rules), Err(missing));
        block.header.block_access_list_hash = Some(compute_block_access_list_hash(&list));
        assert_eq!(validate_access_list(&block, &list, &rules), Ok(()));
        let swapped: BlockAccessList = vec![account(2), account(1)];
        assert!(matches!(validate_access_list(&block, &swapped, &rules), Err(BlockError::AccessListHash { .. })));
        block.header.block_access_list_hash = Some(compute_block_access_list_hash(&swapped));
        let order = ListFormError::AccountOrder { address: Address::with_last_byte(1) };
        assert_eq!(validate_access_list(&block, &swapped, &rules), Err(BlockError::AccessListForm(order)));
    }
}
