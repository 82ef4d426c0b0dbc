//! A block file, JSON or gzip: any bytes give a block or an error.
#![no_main]

mod edits;

use edits::edited;
use libfuzzer_sys::fuzz_target;
use motet_workload::block_file::parse;
use std::sync::LazyLock;

/// A block of one transfer that can be read.
static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| include_bytes!("block_file.json").to_vec());

fuzz_target!(|bytes: &[u8]| {
    if let Ok(parsed) = parse("fuzz", &edited(&FILE, bytes)) {
        let _ = parsed.recover();
    }
});
