//! Keccak-f[1600] over any vector register. FIPS 202, section 3.2.

/// Round constants of iota.
pub(crate) const ROUND: [u64; 24] = [
    0x0000000000000001,
    0x0000000000008082,
    0x800000000000808a,
    0x8000000080008000,
    0x000000000000808b,
    0x0000000080000001,
    0x8000000080008081,
    0x8000000000008009,
    0x000000000000008a,
    0x0000000000000088,
    0x0000000080008009,
    0x000000008000000a,
    0x000000008000808b,
    0x800000000000008b,
    0x8000000000008089,
    0x8000000000008003,
    0x8000000000008002,
    0x8000000000000080,
    0x000000000000800a,
    0x800000008000000a,
    0x8000000080008081,
    0x8000000000008080,
    0x0000000080000001,
    0x8000000080008008,
];

/// The 24 rounds on an array `$a` of 25 registers, with `xor`, `xor3`, `chi` (a ^ (!b & c)) and `splat` in scope, and a
/// macro `rotate!(n, register)` to the left.
macro_rules! rounds {
    ($a:ident) => {
        for constant in $crate::permutation::ROUND {
            let column = |x: usize| xor3(xor3($a[x], $a[x + 5], $a[x + 10]), $a[x + 15], $a[x + 20]);
            let c = [column(0), column(1), column(2), column(3), column(4)];
            for x in 0..5 {
                let d = xor(c[(x + 4) % 5], rotate!(1, c[(x + 1) % 5]));
                for y in 0..5 {
                    $a[x + 5 * y] = xor($a[x + 5 * y], d);
                }
            }
            // Rho and pi: each word is rotated on its way to the next place.
            let first = $a[1];
            $crate::permutation::rounds!(@move $a, 1 <- 44 6 <- 20 9 <- 61 22 <- 39 14 <- 18 20 <- 62 2 <- 43 12 <- 25
                13 <- 8 19 <- 56 23 <- 41 15 <- 27 4 <- 14 24 <- 2 21 <- 55 8 <- 45 16 <- 36 5 <- 28 3 <- 21 18 <- 15
                17 <- 10 11 <- 6 7 <- 3 10);
            $a[10] = rotate!(1, first);
            for y in 0..5 {
                let row = [$a[5 * y], $a[5 * y + 1], $a[5 * y + 2], $a[5 * y + 3], $a[5 * y + 4]];
                for x in 0..5 {
                    $a[5 * y + x] = chi(row[x], row[(x + 1) % 5], row[(x + 2) % 5]);
                }
            }
            $a[0] = xor($a[0], splat(constant));
        }
    };
    (@move $a:ident, $to:literal <- $bits:literal $from:literal $($rest:tt)*) => {
        $a[$to] = rotate!($bits, $a[$from]);
        $crate::permutation::rounds!(@move $a, $from $($rest)*);
    };
    (@move $a:ident, $last:literal) => {};
}

pub(crate) use rounds;
