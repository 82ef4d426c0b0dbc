//! Chains of the fixtures, directories of tests, and the binary.

use alloy_rlp::Decodable;
use motet_types::Block;
use serde_json::Value;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A chain of the fixtures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fixture {
    /// What it is called.
    pub(crate) name: &'static str,
    genesis: &'static str,
    chain: &'static str,
    /// `--chain`, where the genesis file has no rules.
    pub(crate) public: Option<&'static str>,
    /// Where its import ends.
    pub(crate) head: (u64, &'static str),
}

/// 600 blocks of all types of transactions, Shanghai to Prague. Its head: headblock.json.
pub(crate) const GETH: Fixture = Fixture {
    name: "geth-ethtest",
    genesis: "chains/geth-ethtest/genesis.json",
    chain: "chains/geth-ethtest/chain.rlp.gz",
    public: None,
    head: (600, "0x44e3809c9a3cda717f00aea3a9da336d149612c8d5657fbc0028176ef8d94d2a"),
};
/// 3000 blocks of Byzantium. Its head: the last block of its file.
pub(crate) const HIVE: Fixture = Fixture {
    name: "hive-devp2p",
    genesis: "chains/hive-devp2p/genesis.json",
    chain: "chains/hive-devp2p/chain.rlp.gz",
    public: None,
    head: (3000, ""),
};
/// 54 blocks through all forks. Its head: headfcu.json.
pub(crate) const RPC: Fixture = Fixture {
    name: "rpc",
    genesis: "rpc/genesis.json",
    chain: "rpc/chain.rlp",
    public: None,
    head: (54, "0xd226371d0b1551adb03fb52b71f08e3e11247fe9b1af994768af8cdaa8e7dcd7"),
};
/// The first era of mainnet.
pub(crate) const MAINNET: Fixture = Fixture {
    name: "mainnet-00000",
    genesis: "genesis/mainnet.json.gz",
    chain: "era1/mainnet-00000-5ec1ffb8.era1",
    public: Some("mainnet"),
    head: (8191, ""),
};

impl Fixture {
    /// The file of blocks; `None`, with a line that says so: the fixtures are not there.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        path(self.chain)
    }

    /// The genesis file.
    pub(crate) fn genesis_file(&self) -> Option<PathBuf> {
        path(self.genesis)
    }

    /// Makes the chain in a directory.
    pub(crate) fn init(&self, dir: &Path, more: &[&str]) -> Option<()> {
        let genesis = path(self.genesis)?;
        let mut args = vec!["init", "--genesis", text(&genesis), "--data", text(dir)];
        args.extend(self.public.iter().flat_map(|name| ["--chain", name]));
        args.extend(more);
        succeed(&args);
        Some(())
    }

    /// The content of the file of blocks, which must be RLP.
    pub(crate) fn rlp(&self) -> Option<Vec<u8>> {
        Some(motet_workload::block_file::read(&self.file()?).expect("the fixture can be read"))
    }
}

fn path(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("MOTET_FIXTURES")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/fixtures")), PathBuf::from);
    let path = root.join(name);
    if path.exists() {
        return Some(path);
    }
    // Written past the capture of test output, so that a skipped test is seen.
    let _ = writeln!(std::io::stderr(), "skipped: no fixture {}", path.display());
    None
}

/// An empty directory of one test.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("chain").join(name);
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{}: {error}", folder.display()),
        _ => fs::create_dir_all(&folder).expect("the folder can be made"),
    }
    folder
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// The binary with arguments, not started yet.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_motet"));
    command.args(args);
    command
}

pub(crate) fn motet(args: &[&str]) -> Output {
    command(args).output().expect("the binary starts")
}

pub(crate) fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("ended by a signal: {output:?}"))
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs the binary, which must succeed; gives what it prints.
pub(crate) fn succeed(args: &[&str]) -> String {
    let output = motet(args);
    assert_eq!(code(&output), 0, "{args:?}: {}", stderr(&output));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Runs the binary, which must fail with an exit code; gives what it says.
pub(crate) fn fail(args: &[&str], expected: i32) -> String {
    let output = motet(args);
    assert_eq!(code(&output), expected, "{args:?}: {}", stderr(&output));
    stderr(&output)
}

pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Imports files, which must succeed; gives the JSON of the end.
pub(crate) fn import(dir: &Path, files: &[&Path], more: &[&str]) -> Value {
    let mut args = vec!["import", "--json", "--data", text(dir)];
    args.extend(files.iter().map(|file| text(file)));
    args.extend(more);
    json(&succeed(&args))
}

/// Number and hash of the head, by `db verify`, which must find everything whole.
pub(crate) fn verified_head(dir: &Path) -> (u64, String) {
    let verified = json(&succeed(&["db", "verify", "--json", "--data", text(dir)]));
    assert_eq!(verified["ok"], true, "{verified}");
    head_of(&verified)
}

pub(crate) fn head_of(json: &Value) -> (u64, String) {
    let head = &json["head"];
    let number = head["number"].as_u64().unwrap_or_else(|| panic!("{json}"));
    (number, head["hash"].as_str().unwrap_or_else(|| panic!("{json}")).to_owned())
}

/// Where each block of a file begins, with the block.
pub(crate) fn blocks(rlp: &[u8]) -> Vec<(usize, Block)> {
    let mut rest = rlp;
    let mut blocks = Vec::new();
    while !rest.is_empty() {
        let at = rlp.len() - rest.len();
        blocks.push((at, Block::decode(&mut rest).expect("a block")));
    }
    blocks
}
