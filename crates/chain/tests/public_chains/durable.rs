//! Real chains into a store on disk, with every engine and every root verified, closed and opened again on the way.

use super::fixtures;
use alloy_primitives::{Address, B256, U256};
use motet_chain::{Chain, ChainOptions, EarlyRoot, EngineExecutor, GenesisBlock, ImportFault};
use motet_exec::{Engine, ExecutorConfig};
use motet_state::store::TrieMode;
use motet_types::Block;
use std::path::{Path, PathBuf};

/// A directory that goes when the test is over.
pub(crate) struct Dir(pub(crate) PathBuf);

impl Dir {
    pub(crate) fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("motet-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        Self(dir)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn options(paged: bool) -> ChainOptions {
    let mut options = ChainOptions { threads: 2, early_root_transactions_min: 0, ..ChainOptions::small() };
    if paged {
        options.early_root = EarlyRoot::FromSteps;
        // So small that nodes come and go.
        options.store.trie = TrieMode::Paged { cache_bytes: 64 << 10 };
    }
    options
}

pub(crate) fn executor(engine: Engine) -> EngineExecutor {
    EngineExecutor::new(engine, ExecutorConfig { workers: 2, ..ExecutorConfig::default() })
}

/// Imports a chain, closing and opening it again `reopenings` times on the way, and gives it back at its end.
fn import(dir: &Path, folder: &str, file: &str, engine: Engine, paged: bool, reopenings: usize) -> Option<Chain> {
    let genesis = fixtures::genesis(&format!("{folder}/genesis.json"))?;
    let blocks = fixtures::blocks(&format!("{folder}/{file}"))?;
    let genesis = GenesisBlock::from_genesis(&genesis).unwrap();
    let (mut chain, opened) = Chain::init(dir, genesis, options(paged)).unwrap();
    assert!(opened.is_new);
    let mut executor = executor(engine);
    let every = blocks.len() / (reopenings + 1) + 1;
    let (count, last) = (blocks.len() as u64, blocks.last().unwrap().header.hash_slow());
    for (pos, block) in blocks.into_iter().enumerate() {
        let hash = block.header.hash_slow();
        let accepted = chain.import(block, None, &mut executor).unwrap();
        assert!(accepted.is_head && accepted.block.hash() == hash);
        if pos % every == every - 1 {
            drop(chain);
            let (reopened, _) = Chain::open(dir, options(paged)).unwrap();
            assert_eq!(reopened.head().hash(), hash);
            chain = reopened;
        }
    }
    assert_eq!((chain.head().number(), chain.head().hash()), (count, last));
    Some(chain)
}

/// The head goes back and forth, alone and past others, and comes back to where it was.
fn move_head(chain: &mut Chain) {
    let head = chain.head().hash();
    let header = |chain: &Chain| chain.head().block().header.clone();
    let expected = header(chain);
    for back in [1, 2, 30] {
        let ancestor = chain.canonical_hash(expected.number - back).unwrap().unwrap();
        chain.set_head(ancestor).unwrap();
        assert_eq!((chain.head().hash(), chain.head().number()), (ancestor, expected.number - back));
        assert_eq!(chain.canonical_hash(expected.number).unwrap(), None);
        let parent = chain.block(&expected.parent_hash).unwrap();
        assert!(parent.is_some(), "blocks that left stay known");
        chain.set_head(head).unwrap();
        assert_eq!(header(chain), expected);
    }
}

/// Every address that the last blocks name, proven at the head and further back.
fn prove(chain: &Chain) -> usize {
    let head = chain.head().number();
    let mut proofs = 0;
    for number in [head, head - 1, head - 20] {
        let root = chain.canonical_block(number).unwrap().unwrap().block().header.state_root;
        let record = chain.record(number).unwrap().unwrap();
        let named = record.list.iter().map(|account| {
            let slots: Vec<U256> = account.storage_changes.iter().map(|slot| slot.slot).take(3).collect();
            (account.address, slots)
        });
        for (address, slots) in named.chain([(Address::repeat_byte(0x77), vec![U256::ZERO])]).take(10) {
            let proof = chain.prove(number, address, &slots).unwrap();
            proof.verify(root).unwrap();
            assert!(proof.verify(B256::repeat_byte(1)).is_err());
            proofs += 1;
        }
    }
    proofs
}

fn whole(name: &str, folder: &str, file: &str, engines: &[Engine]) {
    for (pos, engine) in engines.iter().enumerate() {
        let dir = Dir::new(&format!("{name}-{engine}"));
        let paged = pos % 2 == 1;
        let Some(mut chain) = import(&dir.0, folder, file, *engine, paged, 3) else { return };
        assert!(prove(&chain) > 3);
        move_head(&mut chain);
        let head = chain.head().hash();
        drop(chain);
        let (chain, _) = Chain::open(&dir.0, options(paged)).unwrap();
        assert_eq!(chain.head().hash(), head);
    }
}

const ENGINES: [Engine; 4] = [Engine::Sequential, Engine::Optimistic, Engine::Listed, Engine::Auto];

#[test]
fn shanghai_to_prague_600_blocks_on_disk() {
    whole("ethtest", "chains/geth-ethtest", "chain.rlp.gz", &ENGINES);
}

#[test]
fn byzantium_3000_blocks_on_disk() {
    whole("hive", "chains/hive-devp2p", "chain.rlp.gz", &ENGINES);
}

#[test]
fn homestead_to_bpo2_on_disk() {
    whole("rpc", "rpc", "chain.rlp", &ENGINES);
}

#[test]
fn a_directory_is_for_one_chain() {
    let Some(genesis) = fixtures::genesis("rpc/genesis.json") else { return };
    let dir = Dir::new("other");
    assert!(Chain::open(&dir.0, options(false)).unwrap_err().to_string().contains("no chain here"));
    let genesis = GenesisBlock::from_genesis(&genesis).unwrap();
    drop(Chain::init(&dir.0, genesis.clone(), options(false)).unwrap());
    let (chain, opened) = Chain::init(&dir.0, genesis.clone(), options(false)).unwrap();
    assert!(!opened.is_new && chain.head().number() == 0);
    let second = Chain::open(&dir.0, options(false)).unwrap_err().to_string();
    assert!(second.contains("in use"), "{second}");
    drop(chain);
    let mut other = genesis;
    other.spec.chain_id += 1;
    let error = Chain::init(&dir.0, other, options(false)).unwrap_err().to_string();
    assert!(error.contains("another chain id"), "{error}");
}

/// A block with one field changed.
pub(crate) fn changed(block: &Block, edit: impl FnOnce(&mut Block)) -> Block {
    let mut block = block.clone();
    edit(&mut block);
    block
}

#[test]
fn an_invalid_block_leaves_no_trace() {
    let (Some(genesis), Some(blocks)) = (fixtures::genesis("rpc/genesis.json"), fixtures::blocks("rpc/chain.rlp"))
    else {
        return;
    };
    for paged in [false, true] {
        let dir = Dir::new(&format!("invalid-{paged}"));
        let genesis = GenesisBlock::from_genesis(&genesis).unwrap();
        let (mut chain, _) = Chain::init(&dir.0, genesis, options(paged)).unwrap();
        let mut executor = executor(Engine::Sequential);
        for block in &blocks {
            let head = chain.head().hash();
            let wrong_root = changed(block, |block| block.header.state_root = B256::repeat_byte(7));
            let (number, hash) = (wrong_root.header.number, wrong_root.header.hash_slow());
            let error = chain.import(wrong_root, None, &mut executor).unwrap_err();
            assert_eq!((error.number, error.hash), (number, hash));
            assert!(error.to_string().contains("state_root") || error.to_string().contains("state root"), "{error}");
            let wrong_receipts = changed(block, |block| block.header.receipts_root = B256::repeat_byte(7));
            assert!(chain.import(wrong_receipts, None, &mut executor).is_err());
            assert_eq!(chain.head().hash(), head);
            chain.import(block.clone(), None, &mut executor).unwrap();
        }
    }
}

/// A head that is too far back is refused before anything moves.
fn assert_too_far_is_refused(archive: bool, back: u64) {
    let Some(genesis) = fixtures::genesis("chains/geth-ethtest/genesis.json") else { return };
    let Some(blocks) = fixtures::blocks("chains/geth-ethtest/chain.rlp.gz") else { return };
    let dir = Dir::new(&format!("far-{archive}"));
    let options = ChainOptions { archive, ..options(false) };
    let (mut chain, _) = Chain::init(&dir.0, GenesisBlock::from_genesis(&genesis).unwrap(), options).unwrap();
    let mut executor = executor(Engine::Sequential);
    for block in blocks {
        chain.import(block, None, &mut executor).unwrap();
    }
    let head = chain.head().clone();
    let hash_at = |chain: &Chain, number| chain.canonical_hash(number).unwrap().unwrap();
    let error = chain.set_head(hash_at(&chain, head.number() - back)).unwrap_err();
    assert_eq!((error.number, chain.head().hash()), (head.number() - back, head.hash()));
    assert!(matches!(error.reason, ImportFault::TooOld { .. }), "{error}");
    chain.set_head(hash_at(&chain, head.number() - 1)).unwrap();
    chain.set_head(head.hash()).unwrap();
    assert_eq!(chain.head().hash(), head.hash());
}

#[test]
fn a_head_beyond_the_history_is_refused_and_nothing_moves() {
    assert_too_far_is_refused(true, 300);
    assert_too_far_is_refused(false, 140);
}
