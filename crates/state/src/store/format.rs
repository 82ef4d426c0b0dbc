//! The file that says what a store is, before anything else in it is touched.

use super::disk::Disk;
use super::error::{Corruption, StoreError};
use super::options::TrieMode;
use super::wire::{Wire, put_bytes};
use alloy_primitives::B256;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The format that this program reads and writes: of the log, of the tables and of what is in them.
pub const FORMAT_VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"MOTETDB\0";
const NAME: &str = "format";

/// What a store is for. Fixed when it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Chain id.
    pub chain_id: u64,
    /// Hash of the genesis block, the first that the store takes.
    pub genesis: B256,
    /// Whether old values are kept for ever.
    pub archive: bool,
}

/// What the format file says, in its order.
#[derive(Debug)]
pub(crate) struct Contents<'a> {
    pub(crate) identity: &'a Identity,
    pub(crate) trie: TrieMode,
    pub(crate) engine: &'static str,
}

impl Contents<'_> {
    fn is_paged(&self) -> bool {
        matches!(self.trie, TrieMode::Paged { .. })
    }
}

/// The format file: magic, version, checksum of the rest, chain id, genesis, archive, trie nodes, engine.
pub(crate) fn check_or_write(disk: &dyn Disk, dir: &Path, contents: &Contents<'_>) -> Result<bool, StoreError> {
    let path = dir.join(NAME);
    match disk.read(&path) {
        Ok(bytes) => check(&bytes, dir, path, contents).map(|()| false),
        Err(error) if error.kind() == ErrorKind::NotFound => write(disk, dir, &path, contents).map(|()| true),
        Err(error) => Err(StoreError::disk("read", &path)(error)),
    }
}

/// Whether a directory has a format file.
pub(crate) fn is_there(disk: &dyn Disk, dir: &Path) -> Result<bool, StoreError> {
    let names = disk.list(dir).map_err(StoreError::disk("list", dir))?;
    Ok(names.iter().any(|name| name == NAME))
}

fn check(bytes: &[u8], dir: &Path, file: PathBuf, contents: &Contents<'_>) -> Result<(), StoreError> {
    let Contents { identity, engine, .. } = contents;
    let damaged = |what| Corruption::Format { file: file.clone(), what };
    let mut wire = Wire::new(bytes);
    if wire.take(MAGIC.len()) != Some(&MAGIC[..]) {
        return Err(damaged("magic").into());
    }
    let version = wire.u32().ok_or(damaged("cut off"))?;
    let sum = wire.u32().ok_or(damaged("cut off"))?;
    // Other versions may mean the rest otherwise, but all have version and checksum in front.
    if crc32c::crc32c_append(crc32c::crc32c(&bytes[..12]), &bytes[16..]) != sum {
        return Err(damaged("checksum").into());
    }
    if version != FORMAT_VERSION {
        return Err(StoreError::Version { path: dir.to_owned(), found: version, known: FORMAT_VERSION });
    }
    let found = (|| Some((wire.u64()?, wire.b256()?, wire.byte()?, wire.byte()?, wire.bytes()?)))()
        .ok_or(damaged("cut off"))?;
    let found = (found.0, found.1, found.2, found.3, String::from_utf8_lossy(found.4).into_owned());
    let other = |what, found: String, wanted: String| StoreError::Other { path: dir.to_owned(), what, found, wanted };
    if found.0 != identity.chain_id {
        return Err(other("chain", found.0.to_string(), identity.chain_id.to_string()));
    }
    if found.1 != identity.genesis {
        return Err(other("genesis", found.1.to_string(), identity.genesis.to_string()));
    }
    if found.2 != u8::from(identity.archive) {
        let word = |archive| if archive { "all of the past" } else { "the latest past" }.to_owned();
        return Err(other("history of", word(found.2 == 1), word(identity.archive)));
    }
    if found.3 != u8::from(contents.is_paged()) {
        let word = |paged| if paged { "in the store" } else { "in memory" }.to_owned();
        return Err(other("trie nodes", word(found.3 == 1), word(contents.is_paged())));
    }
    if found.4 != *engine {
        return Err(other("engine", found.4, (*engine).to_owned()));
    }
    Ok(())
}

fn write(disk: &dyn Disk, dir: &Path, path: &Path, contents: &Contents<'_>) -> Result<(), StoreError> {
    let Contents { identity, engine, .. } = contents;
    let mut rest = Vec::new();
    rest.extend_from_slice(&identity.chain_id.to_be_bytes());
    rest.extend_from_slice(identity.genesis.as_slice());
    rest.push(u8::from(identity.archive));
    rest.push(u8::from(contents.is_paged()));
    put_bytes(&mut rest, engine.as_bytes());
    let mut bytes = [&MAGIC[..], &FORMAT_VERSION.to_be_bytes()].concat();
    let sum = crc32c::crc32c_append(crc32c::crc32c(&bytes), &rest);
    bytes.extend_from_slice(&sum.to_be_bytes());
    bytes.extend_from_slice(&rest);
    let unfinished = dir.join("format.new");
    match disk.remove(&unfinished) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(StoreError::disk("remove", &unfinished)(error));
        }
        _ => {}
    }
    let mut file = disk.create(&unfinished).map_err(StoreError::disk("create", &unfinished))?;
    file.append(&bytes).map_err(StoreError::disk("write", &unfinished))?;
    file.sync().map_err(StoreError::disk("sync", &unfinished))?;
    disk.rename(&unfinished, path).map_err(StoreError::disk("rename", path))?;
    disk.sync_dir(dir).map_err(StoreError::disk("sync", dir))
}
