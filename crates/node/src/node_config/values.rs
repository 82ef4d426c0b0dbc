//! Values that say more than a TOML type can.

use crate::duration_arg::{DurationError, parse_positive_duration};
use serde::Deserialize;
use std::fmt;
use std::time::Duration;

/// A length of time above zero, written as `500ms`, `2s` or `3m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Time(pub(crate) Duration);

impl TryFrom<String> for Time {
    type Error = DurationError;

    fn try_from(text: String) -> Result<Self, DurationError> {
        parse_positive_duration(&text).map(Self)
    }
}

/// The address of a node. What stands behind its host may be a key, so it is not shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct RemoteUrl(String);

/// An address that nobody can be asked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the address of a node begins with http:// or https:// and names a host")]
pub(crate) struct UrlError;

impl RemoteUrl {
    /// The whole address.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RemoteUrl {
    type Error = UrlError;

    fn try_from(url: String) -> Result<Self, UrlError> {
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")).ok_or(UrlError)?;
        match rest.is_empty() || rest.starts_with('/') {
            true => Err(UrlError),
            false => Ok(Self(url)),
        }
    }
}

impl fmt::Debug for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RemoteUrl(..)")
    }
}
