//! Who makes the blocks of a development chain, and of a node that produces.
//!
//! ```text
//! transaction --settle--> ask --\
//! interval, clock ---------------> Plan --step--> block from the pool --> LiveChain::seal
//! evm_mine --produce-------------------------------------^
//! ```
//!
//! There is one for a chain, shared by the thread that runs it and by all who may ask for a block. One block is made at a
//! time.

mod block_clock;
mod plan;

pub use block_clock::BlockClock;
pub use plan::Mining;

use crate::build::{BuildRequest, BuildSource, GasLimit, SealError, Sealed, may_take, open_block};
use crate::chain_block::ChainBlock;
use crate::live_chain::LiveChain;
use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, keccak256};
use motet_types::{BlockRules, Fork};
use plan::{Plan, Step};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often a block is begun anew when the head moves meanwhile.
const HEAD_TRIES: u32 = 8;

/// The clocks, as whoever has them hands them in.
#[derive(Clone, Copy, Debug)]
pub struct ProducerClock {
    /// Seconds since 1970.
    pub wall: fn() -> u64,
    /// Time since any start, which only goes on.
    pub monotonic: fn() -> Duration,
}

/// What blocks are made of besides transactions.
#[derive(Clone, Debug, Default)]
pub struct BlockSettings {
    /// Who gets the fees.
    pub beneficiary: Address,
    /// Gas that a block may use.
    pub gas_limit: GasLimit,
    /// At most 32 bytes.
    pub extra_data: Bytes,
    /// Timestamps.
    pub clock: BlockClock,
    /// PREVRANDAO of the next block; each block after it has one that follows from its parent.
    pub next_prev_randao: Option<B256>,
    /// Base fee of the next block, instead of what EIP-1559 says. Nobody else takes such a block.
    pub next_base_fee: Option<u64>,
}

/// Hears of each block that was made, or could not be, on the thread that tried.
pub type ProducerListener = Box<dyn Fn(Result<&Sealed, &SealError>) + Send + Sync>;

/// Makes blocks. See the module's description.
pub struct Producer {
    live: Arc<LiveChain>,
    clock: ProducerClock,
    settings: Mutex<BlockSettings>,
    plan: Mutex<Plan>,
    /// The plan changed.
    bell: Condvar,
    /// Held while a block is made.
    making: Mutex<()>,
    listeners: Mutex<Vec<ProducerListener>>,
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("mining", &self.mining()).finish_non_exhaustive()
    }
}

impl Producer {
    /// A producer that nobody runs yet.
    pub fn new(live: Arc<LiveChain>, mining: Mining, settings: BlockSettings, clock: ProducerClock) -> Self {
        let plan = Plan::new(mining, (clock.monotonic)());
        Self {
            live,
            clock,
            settings: Mutex::new(settings),
            plan: Mutex::new(plan),
            bell: Condvar::new(),
            making: Mutex::new(()),
            listeners: Mutex::new(Vec::new()),
        }
    }

    /// Has somebody told of each block that is made here from now on.
    pub fn listen(&self, listener: ProducerListener) {
        lock(&self.listeners).push(listener);
    }

    /// When blocks are made.
    pub fn mining(&self) -> Mining {
        lock(&self.plan).mining()
    }

    /// Changes when blocks are made.
    pub fn set_mining(&self, mining: Mining) {
        lock(&self.plan).set_mining(mining, (self.clock.monotonic)());
        self.bell.notify_all();
    }

    /// Looks at what blocks are made of, or changes it. It must not wait.
    pub fn with_settings<T>(&self, change: impl FnOnce(&mut BlockSettings) -> T) -> T {
        change(&mut lock(&self.settings))
    }

    /// Seconds since 1970 by the clock on the wall.
    pub fn wall_seconds(&self) -> u64 {
        (self.clock.wall)()
    }

    /// The header of a block that was made on this one now, as far as it is known before it is executed, and its rules.
    ///
    /// # Errors
    /// When none can be made.
    pub fn next_header(&self, parent: &ChainBlock) -> Result<(Header, BlockRules), SealError> {
        let settings = lock(&self.settings).clone();
        let request = self.request(parent, &settings, (self.clock.wall)());
        let (block, rules) = open_block(parent, &request, self.live.reader().spec())?;
        Ok((block.header, rules))
    }

    /// Makes a block now, whatever the mode.
    ///
    /// # Errors
    /// As [`LiveChain::seal`].
    pub fn produce(&self) -> Result<Sealed, SealError> {
        let _making = lock(&self.making);
        self.make(false)
    }

    /// Says that transactions came into the pool. On demand, it comes back once a block that was begun afterwards has ended, or
    /// none will come; otherwise at once. Not for threads that a block needs to end.
    pub fn settle(&self) {
        let mut plan = lock(&self.plan);
        let ask = plan.ask();
        self.bell.notify_all();
        while !plan.is_settled(ask) {
            plan = self.bell.wait(plan).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// As [`Producer::settle`], and waits for nothing.
    pub fn poke(&self) {
        lock(&self.plan).ask();
        self.bell.notify_all();
    }

    /// Makes blocks when they are due, until [`Producer::stop`]. For a thread of its own.
    pub fn run(&self) {
        loop {
            match self.next_step() {
                Step::Stop => return,
                // What failed was told to those who listen, and is tried again with the next ask or at the next beat.
                Step::Seal => drop(self.seal_due()),
                Step::Wait | Step::WaitFor(_) => {}
            }
        }
    }

    /// Ends [`Producer::run`] behind the block that it is at, and lets go who waits.
    pub fn stop(&self) {
        lock(&self.plan).stop();
        self.bell.notify_all();
    }

    /// Whether it was told to stop.
    pub fn is_stopped(&self) -> bool {
        lock(&self.plan).is_stopped()
    }

    /// Waits for something to do.
    fn next_step(&self) -> Step {
        let mut plan = lock(&self.plan);
        match plan.step((self.clock.monotonic)()) {
            Step::Wait => drop(self.bell.wait(plan).unwrap_or_else(PoisonError::into_inner)),
            Step::WaitFor(time) => {
                drop(self.bell.wait_timeout(plan, time).unwrap_or_else(PoisonError::into_inner));
            }
            step => return step,
        }
        Step::Wait
    }

    /// Makes the block that is due, unless it would be empty and nobody needs it.
    fn seal_due(&self) -> Result<(), SealError> {
        let _making = lock(&self.making);
        // Before the look at the pool: whoever asks during it is not answered by it.
        let begun = lock(&self.plan).begin();
        let is_empty_due = self.is_empty_due();
        if is_empty_due || self.has_includable() {
            return match self.make(!is_empty_due) {
                Ok(_) | Err(SealError::Empty) => Ok(()),
                Err(error) => Err(error),
            };
        }
        lock(&self.plan).end(begun, 0);
        self.bell.notify_all();
        Ok(())
    }

    /// Whether the pool has something that can pay the fees of a block on the head.
    fn has_includable(&self) -> bool {
        let parent = self.live.reader().head();
        let settings = lock(&self.settings).clone();
        let request = self.request(&parent, &settings, (self.clock.wall)());
        may_take(&parent, &request, self.live.reader().spec(), self.live.pool())
    }

    /// Whether an interval has a block even without transactions. Not where its timestamp would run ahead of the clock, unless
    /// it is asked for: with intervals below a second, timestamps of whole seconds that must rise would do so without end.
    fn is_empty_due(&self) -> bool {
        let Mining::Interval(_) = self.mining() else { return false };
        let wall = (self.clock.wall)();
        let parent = self.live.reader().head().block().header.timestamp;
        self.with_settings(|settings| !settings.clock.runs_ahead(wall, parent))
    }

    /// Makes a block. Whoever calls this holds `making`.
    fn make(&self, unless_empty: bool) -> Result<Sealed, SealError> {
        let begun = lock(&self.plan).begin();
        // Whoever wants to change the state beside blocks, or go back to another one, waits until this one stands.
        let held = self.live.reader().interventions().hold();
        let settings = lock(&self.settings).clone();
        let wall = (self.clock.wall)();
        let mut tries = HEAD_TRIES;
        let (timestamp, sealed) = loop {
            let parent = self.live.reader().head();
            let mut request = self.request(&parent, &settings, wall);
            request.changes = held.over(&parent.hash());
            request.unless_empty = unless_empty;
            let timestamp = request.timestamp;
            let sealed = self.live.seal(request);
            tries -= 1;
            // Somebody else moved the head meanwhile: what was asked for belongs to another parent.
            if tries == 0 || !matches!(sealed, Err(SealError::OtherHead { .. })) {
                break (timestamp, sealed);
            }
        };
        if sealed.is_ok() {
            let mut now = lock(&self.settings);
            // What was set meanwhile is for the block after this one.
            if now.clock.next == settings.clock.next {
                now.clock.made(wall, timestamp);
            }
            if now.next_prev_randao == settings.next_prev_randao {
                now.next_prev_randao = None;
            }
            if now.next_base_fee == settings.next_base_fee {
                now.next_base_fee = None;
            }
        }
        drop(held);
        if !matches!(sealed, Err(SealError::Empty)) {
            for listener in lock(&self.listeners).iter() {
                listener(sealed.as_ref());
            }
        }
        let included = sealed.as_ref().map_or(0, |sealed| sealed.receipts.len());
        lock(&self.plan).end(begun, included);
        self.bell.notify_all();
        sealed
    }

    fn request(&self, parent: &ChainBlock, settings: &BlockSettings, wall: u64) -> BuildRequest {
        let header = &parent.block().header;
        let timestamp = settings.clock.timestamp(wall, header.timestamp);
        let number = header.number.saturating_add(1);
        let fork = self.live.reader().spec().fork_at(number, timestamp, Some(parent.total_difficulty()));
        BuildRequest {
            parent: Some(parent.hash()),
            timestamp,
            beneficiary: settings.beneficiary,
            // Nobody draws lots here; it only has to differ from block to block.
            prev_randao: settings.next_prev_randao.unwrap_or_else(|| keccak256(parent.hash())),
            gas_limit: settings.gas_limit,
            extra_data: settings.extra_data.clone(),
            parent_beacon_block_root: (fork >= Fork::Cancun).then_some(B256::ZERO),
            withdrawals: (fork >= Fork::Shanghai).then(Vec::new),
            base_fee: settings.next_base_fee,
            transactions: BuildSource::Pool,
            is_kept: true,
            ..BuildRequest::default()
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind these locks is whole at every moment.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
