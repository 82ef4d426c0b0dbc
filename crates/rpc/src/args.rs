//! The parameters of a call, one after the other.
//!
//! As execution clients have it: parameters stand in an array, those at the end may be left out or be null where the method
//! says so, and too many of them are an error.

use crate::error::RpcError;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::collections::VecDeque;

/// Most parameters that any method takes, with room. More are refused before they are looked at.
const ARGS_MAX: usize = 64;

/// The parameters of a call that are not taken yet.
#[derive(Debug)]
pub struct Args<'a> {
    left: VecDeque<&'a RawValue>,
    taken: usize,
}

impl<'a> Args<'a> {
    /// Reads the array of parameters; absent ones are none.
    ///
    /// # Errors
    /// When it is no array, or too long.
    pub fn parse(params: Option<&'a str>) -> Result<Self, RpcError> {
        let left: VecDeque<&RawValue> = match params.map(str::trim) {
            None | Some("" | "null") => VecDeque::new(),
            Some(params) => serde_json::from_str(params)
                .map_err(|_| RpcError::params("non-array args: parameters must be an array"))?,
        };
        if left.len() > ARGS_MAX {
            return Err(RpcError::params(format!("too many arguments, want at most {ARGS_MAX}")));
        }
        Ok(Self { left, taken: 0 })
    }

    /// The next parameter, which must be there.
    ///
    /// # Errors
    /// When it is absent, null or of another form; here and below the message names its position.
    pub fn required<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, RpcError> {
        let at = self.taken;
        self.optional(name)?
            .ok_or_else(|| RpcError::params(format!("missing value for required argument {at} ({name})")))
    }

    /// The next parameter, which may be absent or null.
    ///
    /// # Errors
    /// When it is of another form. A fault in a single value is told in geth's words, which tools look for; others say
    /// which parameter is meant.
    pub fn optional<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, RpcError> {
        let at = self.taken;
        self.taken = self.taken.saturating_add(1);
        match self.left.pop_front() {
            None => Ok(None),
            Some(raw) if raw.get() == "null" => Ok(None),
            Some(raw) => serde_json::from_str(raw.get()).map(Some).map_err(|error| {
                let words = without_place(&error);
                let of_json = ["invalid type", "invalid value", "invalid length", "missing field", "unknown"];
                let name = if of_json.iter().any(|start| words.starts_with(start)) {
                    format!("{name}: ")
                } else {
                    String::new()
                };
                RpcError::params(format!("invalid argument {at}: {name}{words}"))
            }),
        }
    }

    /// Checks that there are no more: for methods that change something, before they do.
    ///
    /// # Errors
    /// When there are more.
    pub fn check_end(&self) -> Result<(), RpcError> {
        match self.left.is_empty() {
            true => Ok(()),
            false => Err(RpcError::params(format!("too many arguments, want at most {}", self.taken))),
        }
    }

    /// Ends the list.
    ///
    /// # Errors
    /// When there are more.
    pub fn end(self) -> Result<(), RpcError> {
        self.check_end()
    }
}

/// An error without the line and column at its end: a parameter is one line.
fn without_place(error: &serde_json::Error) -> String {
    let words = error.to_string();
    match words.rfind(" at line ") {
        Some(end) => words.get(..end).unwrap_or_default().to_owned(),
        None => words,
    }
}
