//! Which rules are in force: forks, their activation, blob parameters.

use alloy_eips::eip6110::MAINNET_DEPOSIT_CONTRACT_ADDRESS;
use alloy_eips::eip7594::MAX_BLOBS_PER_TX_FUSAKA;
use alloy_eips::eip7840::BlobParams;
use alloy_genesis::ChainConfig;
use alloy_hardforks::{EthereumChainHardforks, EthereumHardfork, EthereumHardforks, ForkCondition};
use alloy_primitives::{Address, U256, address};
use std::collections::BTreeMap;

/// A fork of Ethereum's rules, from Frontier on, in order.
pub type Fork = EthereumHardfork;

/// Deposit contract of Sepolia.
const SEPOLIA_DEPOSIT_CONTRACT: Address = address!("0x7f02c3e3c98b133055b8b348b2ac625669ed295d");
/// Deposit contract of Holesky and of most test networks.
const TESTNET_DEPOSIT_CONTRACT: Address = address!("0x4242424242424242424242424242424242424242");

/// The rules of one chain: when each fork activates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainSpec {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Contract whose logs are deposit requests. EIP-6110.
    pub deposit_contract: Address,
    activations: BTreeMap<Fork, ForkCondition>,
    blob_schedule: BTreeMap<Fork, BlobParams>,
}

/// A chain configuration or fork name that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// No fork has this name.
    #[error("unknown fork {0:?}")]
    UnknownFork(String),
    /// No chain has this id among those built in.
    #[error("no built-in specification for chain id {0}")]
    UnknownChain(u64),
    /// A fork activates before one that it builds on.
    #[error("fork {later} activates before {earlier}")]
    OutOfOrder {
        /// The fork that should come first.
        earlier: Fork,
        /// The fork that comes too early.
        later: Fork,
    },
    /// Blob parameters that divide by zero or allow less than they aim for.
    #[error("blob schedule of {fork}: {reason}")]
    BlobSchedule {
        /// The fork.
        fork: Fork,
        /// What is wrong.
        reason: &'static str,
    },
}

/// The rules of one block: everything that depends on the fork, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockRules {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The fork in force.
    pub fork: Fork,
    /// Blob parameters in force; `None` before Cancun.
    pub blob: Option<BlobParams>,
    /// Whether this is the block of the DAO fork's irregular state change (EIP-779).
    pub dao_transition: bool,
    /// Contract whose logs are deposit requests.
    pub deposit_contract: Address,
}

impl BlockRules {
    /// Whether `fork` or a later one is in force.
    #[inline]
    pub fn is_active(&self, fork: Fork) -> bool {
        self.fork >= fork
    }
}

impl ChainSpec {
    /// Ethereum mainnet.
    pub fn mainnet() -> Self {
        Self::built_in(1, EthereumChainHardforks::mainnet(), MAINNET_DEPOSIT_CONTRACT_ADDRESS)
    }

    /// The specification of a public chain by its id: mainnet, Sepolia, Holesky, Hoodi.
    ///
    /// # Errors
    /// For any other id.
    pub fn by_chain_id(chain_id: u64) -> Result<Self, SpecError> {
        match chain_id {
            1 => Ok(Self::mainnet()),
            11_155_111 => Ok(Self::built_in(chain_id, EthereumChainHardforks::sepolia(), SEPOLIA_DEPOSIT_CONTRACT)),
            17_000 => Ok(Self::built_in(chain_id, EthereumChainHardforks::holesky(), TESTNET_DEPOSIT_CONTRACT)),
            560_048 => Ok(Self::built_in(chain_id, EthereumChainHardforks::hoodi(), MAINNET_DEPOSIT_CONTRACT_ADDRESS)),
            other => Err(SpecError::UnknownChain(other)),
        }
    }

    fn built_in(chain_id: u64, forks: EthereumChainHardforks, deposit_contract: Address) -> Self {
        let activations = Fork::VARIANTS
            .iter()
            .map(|fork| (*fork, forks.ethereum_fork_activation(*fork)))
            .filter(|(_, condition)| *condition != ForkCondition::Never)
            .collect();
        Self { chain_id, deposit_contract, activations, blob_schedule: default_blob_schedule() }
    }

    /// A chain on which `fork` and all before it are active from genesis, and nothing after.
    ///
    /// The DAO fork's irregular state change is no part of it.
    pub fn at_fork(chain_id: u64, fork: Fork) -> Self {
        let activations = Fork::VARIANTS
            .iter()
            .filter(|candidate| **candidate <= fork && **candidate != Fork::Dao)
            .map(|candidate| (*candidate, ForkCondition::Block(0)))
            .collect();
        Self {
            chain_id,
            deposit_contract: MAINNET_DEPOSIT_CONTRACT_ADDRESS,
            activations,
            blob_schedule: default_blob_schedule(),
        }
    }

    /// The specification that a genesis file's `config` describes.
    ///
    /// # Errors
    /// When forks are out of order or blob parameters impossible.
    pub fn from_genesis_config(config: &ChainConfig) -> Result<Self, SpecError> {
        let block = |number: Option<u64>| number.map(ForkCondition::Block);
        let time = |timestamp: Option<u64>| timestamp.map(ForkCondition::Timestamp);
        let merge = match (config.terminal_total_difficulty, config.merge_netsplit_block) {
            (Some(total_difficulty), netsplit) => Some(if total_difficulty.is_zero() {
                ForkCondition::Block(0)
            } else {
                ForkCondition::TTD {
                    activation_block_number: netsplit.unwrap_or(u64::MAX),
                    fork_block: netsplit,
                    total_difficulty,
                }
            }),
            (None, Some(netsplit)) => Some(ForkCondition::Block(netsplit)),
            (None, None) => None,
        };
        let dao = if config.dao_fork_support { block(config.dao_fork_block) } else { None };
        let entries = [
            (Fork::Frontier, Some(ForkCondition::Block(0))),
            (Fork::Homestead, block(config.homestead_block)),
            (Fork::Dao, dao),
            (Fork::Tangerine, block(config.eip150_block)),
            (Fork::SpuriousDragon, block(config.eip158_block.or(config.eip155_block))),
            (Fork::Byzantium, block(config.byzantium_block)),
            (Fork::Constantinople, block(config.constantinople_block)),
            (Fork::Petersburg, block(config.petersburg_block.or(config.constantinople_block))),
            (Fork::Istanbul, block(config.istanbul_block)),
            (Fork::MuirGlacier, block(config.muir_glacier_block)),
            (Fork::Berlin, block(config.berlin_block)),
            (Fork::London, block(config.london_block)),
            (Fork::ArrowGlacier, block(config.arrow_glacier_block)),
            (Fork::GrayGlacier, block(config.gray_glacier_block)),
            (Fork::Paris, merge),
            (Fork::Shanghai, time(config.shanghai_time)),
            (Fork::Cancun, time(config.cancun_time)),
            (Fork::Prague, time(config.prague_time)),
            (Fork::Osaka, time(config.osaka_time)),
            (Fork::Bpo1, time(config.bpo1_time)),
            (Fork::Bpo2, time(config.bpo2_time)),
            (Fork::Bpo3, time(config.bpo3_time)),
            (Fork::Bpo4, time(config.bpo4_time)),
            (Fork::Bpo5, time(config.bpo5_time)),
            (Fork::Amsterdam, time(config.amsterdam_time)),
        ];
        let mut spec = Self {
            chain_id: config.chain_id,
            deposit_contract: config.deposit_contract_address.unwrap_or(MAINNET_DEPOSIT_CONTRACT_ADDRESS),
            activations: entries.into_iter().filter_map(|(fork, at)| Some((fork, at?))).collect(),
            blob_schedule: default_blob_schedule(),
        };
        for (name, params) in &config.blob_schedule {
            spec.set_blob_params(fork_by_name(name)?, *params)?;
        }
        spec.check_order()?;
        Ok(spec)
    }

    /// A chain with no fork but what is set later, and with no blob parameters.
    pub fn bare(chain_id: u64, deposit_contract: Address) -> Self {
        Self { chain_id, deposit_contract, activations: BTreeMap::new(), blob_schedule: BTreeMap::new() }
    }

    /// The forks that are set, in order, with their activations.
    pub fn activations(&self) -> impl Iterator<Item = (Fork, ForkCondition)> + '_ {
        self.activations.iter().map(|(fork, condition)| (*fork, *condition))
    }

    /// The forks that change blob parameters, in order, with these.
    pub fn blob_schedule(&self) -> impl Iterator<Item = (Fork, BlobParams)> + '_ {
        self.blob_schedule.iter().map(|(fork, params)| (*fork, *params))
    }

    /// Sets when a fork activates.
    pub fn set_activation(&mut self, fork: Fork, condition: ForkCondition) {
        self.activations.insert(fork, condition);
    }

    /// Sets the blob parameters from `fork` on.
    ///
    /// # Errors
    /// When they are impossible.
    pub fn set_blob_params(&mut self, fork: Fork, params: BlobParams) -> Result<(), SpecError> {
        if params.update_fraction == 0 {
            return Err(SpecError::BlobSchedule { fork, reason: "the update fraction is zero" });
        }
        if params.max_blob_count < params.target_blob_count {
            return Err(SpecError::BlobSchedule { fork, reason: "the maximum is below the target" });
        }
        self.blob_schedule.insert(fork, params);
        Ok(())
    }

    /// When a fork activates.
    pub fn activation(&self, fork: Fork) -> ForkCondition {
        self.activations.get(&fork).copied().unwrap_or(ForkCondition::Never)
    }

    /// The latest fork in force at a block.
    ///
    /// `parent_total_difficulty` decides Paris on chains that merge by difficulty; `None` where the
    /// activation block is known.
    pub fn fork_at(&self, number: u64, timestamp: u64, parent_total_difficulty: Option<U256>) -> Fork {
        self.activations
            .iter()
            .rev()
            .find(|(_, condition)| is_met(condition, number, timestamp, parent_total_difficulty))
            .map_or(Fork::Frontier, |(fork, _)| *fork)
    }

    /// The rules in force at a block; `parent_total_difficulty` as in [`ChainSpec::fork_at`].
    pub fn rules_at(&self, number: u64, timestamp: u64, parent_total_difficulty: Option<U256>) -> BlockRules {
        let fork = self.fork_at(number, timestamp, parent_total_difficulty);
        BlockRules {
            chain_id: self.chain_id,
            fork,
            blob: self.blob_params(fork),
            dao_transition: self.activation(Fork::Dao) == ForkCondition::Block(number),
            deposit_contract: self.deposit_contract,
        }
    }

    /// Blob parameters under a fork; `None` before Cancun. From Osaka on a transaction has no more blobs than EIP-7594 allows,
    /// whatever a block may hold.
    pub fn blob_params(&self, fork: Fork) -> Option<BlobParams> {
        let (_, params) = self.blob_schedule.range(..=fork).next_back()?;
        let mut params = *params;
        if fork >= Fork::Osaka {
            params.max_blobs_per_tx = params.max_blobs_per_tx.min(MAX_BLOBS_PER_TX_FUSAKA);
        }
        Some(params)
    }

    fn check_order(&self) -> Result<(), SpecError> {
        for pair in self.activations.iter().collect::<Vec<_>>().windows(2) {
            let ((earlier, first), (later, second)) = (pair[0], pair[1]);
            let out_of_order = match (first, second) {
                (ForkCondition::Block(a), ForkCondition::Block(b)) => a > b,
                (ForkCondition::Timestamp(a), ForkCondition::Timestamp(b)) => a > b,
                (ForkCondition::Timestamp(_), ForkCondition::Block(_)) => true,
                _ => false,
            };
            if out_of_order {
                return Err(SpecError::OutOfOrder { earlier: *earlier, later: *later });
            }
        }
        Ok(())
    }
}

fn is_met(condition: &ForkCondition, number: u64, timestamp: u64, parent_total_difficulty: Option<U256>) -> bool {
    match condition {
        ForkCondition::Block(at) => number >= *at,
        ForkCondition::Timestamp(at) => timestamp >= *at,
        ForkCondition::TTD { activation_block_number, total_difficulty, .. } => {
            parent_total_difficulty.map_or(number >= *activation_block_number, |sum| sum >= *total_difficulty)
        }
        ForkCondition::Never => false,
    }
}

/// Mainnet's blob parameters by fork. EIP-4844, EIP-7691, EIP-7594, EIP-7892.
fn default_blob_schedule() -> BTreeMap<Fork, BlobParams> {
    BTreeMap::from([
        (Fork::Cancun, BlobParams::cancun()),
        (Fork::Prague, BlobParams::prague()),
        (Fork::Osaka, BlobParams::osaka()),
        (Fork::Bpo1, BlobParams::bpo1()),
        (Fork::Bpo2, BlobParams::bpo2()),
    ])
}

/// A fork by any of the names that clients, EIPs and test suites use for it.
///
/// # Errors
/// When no fork has the name.
pub fn fork_by_name(name: &str) -> Result<Fork, SpecError> {
    let squeezed: String = name.chars().filter(|c| c.is_ascii_alphanumeric()).collect::<String>().to_lowercase();
    Ok(match squeezed.as_str() {
        "frontier" => Fork::Frontier,
        "homestead" => Fork::Homestead,
        "dao" | "daofork" => Fork::Dao,
        "tangerine" | "tangerinewhistle" | "eip150" => Fork::Tangerine,
        "spuriousdragon" | "eip158" | "eip161" => Fork::SpuriousDragon,
        "byzantium" => Fork::Byzantium,
        "constantinople" => Fork::Constantinople,
        "petersburg" | "constantinoplefix" => Fork::Petersburg,
        "istanbul" => Fork::Istanbul,
        "muirglacier" => Fork::MuirGlacier,
        "berlin" => Fork::Berlin,
        "london" => Fork::London,
        "arrowglacier" => Fork::ArrowGlacier,
        "grayglacier" => Fork::GrayGlacier,
        "paris" | "merge" => Fork::Paris,
        "shanghai" => Fork::Shanghai,
        "cancun" => Fork::Cancun,
        "prague" => Fork::Prague,
        "osaka" => Fork::Osaka,
        "bpo1" => Fork::Bpo1,
        "bpo2" => Fork::Bpo2,
        "bpo3" => Fork::Bpo3,
        "bpo4" => Fork::Bpo4,
        "bpo5" => Fork::Bpo5,
        "amsterdam" => Fork::Amsterdam,
        _ => return Err(SpecError::UnknownFork(name.to_owned())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mainnet_forks_activate_where_history_says() {
        let spec = ChainSpec::mainnet();
        let at = |number, timestamp| spec.fork_at(number, timestamp, None);
        assert_eq!(at(0, 0), Fork::Frontier);
        assert_eq!(at(1_150_000, 1_457_981_393), Fork::Homestead);
        assert_eq!(at(1_920_000, 1_469_020_840), Fork::Dao);
        assert_eq!(at(2_675_000, 1_479_831_344), Fork::SpuriousDragon);
        assert_eq!(at(7_280_000, 1_551_383_524), Fork::Petersburg);
        assert_eq!(at(15_537_393, 1_663_224_162), Fork::GrayGlacier);
        assert_eq!(at(15_537_394, 1_663_224_179), Fork::Paris);
        assert_eq!(at(19_426_587, 1_710_338_135), Fork::Cancun);
        assert!(spec.rules_at(1_920_000, 0, None).dao_transition);
        assert!(!spec.rules_at(1_920_001, 0, None).dao_transition);
    }

    #[test]
    fn total_difficulty_decides_the_merge_where_no_block_is_named() {
        let mut spec = ChainSpec::at_fork(1, Fork::London);
        spec.set_activation(
            Fork::Paris,
            ForkCondition::TTD {
                activation_block_number: u64::MAX,
                fork_block: None,
                total_difficulty: U256::from(100),
            },
        );
        assert_eq!(spec.fork_at(5, 0, Some(U256::from(99))), Fork::London);
        assert_eq!(spec.fork_at(5, 0, Some(U256::from(100))), Fork::Paris);
        assert_eq!(spec.fork_at(5, 0, None), Fork::London);
    }

    #[test]
    fn from_osaka_on_a_transaction_has_six_blobs_at_most() {
        let mut spec = ChainSpec::at_fork(1, Fork::Amsterdam);
        let many = BlobParams { max_blobs_per_tx: 9, ..BlobParams::osaka() };
        for fork in [Fork::Prague, Fork::Osaka] {
            spec.set_blob_params(fork, many).unwrap();
        }
        let per_tx = [Fork::Prague, Fork::Osaka, Fork::Amsterdam].map(|fork| spec.blob_params(fork).unwrap());
        assert_eq!(per_tx.map(|params| params.max_blobs_per_tx), [9, 6, 6]);
    }

    #[test]
    fn a_config_with_forks_out_of_order_is_refused() {
        let config = ChainConfig { shanghai_time: Some(10), cancun_time: Some(5), ..ChainConfig::default() };
        assert!(matches!(ChainSpec::from_genesis_config(&config), Err(SpecError::OutOfOrder { .. })));
    }
}
