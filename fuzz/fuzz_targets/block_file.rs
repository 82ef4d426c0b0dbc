//! A block file, JSON or gzip: any bytes give a block or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use motet_workload::block_file::parse;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(parsed) = parse("fuzz", bytes) {
        let _ = parsed.recover();
    }
});
