//! The change of a block in the form that databases of alloy-evm take.

use super::answers::Answers;
use crate::vm::{AccountInfo, Bytecode, EvmState, VmAccount, analyse};
use alloy_evm::block::StateDB;
use alloy_evm::revm::state::{EvmStorageSlot, TransactionId};
use alloy_primitives::{Address, KECCAK256_EMPTY, U256};
use motet_types::{Account, AccountDiff, StateDiff};

/// Commits the change of a block. On an error of the database nothing is committed.
///
/// An account that died and lives again takes two commits, as it takes two transactions: a database has no
/// word for both at once. One that had neither code nor nonce and ends with code is taken as created, once:
/// whether it died in between makes no difference to any value, only to the status in revm's bundle.
pub(super) fn commit<DB: StateDB>(db: &mut DB, diff: &StateDiff, parent: &Answers) -> Result<(), DB::Error> {
    let (mut deaths, mut changes) = (EvmState::default(), EvmState::default());
    for (address, change) in &diff.accounts {
        let before = match parent.account(*address) {
            Some(account) => account,
            None => db.basic(*address)?.map(|info| plain(&info)),
        };
        let Some(after) = change.account else {
            deaths.insert(*address, loaded(before).with_touched_mark().with_selfdestruct_mark());
            continue;
        };
        let code = match diff.codes.get(&after.code_hash) {
            Some(code) => Some(analyse(code.clone())),
            // Empty code is always at hand, and revm's bundles list it as they list any other.
            None => (after.code_hash == KECCAK256_EMPTY).then(Bytecode::default),
        };
        // Code in the place of a plain account says that it was created there, without having died.
        let replaced = |before: Account| !may_have_storage(before) && after.code_hash != KECCAK256_EMPTY;
        let reborn = change.wiped && before.is_some_and(|before| !replaced(before));
        if reborn {
            deaths.insert(*address, loaded(before).with_touched_mark().with_selfdestruct_mark());
        }
        let account = changed(db, *address, if reborn { None } else { before }, after, code, change, parent)?;
        changes.insert(*address, account);
    }
    for step in [deaths, changes] {
        if !step.is_empty() {
            db.commit(step);
        }
    }
    Ok(())
}

/// An account that lives after the block.
fn changed<DB: StateDB>(
    db: &mut DB,
    address: Address,
    before: Option<Account>,
    after: Account,
    code: Option<Bytecode>,
    change: &AccountDiff,
    parent: &Answers,
) -> Result<VmAccount, DB::Error> {
    let mut account = loaded(before).with_touched_mark().with_info(info(after, code));
    // A contract that comes to be is created; so is one that takes the place of a plain account.
    let created = change.wiped || before.is_none() && after.code_hash != KECCAK256_EMPTY;
    if created {
        account.mark_created();
    }
    for (slot, value) in &change.storage {
        let original = match (created || before.is_none(), parent.slot(address, *slot)) {
            (true, _) => U256::ZERO,
            (false, Some(original)) => original,
            (false, None) => db.storage(address, *slot)?,
        };
        account.storage.insert(*slot, EvmStorageSlot::new_changed(original, *value, TransactionId::ZERO));
    }
    Ok(account)
}

/// An account as the EVM holds it after loading.
fn loaded(before: Option<Account>) -> VmAccount {
    match before {
        Some(account) => VmAccount::from(info(account, None)),
        None => VmAccount::new_not_existing(TransactionId::ZERO),
    }
}

fn info(account: Account, code: Option<Bytecode>) -> AccountInfo {
    let Account { balance, nonce, code_hash } = account;
    AccountInfo { balance, nonce, code_hash, code, ..AccountInfo::default() }
}

fn plain(info: &AccountInfo) -> Account {
    Account { balance: info.balance, nonce: info.nonce, code_hash: info.code_hash }
}

/// From Byzantium on an account without nonce and code has no storage.
fn may_have_storage(account: Account) -> bool {
    account.nonce != 0 || account.code_hash != KECCAK256_EMPTY
}
