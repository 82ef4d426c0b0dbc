//! Where the public test data is, and how to read it.

use alloy_genesis::Genesis;
use alloy_rlp::Decodable;
use flate2::read::GzDecoder;
use motet_types::Block;
use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;

/// A fixture by its path under the fixtures' folder: `MOTET_FIXTURES`, or beside the workspace. `None`,
/// with a line that says so, when it is not there.
pub(crate) fn path(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("MOTET_FIXTURES")
        .map_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/fixtures").into(), PathBuf::from);
    let path = root.join(name);
    if path.exists() {
        return Some(path);
    }
    // Written past the capture of test output, so that a skipped test is seen.
    let _ = writeln!(std::io::stderr(), "skipped: no fixture {}", path.display());
    None
}

/// The bytes of a fixture, without its gzip layer if it has one.
pub(crate) fn bytes(name: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut file = File::open(path(name)?).unwrap();
    if name.ends_with(".gz") {
        GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
    } else {
        file.read_to_end(&mut bytes).unwrap();
    }
    Some(bytes)
}

/// A genesis file.
pub(crate) fn genesis(name: &str) -> Option<Genesis> {
    Some(serde_json::from_slice(&bytes(name)?).unwrap())
}

/// Blocks whose RLP stands one after the other in a file.
pub(crate) fn blocks(name: &str) -> Option<Vec<Block>> {
    let bytes = bytes(name)?;
    let mut rest = bytes.as_slice();
    let mut blocks = Vec::new();
    while !rest.is_empty() {
        blocks.push(Block::decode(&mut rest).unwrap());
    }
    Some(blocks)
}
