//! Blocks from a seed: the kinds of traffic that a parallel EVM exists for, and its worst cases.
//!
//! In: [`GenerateOptions`]. Out: [`Generated`]: the state before the first block, and blocks whose
//! transactions are valid in order, with senders known. Nothing is executed here.
//!
//! ```text
//! seed -> accounts -> scenes place contracts -> draw kind -> scene makes a call -> nonce, fees, signature
//!                           \___ pre-state ___/                     \__ more pre-state: allowances, positions
//! ```
//!
//! Equal options give equal bytes on every machine: draws come from one ChaCha stream in integers, and
//! nothing depends on a clock, on threads or on the order of a hash map.
//!
//! The contracts are small ones of our own in `contracts/`. Their runtime code is put into the pre-state
//! directly, with balances, reserves and allowances such that nearly every call succeeds; what fails
//! does so on purpose ([`Traffic::Swap`]).

mod accounts;
mod artifact;
mod chain;
mod cold_reads;
mod dice;
mod envelope;
mod erc20;
mod error;
#[cfg(test)]
mod executed;
mod genesis;
mod header;
mod scene;
mod slot;
mod system_contract;
mod traffic;
mod world;
mod zipf;

pub use chain::{CHAIN_GAS_MAX, CHAIN_TX_COUNT_MAX, ChainGenerator, GeneratedBlock};
pub use cold_reads::ColdReads;
pub use erc20::Erc20;
pub use error::GenerateError;
pub use scene::ROUNDS_MAX;
pub use system_contract::system_contracts;
pub use traffic::{Traffic, TrafficError, TrafficMix};

use accounts::Accounts;
use alloy_consensus::{BlockBody, Transaction as _};
use alloy_primitives::{Address, U256, address};
use dice::{Dice, seeded_hash};
use genesis::Genesis;
use header::HeaderTemplate;
use motet_types::{Block, BlockRules, ChainSpec, Fork, MemoryState, RecoveredBlock, Transaction};
use scene::Scenes;
use world::World;
use zipf::Zipf;

/// Fewest accounts: every scene finds the people that it needs.
pub const ACCOUNT_COUNT_MIN: u32 = 16;
/// Most accounts; each holds every token.
pub const ACCOUNT_COUNT_MAX: u32 = 1 << 20;
/// Most transactions of a run, over all blocks.
pub const TX_COUNT_MAX: u64 = 1 << 20;
/// Most gas of a run, over all blocks, where blocks are sized by gas.
pub const GAS_MAX: u64 = 1 << 34;
/// Largest exponent of Zipf's law; beyond it, one key gets everything.
pub const ZIPF_SKEW_MAX: f64 = 8.0;

/// The first fork whose instructions the contracts use.
const FORK_EARLIEST: Fork = Fork::Cancun;
/// Rounds of a call that conflicts late, least and most, unless others are asked for.
const LATE_CONFLICT_ROUNDS: (u64, u64) = (500, 2_500);
/// 10^7 ether: what every account holds, more than it can spend in a run.
const BALANCE: u128 = 10_000_000_000_000_000_000_000_000;

/// Where a block ends.
///
/// From Osaka on a block of more than 8 MiB of RLP is invalid (EIP-7934): about 43,000 everyday transactions.
/// Larger ones serve benchmarks that execute without that check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockSize {
    /// After this many transactions.
    TxCount(u32),
    /// After the transaction whose typical gas reaches this sum; the gas that execution finds is near
    /// it, not equal to it.
    Gas(u64),
}

/// What to generate.
#[derive(Clone, Debug, PartialEq)]
pub struct GenerateOptions {
    /// Decides every draw.
    pub seed: u64,
    /// Kinds of traffic by weight.
    pub mix: TrafficMix,
    /// Size of each block.
    pub size: BlockSize,
    /// How many blocks; each builds on the state after the one before.
    pub block_count: u32,
    /// How many accounts send and receive.
    pub account_count: u32,
    /// Exponent of Zipf's law for recipients, tokens, pools, items: 0 is uniform, 1 usual.
    pub zipf_skew: f64,
    /// Rounds of work of each [`Traffic::LateConflictBomb`], about 120 gas each: drawn from least to most.
    pub late_conflict_rounds: (u64, u64),
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The rules of all blocks; Cancun or later.
    pub fork: Fork,
    /// Who gets the fees.
    pub beneficiary: Address,
    /// Whether transactions carry real signatures. Without them, signatures are placeholders and the
    /// accounts have other addresses: for big blocks whose senders nobody recovers.
    pub sign: bool,
}

impl Default for GenerateOptions {
    /// One signed Osaka block of 500 everyday transactions among 2000 accounts.
    fn default() -> Self {
        Self {
            seed: 1,
            mix: TrafficMix::everyday(),
            size: BlockSize::TxCount(500),
            block_count: 1,
            account_count: 2_000,
            zipf_skew: 1.0,
            late_conflict_rounds: LATE_CONFLICT_ROUNDS,
            chain_id: 1337,
            fork: Fork::Osaka,
            beneficiary: address!("0x00000000000000000000000000000000006d6f74"),
            sign: true,
        }
    }
}

impl GenerateOptions {
    /// The preset for demonstrations: one block of 500 everyday transactions, about 30 Mgas.
    pub fn demo() -> Self {
        Self { seed: 20_260_101, ..Self::default() }
    }

    fn check(&self, limits: SizeLimits) -> Result<(), GenerateError> {
        let SizeLimits { tx_count_max, gas_max } = limits;
        let low = |field, have: u64, min: u64| {
            if have < min { Err(GenerateError::TooLow { field, have, min }) } else { Ok(()) }
        };
        let high = |field, have: u64, max: u64| {
            if have > max { Err(GenerateError::TooHigh { field, have, max }) } else { Ok(()) }
        };
        low("account_count", self.account_count.into(), ACCOUNT_COUNT_MIN.into())?;
        high("account_count", self.account_count.into(), ACCOUNT_COUNT_MAX.into())?;
        low("block_count", self.block_count.into(), 1)?;
        high("block_count", self.block_count.into(), tx_count_max)?;
        match self.size {
            BlockSize::TxCount(count) => {
                low("tx_count", count.into(), 1)?;
                high("block_count * tx_count", u64::from(count) * u64::from(self.block_count), tx_count_max)?;
            }
            BlockSize::Gas(gas) => {
                low("gas", gas, 1)?;
                high("block_count * gas", gas.saturating_mul(self.block_count.into()), gas_max)?;
            }
        }
        let (least, most) = self.late_conflict_rounds;
        high("late_conflict_rounds", most, ROUNDS_MAX)?;
        low("late_conflict_rounds", most, least)?;
        if !(0.0..=ZIPF_SKEW_MAX).contains(&self.zipf_skew) {
            return Err(GenerateError::Skew { skew: self.zipf_skew, max: ZIPF_SKEW_MAX });
        }
        if self.fork < FORK_EARLIEST {
            return Err(GenerateError::ForkTooEarly { fork: self.fork, earliest: FORK_EARLIEST });
        }
        if self.mix.total() == 0 {
            return Err(GenerateError::NoTraffic);
        }
        Ok(())
    }
}

/// How much may be drawn in one run.
#[derive(Clone, Copy, Debug)]
struct SizeLimits {
    tx_count_max: u64,
    gas_max: u64,
}

/// Generated blocks, all in memory.
#[derive(Clone, Debug)]
pub struct Generated {
    /// The rules of every block.
    pub rules: BlockRules,
    /// The state before the first block.
    pub state: MemoryState,
    /// The blocks, from number 1 on. State root, receipts root, logs bloom and gas used of the headers are zero
    /// until the caller fills them in from execution; `parent_hash` is the hash of the header as it
    /// stands here, so that filling in means linking anew.
    pub blocks: Vec<RecoveredBlock>,
    /// The kind of each transaction of each block.
    pub traffic: Vec<Vec<Traffic>>,
}

/// Generates blocks and the state before them.
///
/// # Errors
/// When an option is out of bounds; the error names it.
pub fn generate(options: &GenerateOptions) -> Result<Generated, GenerateError> {
    options.check(SizeLimits { tx_count_max: TX_COUNT_MAX, gas_max: GAS_MAX })?;
    let mut world = new_world(options, new_accounts(options)?, Genesis::default());
    place_genesis(options, &mut world);
    let mut scenes = Scenes::place(&mut world)?;
    let mut drafts = Vec::new();
    for _ in 0..options.block_count {
        drafts.push(draft_block(options, &mut scenes, &mut world)?);
    }
    Ok(link_blocks(options, drafts, world.genesis))
}

fn new_accounts(options: &GenerateOptions) -> Result<Accounts, GenerateError> {
    let account_count = options.account_count as usize;
    match options.sign {
        true => Accounts::with_keys(options.seed, account_count),
        false => Ok(Accounts::without_keys(options.seed, account_count)),
    }
}

fn new_world(options: &GenerateOptions, accounts: Accounts, genesis: Genesis) -> World {
    World {
        recipients: Zipf::new(accounts.count(), options.zipf_skew),
        accounts,
        genesis,
        dice: Dice::new(options.seed, "motet traffic"),
        skew: options.zipf_skew,
        late_conflict_rounds: options.late_conflict_rounds,
        start: header::START_SECONDS,
    }
}

/// What the first state has before any scene is placed.
fn place_genesis(options: &GenerateOptions, world: &mut World) {
    let World { accounts, genesis, .. } = world;
    system_contract::place_system_contracts(genesis);
    genesis.fund(options.beneficiary, U256::ONE, 0);
    for account in 0..accounts.count() {
        genesis.fund(accounts.address(account), U256::from(BALANCE), accounts.nonce(account));
    }
}

/// Transactions of one block before there is a header.
#[derive(Debug, Default)]
struct Draft {
    transactions: Vec<Transaction>,
    senders: Vec<Address>,
    traffic: Vec<Traffic>,
}

impl Draft {
    fn push(
        &mut self,
        traffic: Traffic,
        call: world::Call,
        options: &GenerateOptions,
        world: &mut World,
    ) -> Result<(), GenerateError> {
        self.senders.push(world.accounts.address(call.sender));
        self.transactions.push(envelope::seal_call(call, options, world)?);
        self.traffic.push(traffic);
        Ok(())
    }
}

fn draft_block(options: &GenerateOptions, scenes: &mut Scenes, world: &mut World) -> Result<Draft, GenerateError> {
    let huge_last = options.mix.contains(Traffic::HugeLast);
    let (mut txs_left, mut gas_left) = match options.size {
        BlockSize::TxCount(count) => (u64::from(count), u64::MAX),
        BlockSize::Gas(gas) => (u64::MAX, gas),
    };
    if huge_last {
        txs_left -= 1;
        gas_left = gas_left.saturating_sub(Traffic::HUGE_GAS);
    }
    let mut draft = Draft::default();
    while txs_left > 0 && gas_left > 0 {
        let position = world.dice.below(options.mix.total());
        let Some(traffic) = options.mix.at(position) else { break };
        let call = scenes.next(traffic, world);
        draft.push(traffic, call, options, world)?;
        txs_left -= 1;
        gas_left = gas_left.saturating_sub(traffic.typical_gas());
    }
    if huge_last {
        let call = scenes.huge_last(world);
        draft.push(Traffic::HugeLast, call, options, world)?;
    }
    Ok(draft)
}

fn link_blocks(options: &GenerateOptions, drafts: Vec<Draft>, genesis: Genesis) -> Generated {
    let mut state = genesis.into_state();
    let template = HeaderTemplate {
        seed: options.seed,
        fork: options.fork,
        beneficiary: options.beneficiary,
        gas_limit: header::gas_limit_for(
            drafts.iter().map(|draft| draft.transactions.iter().map(|tx| tx.gas_limit()).sum()),
        ),
    };
    let mut parent_hash = seeded_hash(options.seed, "motet parent", 0);
    state.insert_block_hash(0, parent_hash);
    let (mut blocks, mut traffic) = (Vec::new(), Vec::new());
    for (number, draft) in (1..).zip(drafts) {
        let header = template.header(number, parent_hash, &draft.transactions);
        parent_hash = header.hash_slow();
        let body =
            BlockBody { transactions: draft.transactions, ommers: Vec::new(), withdrawals: Some(Default::default()) };
        let authorities = vec![Vec::new(); draft.senders.len()];
        blocks.push(RecoveredBlock::new(Block { header, body }, draft.senders, authorities));
        traffic.push(draft.traffic);
    }
    let rules = ChainSpec::at_fork(options.chain_id, options.fork).rules_at(1, header::START_SECONDS, None);
    Generated { rules, state, blocks, traffic }
}
