//! The compiled contracts: code, selectors and storage layout as the compiler gave them.
//!
//! `contracts/compile.sh` makes `contracts/compiled.json` from the sources beside it; a test compares
//! the hash of every source with the one that the compiler saw.

use super::error::GenerateError;
use alloy_primitives::{B256, Bytes, FixedBytes, U256};
use serde::Deserialize;
use std::collections::BTreeMap;

const COMPILED: &str = include_str!("../../contracts/compiled.json");

/// All compiled contracts by name.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Artifacts {
    contracts: BTreeMap<String, Artifact>,
}

/// What the compiler gave for one contract.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Artifact {
    #[cfg_attr(not(test), expect(dead_code, reason = "the test of the sources reads it"))]
    source: String,
    #[cfg_attr(not(test), expect(dead_code, reason = "the test of the sources reads it"))]
    source_keccak256: B256,
    selectors: BTreeMap<String, FixedBytes<4>>,
    storage: BTreeMap<String, StorageEntry>,
    creation: Bytes,
    runtime: Bytes,
}

#[derive(Clone, Debug, Deserialize)]
struct StorageEntry {
    slot: u64,
}

/// One contract, with errors that name it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contract<'a> {
    name: &'static str,
    artifact: &'a Artifact,
}

/// Selector of a function.
pub(super) type Selector = FixedBytes<4>;

impl Artifacts {
    /// Parses the embedded file.
    pub(super) fn embedded() -> Result<Self, GenerateError> {
        serde_json::from_str(COMPILED).map_err(|error| GenerateError::Artifacts { reason: error.to_string() })
    }

    /// A contract by name.
    pub(super) fn contract(&self, name: &'static str) -> Result<Contract<'_>, GenerateError> {
        let missing = GenerateError::Artifact { contract: name, item: "entry" };
        Ok(Contract { name, artifact: self.contracts.get(name).ok_or(missing)? })
    }
}

impl Contract<'_> {
    /// Runtime code, as it lies in the state.
    pub(super) fn runtime(&self) -> Bytes {
        self.artifact.runtime.clone()
    }

    /// Creation code, without constructor arguments.
    pub(super) fn creation(&self) -> Bytes {
        self.artifact.creation.clone()
    }

    /// Selector of a function by its signature.
    pub(super) fn selector(&self, signature: &'static str) -> Result<Selector, GenerateError> {
        let missing = GenerateError::Artifact { contract: self.name, item: signature };
        self.artifact.selectors.get(signature).copied().ok_or(missing)
    }

    /// Slot of a storage variable.
    pub(super) fn slot(&self, variable: &'static str) -> Result<U256, GenerateError> {
        let missing = GenerateError::Artifact { contract: self.name, item: variable };
        self.artifact.storage.get(variable).map(|entry| U256::from(entry.slot)).ok_or(missing)
    }
}

/// Input of a call whose arguments are all one word long.
pub(super) fn call_input(selector: Selector, arguments: &[B256]) -> Bytes {
    let mut input = Vec::with_capacity(4 + 32 * arguments.len());
    input.extend_from_slice(selector.as_slice());
    arguments.iter().for_each(|argument| input.extend_from_slice(argument.as_slice()));
    input.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::keccak256;
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn the_compiled_file_comes_from_the_sources_beside_it() {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/contracts"));
        let artifacts = Artifacts::embedded().expect("compiled.json parses");
        let mut compiled = BTreeSet::new();
        for (name, artifact) in &artifacts.contracts {
            let source = std::fs::read(folder.join(&artifact.source)).expect("the source is there");
            assert_eq!(keccak256(&source), artifact.source_keccak256, "{name}: run contracts/compile.sh");
            assert!(source.starts_with(b"// SPDX-License-Identifier: MIT OR Apache-2.0\n"), "{name}");
            compiled.insert(artifact.source.clone());
        }
        let sources: BTreeSet<String> = std::fs::read_dir(folder)
            .expect("the folder is there")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .filter(|name| name.ends_with(".sol"))
            .collect();
        assert_eq!(compiled, sources);
    }

    #[test]
    fn selectors_are_hashes_of_signatures() {
        for (name, artifact) in &Artifacts::embedded().expect("compiled.json parses").contracts {
            for (signature, selector) in &artifact.selectors {
                assert_eq!(selector.as_slice(), &keccak256(signature)[..4], "{name}: {signature}");
            }
        }
    }
}
