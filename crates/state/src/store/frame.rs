//! Bytes of the log: segment headers and frames.
//!
//! ```text
//! segment  header frame frame ...
//! header   "MOTETLOG" | version 4 | first record 8 | salt 8 | genesis 32 | checksum 4
//! frame    "MFRM" | length of body 4 | checksum 4 | body
//! body     kind 1 | synced 8 | record 8 | height 8 | hash 32 | parent 32 | root 32 | payload     (block, rollback)
//!          kind 1 | synced 8 | record 8                                                          (seal)
//! ```
//! Integers are little-endian. A frame's checksum covers the segment's salt, the frame's offset, length and body: a frame
//! counts in its place only. `synced` is the offset up to which the segment was on disk for certain when the frame was written;
//! it is what tells a write that a crash tore from damage to what had been acknowledged.

use super::record::{Head, Kind, Record};
use alloy_primitives::B256;

/// Version of the bytes described here.
pub(crate) const LOG_VERSION: u32 = 1;
/// Length of a segment's header.
pub(crate) const HEADER_BYTES: usize = 64;
/// Longest payload of a record: a block of any gas limit fits, a wrong length does not.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 1 << 30;

const HEADER_MAGIC: &[u8; 8] = b"MOTETLOG";
const FRAME_MAGIC: &[u8; 4] = b"MFRM";
const PREFIX_BYTES: usize = 12;
const SEAL_BODY_BYTES: usize = 17;
const RECORD_BODY_BYTES: usize = SEAL_BODY_BYTES + 8 + 3 * 32;
const SEAL: u8 = 0;

/// What a segment's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) version: u32,
    /// Number of the first record that the segment may hold.
    pub(crate) first_seq: u64,
    /// Random: nobody can make bytes that pass for a frame without knowing it.
    pub(crate) salt: u64,
    pub(crate) genesis: B256,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(HEADER_MAGIC);
        bytes[8..12].copy_from_slice(&self.version.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.first_seq.to_le_bytes());
        bytes[20..28].copy_from_slice(&self.salt.to_le_bytes());
        bytes[28..60].copy_from_slice(self.genesis.as_slice());
        let sum = crc32c::crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// The header at the start of a segment, or what is wrong with it.
    pub(crate) fn decode(segment: &[u8]) -> Result<Self, &'static str> {
        let bytes = segment.get(..HEADER_BYTES).ok_or("the segment's header is cut off")?;
        if &bytes[..8] != HEADER_MAGIC {
            return Err("the segment's header has no magic");
        }
        if le32(bytes, 60) != crc32c::crc32c(&bytes[..60]) {
            return Err("checksum of the segment's header");
        }
        Ok(Self {
            version: le32(bytes, 8),
            first_seq: le64(bytes, 12),
            salt: le64(bytes, 20),
            genesis: B256::from_slice(&bytes[28..60]),
        })
    }
}

/// A whole frame in a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) synced: u64,
    /// Offset behind the frame.
    pub(crate) end: usize,
    /// `None`: a seal, which only says `synced`.
    pub(crate) record: Option<Record>,
}

/// Appends a record's frame to the bytes of a segment that start at `base`.
pub(crate) fn put_record(out: &mut Vec<u8>, base: u64, salt: u64, synced: u64, record: &Record) {
    put_frame(out, base, salt, |out| {
        out.push(record.kind.number());
        out.extend_from_slice(&synced.to_le_bytes());
        out.extend_from_slice(&record.head.seq.to_le_bytes());
        out.extend_from_slice(&record.head.height.to_le_bytes());
        out.extend_from_slice(record.head.hash.as_slice());
        out.extend_from_slice(record.head.parent.as_slice());
        out.extend_from_slice(record.head.root.as_slice());
        out.extend_from_slice(&record.payload);
    });
}

/// The frame that says that all before it is on disk.
pub(crate) fn seal(offset: u64, salt: u64, last_seq: u64) -> Vec<u8> {
    let mut out = Vec::new();
    put_frame(&mut out, offset, salt, |out| {
        out.push(SEAL);
        out.extend_from_slice(&offset.to_le_bytes());
        out.extend_from_slice(&last_seq.to_le_bytes());
    });
    out
}

fn put_frame(out: &mut Vec<u8>, base: u64, salt: u64, put_body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(FRAME_MAGIC);
    out.extend_from_slice(&[0; PREFIX_BYTES - 4]);
    put_body(out);
    let length = (out.len() - start - PREFIX_BYTES) as u32;
    let sum = checksum(salt, base + start as u64, length, &out[start + PREFIX_BYTES..]);
    out[start + 4..start + 8].copy_from_slice(&length.to_le_bytes());
    out[start + 8..start + 12].copy_from_slice(&sum.to_le_bytes());
}

fn checksum(salt: u64, offset: u64, length: u32, body: &[u8]) -> u32 {
    let mut place = [0; 20];
    place[..8].copy_from_slice(&salt.to_le_bytes());
    place[8..16].copy_from_slice(&offset.to_le_bytes());
    place[16..].copy_from_slice(&length.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c(&place), body)
}

/// The frame at an offset, or what is wrong there.
pub(crate) fn frame_at(segment: &[u8], salt: u64, offset: usize) -> Result<Frame, &'static str> {
    let bytes = segment.get(offset..).unwrap_or_default();
    let prefix = bytes.get(..PREFIX_BYTES).ok_or("the frame is cut off")?;
    if &prefix[..4] != FRAME_MAGIC {
        return Err("no frame starts here");
    }
    let length = le32(prefix, 4);
    if !(SEAL_BODY_BYTES..=RECORD_BODY_BYTES + PAYLOAD_BYTES_MAX).contains(&(length as usize)) {
        return Err("impossible length of a frame");
    }
    let end = PREFIX_BYTES + length as usize;
    let body = bytes.get(PREFIX_BYTES..end).ok_or("the frame is cut off")?;
    if checksum(salt, offset as u64, length, body) != le32(prefix, 8) {
        return Err("checksum of the frame");
    }
    let record = match body[0] {
        SEAL if body.len() == SEAL_BODY_BYTES => None,
        number if body.len() >= RECORD_BODY_BYTES => {
            let kind = Kind::by_number(number).ok_or("unknown kind of frame")?;
            let head = Head {
                seq: le64(body, 9),
                height: le64(body, 17),
                hash: B256::from_slice(&body[25..57]),
                parent: B256::from_slice(&body[57..89]),
                root: B256::from_slice(&body[89..121]),
            };
            Some(Record { kind, head, payload: body[RECORD_BODY_BYTES..].to_vec() })
        }
        _ => return Err("unknown kind of frame"),
    };
    Ok(Frame { synced: le64(body, 1), end: offset + end, record })
}

/// Whether a whole frame behind `offset` says that `offset` had been on disk: then what is wrong there is damage.
pub(crate) fn was_synced(segment: &[u8], salt: u64, offset: usize) -> bool {
    let after = segment.get(offset + 1..).unwrap_or_default();
    let starts = after.windows(FRAME_MAGIC.len()).enumerate().filter(|(_, window)| window == FRAME_MAGIC);
    let mut starts = starts.map(|(at, _)| offset + 1 + at);
    starts.any(|at| {
        // Looked at before the checksum: bytes of a payload that look like frames must not cost a checksum each.
        let claim = segment.get(at + PREFIX_BYTES + 1..at + PREFIX_BYTES + 9).map(|bytes| le64(bytes, 0));
        claim.is_some_and(|synced| synced > offset as u64 && synced <= at as u64) && frame_at(segment, salt, at).is_ok()
    })
}

fn le32(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

fn le64(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_frame_counts_in_its_place_only(payload in prop::collection::vec(any::<u8>(), 0..200), base in 0u64..1000, salt: u64) {
            let record = Record { kind: Kind::Block, head: Head { seq: 3, height: 2, ..Head::default() }, payload };
            let mut segment = vec![0; base as usize];
            let mut bytes = Vec::new();
            put_record(&mut bytes, base, salt, 7, &record);
            segment.extend_from_slice(&bytes);
            let frame = frame_at(&segment, salt, base as usize).unwrap();
            prop_assert_eq!((frame.synced, frame.end, frame.record), (7, segment.len(), Some(record)));
            prop_assert!(frame_at(&segment, salt ^ 1, base as usize).is_err());
            segment.insert(0, 0);
            prop_assert!(frame_at(&segment, salt, base as usize + 1).is_err());
        }

        #[test]
        fn any_bytes_are_no_frame(bytes in prop::collection::vec(any::<u8>(), 0..200), offset in 0usize..300) {
            prop_assert!(frame_at(&bytes, 1, offset).is_err());
            prop_assert!(SegmentHeader::decode(&bytes).is_err());
            prop_assert!(!was_synced(&bytes, 1, offset));
        }
    }

    #[test]
    fn what_was_synced_is_told_by_what_was_written_after() {
        let record = Record { kind: Kind::Block, head: Head::default(), payload: vec![5; 40] };
        // Two frames of one group: neither says anything of the other.
        let mut segment = Vec::new();
        put_record(&mut segment, 0, 9, 0, &record);
        let first_end = segment.len();
        put_record(&mut segment, 0, 9, 0, &record);
        assert!(!was_synced(&segment, 9, 0));
        // A seal behind them says that both had been on disk.
        let end = segment.len() as u64;
        segment.extend(seal(end, 9, 1));
        assert!(was_synced(&segment, 9, 0));
        assert!(was_synced(&segment, 9, first_end));
    }
}
