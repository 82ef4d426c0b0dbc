//! Which cases to run.

use alloy_primitives::keccak256;
use regex::Regex;
use std::str::FromStr;

/// A text that must occur in a case's source or name, or a pattern that must match there.
#[derive(Clone, Debug)]
pub(super) enum Filter {
    /// Contains this.
    Text(String),
    /// Matches this.
    Pattern(Regex),
}

/// One case of about so many, by a seed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// Of how many.
    pub(super) of: u64,
    /// Which.
    pub(super) seed: u64,
}

impl Sample {
    /// Whether a case is to be run. It depends on nothing but its name, its source and the seed.
    pub(super) fn admits(&self, source: &str, name: &str) -> bool {
        let hash = keccak256([&self.seed.to_be_bytes(), source.as_bytes(), name.as_bytes()].concat());
        let word = hash.iter().take(8).fold(0, |word: u64, byte| word << 8 | u64::from(*byte));
        word.checked_rem(self.of).is_none_or(|rest| rest == 0)
    }
}

impl FromStr for Filter {
    type Err = regex::Error;

    /// `/../` is a pattern, everything else a text: names are full of brackets.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
            Some(pattern) => Regex::new(pattern).map(Self::Pattern),
            None => Ok(Self::Text(text.to_owned())),
        }
    }
}

impl Filter {
    /// Whether a case is to be run.
    pub(super) fn admits(&self, source: &str, name: &str) -> bool {
        match self {
            Self::Text(text) => source.contains(text.as_str()) || name.contains(text.as_str()),
            Self::Pattern(pattern) => pattern.is_match(source) || pattern.is_match(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(filter: &str) -> bool {
        filter.parse::<Filter>().unwrap().admits("a/stMemory/x.json", "test_x[fork_Cancun-1]")
    }

    #[test]
    fn brackets_are_text_and_slashes_make_a_pattern() {
        assert!(admits("[fork_Cancun"));
        assert!(admits("stMemory"));
        assert!(!admits("stmemory"));
        assert!(admits(r"/fork_(Cancun|Prague)-\d/"));
        assert!(!admits("/^x/"));
        assert!("/(/".parse::<Filter>().is_err());
        assert!(admits("/"), "a lone slash is text");
    }
}
