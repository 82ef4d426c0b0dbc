//! JSON whose errors name the field.
//!
//! alloy's RPC types flatten structures into each other, and serde loses the path inside of a flattened
//! structure. So the parts of a file are cut out as raw text first and parsed one by one, each with the
//! path that leads to it.

use super::error::BlockFileErrorKind;
use serde::Deserialize;
use serde_json::error::Category;
use serde_json::value::RawValue;

/// Parses a whole document.
pub(super) fn document<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, BlockFileErrorKind> {
    let mut input = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut input).map_err(|error| located("", error))?;
    input.end().map_err(BlockFileErrorKind::Syntax)?;
    Ok(value)
}

/// Parses one part of a document, found at `path`.
pub(super) fn part<'a, T: Deserialize<'a>>(raw: &'a RawValue, path: &str) -> Result<T, BlockFileErrorKind> {
    let mut input = serde_json::Deserializer::from_str(raw.get());
    serde_path_to_error::deserialize(&mut input).map_err(|error| located(path, error))
}

fn located(prefix: &str, error: serde_path_to_error::Error<serde_json::Error>) -> BlockFileErrorKind {
    let inner = error.path().to_string();
    let error = error.into_inner();
    if matches!(error.classify(), Category::Syntax | Category::Eof | Category::Io) {
        return BlockFileErrorKind::Syntax(error);
    }
    // The root of the inner document has the path ".".
    let path = match (prefix, inner.as_str()) {
        ("", _) => inner,
        (_, ".") => prefix.to_owned(),
        (_, tail) if tail.starts_with('[') => format!("{prefix}{tail}"),
        (_, tail) => format!("{prefix}.{tail}"),
    };
    // A position inside of a part would mislead: it does not count from the start of the file.
    let text = error.to_string();
    let reason = text.rfind(" at line ").map_or(text.as_str(), |cut| &text[..cut]);
    BlockFileErrorKind::field(path, reason)
}
