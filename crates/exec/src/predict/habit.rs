//! What calls of one key usually touch and use.

use super::expression::Place;

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
const PATIENCE_LESSONS: u32 = 12;
/// Blocks between lessons of such a key.
const HOPELESS_BLOCKS: u64 = 8;
/// Foreseen well this many times in a row: known.
const STREAK: u8 = 3;
/// Gas averages follow the last few blocks.
const GAS_WINDOW: f64 = 8.0;
/// Calls whose gas is looked at in every block until there are so many; then once in so many blocks.
const GAS_SAMPLES_MIN: u32 = 16;
const GAS_BLOCKS: u64 = 8;
/// Below this, predicted writes of a key do more harm than good.
const TRUST_MIN: u8 = 128;

/// How often something happened in the calls of late.
#[derive(Clone, Copy, Debug, Default)]
struct Frequency {
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
    fn mostly(&self) -> bool {
        self.times * 2 > self.of
    }

    /// Whether it happened in at least one of `n` calls.
    fn at_least_one_in(&self, n: u16) -> bool {
        self.times > 0 && self.times * n >= self.of
    }
}

/// A place that calls touch.
#[derive(Clone, Debug)]
pub(super) struct Usual {
    pub(super) place: Place,
    /// Whether it is touched.
    touched: Frequency,
    /// Whether, where it is touched, it is written.
    written: Frequency,
    /// Whether, where it is touched, a transaction below had written it.
    met: Frequency,
    /// How often of late what was written here met a transaction above; halves with every lesson.
    caused: u8,
    /// Whether it is known from a single call only, and looks like an accident of that call.
    is_doubtful: bool,
}

impl Usual {
    /// Whether the next call will probably touch it.
    pub(super) fn is_expected(&self) -> bool {
        self.touched.mostly() && !self.is_doubtful
    }

    /// Whether it is touched now and then.
    pub(super) fn is_possible(&self) -> bool {
        self.touched.at_least_one_in(4) && !self.is_doubtful
    }

    /// Whether the next call that touches it will probably write it.
    pub(super) fn is_written(&self) -> bool {
        self.written.mostly()
    }

    /// Whether it is a slot where transactions of a block often meet.
    pub(super) fn is_contended(&self) -> bool {
        self.place.slot.is_some() && (self.met.at_least_one_in(4) || self.caused > 0)
    }

    fn is_foreseen_slot(&self) -> bool {
        self.place.slot.is_some() && self.is_expected()
    }
}

/// One location that a call touched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Touched {
    pub(super) is_slot: bool,
    pub(super) written: bool,
    /// Whether a transaction below had written it.
    pub(super) met: bool,
}

/// One explanation of one of them.
#[derive(Debug)]
pub(super) struct Explained {
    pub(super) place: Place,
    fingerprint: u64,
    /// Which location it explains.
    at: usize,
}

/// All that a call touched.
#[derive(Debug, Default)]
pub(super) struct Study {
    touched: Vec<Touched>,
    explained: Vec<Explained>,
    /// Whether mappings could be told.
    pub(super) is_complete: bool,
}

impl Study {
    pub(super) fn new(is_complete: bool) -> Self {
        Self { is_complete, ..Self::default() }
    }

    pub(super) fn add(&mut self, touched: Touched, places: impl IntoIterator<Item = Place>) {
        let at = self.touched.len();
        self.touched.push(touched);
        let explained = |place: Place| Explained { fingerprint: place.fingerprint(), place, at };
        self.explained.extend(places.into_iter().map(explained));
    }
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
    /// Of each of them, side by side: they are looked for often.
    fingerprints: Vec<u64>,
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
    /// The last block whose gas was learned.
    last_gas: u64,
    /// Whether any of the usual places is one where transactions meet.
    is_contended: bool,
}

impl Habit {
    pub(super) fn new(now: u64) -> Self {
        Self { last_used: now, trust: u8::MAX, ..Self::default() }
    }

    /// Whether its calls come by places where transactions meet.
    pub(super) fn is_contended(&self) -> bool {
        self.is_contended
    }

    /// Whether it is time to look at what its calls use.
    pub(super) fn is_gas_due(&self, now: u64) -> bool {
        self.gas_samples < GAS_SAMPLES_MIN || now.saturating_sub(self.last_gas) >= GAS_BLOCKS
    }

    /// How many of a block's calls should be studied.
    pub(super) fn lessons_due(&self, now: u64) -> usize {
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

    /// Takes in one call, and says whether it was foreseen well.
    pub(super) fn learn(&mut self, study: &Study, now: u64) -> bool {
        let Study { touched, explained, is_complete } = study;
        let foreseen_slots = self.usuals.iter().filter(|usual| usual.is_foreseen_slot()).count();
        let mut hits = vec![None; self.usuals.len()];
        let mut foreseen = vec![false; touched.len()];
        let mut fresh = Vec::new();
        for explained in explained {
            match self.find(explained) {
                Some(usual) => {
                    hits[usual] = Some(touched[explained.at]);
                    foreseen[explained.at] |= self.usuals[usual].is_foreseen_slot();
                }
                None => fresh.push(explained),
            }
        }
        let came = self.usuals.iter().zip(&hits).filter(|(usual, hit)| usual.is_foreseen_slot() && hit.is_some());
        let missed = foreseen_slots - came.count();
        let slots = touched.iter().filter(|touched| touched.is_slot).count();
        let found = foreseen.iter().filter(|foreseen| **foreseen).count();
        let well = missed * 10 <= slots && found * 10 >= slots * 9;
        for (usual, hit) in self.usuals.iter_mut().zip(&hits) {
            // Where mappings could not be told, that none was touched says nothing.
            if hit.is_some() || *is_complete || !usual.place.is_hashed() {
                usual.touched.note(hit.is_some());
            }
            usual.caused /= 2;
            if let Some(touched) = hit {
                usual.is_doubtful = false;
                usual.written.note(touched.written);
                usual.met.note(touched.met);
            }
        }
        if *is_complete {
            self.streak = if well { self.streak.saturating_add(1) } else { 0 };
            self.lessons += 1;
            self.last_lesson = now;
        }
        self.admit(&fresh, touched);
        self.is_contended = self.usuals.iter().any(Usual::is_contended);
        self.trust = self.trust.saturating_add(16);
        well
    }

    fn find(&self, explained: &Explained) -> Option<usize> {
        let same = |at: &usize| self.usuals[*at].place == explained.place;
        let at = self.fingerprints.iter().position(|fingerprint| *fingerprint == explained.fingerprint);
        at.filter(same)
    }

    /// Adds places, for the rarest ones where there is no room.
    fn admit(&mut self, fresh: &[&Explained], touched: &[Touched]) {
        let of = u16::try_from(self.lessons).unwrap_or(WINDOW).clamp(1, WINDOW);
        let once = |happened: bool, of: u16| Frequency { times: u16::from(happened), of };
        let rarity = |usual: &Usual| u32::from(usual.touched.times) * 256 / u32::from(usual.touched.of.max(1));
        let mut rare = Vec::new();
        if self.usuals.len() + fresh.len() > USUALS_MAX {
            rare = (0..self.usuals.len()).map(|at| (rarity(&self.usuals[at]), at)).collect();
            // The rarest last.
            rare.sort_unstable_by_key(|rare| std::cmp::Reverse(*rare));
        }
        for Explained { place, fingerprint, at } in fresh.iter().take(USUALS_MAX) {
            let Touched { written, met, .. } = touched[*at];
            let usual = Usual {
                place: place.clone(),
                touched: once(true, of),
                written: once(written, 1),
                met: once(met, 1),
                caused: 0,
                is_doubtful: place.is_peculiar(),
            };
            if self.usuals.len() < USUALS_MAX {
                self.usuals.push(usual);
                self.fingerprints.push(*fingerprint);
            } else if let Some((_, rarest)) = rare.pop().filter(|(rarest, _)| *rarest <= rarity(&usual)) {
                self.usuals[rarest] = usual;
                self.fingerprints[rarest] = *fingerprint;
            }
        }
    }

    /// Notes that a write of one call, at the place that `is_here` knows, met a transaction above.
    pub(super) fn credit(&mut self, mut is_here: impl FnMut(&Place) -> bool) {
        let mut written = self.usuals.iter_mut().filter(|usual| usual.is_written() && !usual.place.is_hashed());
        if let Some(usual) = written.find(|usual| is_here(&usual.place)) {
            usual.caused = usual.caused.saturating_add(16);
            self.is_contended = true;
        }
    }

    /// Whether it had enough lessons to tell.
    pub(super) fn is_grown(&self) -> bool {
        self.lessons >= LESSONS_MIN
    }

    /// Takes in what one call used of what it might.
    pub(super) fn learn_gas(&mut self, used: u64, limit: u64, now: u64) {
        self.last_gas = now;
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
