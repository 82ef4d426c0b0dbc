//! What calls of one key usually touch and use.

use super::expression::Place;
use smallvec::SmallVec;

/// Places that a habit remembers.
const USUALS_MAX: usize = 96;
/// Calls that a frequency is taken over, about: at this many, older ones count half.
const WINDOW: u16 = 32;
/// Lessons after which a key is known if it was foreseen well.
const LESSONS_MIN: u32 = 4;
/// Lessons in one block.
pub(super) const LESSONS_PER_BLOCK_MAX: usize = 4;
/// Blocks between lessons of a key that is foreseen well.
const SAMPLE_BLOCKS: u64 = 16;
/// Lessons after which a key that is foreseen badly is not worth one in every block.
const PATIENCE_LESSONS: u32 = 32;
/// Blocks between lessons of such a key.
const HOPELESS_BLOCKS: u64 = 4;
/// Foreseen well this many times in a row: known.
const STREAK: u8 = 3;
/// Gas averages follow the last few blocks.
const GAS_WINDOW: f64 = 8.0;
/// Below this, predicted writes of a key do more harm than good.
const TRUST_MIN: u8 = 128;

/// How often something happened in the calls of late.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Frequency {
    times: u16,
    of: u16,
}

impl Frequency {
    fn note(&mut self, happened: bool) {
        if self.of >= WINDOW {
            self.of /= 2;
            self.times /= 2;
        }
        self.of += 1;
        self.times += u16::from(happened);
    }

    /// Whether it happened in more than half of the calls.
    pub(super) fn mostly(&self) -> bool {
        self.times * 2 > self.of
    }

    /// Whether it happened in at least one of `n` calls.
    pub(super) fn at_least_one_in(&self, n: u16) -> bool {
        self.times > 0 && self.times * n >= self.of
    }
}

/// A place that calls touch.
#[derive(Clone, Debug)]
pub(super) struct Usual {
    pub(super) place: Place,
    fingerprint: u64,
    /// Whether it is touched.
    pub(super) touched: Frequency,
    /// Whether, where it is touched, it is written.
    pub(super) written: Frequency,
    /// Whether, where it is touched, a transaction below had written it.
    pub(super) met: Frequency,
    /// How often of late what was written here met a transaction above; halves with every lesson.
    pub(super) caused: u8,
}

impl Usual {
    /// Whether transactions of a block often meet here.
    pub(super) fn is_contended(&self) -> bool {
        self.met.at_least_one_in(4) || self.caused > 0
    }
}

/// One explained location that a call touched.
#[derive(Debug)]
pub(super) struct Touched {
    /// Its explanations.
    pub(super) places: SmallVec<[Place; 4]>,
    pub(super) written: bool,
    /// Whether a transaction below had written it.
    pub(super) met: bool,
}

/// An average, and how far off it was.
#[derive(Clone, Copy, Debug, Default)]
struct Average {
    mean: f64,
    error: f64,
}

impl Average {
    fn note(&mut self, value: f64, weight: f64) {
        self.error += ((value - self.mean).abs() / value.max(f64::MIN_POSITIVE) - self.error) * weight;
        self.mean += (value - self.mean) * weight;
    }
}

/// What calls of one key usually do.
#[derive(Clone, Debug, Default)]
pub(super) struct Habit {
    pub(super) usuals: Vec<Usual>,
    lessons: u32,
    last_lesson: u64,
    /// The last block that used it.
    pub(super) last_used: u64,
    streak: u8,
    /// Of predicted writes, how many came true of late, in 255ths.
    trust: u8,
    /// Gas used, and gas used over the limit: callers of some contracts know well what they need.
    gas: Average,
    share: Average,
    gas_samples: u32,
}

impl Habit {
    pub(super) fn new(now: u64) -> Self {
        Self { last_used: now, trust: u8::MAX, ..Self::default() }
    }

    /// How many of a block's calls should be studied.
    pub(super) fn wanted(&self, now: u64) -> usize {
        let idle = now.saturating_sub(self.last_lesson);
        if self.lessons < LESSONS_MIN {
            LESSONS_PER_BLOCK_MAX
        } else if self.streak >= STREAK {
            usize::from(idle >= SAMPLE_BLOCKS)
        } else if self.lessons < PATIENCE_LESSONS {
            1
        } else {
            usize::from(idle >= HOPELESS_BLOCKS)
        }
    }

    /// Takes in one call, and says whether it was foreseen well. What it touched is `complete`, but for mappings.
    pub(super) fn learn(&mut self, touched: &[Touched], complete: bool, now: u64) -> bool {
        let foresaw = |usual: &Usual| usual.touched.mostly() && usual.place.slot.is_some();
        let mut expected = self.usuals.iter().filter(|usual| foresaw(usual)).count();
        let (mut slots, mut foreseen) = (0, 0);
        let mut hit = vec![None; self.usuals.len()];
        let mut fresh = Vec::new();
        for (at, touch) in touched.iter().enumerate() {
            let is_slot = touch.places.first().is_some_and(|place| place.slot.is_some());
            slots += usize::from(is_slot);
            let mut known = false;
            for place in &touch.places {
                let fingerprint = place.fingerprint();
                let same = |usual: &Usual| usual.fingerprint == fingerprint && usual.place == *place;
                match self.usuals.iter().position(same) {
                    Some(usual) => {
                        hit[usual] = Some(at);
                        known |= foresaw(&self.usuals[usual]);
                    }
                    None => fresh.push((place, fingerprint, at)),
                }
            }
            foreseen += usize::from(known && is_slot);
        }
        for (usual, hit) in self.usuals.iter_mut().zip(&hit) {
            if hit.is_some() || complete || !usual.place.is_hashed() {
                usual.touched.note(hit.is_some());
            }
            usual.caused /= 2;
            if let Some(at) = *hit {
                usual.written.note(touched[at].written);
                usual.met.note(touched[at].met);
                if foresaw(usual) {
                    expected = expected.saturating_sub(1);
                }
            }
        }
        // `expected` is now what was foreseen and did not come.
        let well = expected * 10 <= slots && foreseen * 10 >= slots * 9;
        if complete {
            self.streak = if well { self.streak.saturating_add(1) } else { 0 };
            self.lessons += 1;
            self.last_lesson = now;
        }
        let of = u16::try_from(self.lessons).unwrap_or(WINDOW).clamp(1, WINDOW);
        for (place, fingerprint, at) in fresh {
            self.admit(Usual {
                place: place.clone(),
                fingerprint,
                touched: Frequency { times: 1, of },
                written: Frequency { times: u16::from(touched[at].written), of: 1 },
                met: Frequency { times: u16::from(touched[at].met), of: 1 },
                caused: 0,
            });
        }
        self.trust = self.trust.saturating_add(16);
        well
    }

    /// Whether it had enough lessons to tell.
    pub(super) fn is_grown(&self) -> bool {
        self.lessons >= LESSONS_MIN
    }

    /// Adds a place, for the rarest one where there is no room.
    fn admit(&mut self, usual: Usual) {
        if self.usuals.len() < USUALS_MAX {
            return self.usuals.push(usual);
        }
        let rarity = |usual: &Usual| u32::from(usual.touched.times) * 256 / u32::from(usual.touched.of.max(1));
        if let Some(rarest) = self.usuals.iter_mut().min_by_key(|usual| rarity(usual))
            && rarity(rarest) <= rarity(&usual)
        {
            *rarest = usual;
        }
    }

    /// Takes in what one call used of what it might.
    pub(super) fn learn_gas(&mut self, used: u64, limit: u64) {
        self.gas_samples = self.gas_samples.saturating_add(1);
        let weight = 1.0 / f64::from(self.gas_samples).min(GAS_WINDOW);
        self.gas.note(used as f64, weight);
        self.share.note(used as f64 / limit.max(1) as f64, weight);
    }

    /// The gas that a call will use; `None`: unknown.
    pub(super) fn gas(&self, limit: u64) -> Option<u64> {
        if self.gas_samples == 0 {
            return None;
        }
        let by_share = self.share.error < self.gas.error;
        let gas = if by_share { self.share.mean * limit as f64 } else { self.gas.mean };
        Some((gas as u64).min(limit))
    }

    /// Takes in whether a predicted write came true.
    pub(super) fn learn_trust(&mut self, came_true: bool) {
        let target = if came_true { i32::from(u8::MAX) } else { 0 };
        let now = i32::from(self.trust);
        self.trust = (now + (target - now) / 4).clamp(0, i32::from(u8::MAX)) as u8;
    }

    /// Whether its predicted writes mostly come true.
    pub(super) fn is_trusted(&self) -> bool {
        self.trust >= TRUST_MIN
    }
}
