//! Kinds of traffic and mixes of them, with the names that the command line uses.

use std::fmt;
use std::str::FromStr;

/// A kind of traffic. The ordinary ones are what people build; the hostile ones are the worst cases
/// of a parallel executor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Traffic {
    /// Plain transfers of ether, some of them to accounts that do not exist yet.
    RawTransfer,
    /// Transfers, approvals and spent allowances of a few ERC-20 tokens.
    Erc20,
    /// Swaps in constant-product pools. Three in a hundred ask for too much and revert.
    Swap,
    /// Deposits, loans and repayments in lending markets.
    Lending,
    /// Mints of collectibles with ascending ids.
    NftMint,
    /// Moves in board games of two.
    GameMove,
    /// Hand-overs and inspections of goods.
    SupplyChain,
    /// Grants, revocations and uses of consent to read health records.
    HealthConsent,
    /// New contracts, by creation transactions and by a factory.
    Deploy,
    /// Many transactions of one sender in a row of nonces.
    SameSenderBurst,
    /// Hostile: each transaction needs at its start what the one before it publishes at its end.
    SerialChain,
    /// Hostile: long work first, then a read and write of one shared slot.
    LateConflictBomb,
    /// Hostile: short increments of one slot.
    OneSlot,
    /// Hostile: every transaction reads the balance that all fees are paid to.
    BeneficiaryBalance,
    /// Hostile: small independent work, and the longest transaction that the protocol allows as the
    /// block's last.
    HugeLast,
}

/// What is wrong with the text of a [`Traffic`] or [`TrafficMix`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrafficError {
    /// No kind has this name.
    #[error("unknown traffic {name:?}; known: {}", known_names())]
    Unknown {
        /// The text.
        name: String,
    },
    /// The weight is no number below 2^32.
    #[error("traffic {name:?}: weight {weight:?} is not a number from 0 to 4294967295")]
    Weight {
        /// The kind.
        name: String,
        /// The text after the equals sign.
        weight: String,
    },
    /// A kind is named twice.
    #[error("traffic {traffic} is named twice")]
    Twice {
        /// The kind.
        traffic: Traffic,
    },
}

fn known_names() -> String {
    Traffic::ALL.map(Traffic::name).join(", ")
}

impl Traffic {
    /// All kinds, ordinary ones first.
    pub const ALL: [Self; 15] = [
        Self::RawTransfer,
        Self::Erc20,
        Self::Swap,
        Self::Lending,
        Self::NftMint,
        Self::GameMove,
        Self::SupplyChain,
        Self::HealthConsent,
        Self::Deploy,
        Self::SameSenderBurst,
        Self::SerialChain,
        Self::LateConflictBomb,
        Self::OneSlot,
        Self::BeneficiaryBalance,
        Self::HugeLast,
    ];

    /// The name on command lines and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RawTransfer => "raw-transfer",
            Self::Erc20 => "erc20",
            Self::Swap => "swap",
            Self::Lending => "lending",
            Self::NftMint => "nft-mint",
            Self::GameMove => "game-move",
            Self::SupplyChain => "supply-chain",
            Self::HealthConsent => "health-consent",
            Self::Deploy => "deploy",
            Self::SameSenderBurst => "same-sender-burst",
            Self::SerialChain => "serial-chain",
            Self::LateConflictBomb => "late-conflict-bomb",
            Self::OneSlot => "one-slot",
            Self::BeneficiaryBalance => "beneficiary-balance",
            Self::HugeLast => "huge-last",
        }
    }

    /// Gas of the transaction that ends a block with [`Traffic::HugeLast`], about.
    pub(super) const HUGE_GAS: u64 = 16_000_000;

    /// Gas of an average transaction under Osaka's prices, about: what [`super::BlockSize::Gas`] counts
    /// with. A test compares it with the EVM.
    pub const fn typical_gas(self) -> u64 {
        match self {
            Self::RawTransfer => 21_000,
            Self::Erc20 => 38_000,
            Self::Swap => 82_000,
            Self::Lending => 61_000,
            Self::NftMint => 95_000,
            Self::GameMove => 43_000,
            Self::SupplyChain => 44_000,
            Self::HealthConsent => 64_000,
            Self::Deploy => 263_000,
            Self::SameSenderBurst => 28_000,
            Self::SerialChain => 75_000,
            Self::LateConflictBomb => 206_000,
            Self::OneSlot => 26_000,
            Self::BeneficiaryBalance => 43_000,
            Self::HugeLast => 65_000,
        }
    }

    /// Whether this kind is made to hurt.
    pub const fn is_hostile(self) -> bool {
        matches!(
            self,
            Self::SerialChain | Self::LateConflictBomb | Self::OneSlot | Self::BeneficiaryBalance | Self::HugeLast
        )
    }
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Traffic {
    type Err = TrafficError;

    fn from_str(text: &str) -> Result<Self, TrafficError> {
        Self::ALL
            .into_iter()
            .find(|traffic| traffic.name() == text)
            .ok_or_else(|| TrafficError::Unknown { name: text.to_owned() })
    }
}

/// Kinds of traffic with weights: each transaction is of one kind, drawn by weight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrafficMix(Vec<(Traffic, u32)>);

impl TrafficMix {
    /// A mix. A kind that is named twice counts with the sum of its weights.
    pub fn new(weights: impl IntoIterator<Item = (Traffic, u32)>) -> Self {
        Self(weights.into_iter().collect())
    }

    /// One kind alone.
    pub fn only(traffic: Traffic) -> Self {
        Self(vec![(traffic, 1)])
    }

    /// What a busy public chain carries: tokens and swaps first, something of everything ordinary.
    pub fn everyday() -> Self {
        use Traffic as T;
        Self(vec![
            (T::Erc20, 34),
            (T::Swap, 20),
            (T::RawTransfer, 14),
            (T::Lending, 8),
            (T::NftMint, 5),
            (T::GameMove, 5),
            (T::SupplyChain, 5),
            (T::HealthConsent, 4),
            (T::SameSenderBurst, 4),
            (T::Deploy, 1),
        ])
    }

    /// Kinds and weights.
    pub fn weights(&self) -> &[(Traffic, u32)] {
        &self.0
    }

    /// Sum of the weights.
    pub fn total(&self) -> u64 {
        self.0.iter().map(|(_, weight)| u64::from(*weight)).sum()
    }

    /// Whether the kind is drawn at all.
    pub fn contains(&self, traffic: Traffic) -> bool {
        self.0.iter().any(|(kind, weight)| *kind == traffic && *weight > 0)
    }

    /// The kind at a position in `0..total`; `None` past it.
    pub(super) fn at(&self, mut position: u64) -> Option<Traffic> {
        for (traffic, weight) in &self.0 {
            match position.checked_sub(u64::from(*weight)) {
                Some(rest) => position = rest,
                None => return Some(*traffic),
            }
        }
        None
    }
}

impl fmt::Display for TrafficMix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (pos, (traffic, weight)) in self.0.iter().enumerate() {
            let comma = if pos == 0 { "" } else { "," };
            write!(f, "{comma}{traffic}={weight}")?;
        }
        Ok(())
    }
}

/// Reads `erc20=50,swap=30,raw-transfer=20`. A name without a weight has weight 1.
impl FromStr for TrafficMix {
    type Err = TrafficError;

    fn from_str(text: &str) -> Result<Self, TrafficError> {
        let mut weights: Vec<(Traffic, u32)> = Vec::new();
        for part in text.split(',') {
            let (name, weight) = match part.split_once('=') {
                None => (part.trim(), 1),
                Some((name, weight)) => {
                    let (name, weight) = (name.trim(), weight.trim());
                    let parsed = weight
                        .parse()
                        .map_err(|_| TrafficError::Weight { name: name.to_owned(), weight: weight.to_owned() })?;
                    (name, parsed)
                }
            };
            let traffic = name.parse()?;
            if weights.iter().any(|(kind, _)| *kind == traffic) {
                return Err(TrafficError::Twice { traffic });
            }
            weights.push((traffic, weight));
        }
        Ok(Self(weights))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back() {
        for traffic in Traffic::ALL {
            assert_eq!(traffic.name().parse(), Ok(traffic));
        }
        let mix = TrafficMix::everyday();
        assert_eq!(mix.to_string().parse(), Ok(mix));
    }

    #[test]
    fn a_mix_reads_names_with_and_without_weights() {
        let mix: TrafficMix = "erc20=50, swap=30,raw-transfer".parse().expect("a good mix");
        assert_eq!(mix.weights(), [(Traffic::Erc20, 50), (Traffic::Swap, 30), (Traffic::RawTransfer, 1)]);
        assert_eq!(mix.total(), 81);
        assert_eq!(mix.at(49), Some(Traffic::Erc20));
        assert_eq!(mix.at(50), Some(Traffic::Swap));
        assert_eq!(mix.at(81), None);
    }

    #[test]
    fn errors_name_the_part_that_is_wrong() {
        let error = |text: &str| text.parse::<TrafficMix>().expect_err("a bad mix").to_string();
        assert!(error("erc21=5").starts_with("unknown traffic \"erc21\"; known: raw-transfer, erc20"));
        assert!(error("").starts_with("unknown traffic \"\""));
        assert!(error("swap=many").contains("weight \"many\""));
        assert!(error("swap=-1").contains("weight \"-1\""));
        assert_eq!(error("swap=1,swap=2"), "traffic swap is named twice");
    }
}
