//! A state loaded into a new store: it is the state of the first block, and there is nothing before it.

use alloy_primitives::{B256, Bytes, U256, keccak256};
use motet_state::store::{CommittedBlock, EngineKind, Identity, Options, SeedHeader, SeedRow, Store, StoreError};
use motet_state::trie::{AccountChange, Crew, HashedDiff, SlotChange, StateTrie};
use motet_types::{Account, Location, Value};
use std::path::PathBuf;

fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("store_seed").join(name);
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

#[test]
fn a_loaded_state_is_that_of_the_first_block() {
    for engine in [EngineKind::Fjall, EngineKind::Redb] {
        let dir = folder(&format!("{engine:?}"));
        let genesis = B256::repeat_byte(9);
        let identity = Identity { chain_id: 1, genesis, archive: false };
        let options = Options { engine, has_table_thread: false, reader_threads: 0, ..Options::new(identity) };
        let address = alloy_primitives::Address::repeat_byte(1);
        let code = Bytes::from_static(b"code");
        let account = Account { nonce: 3, balance: U256::from(5), code_hash: keccak256(&code) };
        let (key, slot) = (keccak256(address), keccak256(U256::from(7).to_be_bytes::<32>()));
        let mut trie = StateTrie::new(Crew::alone());
        let slots = vec![SlotChange { key: slot, value: U256::from(8) }];
        let change = AccountChange { key, account: Some(account), slots, ..AccountChange::default() };
        let root = trie.update_hashed(&HashedDiff::new([change])).unwrap();
        let block = CommittedBlock { height: 100, hash: genesis, root, ..CommittedBlock::default() };
        {
            let (store, _) = Store::open(&dir, options.clone()).unwrap();
            let rows =
                [SeedRow::Account(key, account), SeedRow::Slot(key, slot, U256::from(8)), SeedRow::Code(code.clone())];
            store.seed(rows, None).unwrap();
            store.commit(block).unwrap();
            assert!(matches!(store.seed([], None), Err(StoreError::NotAStore { .. })));
            let below = SeedHeader { height: 99, hash: B256::repeat_byte(8), ..SeedHeader::default() };
            store.seed_headers([below]).unwrap();
        }
        let (store, opened) = Store::open(&dir, options).unwrap();
        assert_eq!(opened.head.map(|head| (head.height, head.root)), Some((100, root)));
        store.verify().unwrap();
        let state = store.state();
        let expected = [
            (Location::Account(address), Value::Account(Some(account))),
            (Location::Slot(address, U256::from(7)), Value::Slot(U256::from(8))),
            (Location::Code(account.code_hash), Value::Code(code)),
            (Location::BlockHash(99), Value::BlockHash(B256::repeat_byte(8))),
        ];
        for (location, value) in expected {
            assert_eq!(state.value(location).unwrap(), value, "{location}");
        }
        // The state of the block below is not here, though its header is.
        assert!(matches!(store.state_at(99), Err(StoreError::NoHistory { .. })));
        assert!(matches!(store.rollback(99, None), Err(StoreError::NoHistory { .. })));
        let next = CommittedBlock {
            height: 101,
            hash: B256::repeat_byte(10),
            parent: genesis,
            root,
            ..CommittedBlock::default()
        };
        store.commit(next).unwrap();
        store.flush().unwrap();
        assert_eq!(store.oldest_state().unwrap(), Some(100));
        assert!(matches!(store.state_at(99), Err(StoreError::NoHistory { .. })));
    }
}
