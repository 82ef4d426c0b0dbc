//! Small blocks: a fork, a state, a few transactions with given senders.

use super::assembler::{Code, Word, deployer, op};
use alloy_consensus::{
    BlockBody, EthereumTxEnvelope, Header, SignableTransaction as _, TxEip1559, TxEip2930, TxEip4844, TxEip7702,
    TxLegacy,
};
use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_eips::eip4895::{Withdrawal, Withdrawals};
use alloy_eips::eip7702::Authorization;
use alloy_eips::{eip2935, eip4788, eip7002, eip7251};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, address, keccak256};
use motet_exec::SystemCalls;
use motet_types::{Block, BlockRules, ChainSpec, Fork, MemoryState, RecoveredBlock, Transaction};
use std::collections::BTreeMap;

/// Who gets the fees unless a case says otherwise.
pub(crate) const BENEFICIARY: Address = address!("0xbe00000000000000000000000000000000000000");
/// Wei in one ether.
pub(crate) const ETHER: u64 = 1_000_000_000_000_000_000;
/// Chain id of all cases.
const CHAIN_ID: u64 = 1;
/// Number of the block of all cases.
pub(crate) const NUMBER: u64 = 1_000;
/// Wei per gas burnt from London on.
const BASE_FEE: u64 = 7;

/// An account of a person.
pub(crate) fn eoa(n: u8) -> Address {
    let mut bytes = [0xaa; 20];
    bytes[19] = n;
    bytes.into()
}

/// An account of a contract.
pub(crate) fn contract(n: u8) -> Address {
    let mut bytes = [0xcc; 20];
    bytes[19] = n;
    bytes.into()
}

/// An authorization with the signer that recovery would find.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Authorized {
    pub(crate) authority: Option<Address>,
    pub(crate) target: Address,
    pub(crate) nonce: u64,
}

impl Authorized {
    pub(crate) fn new(authority: Address, target: Address, nonce: u64) -> Self {
        Self { authority: Some(authority), target, nonce }
    }
}

#[derive(Clone, Debug)]
enum Kind {
    Legacy,
    Listed(Vec<(Address, Vec<B256>)>),
    Dynamic { tip: u128 },
    Blob { hashes: Vec<B256>, max_fee: u128 },
    SetCode(Vec<Authorized>),
}

/// A transaction to be sealed. A plain legacy call of 2 million gas at 10 wei unless told otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Tx {
    kind: Kind,
    to: TxKind,
    value: U256,
    input: Bytes,
    gas: u64,
    price: u128,
    nonce: Option<u64>,
}

impl Tx {
    pub(crate) fn call(to: Address) -> Self {
        Self {
            kind: Kind::Legacy,
            to: TxKind::Call(to),
            value: U256::ZERO,
            input: Bytes::new(),
            gas: 2_000_000,
            price: 10,
            nonce: None,
        }
    }

    pub(crate) fn create(init: impl Into<Bytes>) -> Self {
        Self { to: TxKind::Create, input: init.into(), ..Self::call(Address::ZERO) }
    }

    pub(crate) fn value(self, value: impl Word) -> Self {
        Self { value: value.word(), ..self }
    }

    /// Adds a word to the data.
    pub(crate) fn arg(self, word: impl Word) -> Self {
        let mut input = self.input.to_vec();
        input.extend(word.word().to_be_bytes::<32>());
        Self { input: input.into(), ..self }
    }

    pub(crate) fn gas(self, gas: u64) -> Self {
        Self { gas, ..self }
    }

    pub(crate) fn price(self, price: u128) -> Self {
        Self { price, ..self }
    }

    pub(crate) fn nonce(self, nonce: u64) -> Self {
        Self { nonce: Some(nonce), ..self }
    }

    /// EIP-2930.
    pub(crate) fn listing(self, address: Address, keys: Vec<B256>) -> Self {
        Self { kind: Kind::Listed(vec![(address, keys)]), ..self }
    }

    /// EIP-1559.
    pub(crate) fn tip(self, tip: u128) -> Self {
        Self { kind: Kind::Dynamic { tip }, ..self }
    }

    /// EIP-4844.
    pub(crate) fn blobs(self, count: u8, max_fee: u128) -> Self {
        let hash = |n: u8| {
            let mut hash = B256::repeat_byte(n);
            hash[0] = 1;
            hash
        };
        Self { kind: Kind::Blob { hashes: (1..=count).map(hash).collect(), max_fee }, ..self }
    }

    /// EIP-7702.
    pub(crate) fn authorizing(self, authorizations: impl Into<Vec<Authorized>>) -> Self {
        Self { kind: Kind::SetCode(authorizations.into()), ..self }
    }

    fn seal(self, nonce: u64) -> (Transaction, Vec<Option<Address>>) {
        let Self { kind, to, value, input, gas: gas_limit, price, .. } = self;
        let (chain_id, signature) = (CHAIN_ID, Signature::test_signature());
        let address = || to.to().copied().expect("this type of transaction calls");
        let (max_fee_per_gas, access_list) = (price, AccessList::default());
        let mut authorities = Vec::new();
        let tx = match kind {
            Kind::Legacy => {
                let tx = TxLegacy { chain_id: None, nonce, gas_price: price, gas_limit, to, value, input };
                EthereumTxEnvelope::Legacy(tx.into_signed(signature))
            }
            Kind::Listed(items) => {
                let item = |(address, storage_keys)| AccessListItem { address, storage_keys };
                let access_list = AccessList(items.into_iter().map(item).collect());
                let tx = TxEip2930 { chain_id, nonce, gas_price: price, gas_limit, to, value, access_list, input };
                EthereumTxEnvelope::Eip2930(tx.into_signed(signature))
            }
            Kind::Dynamic { tip: max_priority_fee_per_gas } => {
                let tx = TxEip1559 {
                    chain_id,
                    nonce,
                    gas_limit,
                    max_fee_per_gas,
                    max_priority_fee_per_gas,
                    to,
                    value,
                    access_list,
                    input,
                };
                EthereumTxEnvelope::Eip1559(tx.into_signed(signature))
            }
            Kind::Blob { hashes: blob_versioned_hashes, max_fee: max_fee_per_blob_gas } => {
                let tx = TxEip4844 {
                    chain_id,
                    nonce,
                    gas_limit,
                    max_fee_per_gas,
                    max_priority_fee_per_gas: 1,
                    to: address(),
                    value,
                    access_list,
                    blob_versioned_hashes,
                    max_fee_per_blob_gas,
                    input,
                };
                EthereumTxEnvelope::Eip4844(tx.into_signed(signature))
            }
            Kind::SetCode(authorizations) => {
                authorities = authorizations.iter().map(|authorized| authorized.authority).collect();
                let sign = |authorized: &Authorized| {
                    let Authorized { target, nonce, .. } = *authorized;
                    Authorization { chain_id: U256::from(CHAIN_ID), address: target, nonce }.into_signed(signature)
                };
                let tx = TxEip7702 {
                    chain_id,
                    nonce,
                    gas_limit,
                    max_fee_per_gas,
                    max_priority_fee_per_gas: 1,
                    to: address(),
                    value,
                    access_list,
                    authorization_list: authorizations.iter().map(sign).collect(),
                    input,
                };
                EthereumTxEnvelope::Eip7702(tx.into_signed(signature))
            }
        };
        (tx, authorities)
    }
}

/// One block over one state.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) rules: BlockRules,
    pub(crate) header: Header,
    pub(crate) state: MemoryState,
    pub(crate) rewards: bool,
    /// Whether the list alone, without events, says enough to execute from.
    pub(crate) own_list: bool,
    pub(crate) system_calls: SystemCalls,
    pub(crate) withdrawals: Vec<Withdrawal>,
    transactions: Vec<Transaction>,
    senders: Vec<Address>,
    authorities: Vec<Vec<Option<Address>>>,
    /// Next nonce of every sender so far.
    nonces: BTreeMap<Address, u64>,
}

impl Case {
    /// An empty block. From Prague on the state has the system contracts that must exist.
    pub(crate) fn new(name: &str, fork: Fork) -> Self {
        let rules = ChainSpec::at_fork(CHAIN_ID, fork).rules_at(NUMBER, NUMBER * 12, None);
        let since = |first: Fork| fork >= first;
        let header = Header {
            parent_hash: keccak256(b"parent"),
            number: NUMBER,
            timestamp: NUMBER * 12,
            gas_limit: 1_000_000_000,
            beneficiary: BENEFICIARY,
            difficulty: if since(Fork::Paris) { U256::ZERO } else { U256::from(131_072) },
            mix_hash: keccak256(b"randao"),
            base_fee_per_gas: since(Fork::London).then_some(BASE_FEE),
            withdrawals_root: since(Fork::Shanghai).then_some(B256::ZERO),
            blob_gas_used: since(Fork::Cancun).then_some(0),
            excess_blob_gas: since(Fork::Cancun).then_some(0),
            parent_beacon_block_root: since(Fork::Cancun).then_some(keccak256(b"beacon")),
            requests_hash: since(Fork::Prague).then_some(B256::ZERO),
            block_access_list_hash: since(Fork::Amsterdam).then_some(B256::ZERO),
            slot_number: since(Fork::Amsterdam).then_some(NUMBER),
            ..Header::default()
        };
        let mut this = Self {
            name: format!("{name} at {fork}"),
            rules,
            header,
            state: MemoryState::new(),
            rewards: true,
            own_list: true,
            system_calls: SystemCalls::Strict,
            withdrawals: Vec::new(),
            transactions: Vec::new(),
            senders: Vec::new(),
            authorities: Vec::new(),
            nonces: BTreeMap::new(),
        };
        for back in 1..=256 {
            this.state.insert_block_hash(NUMBER - back, keccak256((NUMBER - back).to_be_bytes()));
        }
        if since(Fork::Cancun) {
            this.place_bytes(eip4788::BEACON_ROOTS_ADDRESS, eip4788::BEACON_ROOTS_CODE.clone());
        }
        if since(Fork::Prague) {
            this.place_bytes(eip2935::HISTORY_STORAGE_ADDRESS, eip2935::HISTORY_STORAGE_CODE.clone());
            let withdrawals = eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_CODE.clone();
            this.place_bytes(eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, withdrawals);
            // A stand-in: no case here consolidates, and the call must only find code that succeeds.
            this.place_bytes(eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, Bytes::from_static(&[0]));
        }
        this
    }

    pub(crate) fn fork(&self) -> Fork {
        self.rules.fork
    }

    fn place_bytes(&mut self, address: Address, code: Bytes) {
        self.state.insert_account(address, U256::ZERO, 1, code, []);
    }

    /// Puts an account without code.
    pub(crate) fn fund(&mut self, address: Address, balance: impl Word) {
        self.state.insert_account(address, balance.word(), 0, Bytes::new(), []);
    }

    /// Puts an account without code that has sent transactions before.
    pub(crate) fn fund_used(&mut self, address: Address, balance: impl Word, nonce: u64) {
        self.state.insert_account(address, balance.word(), nonce, Bytes::new(), []);
    }

    /// Puts a contract.
    pub(crate) fn place(&mut self, address: Address, code: &Code) {
        self.place_with(address, code, 0, &[]);
    }

    /// Puts a contract with balance and storage.
    pub(crate) fn place_with(&mut self, address: Address, code: &Code, balance: impl Word, slots: &[(u64, u64)]) {
        let slots = slots.iter().map(|(slot, value)| (U256::from(*slot), U256::from(*value)));
        self.state.insert_account(address, balance.word(), 1, code.bytes(), slots);
    }

    /// Adds a transaction. A sender that the state does not have yet gets an ether; the nonce follows the
    /// sender's transactions so far unless the transaction names one.
    pub(crate) fn send(&mut self, sender: Address, tx: Tx) {
        if self.state.account(&sender).is_none() {
            self.fund(sender, ETHER);
        }
        self.send_as_is(sender, tx);
    }

    /// Adds a transaction of a sender as the state has it, even if it has it not.
    pub(crate) fn send_as_is(&mut self, sender: Address, tx: Tx) {
        let known = self.state.account(&sender).map_or(0, |account| account.account.nonce);
        let next = self.nonces.entry(sender).or_insert(known);
        let nonce = tx.nonce.unwrap_or(*next);
        *next = nonce.wrapping_add(1);
        let (tx, authorities) = tx.seal(nonce);
        self.transactions.push(tx);
        self.senders.push(sender);
        self.authorities.push(authorities);
    }

    pub(crate) fn tx_count(&self) -> usize {
        self.transactions.len()
    }

    /// The block.
    pub(crate) fn block(&self) -> RecoveredBlock {
        let withdrawals = self.header.withdrawals_root.is_some().then(|| Withdrawals::new(self.withdrawals.clone()));
        let body = BlockBody { transactions: self.transactions.clone(), ommers: Vec::new(), withdrawals };
        let block = Block { header: self.header.clone(), body };
        RecoveredBlock::new(block, self.senders.clone(), self.authorities.clone())
    }
}

/// A block with a bit of everything.
pub(crate) fn everything(fork: Fork) -> Case {
    let mut case = Case::new("everything", fork);
    let code = Code::new().arg(0).op(op::SLOAD).push(1).op(op::ADD).store_at_arg().load(0).op(op::POP);
    case.place_with(contract(1), &code.push(900).op(op::BLOCKHASH).op(op::POP), 0, &[(1, 5), (2, 5)]);
    case.place(contract(2), &Code::new().call_word(contract(1), 1).op(op::POP).increment(0));
    case.place(contract(3), &Code::new().op(op::COINBASE).op(op::BALANCE).store(0));
    case.fund(eoa(9), 1);
    for tx in 0..24u8 {
        let call = match tx % 6 {
            0 => Tx::call(contract(1)).arg(i32::from(tx % 4)),
            1 => Tx::call(eoa(9)).value(u64::from(tx)),
            2 => Tx::call(contract(2)),
            3 => Tx::create(deployer(Code::new(), &Code::new().increment(0))),
            4 => Tx::call(eoa(60 + tx)).value(1),
            _ => Tx::call(contract(3)),
        };
        case.send(eoa(10 + tx % 9), call);
    }
    case
}
