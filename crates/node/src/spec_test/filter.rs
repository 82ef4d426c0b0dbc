//! Which cases to run.

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
