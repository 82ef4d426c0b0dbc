//! Files of blocks: any bytes give blocks or an error that names a place; what is read is what stands there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use motet_workload::chain_file::{ChainFile, ChainFileFormat};
use std::io::Cursor;

fuzz_target!(|bytes: &[u8]| {
    // The other packings are those of their libraries.
    if bytes.starts_with(&[0x1f, 0x8b]) || bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        return;
    }
    let Ok(mut file) = ChainFile::of_reader("fuzz", Cursor::new(bytes.to_vec())) else { return };
    let is_rlp = file.format() == ChainFileFormat::Rlp;
    for block in file.by_ref() {
        match block {
            Ok(block) if is_rlp => {
                let at = block.place.offset as usize;
                assert_eq!(bytes[at..at + block.rlp.len()], block.rlp[..]);
            }
            Ok(_) => {}
            Err(error) => assert!(error.place.offset <= bytes.len() as u64),
        }
    }
    assert!(file.next().is_none());
});
