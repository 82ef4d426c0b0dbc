//! Blocks of many transactions out of state tests of one.
//!
//! The public state tests run one transaction each, which gives an engine nothing to run beside it. Packing
//! puts the transactions of many tests of one fork into one block, over the union of their pre-states and in
//! the environment of the first. No fixture says what must come of such a block; what is tested is that every
//! engine gives what sequential execution gives.
//!
//! Two tests go together when the accounts that both list are equal, but for the balances of accounts
//! without code. Transactions of one sender follow each other with ascending nonces, and each sender gets
//! enough to pay for all of its own. A transaction that the block turns out not to admit leaves it again.

use super::case::Verdict;
use super::edited_tx::{Fields, with_fields};
use super::engines::{EngineRuns, Engines};
use super::failure::Failure;
use super::state_block::{self, EnvView};
use alloy_consensus::{Header, Transaction as _};
use alloy_primitives::{Address, U256};
use motet_chain::{ReceiptRoots, RootCalculator};
use motet_exec::{ExecError, InvalidBlock};
use motet_types::{BlockHashes, BlockRules, Fork, Transaction};
use motet_workload::spec_test::{StateSubtest, StateTest, StateTransaction, TestAccount, TestAlloc};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Gas limit of a packed transaction: what a test spends in a loop that only its own environment ends must
/// not take forever in another.
const TX_GAS_MAX: u64 = 10_000_000;
/// Nonces from here on leave no room for those that follow.
const NONCE_MAX: u64 = u64::MAX / 2;
/// Unfinished blocks per fork. When all are taken by tests that contradict the next one, the fullest goes.
const OPEN_PACKS_MAX: usize = 64;

/// A transaction that passed alone.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    test: Arc<StateTest>,
    subtest: usize,
}

impl Candidate {
    /// The transaction of a subtest that passed; `None` where its point is to be refused.
    pub(super) fn new(test: &Arc<StateTest>, subtest: usize) -> Option<Self> {
        let candidate = Self { test: test.clone(), subtest };
        let valid = candidate.subtest().expected.exception.is_none();
        let nonce = candidate.transaction()?.transaction.nonce();
        (valid && nonce < NONCE_MAX).then_some(candidate)
    }

    fn subtest(&self) -> &StateSubtest {
        &self.test.subtests[self.subtest]
    }

    fn transaction(&self) -> Option<&StateTransaction> {
        self.subtest().transaction.as_ref().ok()
    }

    fn rules(&self) -> BlockRules {
        self.subtest().spec.rules_at(self.test.env.number, self.test.env.timestamp, None)
    }
}

/// Sorts candidates into blocks.
#[derive(Debug)]
pub(super) struct Packer {
    tx_count: usize,
    open: BTreeMap<Fork, Vec<Pack>>,
    started: BTreeMap<Fork, usize>,
}

impl Packer {
    /// For blocks of `tx_count` transactions.
    pub(super) fn new(tx_count: usize) -> Self {
        Self { tx_count, open: BTreeMap::new(), started: BTreeMap::new() }
    }

    /// Adds a candidate to the first block that it fits, and gives back the block that is finished by that.
    pub(super) fn add(&mut self, candidate: &Candidate) -> Option<Pack> {
        let transaction = candidate.transaction()?;
        let rules = candidate.rules();
        let open = self.open.entry(rules.fork).or_default();
        if let Some(pos) = open.iter().position(|pack| pack.admits(candidate, transaction, &rules)) {
            open[pos].push(candidate, transaction);
            return (open[pos].transactions.len() >= self.tx_count).then(|| open.remove(pos));
        }
        let fullest = (0..open.len()).max_by_key(|pos| open[*pos].transactions.len());
        let finished = fullest.filter(|_| open.len() >= OPEN_PACKS_MAX).map(|pos| open.remove(pos));
        let number = self.started.entry(rules.fork).or_default();
        *number += 1;
        let mut pack = Pack::new(candidate, rules, *number);
        pack.push(candidate, transaction);
        open.push(pack);
        finished.filter(Pack::is_worth_running)
    }

    /// The blocks that never got full.
    pub(super) fn finish(self) -> impl Iterator<Item = Pack> {
        self.open.into_values().flatten().filter(Pack::is_worth_running)
    }
}

/// A block under construction.
///
/// Invariant: `accounts` agrees with the pre-state of every test in the block, but for balances of accounts
/// without code, which are the highest of any.
#[derive(Clone, Debug)]
pub(super) struct Pack {
    number: usize,
    rules: BlockRules,
    header: Header,
    block_hashes: BlockHashes,
    accounts: TestAlloc,
    transactions: Vec<StateTransaction>,
    blob_gas: u64,
}

impl Pack {
    fn new(first: &Candidate, rules: BlockRules, number: usize) -> Self {
        let env = &first.test.env;
        Self {
            number,
            header: state_block::header(env, &rules),
            rules,
            block_hashes: env.block_hashes.clone(),
            accounts: TestAlloc::default(),
            transactions: Vec::new(),
            blob_gas: 0,
        }
    }

    /// The block's name.
    pub(super) fn name(&self) -> String {
        format!("{} block {} of {} transactions", self.rules.fork.name(), self.number, self.transactions.len())
    }

    /// The fork.
    pub(super) fn fork_name(&self) -> &'static str {
        self.rules.fork.name()
    }

    /// How many transactions are in it.
    pub(super) fn tx_count(&self) -> usize {
        self.transactions.len()
    }

    /// One transaction alone has run before.
    fn is_worth_running(&self) -> bool {
        self.transactions.len() > 1
    }

    fn admits(&self, candidate: &Candidate, transaction: &StateTransaction, rules: &BlockRules) -> bool {
        let listed = &candidate.test.pre.accounts;
        self.rules == *rules
            && self.can_be_paid_by(&transaction.transaction)
            && listed.iter().all(|(address, account)| {
                self.accounts.accounts.get(address).is_none_or(|present| go_together(present, account))
            })
    }

    /// Whether the transaction pays this block's base fees and the block has room for its blobs.
    fn can_be_paid_by(&self, tx: &Transaction) -> bool {
        let base_fee = u128::from(self.header.base_fee_per_gas.unwrap_or_default());
        if tx.max_fee_per_gas() < base_fee {
            return false;
        }
        let (Some(blob_gas), Some(params)) = (tx.blob_gas_used(), self.rules.blob) else { return true };
        let blob_fee = self.header.blob_fee(params).unwrap_or_default();
        tx.max_fee_per_blob_gas().is_some_and(|max| max >= blob_fee)
            && self.blob_gas.saturating_add(blob_gas) <= params.max_blob_gas_per_block()
    }

    fn push(&mut self, candidate: &Candidate, transaction: &StateTransaction) {
        for (address, account) in &candidate.test.pre.accounts {
            let present = self.accounts.accounts.entry(*address).or_insert_with(|| account.clone());
            present.balance = present.balance.max(account.balance);
        }
        self.blob_gas += transaction.transaction.blob_gas_used().unwrap_or_default();
        self.transactions.push(transaction.clone());
    }

    /// Runs the block on every engine. As long as it is refused for one of its transactions, by every engine
    /// alike, that transaction leaves it.
    pub(super) fn run(mut self, engines: &Engines, runs: &mut EngineRuns) -> Verdict {
        while self.is_worth_running() {
            let refused = self.run_once(engines, runs);
            if let Some(run) = runs.disagreement() {
                return Verdict::Failed(Failure::of_engine(run));
            }
            match refused {
                Ok(()) => return Verdict::Passed,
                Err(ExecError::Invalid(InvalidBlock::Transaction { tx, .. })) => {
                    self.transactions.remove(tx.pos());
                }
                Err(error) => return Verdict::Skipped(format!("a packed block without outcome: {error}")),
            }
        }
        Verdict::Skipped("fewer than two transactions of a packed block can stand in it".to_owned())
    }

    fn run_once(&self, engines: &Engines, runs: &mut EngineRuns) -> Result<(), ExecError> {
        let mut accounts = self.accounts.clone();
        let mut nonces: BTreeMap<Address, u64> = BTreeMap::new();
        let mut block_gas_limit = 0u64;
        let mut transactions = Vec::with_capacity(self.transactions.len());
        for StateTransaction { transaction, sender, authorities, .. } in &self.transactions {
            let account = accounts.accounts.entry(*sender).or_default();
            let nonce = nonces.entry(*sender).or_insert(account.nonce);
            let (gas_limit, value) = (transaction.gas_limit().min(TX_GAS_MAX), transaction.value());
            let packed = with_fields(transaction, Fields { nonce: *nonce, gas_limit, value });
            *nonce += 1;
            account.balance = account.balance.saturating_add(cost_max(&packed));
            block_gas_limit += gas_limit;
            transactions.push((packed, *sender, authorities.clone()));
        }
        let header = Header { gas_limit: block_gas_limit, ..self.header.clone() };
        let block = state_block::block(header, transactions);
        let before = RootCalculator::new(accounts.to_memory_state());
        let view = EnvView { state: before.state(), hashes: &self.block_hashes };
        let roots = (!self.rules.is_active(Fork::Byzantium)).then_some(&before as &dyn ReceiptRoots);
        engines.execute(&state_block::input(&block, &self.rules), &view, roots, None, runs).map(|_| ())
    }
}

/// Whether two tests can share an account.
fn go_together(present: &TestAccount, account: &TestAccount) -> bool {
    let balances_may_differ = present.code.is_empty();
    present.nonce == account.nonce
        && present.code == account.code
        && present.storage == account.storage
        && (balances_may_differ || present.balance == account.balance)
}

/// The most that a transaction can take from its sender.
fn cost_max(tx: &Transaction) -> U256 {
    let gas = U256::from(tx.max_fee_per_gas()).saturating_mul(U256::from(tx.gas_limit()));
    let blob_gas = U256::from(tx.blob_gas_used().unwrap_or_default());
    let blobs = U256::from(tx.max_fee_per_blob_gas().unwrap_or_default()).saturating_mul(blob_gas);
    gas.saturating_add(blobs).saturating_add(tx.value())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::Bytes;

    fn account(nonce: u64, balance: u64, code: &'static [u8]) -> TestAccount {
        let balance = U256::from(balance);
        TestAccount { nonce, balance, code: Bytes::from_static(code), ..TestAccount::default() }
    }

    #[test]
    fn accounts_go_together_when_only_the_balance_of_one_without_code_differs() {
        assert!(go_together(&account(1, 5, b""), &account(1, 9, b"")));
        assert!(go_together(&account(1, 5, b"x"), &account(1, 5, b"x")));
        assert!(!go_together(&account(1, 5, b"x"), &account(1, 9, b"x")));
        assert!(!go_together(&account(1, 5, b""), &account(2, 5, b"")));
        assert!(!go_together(&account(1, 5, b"x"), &account(1, 5, b"y")));
        let stored = TestAccount { storage: [(U256::ZERO, U256::from(1))].into(), ..account(1, 5, b"") };
        assert!(!go_together(&account(1, 5, b""), &stored));
    }
}
