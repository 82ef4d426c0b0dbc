//! A note of the newest log segment that was started, so that its loss as a whole is found out.
//!
//! Segments are removed from the oldest on, and the tables name the last record that they took. So of all ways to lose a
//! segment only one leaves no trace in the others: the newest is gone, and the tables have nothing of it. The note is
//! written after the segment is on disk and before anything is acknowledged in it.

use super::disk::{Disk, create_anew};
use super::error::{Corruption, StoreError};
use std::io::ErrorKind;
use std::path::Path;

const NAME: &str = "newest";
const MAGIC: &[u8; 8] = b"MOTETNEW";
/// Bytes of the note: magic, number of the segment's first record, checksum.
const BYTES: usize = 20;

fn encode(first_seq: u64) -> Vec<u8> {
    let mut bytes = [&MAGIC[..], &first_seq.to_le_bytes()].concat();
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<u64> {
    let first_seq = bytes.get(MAGIC.len()..BYTES - 4)?.try_into().map(u64::from_le_bytes).ok()?;
    (encode(first_seq) == bytes).then_some(first_seq)
}

/// Number of the first record of the newest segment that was started; `None`: none was.
pub(crate) fn read(disk: &dyn Disk, dir: &Path) -> Result<Option<u64>, StoreError> {
    let path = dir.join(NAME);
    match disk.read(&path) {
        Ok(bytes) => match decode(&bytes) {
            Some(first_seq) => Ok(Some(first_seq)),
            None => Err(damage(dir, "the note of the newest segment is damaged").into()),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::disk("read", &path)(error)),
    }
}

/// Damage of the note itself.
pub(crate) fn damage(dir: &Path, what: &'static str) -> Corruption {
    Corruption::Log { file: dir.join(NAME), offset: 0, height: None, what }
}

/// Notes a segment, which is on disk with its name. When it returns, so is the note.
pub(crate) fn write(disk: &dyn Disk, dir: &Path, first_seq: u64) -> Result<(), StoreError> {
    let (path, unfinished) = (dir.join(NAME), dir.join("newest.new"));
    let mut file = create_anew(disk, &unfinished)?;
    file.append(&encode(first_seq)).map_err(StoreError::disk("write", &unfinished))?;
    file.sync().map_err(StoreError::disk("sync", &unfinished))?;
    disk.rename(&unfinished, &path).map_err(StoreError::disk("rename", &path))?;
    disk.sync_dir(dir).map_err(StoreError::disk("sync", dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_as_written_or_not_at_all() {
        let bytes = encode(77);
        assert_eq!((decode(&bytes), bytes.len()), (Some(77), BYTES));
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&flipped), None);
        }
        (0..bytes.len()).for_each(|len| assert_eq!(decode(&bytes[..len]), None));
    }
}
