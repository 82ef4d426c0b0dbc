//! Board games of two.

use crate::generate::artifact::{Artifacts, Selector, call_input};
use crate::generate::error::GenerateError;
use crate::generate::slot::{address_bits, mapping_slot, packed, word};
use crate::generate::world::{Call, World};
use crate::generate::zipf::Zipf;
use alloy_primitives::{Address, U256};

/// Cells of a board.
const CELL_COUNT: u64 = 256;
/// Most moves that a game has seen before its first transaction.
const OPENING_MOVES_MAX: u64 = 60;
const GAS_LIMIT: u64 = 130_000;

/// The games under way.
///
/// Invariant: boards equal what the contract holds after the transactions generated so far, since
/// every move generated is legal.
#[derive(Debug)]
pub(super) struct Games {
    contract: Address,
    games_slot: U256,
    make_move: Selector,
    popularity: Zipf,
    tables: Vec<Option<Game>>,
    next_id: u64,
}

#[derive(Debug)]
struct Game {
    id: u64,
    players: [usize; 2],
    cells: [U256; 2],
    move_count: u64,
}

impl Game {
    /// Plays on a random free cell and returns it; some cell must be free.
    fn play(&mut self, world: &mut World) -> u64 {
        let taken = self.cells[0] | self.cells[1];
        let start = world.dice.below(CELL_COUNT);
        let cell = (start..start + CELL_COUNT).map(|cell| cell % CELL_COUNT).find(|cell| !taken.bit(*cell as usize));
        let cell = cell.unwrap_or(start);
        self.cells[self.turn()].set_bit(cell as usize, true);
        self.move_count += 1;
        cell
    }

    fn turn(&self) -> usize {
        (self.move_count % 2) as usize
    }
}

impl Games {
    /// Places the contract; games open as they are first played.
    pub(super) fn place(artifacts: &Artifacts, world: &mut World) -> Result<Self, GenerateError> {
        let contract = artifacts.contract("BoardGame")?;
        let table_count = (world.accounts.count() / 4).max(4);
        Ok(Self {
            contract: world.genesis.place("BoardGame", 0, contract),
            games_slot: contract.slot("games")?,
            make_move: contract.selector("move(uint256,uint8)")?,
            popularity: world.zipf(table_count),
            tables: (0..table_count).map(|_| None).collect(),
            next_id: 1,
        })
    }

    /// The next move at some table, by the player whose turn it is.
    pub(super) fn next(&mut self, world: &mut World) -> Call {
        let table = self.popularity.draw(&mut world.dice);
        let mut game = match self.tables[table].take() {
            Some(game) if game.move_count < CELL_COUNT => game,
            _ => self.open(world),
        };
        let sender = game.players[game.turn()];
        let cell = game.play(world);
        let input = call_input(self.make_move, &[word(game.id), word(cell)]);
        let slot = mapping_slot(self.games_slot, word(game.id));
        self.tables[table] = Some(game);
        Call::new(sender, self.contract, input, GAS_LIMIT).touching([slot, slot + U256::ONE])
    }

    /// A game with some moves behind it, in the pre-state.
    fn open(&mut self, world: &mut World) -> Game {
        let first = world.anyone();
        let other = world.dice.position(world.accounts.count() - 1);
        let second = if other < first { other } else { other + 1 };
        let mut game = Game { id: self.next_id, players: [first, second], cells: [U256::ZERO; 2], move_count: 0 };
        self.next_id += 1;
        for _ in 0..world.dice.below(OPENING_MOVES_MAX + 1) {
            game.play(world);
        }
        let slot = mapping_slot(self.games_slot, word(game.id));
        let [first, second] = game.players.map(|player| address_bits(world.accounts.address(player)));
        let fields = [first, packed(&[(second, 0), (U256::from(game.move_count), 160)]), game.cells[0], game.cells[1]];
        for (offset, value) in fields.into_iter().enumerate() {
            world.genesis.set(self.contract, slot + U256::from(offset), value);
        }
        game
    }
}
