//! Chains of many blocks, drawn twice so that one block at a time is in memory.
//!
//! ```text
//! seed --draw all, unsigned--> first state, gas limit --> genesis
//! seed --draw again, sign ---> block 1, block 2, ...      (each dropped when the caller has it)
//! ```
//!
//! What a transaction turns out to need is put into the first state, which is therefore known only when all blocks have
//! been drawn. Equal seeds give equal draws, so the blocks are drawn once for what they need, and once to be used.

use super::accounts::Accounts;
use super::error::GenerateError;
use super::genesis::Genesis;
use super::header::{self, HeaderTemplate};
use super::scene::Scenes;
use super::traffic::Traffic;
use super::world::World;
use super::{Draft, GenerateOptions, SizeLimits, draft_block, new_accounts, new_world, place_genesis};
use alloy_consensus::{BlockBody, Transaction as _};
use alloy_genesis::{ChainConfig, Genesis as GenesisFile};
use alloy_primitives::{B256, Bytes, U256};
use motet_types::{Block, ChainSpec, Fork, RecoveredBlock};

/// Most transactions of a chain.
pub const CHAIN_TX_COUNT_MAX: u64 = 1 << 26;
/// Most gas of a chain, where blocks are sized by gas.
pub const CHAIN_GAS_MAX: u64 = 1 << 42;

/// A block of a chain before its execution.
#[derive(Clone, Debug)]
pub struct GeneratedBlock {
    /// The block. Parent's hash, base fee, roots, bloom, gas and hashes of what execution gives are zero: the caller
    /// fills them in.
    pub block: RecoveredBlock,
    /// The kind of each transaction.
    pub traffic: Vec<Traffic>,
}

/// Draws the blocks of a chain one after the other.
#[derive(Debug)]
pub struct ChainGenerator {
    options: GenerateOptions,
    world: World,
    scenes: Scenes,
    template: HeaderTemplate,
    next: u64,
}

impl ChainGenerator {
    /// Checks options without drawing anything.
    ///
    /// # Errors
    /// When an option is out of bounds; the error names it.
    pub fn check(options: &GenerateOptions) -> Result<(), GenerateError> {
        options.check(SizeLimits { tx_count_max: CHAIN_TX_COUNT_MAX, gas_max: CHAIN_GAS_MAX })
    }

    /// Draws all blocks for what they need; gives the chain's genesis, and the generator at its first block. `progress`
    /// hears the number of each block that has been drawn.
    ///
    /// # Errors
    /// When an option is out of bounds; the error names it.
    pub fn start(
        options: GenerateOptions,
        mut progress: impl FnMut(u32),
    ) -> Result<(Self, GenesisFile), GenerateError> {
        Self::check(&options)?;
        let accounts = new_accounts(&options)?;
        let mut world = new_world(&options, accounts.without_keys_at_hand(), Genesis::default());
        place_genesis(&options, &mut world);
        let mut scenes = Scenes::place(&mut world)?;
        let mut gas_limit_most = 0;
        for drawn in 1..=options.block_count {
            let draft = draft_block(&options, &mut scenes, &mut world)?;
            gas_limit_most = draft.gas_limits().max(gas_limit_most);
            progress(drawn);
        }
        let template = HeaderTemplate {
            seed: options.seed,
            fork: options.fork,
            beneficiary: options.beneficiary,
            gas_limit: header::gas_limit_for(std::iter::once(gas_limit_most)),
        };
        let genesis = genesis_file(&options, &template, world.genesis);
        Ok((Self::at_first_block(options, accounts, template)?, genesis))
    }

    fn at_first_block(
        options: GenerateOptions,
        accounts: Accounts,
        template: HeaderTemplate,
    ) -> Result<Self, GenerateError> {
        let mut world = new_world(&options, accounts, Genesis::closed());
        let scenes = Scenes::place(&mut world)?;
        Ok(Self { options, world, scenes, template, next: 1 })
    }

    /// The next block; `None` after the last.
    ///
    /// # Errors
    /// When a secret key of this seed is none of the curve's.
    pub fn next_block(&mut self) -> Result<Option<GeneratedBlock>, GenerateError> {
        let number = self.next;
        if number > self.options.block_count.into() {
            return Ok(None);
        }
        self.next += 1;
        let draft = draft_block(&self.options, &mut self.scenes, &mut self.world)?;
        let header = self.template.header(number, B256::ZERO, &draft.transactions);
        let Draft { transactions, senders, traffic } = draft;
        let body = BlockBody { transactions, ommers: Vec::new(), withdrawals: Some(Default::default()) };
        let authorities = vec![Vec::new(); senders.len()];
        Ok(Some(GeneratedBlock { block: RecoveredBlock::new(Block { header, body }, senders, authorities), traffic }))
    }
}

impl Draft {
    /// Gas that the transactions may use.
    fn gas_limits(&self) -> u64 {
        self.transactions.iter().map(|tx| tx.gas_limit()).sum()
    }
}

/// The genesis file: the rules, the first header, the first state.
fn genesis_file(options: &GenerateOptions, template: &HeaderTemplate, state: Genesis) -> GenesisFile {
    GenesisFile {
        config: chain_config(options.chain_id, options.fork),
        timestamp: header::START_SECONDS - header::SLOT_SECONDS,
        extra_data: Bytes::from_static(b"motet"),
        gas_limit: template.gas_limit,
        difficulty: U256::ZERO,
        coinbase: options.beneficiary,
        base_fee_per_gas: Some(header::BASE_FEE.into()),
        alloc: state.into_alloc(),
        ..GenesisFile::default()
    }
}

/// A chain on which a fork and all before it are active from genesis, as genesis files say it.
fn chain_config(chain_id: u64, fork: Fork) -> ChainConfig {
    let block = |since: Fork| (fork >= since).then_some(0);
    let time = block;
    let spec = ChainSpec::at_fork(chain_id, fork);
    let scheduled = [
        ("cancun", Fork::Cancun),
        ("prague", Fork::Prague),
        ("osaka", Fork::Osaka),
        ("bpo1", Fork::Bpo1),
        ("bpo2", Fork::Bpo2),
    ];
    let params = |(name, since): (&str, Fork)| {
        let params = spec.blob_params(since).filter(|_| fork >= since)?;
        Some((name.to_owned(), params))
    };
    ChainConfig {
        chain_id,
        homestead_block: block(Fork::Homestead),
        eip150_block: block(Fork::Tangerine),
        eip155_block: block(Fork::SpuriousDragon),
        eip158_block: block(Fork::SpuriousDragon),
        byzantium_block: block(Fork::Byzantium),
        constantinople_block: block(Fork::Constantinople),
        petersburg_block: block(Fork::Petersburg),
        istanbul_block: block(Fork::Istanbul),
        muir_glacier_block: block(Fork::MuirGlacier),
        berlin_block: block(Fork::Berlin),
        london_block: block(Fork::London),
        arrow_glacier_block: block(Fork::ArrowGlacier),
        gray_glacier_block: block(Fork::GrayGlacier),
        terminal_total_difficulty: Some(U256::ZERO),
        terminal_total_difficulty_passed: true,
        shanghai_time: time(Fork::Shanghai),
        cancun_time: time(Fork::Cancun),
        prague_time: time(Fork::Prague),
        osaka_time: time(Fork::Osaka),
        bpo1_time: time(Fork::Bpo1),
        bpo2_time: time(Fork::Bpo2),
        bpo3_time: time(Fork::Bpo3),
        bpo4_time: time(Fork::Bpo4),
        bpo5_time: time(Fork::Bpo5),
        amsterdam_time: time(Fork::Amsterdam),
        blob_schedule: scheduled.into_iter().filter_map(params).collect(),
        ..ChainConfig::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{BlockSize, TrafficMix, generate};
    use super::*;

    fn options() -> GenerateOptions {
        GenerateOptions {
            seed: 3,
            size: BlockSize::TxCount(40),
            block_count: 4,
            account_count: 64,
            mix: TrafficMix::everyday(),
            ..GenerateOptions::default()
        }
    }

    #[test]
    fn the_second_drawing_is_the_first_one_signed() {
        let whole = generate(&options()).expect("good options");
        let mut heard = Vec::new();
        let (mut chain, genesis) = ChainGenerator::start(options(), |drawn| heard.push(drawn)).expect("good options");
        assert_eq!(heard, [1, 2, 3, 4]);
        for (block, traffic) in whole.blocks.iter().zip(&whole.traffic) {
            let next = chain.next_block().expect("drawn").expect("a block");
            assert_eq!(next.block.block.body, block.block.body);
            assert_eq!(next.block.senders, block.senders);
            assert_eq!(&next.traffic, traffic);
        }
        assert!(chain.next_block().expect("drawn").is_none());
        let mut accounts = 0;
        for (address, account) in whole.state.accounts() {
            let file = genesis.alloc.get(address).expect("an account of the state");
            assert_eq!((file.balance, file.nonce), (account.account.balance, Some(account.account.nonce)));
            let slots = file.storage.iter().flatten().map(|(slot, value)| ((*slot).into(), (*value).into()));
            assert_eq!(slots.collect::<alloy_primitives::map::HashMap<U256, U256>>(), account.storage);
            accounts += 1;
        }
        assert_eq!(genesis.alloc.len(), accounts);
    }

    #[test]
    fn the_configuration_says_the_fork() {
        for fork in [Fork::Cancun, Fork::Prague, Fork::Osaka, Fork::Bpo2, Fork::Amsterdam] {
            let spec = ChainSpec::from_genesis_config(&chain_config(5, fork)).expect("a configuration");
            let of_spec = spec.rules_at(1, header::START_SECONDS, Some(U256::ZERO));
            let wanted = ChainSpec::at_fork(5, fork).rules_at(1, header::START_SECONDS, Some(U256::ZERO));
            assert_eq!(of_spec, wanted, "{fork}");
        }
    }

    #[test]
    fn chains_may_be_longer_than_what_is_held_in_memory_but_are_bounded() {
        let options = GenerateOptions { block_count: 1 << 20, size: BlockSize::TxCount(65), ..options() };
        let error = ChainGenerator::start(options, |_| ()).expect_err("too much");
        let max = CHAIN_TX_COUNT_MAX;
        assert_eq!(error, GenerateError::TooHigh { field: "block_count * tx_count", have: 65 << 20, max });
    }
}
