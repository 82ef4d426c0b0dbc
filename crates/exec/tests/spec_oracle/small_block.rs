//! Small blocks from a seed: transfers, calls, creations and failures of all kinds, over few accounts so that
//! transactions meet each other.

use crate::contracts;
use alloy_consensus::crypto::secp256k1::sign_message;
use alloy_consensus::{BlockBody, Header, SignableTransaction, TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxLegacy};
use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_eips::eip4895::{Withdrawal, Withdrawals};
use alloy_eips::eip7702::{Authorization, SignedAuthorization};
use alloy_eips::{eip2935, eip4788, eip7002, eip7251, eip8282};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use motet_types::{Block, BlockRules, ChainSpec, Fork, MemoryState, RecoveredBlock, Transaction};
use std::collections::BTreeMap;

/// The chain that t8n assumes when it is told nothing.
const CHAIN_ID: u64 = 1;
const NUMBER: u64 = 300;
const TIMESTAMP: u64 = 3_000;
const TX_COUNT: usize = 40;
const GWEI: u128 = 1_000_000_000;
/// Blobs that every fork with blobs lets into a block.
const BLOBS_MAX: u64 = 6;

/// An account before the block.
#[derive(Clone, Debug, Default)]
pub(crate) struct AllocAccount {
    pub(crate) balance: U256,
    pub(crate) nonce: u64,
    pub(crate) code: Bytes,
    pub(crate) storage: BTreeMap<U256, U256>,
}

/// A block, its rules and the state before it.
#[derive(Debug)]
pub(crate) struct SmallBlock {
    pub(crate) rules: BlockRules,
    pub(crate) block: RecoveredBlock,
    pub(crate) alloc: BTreeMap<Address, AllocAccount>,
    pub(crate) block_hashes: BTreeMap<u64, B256>,
}

impl SmallBlock {
    /// The state before the block.
    pub(crate) fn state(&self) -> MemoryState {
        let mut state = MemoryState::new();
        for (address, account) in &self.alloc {
            let storage = account.storage.iter().map(|(slot, value)| (*slot, *value));
            state.insert_account(*address, account.balance, account.nonce, account.code.clone(), storage);
        }
        for (number, hash) in &self.block_hashes {
            state.insert_block_hash(*number, *hash);
        }
        state
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): enough to draw cases with.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % sides
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len() as u64) as usize]
    }
}

/// Someone who can sign.
#[derive(Clone, Copy)]
struct Person {
    secret: B256,
    address: Address,
}

impl Person {
    fn new(name: &str, number: u8) -> Self {
        let secret = keccak256([name.as_bytes(), &[number]].concat());
        let hash = keccak256(name);
        let signature = sign_message(secret, hash).expect("a hash is a secret key");
        let address = signature.recover_address_from_prehash(&hash).expect("the signature is ours");
        Self { secret, address }
    }

    fn sign<T: SignableTransaction<alloy_primitives::Signature>>(&self, tx: T) -> Transaction
    where
        Transaction: From<alloy_consensus::Signed<T>>,
    {
        let signature = sign_message(self.secret, tx.signature_hash()).expect("a hash is a secret key");
        tx.into_signed(signature).into()
    }
}

/// Gas limit of every transaction: enough for what the contracts do. State costs more since EIP-8037.
fn tx_gas(fork: Fork) -> u64 {
    if fork >= Fork::Amsterdam { 2_000_000 } else { 400_000 }
}

struct Scene {
    fork: Fork,
    dice: Dice,
    senders: Vec<(Person, u64)>,
    authorities: Vec<Person>,
    /// Addresses worth naming in a call.
    pool: Vec<Address>,
    beneficiary: Address,
    blobs: u64,
}

/// The block that a seed gives under a fork.
pub(crate) fn generate(fork: Fork, seed: u64) -> SmallBlock {
    let mut dice = Dice(seed ^ (fork as u64) << 32);
    let senders: Vec<(Person, u64)> = (0..6).map(|number| (Person::new("sender", number), 0)).collect();
    let authorities: Vec<Person> = (0..4).map(|number| Person::new("authority", number)).collect();
    // Now and then the beneficiary takes part in the block.
    let beneficiary = dice.pick(&[
        Address::repeat_byte(0xbe),
        Address::repeat_byte(0xbe),
        senders[0].0.address,
        contracts::address(1),
    ]);
    let alloc = alloc(fork, &senders, &mut dice);
    let factory = contracts::address(6);
    let mut pool: Vec<Address> = alloc.keys().copied().collect();
    pool.extend(authorities.iter().map(|person| person.address));
    pool.extend(contracts::INIT.iter().map(|code| factory.create2(B256::with_last_byte(7), keccak256(code))));
    pool.extend((1..4).map(|nonce| contracts::address(5).create(nonce)));
    pool.extend([beneficiary, Address::repeat_byte(0xf1), Address::repeat_byte(0xf2)]);
    let mut scene = Scene { fork, dice, senders, authorities, pool, beneficiary, blobs: 0 };

    let transactions = (0..TX_COUNT).map(|_| scene.transaction()).collect();
    let withdrawals = scene.withdrawals();
    let block_hashes: BTreeMap<u64, B256> =
        (NUMBER - 256..NUMBER).map(|number| (number, keccak256(number.to_be_bytes()))).collect();
    let header = scene.header(block_hashes[&(NUMBER - 1)]);
    let rules = ChainSpec::at_fork(CHAIN_ID, fork).rules_at(NUMBER, TIMESTAMP, None);
    let block = Block { header, body: BlockBody { transactions, ommers: Vec::new(), withdrawals } };
    let block = RecoveredBlock::recover(block).expect("every transaction is signed");
    SmallBlock { rules, block, alloc, block_hashes }
}

fn alloc(fork: Fork, senders: &[(Person, u64)], dice: &mut Dice) -> BTreeMap<Address, AllocAccount> {
    let mut alloc = BTreeMap::new();
    for (sender, _) in senders {
        let balance = U256::from(10).pow(U256::from(24));
        alloc.insert(sender.address, AllocAccount { balance, ..AllocAccount::default() });
    }
    for (pos, code) in contracts::RUNTIME.iter().enumerate() {
        let slots = [dice.roll(3), dice.roll(3), dice.roll(3)];
        let storage = (0..3).zip(slots).filter(|(_, value)| *value != 0);
        let account = AllocAccount {
            balance: U256::from(dice.roll(3) * 1_000),
            nonce: 1,
            code: Bytes::from_static(code),
            storage: storage.map(|(slot, value)| (U256::from(slot), U256::from(value))).collect(),
        };
        alloc.insert(contracts::address(pos), account);
    }
    let mut contract = |address, code: &Bytes| {
        alloc.insert(address, AllocAccount { nonce: 1, code: code.clone(), ..AllocAccount::default() });
    };
    if fork >= Fork::Cancun {
        contract(eip4788::BEACON_ROOTS_ADDRESS, &eip4788::BEACON_ROOTS_CODE);
    }
    if fork >= Fork::Prague {
        contract(eip2935::HISTORY_STORAGE_ADDRESS, &eip2935::HISTORY_STORAGE_CODE);
        contract(eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, &eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_CODE);
        contract(eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, &eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_CODE);
    }
    if fork >= Fork::Amsterdam {
        contract(eip8282::BUILDER_DEPOSIT_CONTRACT_ADDRESS, &eip8282::BUILDER_DEPOSIT_CONTRACT_CODE);
        contract(eip8282::BUILDER_EXIT_CONTRACT_ADDRESS, &eip8282::BUILDER_EXIT_CONTRACT_CODE);
    }
    if fork < Fork::Paris {
        // Empty accounts: they stay before EIP-161, and go when touched from then on. From Paris on there are
        // none, and the specification does not look for them.
        for byte in 0xe1..0xe4 {
            alloc.insert(Address::repeat_byte(byte), AllocAccount::default());
        }
    }
    alloc
}

impl Scene {
    fn header(&self, parent_hash: B256) -> Header {
        let since = |fork| self.fork >= fork;
        Header {
            parent_hash,
            number: NUMBER,
            timestamp: TIMESTAMP,
            beneficiary: self.beneficiary,
            gas_limit: tx_gas(self.fork) * TX_COUNT as u64,
            difficulty: if since(Fork::Paris) { U256::ZERO } else { U256::from(0x20_000) },
            mix_hash: if since(Fork::Paris) { keccak256("randomness") } else { B256::ZERO },
            base_fee_per_gas: since(Fork::London).then_some(7),
            excess_blob_gas: since(Fork::Cancun).then_some(20 << 20),
            parent_beacon_block_root: since(Fork::Cancun).then(|| keccak256("beacon")),
            slot_number: since(Fork::Amsterdam).then_some(77),
            ..Header::default()
        }
    }

    fn withdrawals(&mut self) -> Option<Withdrawals> {
        (self.fork >= Fork::Shanghai).then(|| {
            let withdrawals = (0..4).map(|index| Withdrawal {
                index,
                validator_index: index,
                address: self.dice.pick(&self.pool),
                amount: self.dice.roll(3) * 1_000,
            });
            Withdrawals::new(withdrawals.collect())
        })
    }

    fn transaction(&mut self) -> Transaction {
        let (kind, value, input) = self.message();
        let pos = self.dice.roll(self.senders.len() as u64) as usize;
        let (sender, nonce) = self.senders[pos];
        self.senders[pos].1 += 1;
        let (max_fee, tip) = (20 * GWEI, u128::from(self.dice.roll(3)) * GWEI);
        let gas_price = u128::from(10 + self.dice.roll(10)) * GWEI;
        let gas_limit = tx_gas(self.fork);
        let tx_type = self.tx_type(kind);
        match (tx_type, kind) {
            (1, _) => {
                let access_list = self.access_list();
                sender.sign(TxEip2930 {
                    chain_id: CHAIN_ID,
                    nonce,
                    gas_price,
                    gas_limit,
                    to: kind,
                    value,
                    access_list,
                    input,
                })
            }
            (2, _) => sender.sign(TxEip1559 {
                chain_id: CHAIN_ID,
                nonce,
                gas_limit,
                max_fee_per_gas: max_fee,
                max_priority_fee_per_gas: tip,
                to: kind,
                value,
                access_list: self.access_list(),
                input,
            }),
            (3, TxKind::Call(to)) => {
                self.blobs += 1;
                let mut blob_hash = keccak256(nonce.to_be_bytes());
                blob_hash[0] = 1;
                sender.sign(TxEip4844 {
                    chain_id: CHAIN_ID,
                    nonce,
                    gas_limit,
                    max_fee_per_gas: max_fee,
                    max_priority_fee_per_gas: tip,
                    to,
                    value,
                    access_list: AccessList::default(),
                    blob_versioned_hashes: vec![blob_hash],
                    max_fee_per_blob_gas: GWEI,
                    input,
                })
            }
            (4, TxKind::Call(to)) => sender.sign(TxEip7702 {
                chain_id: CHAIN_ID,
                nonce,
                gas_limit,
                max_fee_per_gas: max_fee,
                max_priority_fee_per_gas: tip,
                to,
                value,
                access_list: self.access_list(),
                authorization_list: (0..=self.dice.roll(2)).map(|_| self.authorization()).collect(),
                input,
            }),
            _ => {
                // EIP-155 came with Spurious Dragon; it left the older form valid.
                let replay_safe = self.fork >= Fork::SpuriousDragon && self.dice.roll(4) > 0;
                let chain_id = replay_safe.then_some(CHAIN_ID);
                sender.sign(TxLegacy { chain_id, nonce, gas_price, gas_limit, to: kind, value, input })
            }
        }
    }

    /// A type that the fork knows, and that may carry the message.
    fn tx_type(&mut self, kind: TxKind) -> u8 {
        let known = match self.fork {
            fork if fork >= Fork::Prague => 5,
            fork if fork >= Fork::Cancun => 4,
            fork if fork >= Fork::London => 3,
            fork if fork >= Fork::Berlin => 2,
            _ => 1,
        };
        match self.dice.roll(known) as u8 {
            3 | 4 if kind.is_create() => 2,
            3 if self.blobs == BLOBS_MAX => 2,
            other => other,
        }
    }

    /// Whom to call, with how much wei and which data.
    fn message(&mut self) -> (TxKind, U256, Bytes) {
        let value = U256::from(self.dice.roll(4) * 7);
        let word = |address: Address| address.into_word().0;
        let small = |number: u64| B256::from(U256::from(number)).0;
        let to = TxKind::Call;
        match self.dice.roll(12) {
            0 | 1 => (to(self.dice.pick(&self.pool)), value, Bytes::new()),
            // Precompiles from ecrecover to blake2f, or what they were before they were.
            2 => {
                let data = (0..self.dice.roll(200)).map(|pos| pos as u8).collect::<Vec<_>>();
                (to(Address::with_last_byte(1 + self.dice.roll(9) as u8)), value, data.into())
            }
            3 => (TxKind::Create, value, Bytes::from_static(self.dice.pick(contracts::INIT))),
            4 => (to(contracts::address(5)), value, Bytes::from_static(self.dice.pick(contracts::INIT))),
            5 => (to(contracts::address(6)), value, Bytes::from_static(self.dice.pick(contracts::INIT))),
            // A write to a slot: zero clears it.
            6 => {
                let data = [small(self.dice.roll(4)), small(self.dice.roll(3))].concat();
                (to(self.dice.pick(&[contracts::address(0), contracts::address(1)])), value, data.into())
            }
            // Through a call or a delegate call to anyone, with data for that one.
            7 | 8 => {
                let via = contracts::address(7 + self.dice.roll(2) as usize);
                let data =
                    [word(self.dice.pick(&self.pool)), small(self.dice.roll(4)), small(self.dice.roll(3))].concat();
                (to(via), value, data.into())
            }
            9 if self.fork >= Fork::Prague => {
                // A request costs its fee: one wei while there are few.
                let (contract, bytes) = self.dice.pick(&[
                    (eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, 56),
                    (eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, 96),
                ]);
                (to(contract), U256::from(self.dice.roll(3)), vec![0x5a; bytes].into())
            }
            _ => {
                let contract = contracts::address(self.dice.roll(contracts::RUNTIME.len() as u64) as usize);
                (to(contract), value, word(self.dice.pick(&self.pool)).into())
            }
        }
    }

    fn access_list(&mut self) -> AccessList {
        let items = (0..self.dice.roll(3)).map(|_| AccessListItem {
            address: self.dice.pick(&self.pool),
            storage_keys: (0..self.dice.roll(3)).map(|slot| B256::from(U256::from(slot))).collect(),
        });
        AccessList(items.collect())
    }

    /// An authorization, now and then for another chain or nonce: then it has no effect.
    fn authorization(&mut self) -> SignedAuthorization {
        let authority = self.dice.pick(&self.authorities);
        let code = contracts::address(self.dice.roll(contracts::RUNTIME.len() as u64) as usize);
        let authorization = Authorization {
            chain_id: U256::from(self.dice.pick(&[0, CHAIN_ID, CHAIN_ID, 99])),
            address: self.dice.pick(&[code, code, Address::ZERO, authority.address]),
            nonce: self.dice.roll(2),
        };
        let signature = sign_message(authority.secret, authorization.signature_hash()).expect("a hash is a secret key");
        authorization.into_signed(signature)
    }
}
