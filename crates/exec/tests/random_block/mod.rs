//! Random blocks over few hot keys: contracts made of random snippets, accounts that are senders,
//! recipients, authorities and beneficiary at once, transactions that fail, revert or are invalid.

use alloy_consensus::{
    Header, Signed, TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxLegacy, constants::EMPTY_OMMER_ROOT_HASH,
};
use alloy_eips::eip4895::{Withdrawal, Withdrawals};
use alloy_eips::eip7702::{Authorization, SignedAuthorization};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use motet_types::{Block, BlockRules, ChainSpec, Fork, MemoryState, RecoveredBlock, Transaction};

/// SplitMix64.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len() as u64) as usize]
    }
}

const FORKS: [Fork; 15] = [
    Fork::Frontier,
    Fork::Homestead,
    Fork::Tangerine,
    Fork::SpuriousDragon,
    Fork::Byzantium,
    Fork::Petersburg,
    Fork::Istanbul,
    Fork::Berlin,
    Fork::London,
    Fork::Paris,
    Fork::Shanghai,
    Fork::Cancun,
    Fork::Prague,
    Fork::Osaka,
    Fork::Amsterdam,
];

const BENEFICIARY: Address = Address::with_last_byte(0xbe);

fn eoa(index: u64) -> Address {
    Address::with_last_byte(0xe0 + index as u8)
}

fn contract(index: u64) -> Address {
    Address::with_last_byte(0xc0 + index as u8)
}

fn fresh(index: u64) -> Address {
    Address::with_last_byte(0x70 + index as u8)
}

/// Any address of the small world.
fn any_address(dice: &mut Dice) -> Address {
    match dice.below(12) {
        0..=2 => eoa(dice.below(4)),
        3..=6 => contract(dice.below(4)),
        7 => BENEFICIARY,
        8 => Address::with_last_byte(dice.pick(&[1, 2, 3, 4, 9])),
        9 => contract(dice.below(4))
            .create2(B256::with_last_byte(dice.below(2) as u8), alloy_primitives::keccak256(CHILD_INIT)),
        10 => contract(dice.below(4)).create(dice.below(3)),
        _ => fresh(dice.below(3)),
    }
}

/// Init code of a child whose runtime is SSTORE(0, SLOAD(0) + 1), then SELFDESTRUCT(CALLER) if the call's
/// value is odd.
const CHILD_INIT: [u8; 32] = [
    0x60, 0x15, 0x80, 0x60, 0x0b, 0x60, 0x00, 0x39, 0x60, 0x00, 0xf3, 0x60, 0x00, 0x54, 0x60, 0x01, 0x01, 0x60, 0x00,
    0x55, 0x60, 0x01, 0x34, 0x16, 0x60, 0x12, 0x57, 0x00, 0x00, 0x5b, 0x33, 0xff,
];

struct Code(Vec<u8>);

impl Code {
    fn op(&mut self, op: u8) -> &mut Self {
        self.0.push(op);
        self
    }

    fn push(&mut self, value: u64) -> &mut Self {
        if value < 256 {
            self.0.extend([0x60, value as u8]);
        } else {
            self.0.push(0x67);
            self.0.extend(value.to_be_bytes());
        }
        self
    }

    fn address(&mut self, address: Address) -> &mut Self {
        self.0.push(0x73);
        self.0.extend(address.as_slice());
        self
    }

    fn store(&mut self, slot: u64) -> &mut Self {
        self.push(slot).op(0x55)
    }
}

/// Code of a few random snippets, each leaving the stack as it found it.
fn random_code(dice: &mut Dice, fork: Fork) -> Bytes {
    let mut code = Code(Vec::new());
    for _ in 0..1 + dice.below(7) {
        snippet(&mut code, dice, fork);
    }
    code.0.into()
}

fn snippet(code: &mut Code, dice: &mut Dice, fork: Fork) {
    let slot = dice.below(4);
    match dice.below(22) {
        0..=3 => {
            // slot = other slot + 1
            code.push(dice.below(4)).op(0x54).push(1).op(0x01).store(slot);
        }
        4 => {
            code.push(dice.below(3)).store(slot);
        }
        5 | 6 => {
            code.address(any_address(dice)).op(0x31).store(slot);
        }
        7 => {
            // BALANCE(COINBASE)
            code.op(0x41).op(0x31).store(slot);
        }
        8 if fork >= Fork::Istanbul => {
            code.op(0x47).store(slot);
        }
        9 if fork >= Fork::Petersburg => {
            code.address(any_address(dice)).op(0x3f).store(slot);
        }
        10 => {
            code.address(any_address(dice)).op(0x3b).store(slot);
        }
        11..=13 => {
            // CALL(gas, address, value, 0, 0, 0, 0)
            let value = if dice.chance(60) { dice.below(4) } else { 0 };
            code.push(0)
                .push(0)
                .push(0)
                .push(0)
                .push(value)
                .address(any_address(dice))
                .push(60_000)
                .op(0xf1)
                .store(slot);
        }
        14 => {
            // CALLCODE or DELEGATECALL
            code.push(0).push(0).push(0).push(0);
            if fork >= Fork::Homestead && dice.chance(50) {
                code.address(any_address(dice)).push(60_000).op(0xf4).store(slot);
            } else {
                code.push(dice.below(2)).address(any_address(dice)).push(60_000).op(0xf2).store(slot);
            }
        }
        15 | 16 => {
            // CREATE or CREATE2 of the child
            for (pos, byte) in CHILD_INIT.iter().enumerate() {
                code.push(u64::from(*byte)).push(pos as u64).op(0x53);
            }
            if fork >= Fork::Petersburg && dice.chance(60) {
                code.push(dice.below(2)).push(32).push(0).push(dice.below(2)).op(0xf5).store(slot);
            } else {
                code.push(32).push(0).push(dice.below(2)).op(0xf0).store(slot);
            }
        }
        17 => {
            if dice.chance(50) {
                code.address(any_address(dice)).op(0xff);
            }
        }
        18 => {
            // Go on only if the slot is not zero: JUMPI over a STOP.
            code.push(slot).op(0x54);
            let target = code.0.len() as u64 + 4;
            code.push(target).op(0x57).op(0x00).op(0x5b);
        }
        19 => {
            if dice.chance(40) {
                code.push(0).push(0).op(if dice.chance(70) && fork >= Fork::Byzantium { 0xfd } else { 0xfe });
            }
        }
        20 => {
            // LOG1 with a slot as topic
            code.push(slot).op(0x54).push(0).push(0).op(0xa1);
        }
        _ => {
            code.push(dice.below(6)).op(0x40).store(slot);
        }
    }
}

/// A random block with its rules and parent state.
#[derive(Clone, Debug)]
pub(crate) struct RandomBlock {
    pub(crate) rules: BlockRules,
    pub(crate) block: RecoveredBlock,
    pub(crate) state: MemoryState,
}

/// The block that a seed names.
pub(crate) fn random_block(seed: u64) -> RandomBlock {
    let mut dice = Dice(seed);
    let fork = dice.pick(&FORKS);
    let spec = ChainSpec::at_fork(1, fork);
    let rules = spec.rules_at(5, 1000, None);
    let mut state = MemoryState::new();
    for number in 0..5 {
        state.insert_block_hash(number, B256::with_last_byte(number as u8 + 1));
    }
    for index in 0..4 {
        let balance = if dice.chance(10) { U256::from(dice.below(3_000_000)) } else { U256::from(10u64.pow(16)) };
        let nonce = dice.below(2);
        state.insert_account(eoa(index), balance, nonce, Bytes::new(), []);
        let code = random_code(&mut dice, fork);
        let storage = (0..4).map(|slot| (U256::from(slot), U256::from(dice.below(3)))).collect::<Vec<_>>();
        state.insert_account(contract(index), U256::from(dice.below(4)), 1, code, storage);
    }
    if dice.chance(30) {
        state.insert_account(BENEFICIARY, U256::from(dice.below(5)), 0, Bytes::new(), []);
    }
    if fork < Fork::SpuriousDragon && dice.chance(30) {
        state.insert_account(fresh(0), U256::ZERO, 0, Bytes::new(), []);
    }
    if fork >= Fork::Prague {
        for address in [
            alloy_eips::eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
            alloy_eips::eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
        ] {
            // A stand-in that answers with nothing: STOP.
            state.insert_account(address, U256::ZERO, 1, Bytes::from_static(&[0]), []);
        }
    }
    let base_fee = if fork >= Fork::London { dice.below(3) } else { 0 };
    let mut nonces: Vec<u64> =
        (0..4).map(|index| state.account(&eoa(index)).map_or(0, |entry| entry.account.nonce)).collect();
    let (mut transactions, mut senders, mut authorities) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..2 + dice.below(14) {
        let from = dice.below(4);
        let nonce = if dice.chance(1) { nonces[from as usize] + 1 } else { nonces[from as usize] };
        nonces[from as usize] += 1;
        let (tx, signers) = random_transaction(&mut dice, fork, nonce, base_fee, &mut nonces);
        transactions.push(tx);
        senders.push(eoa(from));
        authorities.push(signers);
    }
    let mut header = Header {
        number: 5,
        timestamp: 1000,
        beneficiary: if dice.chance(20) { any_address(&mut dice) } else { BENEFICIARY },
        gas_limit: if dice.chance(5) { 600_000 } else { 30_000_000 },
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        difficulty: if fork >= Fork::Paris { U256::ZERO } else { U256::from(131_072) },
        ..Header::default()
    };
    if fork >= Fork::London {
        header.base_fee_per_gas = Some(base_fee);
    }
    if fork >= Fork::Cancun {
        header.excess_blob_gas = Some(0);
        header.parent_beacon_block_root = Some(B256::ZERO);
    }
    let mut block =
        Block::new(header, alloy_consensus::BlockBody { transactions, ommers: Vec::new(), withdrawals: None });
    if fork >= Fork::Shanghai {
        let withdrawal =
            |dice: &mut Dice| Withdrawal { address: any_address(dice), amount: dice.below(2), ..Withdrawal::default() };
        block.body.withdrawals = Some(Withdrawals::new((0..dice.below(3)).map(|_| withdrawal(&mut dice)).collect()));
    }
    RandomBlock { rules, block: RecoveredBlock::new(block, senders, authorities), state }
}

fn random_transaction(
    dice: &mut Dice,
    fork: Fork,
    nonce: u64,
    base_fee: u64,
    nonces: &mut [u64],
) -> (Transaction, Vec<Option<Address>>) {
    let to = match dice.below(20) {
        0 => TxKind::Create,
        1..=12 => TxKind::Call(contract(dice.below(4))),
        _ => TxKind::Call(any_address(dice)),
    };
    let value = U256::from(if dice.chance(50) { dice.below(5) } else { 0 });
    let input = if to == TxKind::Create { random_code(dice, fork) } else { Bytes::new() };
    let gas_limit = 100_000 + dice.below(400_000);
    let price = u128::from(base_fee) + u128::from(dice.below(3));
    let chain_id = 1;
    let signature = Signature::test_signature();
    let kind = dice.below(10);
    let access_list = || alloy_eips::eip2930::AccessList::default();
    let tx = match kind {
        0 if fork >= Fork::Berlin => Transaction::Eip2930(Signed::new_unhashed(
            TxEip2930 { chain_id, nonce, gas_price: price, gas_limit, to, value, access_list: access_list(), input },
            signature,
        )),
        1..=4 if fork >= Fork::London => Transaction::Eip1559(Signed::new_unhashed(
            TxEip1559 {
                chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas: price,
                max_priority_fee_per_gas: price.min(2),
                to,
                value,
                access_list: access_list(),
                input,
            },
            signature,
        )),
        5 if fork >= Fork::Cancun => Transaction::Eip4844(Signed::new_unhashed(
            TxEip4844 {
                chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas: price,
                max_priority_fee_per_gas: 0,
                to: to.to().copied().unwrap_or(contract(0)),
                value,
                access_list: access_list(),
                blob_versioned_hashes: vec![B256::repeat_byte(1)],
                max_fee_per_blob_gas: 1,
                input,
            },
            signature,
        )),
        6 | 7 if fork >= Fork::Prague => {
            let count = 1 + dice.below(2);
            let mut signers = Vec::new();
            let list = (0..count)
                .map(|_| {
                    let signer = dice.below(4);
                    // Sometimes right for where the authority will be, sometimes not.
                    let nonce = nonces[signer as usize] + dice.below(2);
                    if dice.chance(50) {
                        nonces[signer as usize] += 1;
                    }
                    signers.push(Some(eoa(signer)));
                    let address = if dice.chance(30) { Address::ZERO } else { contract(dice.below(4)) };
                    let authorization = Authorization { chain_id: U256::from(chain_id), address, nonce };
                    SignedAuthorization::new_unchecked(authorization, 0, U256::from(1), U256::from(1))
                })
                .collect();
            let tx = TxEip7702 {
                chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas: price,
                max_priority_fee_per_gas: 0,
                to: to.to().copied().unwrap_or(contract(0)),
                value,
                access_list: access_list(),
                authorization_list: list,
                input,
            };
            return (Transaction::Eip7702(Signed::new_unhashed(tx, signature)), signers);
        }
        _ => Transaction::Legacy(Signed::new_unhashed(
            TxLegacy {
                chain_id: (fork >= Fork::SpuriousDragon).then_some(chain_id),
                nonce,
                gas_price: price,
                gas_limit,
                to,
                value,
                input,
            },
            signature,
        )),
    };
    (tx, Vec::new())
}
