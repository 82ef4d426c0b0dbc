//! What the writer writes, the loader reads.

use super::super::mainnet_block::BlockFile;
use super::super::{BlockSchema, Expected, ParentState, bytes, load, parse, write_block_file};
use super::sample;
use alloy_primitives::{Address, B256, U256};
use motet_types::{Account, Fork, Location, Read, StateView, Value};
use std::path::PathBuf;

/// A folder that is removed when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("motet-block-file-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_written_file_reads_back_equal_plain_and_compressed() {
    let folder = Folder::new("round-trip");
    let file = sample::block_file(Fork::Amsterdam);
    for name in ["100.json", "100.json.gz"] {
        let path = folder.0.join(name);
        write_block_file(&path, &file).unwrap();
        let is_gzip = std::fs::read(&path).unwrap().starts_with(&[0x1f, 0x8b]);
        assert_eq!(is_gzip, name.ends_with(".gz"));
        assert_eq!(BlockFile::from_json(&super::super::read(&path).unwrap()).unwrap(), file, "{name}");

        let replay = load(&path).unwrap();
        assert_eq!(replay.source, path);
        assert_eq!(replay.schema, BlockSchema::MainnetBlock);
        assert_eq!(replay.fork, Fork::Amsterdam);
        assert_eq!(replay.rules.chain_id, 1337);
        assert!(replay.rules.blob.is_some());
        assert!(!replay.rules.dao_transition);
        assert!(replay.lenient_system_calls);
        assert_eq!(replay.block.header(), &file.block.header.inner);
        assert_eq!(replay.block.access_list, file.access_list);
        assert_eq!(replay.block.authorities.iter().map(Vec::len).collect::<Vec<_>>(), [0, 0, 0, 0, 0, 1]);
        assert!(replay.block.authorities[5][0].is_some());
        assert_eq!(replay.header_checks.gas_used, Expected::Known(21_000));
        assert!(replay.header_checks.post_state_root.reason().is_some());
    }
}

#[test]
fn every_fork_is_read_back_by_the_name_it_is_written_with() {
    for fork in Fork::VARIANTS.iter().copied().filter(|fork| *fork <= Fork::Amsterdam) {
        let replay = parse("sample", &sample::bytes(fork)).unwrap().recover().unwrap();
        assert_eq!(replay.fork, fork);
        assert_eq!(replay.rules.blob.is_some(), fork >= Fork::Cancun);
        assert_eq!(replay.header_checks.receipts_root.known().is_some(), fork >= Fork::Byzantium);
    }
    assert_eq!(sample::json(Fork::Tangerine)["fork"], "TangerineWhistle");
}

#[test]
fn the_pre_state_of_a_written_file_is_read_by_location() {
    let replay = parse("sample", &sample::bytes(Fork::Amsterdam)).unwrap().recover().unwrap();
    let ParentState::Memory(state) = &replay.state else { panic!("the accounts are listed") };
    let read = |location| match state.read(location).unwrap() {
        Read::Ready(value) => value,
        Read::Pending(ticket) => panic!("{ticket:?}"),
    };
    let address = Address::repeat_byte(5);
    assert_eq!(read(Location::Slot(address, U256::ZERO)), Value::Slot(B256::repeat_byte(6).into()));
    assert_eq!(read(Location::Slot(address, U256::from(1))), Value::Slot(U256::ZERO));
    assert_eq!(read(Location::Account(Address::repeat_byte(6))), Value::Account(Some(Account::default())));
    assert_eq!(read(Location::Account(Address::repeat_byte(7))), Value::Account(None));
    assert_eq!(read(Location::BlockHash(3)), Value::BlockHash(B256::repeat_byte(3)));
}

#[test]
fn checking_a_file_before_it_is_written_finds_what_parsing_would_find() {
    let mut file = sample::block_file(Fork::Amsterdam);
    assert!(file.clone().check("sample").is_ok());
    file.block.header.inner.gas_used += 1;
    let error = file.check("sample").unwrap_err().to_string();
    assert!(error.starts_with("sample: block.hash: the file says 0x"), "{error}");
}

#[test]
fn decompression_stops_at_the_bound() {
    use super::super::BlockFileErrorKind::TooLarge;
    use std::io::Write;

    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&[b' '; 100_000]).unwrap();
    let gzip = encoder.finish().unwrap();
    assert!(gzip.len() < 1_000);
    assert_eq!(bytes::inflate_bounded(&gzip, 100_000).unwrap().len(), 100_000);
    assert!(matches!(bytes::inflate_bounded(&gzip, 99_999), Err(TooLarge { bytes_max: 99_999 })));
    assert!(matches!(bytes::inflate_bounded(&[b' '; 10], 9), Err(TooLarge { bytes_max: 9 })));
}

#[test]
fn folders_are_listed_by_block_number_without_their_manifest() {
    let folder = Folder::new("folders");
    for name in ["manifest.json", "100.json.gz", "9.json", "21.json.gz", "README.md", "named.json", "9.json.gz"] {
        std::fs::write(folder.0.join(name), "{}").unwrap();
    }
    std::fs::create_dir(folder.0.join("7.json")).unwrap();
    let single = folder.0.join("README.md");
    let found = super::super::collect_paths(&[single, folder.0.clone()]).unwrap();
    let names: Vec<_> = found.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["README.md", "9.json", "9.json.gz", "21.json.gz", "100.json.gz", "named.json"]);

    let absent = folder.0.join("absent");
    assert_eq!(super::super::collect_paths(std::slice::from_ref(&absent)).unwrap_err().file, absent);
}
