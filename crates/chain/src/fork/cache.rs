//! The file in which answers of a remote node stay.
//!
//! | part | bytes |
//! |---|---|
//! | head | `motet fork 1\n`, number of the remote block (8, big endian), its hash (32) |
//! | answer | kind (1), length (4, little endian), that many bytes, CRC-32C of all these (4, little endian) |
//! | of an account | address (20), whether it exists (1), balance (32), nonce (8), then its code |
//! | of a slot | address (20), slot (32), value (32) |
//! | of a block hash | number (8), hash (32) |
//!
//! It holds nothing that cannot be asked for again: what is damaged is cut off with all behind it, and nothing waits for the
//! disk.

use super::CacheIdentity;
use super::error::ForkError;
use super::questions::Found;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use crc32c::crc32c;
use motet_types::Account;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 13] = b"motet fork 1\n";
const HEAD_BYTES: usize = MAGIC.len() + 8 + 32;
/// Kind and length in front of an answer.
const FRAME_BYTES: usize = 5;
const CRC_BYTES: usize = 4;
/// Longest answer: an account with code a thousand times as long as a transaction can create.
const ANSWER_BYTES_MAX: usize = 32 << 20;
/// Largest file; what is answered beyond is not kept.
const FILE_BYTES_MAX: u64 = 4 << 30;

const ACCOUNT: u8 = 1;
const SLOT: u8 = 2;
const BLOCK_HASH: u8 = 3;

/// The file, open for more answers.
#[derive(Debug)]
pub(super) struct Cache {
    file: File,
    bytes: u64,
}

impl Cache {
    /// Opens or makes the file, and gives what is in it.
    ///
    /// # Errors
    /// When it is of another block, and when the file system refuses.
    pub(super) fn open(path: &Path, identity: CacheIdentity) -> Result<(Self, Vec<Found>), ForkError> {
        let failed = |action| move |source| ForkError::Cache { path: PathBuf::from(path), action, source };
        let mut options = OpenOptions::new();
        let mut file =
            options.read(true).write(true).create(true).truncate(false).open(path).map_err(failed("open"))?;
        let mut bytes = Vec::new();
        (&file).take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(failed("read"))?;
        let head = head_of(identity);
        let mut found = Vec::new();
        let whole = match bytes.strip_prefix(MAGIC.as_slice()) {
            // A file that was never begun, or whose first bytes did not get to the disk.
            None if !bytes.starts_with(MAGIC) && bytes.len() < HEAD_BYTES => 0,
            None => return Err(other_block(path, "something else", identity)),
            Some(_) if bytes.len() < HEAD_BYTES => 0,
            Some(_) if !bytes.starts_with(&head) => {
                let at = MAGIC.len();
                let number = bytes.get(at..at + 8).and_then(|number| number.try_into().ok()).map(u64::from_be_bytes);
                return Err(other_block(path, &format!("block {}", number.unwrap_or_default()), identity));
            }
            Some(_) => {
                let mut at = HEAD_BYTES;
                while let Some((answer, length)) = bytes.get(at..).and_then(decode) {
                    found.push(answer);
                    at = at.saturating_add(length);
                }
                at
            }
        };
        file.set_len(whole as u64).map_err(failed("cut"))?;
        file.seek(SeekFrom::Start(whole as u64)).map_err(failed("read"))?;
        let mut cache = Self { file, bytes: whole as u64 };
        if whole == 0 {
            cache.write(&head).map_err(failed("write"))?;
        }
        Ok((cache, found))
    }

    /// Adds answers.
    ///
    /// # Errors
    /// When the file system refuses; nothing more may be added then.
    pub(super) fn add(&mut self, answers: &[Found]) -> io::Result<()> {
        let mut bytes = Vec::new();
        for answer in answers {
            encode(answer, &mut bytes);
        }
        self.write(&bytes)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let after = self.bytes.saturating_add(bytes.len() as u64);
        if after > FILE_BYTES_MAX {
            return Ok(());
        }
        self.file.write_all(bytes)?;
        self.bytes = after;
        Ok(())
    }
}

fn head_of(identity: CacheIdentity) -> Vec<u8> {
    let mut head = MAGIC.to_vec();
    head.extend(identity.number.to_be_bytes());
    head.extend(identity.hash);
    head
}

fn other_block(path: &Path, found: &str, wanted: CacheIdentity) -> ForkError {
    let CacheIdentity { number, hash } = wanted;
    ForkError::OtherBlock {
        path: PathBuf::from(path),
        found: found.to_owned(),
        wanted: format!("block {number} ({hash})"),
    }
}

fn encode(answer: &Found, out: &mut Vec<u8>) {
    let mut body = Vec::new();
    let kind = match answer {
        Found::Account(address, account, code) => {
            body.extend(address);
            body.push(u8::from(account.is_some()));
            let account = account.unwrap_or_default();
            body.extend(account.balance.to_be_bytes::<32>());
            body.extend(account.nonce.to_be_bytes());
            body.extend(code);
            ACCOUNT
        }
        Found::Slot(address, slot, value) => {
            body.extend(address);
            body.extend(slot.to_be_bytes::<32>());
            body.extend(value.to_be_bytes::<32>());
            SLOT
        }
        Found::BlockHash(number, hash) => {
            body.extend(number.to_be_bytes());
            body.extend(hash);
            BLOCK_HASH
        }
    };
    let Some(length) = u32::try_from(body.len()).ok().filter(|length| *length as usize <= ANSWER_BYTES_MAX) else {
        return;
    };
    let start = out.len();
    out.push(kind);
    out.extend(length.to_le_bytes());
    out.extend(body);
    let crc = out.get(start..).map_or(0, crc32c);
    out.extend(crc.to_le_bytes());
}

/// The first answer, and how many bytes it takes; `None`: there is no whole one.
fn decode(bytes: &[u8]) -> Option<(Found, usize)> {
    let (frame, rest) = bytes.split_at_checked(FRAME_BYTES)?;
    let (kind, length) = frame.split_first()?;
    let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
    if length > ANSWER_BYTES_MAX {
        return None;
    }
    let (body, rest) = rest.split_at_checked(length)?;
    let (crc, _) = rest.split_at_checked(CRC_BYTES)?;
    let summed = bytes.get(..FRAME_BYTES + length)?;
    if crc32c(summed) != u32::from_le_bytes(crc.try_into().ok()?) {
        return None;
    }
    Some((decode_body(*kind, body)?, FRAME_BYTES + length + CRC_BYTES))
}

fn decode_body(kind: u8, body: &[u8]) -> Option<Found> {
    match kind {
        ACCOUNT => {
            let (address, rest) = body.split_at_checked(20)?;
            let (exists, rest) = rest.split_first()?;
            let (balance, rest) = rest.split_at_checked(32)?;
            let (nonce, code) = rest.split_at_checked(8)?;
            let account = Account {
                balance: U256::from_be_slice(balance),
                nonce: u64::from_be_bytes(nonce.try_into().ok()?),
                code_hash: if code.is_empty() { KECCAK256_EMPTY } else { keccak256(code) },
            };
            let account = Some(account).filter(|_| *exists == 1);
            Some(Found::Account(Address::from_slice(address), account, Bytes::copy_from_slice(code)))
        }
        SLOT if body.len() == 84 => {
            let (address, rest) = body.split_at_checked(20)?;
            let (slot, value) = rest.split_at_checked(32)?;
            Some(Found::Slot(Address::from_slice(address), U256::from_be_slice(slot), U256::from_be_slice(value)))
        }
        BLOCK_HASH if body.len() == 40 => {
            let (number, hash) = body.split_at_checked(8)?;
            Some(Found::BlockHash(u64::from_be_bytes(number.try_into().ok()?), B256::from_slice(hash)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: CacheIdentity = CacheIdentity { number: 7, hash: B256::repeat_byte(7) };

    fn answers() -> Vec<Found> {
        let (address, code) = (Address::repeat_byte(1), Bytes::from_static(&[0x60, 0]));
        let account = Account { balance: U256::MAX, nonce: 9, code_hash: keccak256(&code) };
        vec![
            Found::Account(address, Some(account), code),
            Found::Account(Address::repeat_byte(2), None, Bytes::new()),
            Found::Slot(address, U256::from(3), U256::MAX),
            Found::BlockHash(6, B256::repeat_byte(6)),
        ]
    }

    fn place(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("motet-fork-cache-{name}-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        path
    }

    #[test]
    fn answers_stay_and_damage_costs_what_is_behind_it_alone() {
        let path = place("stay");
        let (mut cache, found) = Cache::open(&path, IDENTITY).unwrap();
        assert_eq!(found, []);
        cache.add(&answers()).unwrap();
        drop(cache);
        let whole = std::fs::read(&path).unwrap();
        assert_eq!(Cache::open(&path, IDENTITY).unwrap().1, answers());
        for at in HEAD_BYTES..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            for damaged in [&flipped[..], &whole[..at]] {
                std::fs::write(&path, damaged).unwrap();
                let (mut cache, found) = Cache::open(&path, IDENTITY).unwrap();
                assert!(found.len() < answers().len() && answers().starts_with(&found), "byte {at}");
                cache.add(&answers()).unwrap();
                drop(cache);
                let again = Cache::open(&path, IDENTITY).unwrap().1;
                assert_eq!(again, [found, answers()].concat(), "byte {at}");
            }
        }
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_file_of_something_else_is_refused_and_stays() {
        let path = place("else");
        Cache::open(&path, IDENTITY).unwrap().0.add(&answers()).unwrap();
        let before = std::fs::read(&path).unwrap();
        let error = Cache::open(&path, CacheIdentity { number: 8, ..IDENTITY }).unwrap_err().to_string();
        assert!(error.contains("of another block: block 7, not block 8"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
        std::fs::write(&path, [0; 100]).unwrap();
        assert!(Cache::open(&path, IDENTITY).unwrap_err().to_string().contains("something else"));
        for shorter in 0..HEAD_BYTES {
            std::fs::write(&path, &before[..shorter]).unwrap();
            assert_eq!(Cache::open(&path, IDENTITY).unwrap().1, [], "{shorter} bytes");
        }
        std::fs::remove_file(&path).unwrap();
    }
}
