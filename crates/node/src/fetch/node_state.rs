//! The state after the parent block, as the node tells it.

use super::block_id::{BlockId, quantity};
use super::client::{Call, Client};
use super::error::FetchError;
use super::touched::Touched;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use motet_types::{Account, BlockHashes, Location, Read, StateView, Value, ViewError};
use motet_workload::block_file::FileAccount;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A view that asks the node for what it does not know yet, and keeps the answers: after an execution it holds
/// everything that the block needs.
///
/// An account without balance, nonce and code counts as absent: the `eth_*` methods cannot tell. From EIP-161 on
/// there are none.
#[derive(Debug)]
pub(super) struct NodeState<'a> {
    client: &'a Client,
    /// The parent block.
    number: u64,
    known: Mutex<Known>,
}

/// What the node has told.
#[derive(Clone, Debug, Default)]
struct Known {
    /// `None`: it does not exist.
    accounts: BTreeMap<Address, Option<Account>>,
    codes: BTreeMap<B256, Bytes>,
    slots: BTreeMap<(Address, U256), U256>,
    block_hashes: BlockHashes,
    /// Values that were asked for one at a time.
    single_reads: usize,
}

/// The hash alone of a block.
#[derive(Debug, Deserialize)]
struct HashOnly {
    hash: B256,
}

impl<'a> NodeState<'a> {
    /// The state after block `number`, whose hash is `hash`. Nothing is asked yet.
    pub(super) fn new(client: &'a Client, number: u64, hash: B256) -> Self {
        let known = Known { block_hashes: BlockHashes::from([(number, hash)]), ..Known::default() };
        Self { client, number, known: Mutex::new(known) }
    }

    /// Asks for many accounts and slots at once. `done` hears of answers; there are [`request_count`] of them.
    ///
    /// # Errors
    /// When the node does not answer.
    pub(super) fn load(&self, touched: &Touched, done: impl FnMut(usize)) -> Result<(), FetchError> {
        let at = quantity(self.number);
        let mut calls = Vec::with_capacity(request_count(touched));
        for (address, slots) in &touched.0 {
            calls.extend(self.account_calls(*address));
            let slot = |slot: &U256| json!([address, B256::from(*slot), at]);
            calls.extend(slots.iter().map(|at| Call { method: "eth_getStorageAt", params: slot(at) }));
        }
        let mut answers = self.client.call_all(&calls, done)?.into_iter().map(Option::unwrap_or_default);
        let mut known = self.known();
        for (address, slots) in &touched.0 {
            let account = self.account_of(answers.by_ref().take(ACCOUNT_CALLS))?;
            known.put_account(*address, account);
            for slot in slots {
                let value = self.word("eth_getStorageAt", answers.next())?;
                known.slots.insert((*address, *slot), value);
            }
        }
        Ok(())
    }

    /// The accounts with their slots, and the ancestors' hashes, that were asked for.
    pub(super) fn contents(&self) -> (BTreeMap<Address, FileAccount>, BlockHashes) {
        let known = self.known();
        let existing = known.accounts.iter().filter_map(|(address, account)| Some((*address, (*account)?)));
        let mut accounts: BTreeMap<Address, FileAccount> = existing
            .map(|(address, Account { balance, nonce, code_hash })| {
                let code = known.codes.get(&code_hash).cloned().unwrap_or_default();
                (address, FileAccount { balance, nonce, code, storage: BTreeMap::new() })
            })
            .collect();
        for ((address, slot), value) in &known.slots {
            if let Some(account) = accounts.get_mut(address) {
                account.storage.insert((*slot).into(), (*value).into());
            }
        }
        (accounts, known.block_hashes.clone())
    }

    /// How many values were asked for one at a time.
    pub(super) fn single_reads(&self) -> usize {
        self.known().single_reads
    }

    /// # Errors
    /// When the parent is not the block any more whose state was asked for.
    pub(super) fn expect_parent(&self, hash: B256) -> Result<(), FetchError> {
        if self.hash_of(self.number)? == hash { Ok(()) } else { Err(FetchError::Reorganised { number: self.number }) }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The calls that tell an account, [`ACCOUNT_CALLS`] of them.
    fn account_calls(&self, address: Address) -> [Call; ACCOUNT_CALLS] {
        let methods = ["eth_getBalance", "eth_getTransactionCount", "eth_getCode"];
        methods.map(|method| Call { method, params: json!([address, quantity(self.number)]) })
    }

    /// The account that the answers to [`NodeState::account_calls`] tell, with its code.
    fn account_of(&self, mut answers: impl Iterator<Item = serde_json::Value>) -> Result<(Account, Bytes), FetchError> {
        let balance = self.word("eth_getBalance", answers.next())?;
        let nonce = self.word("eth_getTransactionCount", answers.next())?;
        let nonce =
            u64::try_from(nonce).map_err(|_| self.client.strange("eth_getTransactionCount", "more than 64 bits"))?;
        let code = answers.next().unwrap_or_default();
        let code: Bytes = serde_json::from_value(code)
            .map_err(|error| self.client.strange("eth_getCode", format!("no bytes: {error}")))?;
        let code_hash = if code.is_empty() { KECCAK256_EMPTY } else { keccak256(&code) };
        Ok((Account { balance, nonce, code_hash }, code))
    }

    /// A number or a word of storage; some nodes write zero as `0x`.
    fn word(&self, method: &'static str, answer: Option<serde_json::Value>) -> Result<U256, FetchError> {
        let answer = answer.unwrap_or_default();
        let digits = answer.as_str().and_then(|text| text.strip_prefix("0x"));
        match digits {
            Some("") => Some(U256::ZERO),
            Some(digits) => U256::from_str_radix(digits, 16).ok(),
            None => None,
        }
        .ok_or_else(|| self.client.strange(method, format!("{answer} is no number of at most 256 bits")))
    }

    fn hash_of(&self, number: u64) -> Result<B256, FetchError> {
        let block = BlockId::Number(number);
        let found: Option<HashOnly> = self.client.call(block.method(), block.params(false))?;
        let missing = || FetchError::NoBlock { node: self.client.node().to_owned(), block: block.to_string() };
        found.map(|block| block.hash).ok_or_else(missing)
    }

    fn ask(&self, location: Location, known: &mut Known) -> Result<(), FetchError> {
        match location {
            Location::Account(address) => {
                let answers = self.client.call_all(&self.account_calls(address), |_| ())?;
                let answers = answers.into_iter().map(Option::unwrap_or_default);
                known.put_account(address, self.account_of(answers)?);
            }
            Location::Slot(address, slot) => {
                let method = "eth_getStorageAt";
                let answer = self.client.call(method, json!([address, B256::from(slot), quantity(self.number)]))?;
                known.slots.insert((address, slot), self.word(method, answer)?);
            }
            Location::BlockHash(number) => {
                known.block_hashes.insert(number, self.hash_of(number)?);
            }
            // Codes come with their accounts.
            Location::Code(_) => return Ok(()),
        }
        known.single_reads += 1;
        Ok(())
    }
}

/// Calls that tell an account.
const ACCOUNT_CALLS: usize = 3;

/// How many answers [`NodeState::load`] waits for.
pub(super) fn request_count(touched: &Touched) -> usize {
    let (accounts, slots) = touched.count();
    accounts * ACCOUNT_CALLS + slots
}

impl Known {
    fn put_account(&mut self, address: Address, (account, code): (Account, Bytes)) {
        if !code.is_empty() {
            self.codes.insert(account.code_hash, code);
        }
        self.accounts.insert(address, Some(account).filter(|account| !account.is_empty()));
    }

    fn value(&self, location: Location) -> Option<Value> {
        match location {
            Location::Account(address) => self.accounts.get(&address).map(|account| Value::Account(*account)),
            Location::Slot(address, slot) => self.slots.get(&(address, slot)).map(|value| Value::Slot(*value)),
            Location::Code(KECCAK256_EMPTY) => Some(Value::Code(Bytes::new())),
            Location::Code(hash) => self.codes.get(&hash).map(|code| Value::Code(code.clone())),
            Location::BlockHash(number) => self.block_hashes.get(&number).map(|hash| Value::BlockHash(*hash)),
        }
    }
}

impl StateView for NodeState<'_> {
    fn read(&self, location: Location) -> Result<Read, ViewError> {
        let mut known = self.known();
        if known.value(location).is_none() {
            self.ask(location, &mut known).map_err(|error| ViewError::new(location, error.to_string()))?;
        }
        match known.value(location) {
            Some(value) => Ok(Read::Ready(value)),
            None => Err(ViewError::new(location, "no account that the node told of has it")),
        }
    }
}
