//! A file of the public test suites: any bytes give cases or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use motet_workload::spec_test::{SpecFile, parse};

fuzz_target!(|bytes: &[u8]| {
    let _ = parse(&SpecFile { source: "fuzz".to_owned(), bytes: bytes.to_vec() });
});
