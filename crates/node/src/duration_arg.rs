//! Lengths of time as people write them: `500ms`, `2s`, `1.5`, `3m`.

use std::time::Duration;

/// A text that is no length of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no length of time; write for example 500ms, 2s, 0.5 (seconds) or 3m")]
pub(crate) struct DurationError {
    text: String,
}

/// Longest that anybody means: a day.
const SECONDS_MAX: f64 = 86_400.0;

/// Reads a length of time. A number without a unit counts seconds.
///
/// # Errors
/// When it is none, or longer than a day.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let wrong = || DurationError { text: text.to_owned() };
    let trimmed = text.trim();
    let digits = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(digits);
    let seconds = match unit.trim() {
        "us" => 1e-6,
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(wrong()),
    };
    let seconds = number.parse::<f64>().map_err(|_| wrong())? * seconds;
    if !seconds.is_finite() || seconds > SECONDS_MAX {
        return Err(wrong());
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

/// As [`parse_duration`], and longer than nothing.
///
/// # Errors
/// As [`parse_duration`].
pub(crate) fn parse_positive_duration(text: &str) -> Result<Duration, DurationError> {
    match parse_duration(text)? {
        Duration::ZERO => Err(DurationError { text: text.to_owned() }),
        duration => Ok(duration),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_and_garbage_is_refused() {
        let millis = |text| parse_duration(text).map(|duration| duration.as_millis());
        assert_eq!(millis("500ms"), Ok(500));
        assert_eq!(millis(" 2s "), Ok(2000));
        assert_eq!(millis("0.5"), Ok(500));
        assert_eq!(millis("3m"), Ok(180_000));
        assert_eq!(millis("0"), Ok(0));
        for text in ["", "s", "-1", "1.2.3", "5 parsecs", "25h", "1e400", "NaN", "inf", "."] {
            assert!(parse_duration(text).is_err(), "{text:?}");
        }
        assert!(parse_positive_duration("0ms").is_err());
    }
}
