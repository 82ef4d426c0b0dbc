//! The conformance suites' blockchain tests, as far as blocks before execution are concerned.

use super::fixtures;
use alloy_primitives::Bytes;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::File;

/// Window of the archives' compression, as a power of two of bytes.
const WINDOW_LOG_MAX: u32 = 27;

/// One blockchain test.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Case {
    pub(crate) network: String,
    #[serde(rename = "genesisRLP")]
    pub(crate) genesis_rlp: Bytes,
    pub(crate) blocks: Vec<CaseBlock>,
    #[serde(default)]
    pub(crate) config: CaseConfig,
}

/// A block of a test; with an exception it must be refused.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CaseBlock {
    pub(crate) rlp: String,
    pub(crate) expect_exception: Option<String>,
}

/// What a test says of its chain.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct CaseConfig {
    #[serde(alias = "chainid")]
    pub(crate) chain_id: Option<String>,
    pub(crate) blob_schedule: BTreeMap<String, CaseBlobParams>,
}

/// Blob parameters, as hexadecimal numbers.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CaseBlobParams {
    pub(crate) target: String,
    pub(crate) max: String,
    pub(crate) base_fee_update_fraction: String,
}

/// Visits every blockchain test of an archive; `None` when the archive is not there.
pub(crate) fn visit(name: &str, mut each: impl FnMut(&str, Case)) -> Option<()> {
    let mut decoder = zstd::Decoder::new(File::open(fixtures::path(name)?).unwrap()).unwrap();
    decoder.window_log_max(WINDOW_LOG_MAX).unwrap();
    let mut archive = tar::Archive::new(decoder);
    for entry in archive.entries().unwrap() {
        let entry = entry.unwrap();
        if entry.path().unwrap().extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        // A file of another format has other keys, and is none of ours.
        let Ok(cases) = serde_json::from_reader::<_, BTreeMap<String, Case>>(std::io::BufReader::new(entry)) else {
            continue;
        };
        for (name, case) in cases {
            each(&name, case);
        }
    }
    Some(())
}
