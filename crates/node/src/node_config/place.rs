//! Where a key or a byte stands in a configuration, as people count: lines from 1.

use toml::de::{DeTable, DeValue};

/// The line of a byte.
pub(super) fn line_of_offset(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

/// The line of a key such as `rpc.port`, or of the innermost table around it that is there; else the first.
pub(super) fn line_of_key(text: &str, key: &str) -> usize {
    let Ok(root) = DeTable::parse(text) else { return 1 };
    let (mut table, mut line) = (root.get_ref(), 1);
    for name in key.split('.') {
        let Some((found, value)) = table.iter().find(|(found, _)| found.get_ref() == name) else { break };
        line = line_of_offset(text, found.span().start);
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            _ => break,
        }
    }
    line
}

/// A message on one line.
pub(super) fn squeeze(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_in_tables_however_they_are_written() {
        let text = "a = 1\n[rpc]\nhost = 'x'\nport = 2\n\n[log]\nlevel.deep = 3\n";
        for (key, line) in
            [("a", 1), ("rpc", 2), ("rpc.host", 3), ("rpc.port", 4), ("rpc.none", 2), ("log.level.deep", 7), ("z", 1)]
        {
            assert_eq!(line_of_key(text, key), line, "{key}");
        }
        assert_eq!(line_of_offset(text, 0), 1);
        assert_eq!(line_of_offset(text, 6), 2);
        assert_eq!(line_of_offset(text, 9999), 8);
    }
}
