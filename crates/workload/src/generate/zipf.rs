//! Skewed choice: few keys are hot, many are cold.

use super::dice::Dice;

/// Zipf's law over `0..count`: position `r` is drawn with weight `1 / (r + 1)^skew`.
///
/// Skew 0 is uniform; about 1 is what addresses and contracts of public chains show.
/// Invariant: `sums` ascends strictly, so that every position can be drawn.
#[derive(Clone, Debug)]
pub(super) struct Zipf {
    sums: Vec<u64>,
}

/// Weight of the hottest position. 2^40 times 2^24 positions still fit 64 bits.
const WEIGHT_ONE: f64 = (1u64 << 40) as f64;

impl Zipf {
    /// Weights of `count` positions, at least one.
    pub(super) fn new(count: usize, skew: f64) -> Self {
        let mut sum = 0u64;
        let sums = (1..=count.max(1))
            .map(|rank| {
                let weight = exp_minus(skew * ln(rank as f64)) * WEIGHT_ONE;
                sum += (weight as u64).max(1);
                sum
            })
            .collect();
        Self { sums }
    }

    /// Draws a position.
    pub(super) fn draw(&self, dice: &mut Dice) -> usize {
        let total = self.sums.last().copied().unwrap_or(1);
        let at = dice.below(total);
        self.sums.partition_point(|sum| *sum <= at)
    }
}

/// Natural logarithm for `x >= 1`, by additions, multiplications and divisions only.
///
/// IEEE 754 fixes the result of those to the bit; the standard library's `ln` and `powf` differ
/// between platforms in the last one, and a generated block must not.
fn ln(mut x: f64) -> f64 {
    let mut halvings = 0.0;
    while x >= 2.0 {
        x /= 2.0;
        halvings += 1.0;
    }
    // ln x = 2 atanh((x - 1) / (x + 1)); the argument is at most 1/3.
    let z = (x - 1.0) / (x + 1.0);
    let mut power = z;
    let mut sum = 0.0;
    let mut divisor = 1.0;
    while divisor < 40.0 {
        sum += power / divisor;
        power *= z * z;
        divisor += 2.0;
    }
    2.0 * sum + halvings * std::f64::consts::LN_2
}

/// `e^-y` for `y >= 0`, by the same means as [`ln`].
fn exp_minus(mut y: f64) -> f64 {
    let mut scale = 1.0;
    while y >= std::f64::consts::LN_2 {
        y -= std::f64::consts::LN_2;
        scale /= 2.0;
    }
    let mut term = 1.0;
    let mut sum = 0.0;
    let mut n = 1.0;
    while n < 25.0 {
        sum += term;
        term *= -y / n;
        n += 1.0;
    }
    sum * scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_series_agree_with_the_standard_library() {
        for x in [1.0, 1.5, 2.0, 3.0, 10.0, 12_345.0, 1e7] {
            assert!((ln(x) - f64::ln(x)).abs() < 1e-12, "ln {x}");
            let y = f64::ln(x) * 1.1;
            assert!((exp_minus(y) / f64::exp(-y) - 1.0).abs() < 1e-12, "exp -{y}");
        }
    }

    #[test]
    fn skew_decides_how_often_the_first_is_drawn() {
        let mut dice = Dice::new(1, "zipf");
        let mut share = |skew: f64| {
            let zipf = Zipf::new(1000, skew);
            (0..20_000).filter(|_| zipf.draw(&mut dice) == 0).count()
        };
        let (uniform, skewed) = (share(0.0), share(1.0));
        assert!(uniform < 60, "{uniform} of 20000 draws");
        // 1 / H(1000) = 13.4 %.
        assert!((2_400..2_960).contains(&skewed), "{skewed} of 20000 draws");
    }

    #[test]
    fn every_position_is_drawn_in_the_end() {
        let mut dice = Dice::new(2, "zipf");
        let zipf = Zipf::new(5, 2.0);
        let mut seen = [false; 5];
        (0..5_000).for_each(|_| seen[zipf.draw(&mut dice)] = true);
        assert_eq!(seen, [true; 5]);
    }
}
