//! What became of one case. Schema `motet-spec-test/1`.

use super::engines::EngineRun;
use super::failure::Failure;
use serde::Serialize;

/// Name of the format.
const SCHEMA: &str = "motet-spec-test/1";

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// As the fixture says, on every engine.
    Passed,
    /// Otherwise.
    Failed(Failure),
    /// It was not run, and why.
    Skipped(String),
}

impl From<Result<(), Failure>> for Verdict {
    fn from(result: Result<(), Failure>) -> Self {
        result.map_or_else(Self::Failed, |()| Self::Passed)
    }
}

/// A case with its verdict. docs/format.md describes the fields.
#[derive(Clone, Debug, Serialize)]
pub(super) struct CaseResult {
    schema: &'static str,
    pub(super) source: String,
    pub(super) name: String,
    pub(super) fork: String,
    pub(super) kind: &'static str,
    pub(super) engines: Vec<EngineRun>,
    /// `None`: skipped.
    pub(super) ok: Option<bool>,
    /// Why it failed or was skipped.
    pub(super) reason: Option<String>,
}

impl CaseResult {
    /// The result of a case that `engines` ran.
    pub(super) fn new(
        source: &str,
        name: String,
        fork: &str,
        kind: &'static str,
        engines: Vec<EngineRun>,
        verdict: Verdict,
    ) -> Self {
        let (ok, reason) = match verdict {
            Verdict::Passed => (Some(true), None),
            Verdict::Failed(failure) => (Some(false), Some(failure.to_string())),
            Verdict::Skipped(reason) => (None, Some(reason)),
        };
        Self { schema: SCHEMA, source: source.to_owned(), name, fork: fork.to_owned(), kind, engines, ok, reason }
    }
}
