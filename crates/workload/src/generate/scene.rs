//! Scenes: contracts in the pre-state, and people who call them.
//!
//! A scene remembers what its calls do to its contract, so that the next call fits: the custodian
//! hands over, the player whose turn it is moves.

mod board_game;
mod collectible;
mod consent;
mod custody;
mod deploy;
mod exchange;
mod hostile;
mod lending;
mod token;
mod transfer;

pub use hostile::ROUNDS_MAX;

use super::artifact::Artifacts;
use super::error::GenerateError;
use super::traffic::Traffic;
use super::world::{Call, World};

/// All scenes of one generated chain.
///
/// All of them are placed whatever the mix, so that runs that differ in the mix alone share their
/// contracts.
#[derive(Debug)]
pub(super) struct Scenes {
    tokens: token::Tokens,
    exchange: exchange::Exchange,
    lending: lending::Lending,
    collectibles: collectible::Collectibles,
    games: board_game::Games,
    custody: custody::Custody,
    consent: consent::Consent,
    deploys: deploy::Deploys,
    bursts: transfer::Bursts,
    hostile: hostile::Hostile,
}

impl Scenes {
    /// Places all contracts.
    pub(super) fn place(world: &mut World) -> Result<Self, GenerateError> {
        let artifacts = Artifacts::embedded()?;
        let tokens = token::Tokens::place(&artifacts, world)?;
        Ok(Self {
            exchange: exchange::Exchange::place(&artifacts, &tokens, world)?,
            lending: lending::Lending::place(&artifacts, &tokens, world)?,
            collectibles: collectible::Collectibles::place(&artifacts, world)?,
            games: board_game::Games::place(&artifacts, world)?,
            custody: custody::Custody::place(&artifacts, world)?,
            consent: consent::Consent::place(&artifacts, world)?,
            deploys: deploy::Deploys::place(&artifacts, world)?,
            bursts: transfer::Bursts::default(),
            hostile: hostile::Hostile::place(&artifacts, world)?,
            tokens,
        })
    }

    /// The next call of a kind.
    pub(super) fn next(&mut self, traffic: Traffic, world: &mut World) -> Call {
        match traffic {
            Traffic::RawTransfer => {
                let sender = world.anyone();
                transfer::transfer(sender, world)
            }
            Traffic::Erc20 => self.tokens.next(world),
            Traffic::Swap => self.exchange.next(&self.tokens, world),
            Traffic::Lending => self.lending.next(&self.tokens, world),
            Traffic::NftMint => self.collectibles.next(world),
            Traffic::GameMove => self.games.next(world),
            Traffic::SupplyChain => self.custody.next(world),
            Traffic::HealthConsent => self.consent.next(world),
            Traffic::Deploy => self.deploys.next(world),
            Traffic::SameSenderBurst => self.bursts.next(&self.tokens, world),
            Traffic::SerialChain => self.hostile.serial_step(world),
            Traffic::LateConflictBomb => self.hostile.late_conflict(world),
            Traffic::OneSlot => self.hostile.one_slot(world),
            Traffic::BeneficiaryBalance => self.hostile.look_at_beneficiary(world),
            Traffic::HugeLast => self.hostile.small_work(world),
        }
    }

    /// The call that ends a block with [`Traffic::HugeLast`] in its mix.
    pub(super) fn huge_last(&self, world: &mut World) -> Call {
        self.hostile.huge_work(world)
    }
}
