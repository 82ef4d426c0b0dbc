//! `motet proof`: what an account and its slots are, so that whoever knows the state root need not trust us.

mod check;

use crate::data_dir::DataArgs;
use crate::out;
use crate::verdict::Verdict;
use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256};
use alloy_rpc_types_eth::{EIP1186AccountProofResponse, EIP1186StorageProof};
use alloy_serde::JsonStorageKey;
use clap::Args;
use eyre::{WrapErr, bail, eyre};
use motet_state::trie::{AccountProof, EMPTY_ROOT};
use motet_workload::block_file;
use std::path::{Path, PathBuf};
use std::str::FromStr;

const EXAMPLES: &str = "\
Examples:
  motet proof --data chain 0x7dcd17433742f4c0ca53122ab541d0ba67fc27df 0x0 0x1 > proof.json
  motet proof --data chain --block 100 0x7dcd17433742f4c0ca53122ab541d0ba67fc27df
  motet proof --verify proof.json --root 0xb7d4..    against a state root that you know
  motet proof --verify proof.json --header block.rlp against the state root of a header, whose hash is printed

A proof has the shape of eth_getProof's result (EIP-1186).
Exit codes: 0 done, or proven; 1 the proof proves nothing, or something else; 2 bad input.";

/// Make or verify a proof of an account and of slots of it.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ProofArgs {
    /// The account.
    #[arg(value_name = "ADDR", required_unless_present = "verify", conflicts_with = "verify")]
    address: Option<Address>,

    /// Slots of the account, decimal or hexadecimal.
    #[arg(value_name = "SLOT", conflicts_with = "verify", value_parser = U256::from_str)]
    slots: Vec<U256>,

    /// The chain's directory.
    #[arg(long, value_name = "DIR", required_unless_present = "verify", conflicts_with = "verify")]
    data: Option<PathBuf>,

    /// The block whose state is proven, up to 128 before the head, or any of an archive. Default: the head.
    #[arg(long, value_name = "N", conflicts_with = "verify")]
    block: Option<u64>,

    /// Verify the proof in a file: eth_getProof's result, or a whole answer with it.
    #[arg(long, value_name = "FILE")]
    verify: Option<PathBuf>,

    /// The state root to verify against.
    #[arg(long, value_name = "HASH", requires = "verify", conflicts_with = "header")]
    root: Option<B256>,

    /// A file with the header to verify against: RLP of a header or of a block, as bytes or in hexadecimal.
    #[arg(long, value_name = "FILE", requires = "verify")]
    header: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// When the chain or a file cannot be read, and when the state of the block is not kept.
pub(crate) fn run(args: &ProofArgs) -> eyre::Result<Verdict> {
    if let Some(file) = &args.verify {
        return verify(file, args);
    }
    let (Some(address), Some(data)) = (args.address, &args.data) else {
        bail!("an address and --data are needed");
    };
    let chain = DataArgs::of(data).open()?;
    let number = args.block.unwrap_or(chain.head().number());
    let proof = chain.prove(number, address, &args.slots)?;
    out::print_json(&response(proof))?;
    Ok(Verdict::Equal)
}

/// A proof in the shape that RPC has for it.
fn response(proof: AccountProof) -> EIP1186AccountProofResponse {
    let AccountProof { address, account, proof, storage } = proof;
    let slot = |proof: motet_state::trie::StorageProof| EIP1186StorageProof {
        key: JsonStorageKey::Number(proof.slot),
        value: proof.value,
        proof: proof.proof,
    };
    EIP1186AccountProofResponse {
        address,
        balance: account.map_or(U256::ZERO, |account| account.balance),
        code_hash: account.map_or(KECCAK256_EMPTY, |account| account.code_hash),
        nonce: account.map_or(0, |account| account.nonce),
        storage_hash: account.map_or(EMPTY_ROOT, |account| account.storage_root),
        account_proof: proof,
        storage_proof: storage.into_iter().map(slot).collect(),
    }
}

fn verify(file: &Path, args: &ProofArgs) -> eyre::Result<Verdict> {
    let named = || file.display().to_string();
    let proof = check::parse(&block_file::read(file)?).wrap_err_with(named)?;
    let root = match (args.root, &args.header) {
        (Some(root), _) => root,
        (None, Some(path)) => {
            let header = check::read_header(&block_file::read(path)?).wrap_err_with(|| path.display().to_string())?;
            out::say(format_args!("header of block {} with hash {}", header.number, header.hash_slow()));
            header.state_root
        }
        (None, None) => return Err(eyre!("a proof is verified against --root HASH or --header FILE")),
    };
    match check::verify(&proof, root) {
        Ok(shown) => {
            out::print(format_args!("proven under state root {root}: {shown}"))?;
            Ok(Verdict::Equal)
        }
        Err(error) => {
            out::say(format_args!("{}: {error}", file.display()));
            Ok(Verdict::Different)
        }
    }
}
