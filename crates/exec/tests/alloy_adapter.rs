mod stock;

use alloy_consensus::transaction::Recovered;
use alloy_consensus::TxEnvelope;
use alloy_evm::block::{BlockExecutor as _, BlockExecutorFactory};
use alloy_evm::eth::EthBlockExecutionCtx;
use alloy_evm::eth::EthEvmFactory;
use alloy_evm::eth::receipt_builder::AlloyReceiptBuilder;
use alloy_evm::EvmFactory;
use motet_exec::alloy_adapter::MotetBlockExecutorFactory;
use motet_exec::{Engine, ExecutorConfig};
use motet_types::TxIndex;
use motet_workload::block_file::{ReplayBlock, collect_paths, load};
use revm::database::states::bundle_state::BundleRetention;
use revm::database::{BundleState, State};
use std::path::PathBuf;
use stock::{FixedFork, ViewDb, evm_env, tx_env};

fn run<F>(factory: &F, block: &ReplayBlock) -> (String, BundleState)
where
    F: for<'a> BlockExecutorFactory<
            EvmFactory = EthEvmFactory,
            ExecutionCtx<'a> = EthBlockExecutionCtx<'a>,
            Transaction = TxEnvelope,
            Receipt = alloy_consensus::ReceiptEnvelope,
        >,
{
    let recovered = &block.block;
    let mut db = State::builder().with_database(ViewDb(&block.state)).with_bundle_update().build();
    let evm = factory.evm_factory().create_evm(&mut db, evm_env(recovered, &block.rules));
    let ctx = EthBlockExecutionCtx {
        parent_hash: recovered.header().parent_hash,
        parent_beacon_block_root: recovered.header().parent_beacon_block_root,
        ommers: &recovered.block.body.ommers,
        withdrawals: recovered.block.body.withdrawals.as_ref().map(|w| w.as_slice().into()),
        extra_data: recovered.header().extra_data.clone(),
        tx_count_hint: Some(recovered.tx_count()),
        slot_number: recovered.header().slot_number,
    };
    let txs = (0..recovered.tx_count()).map(|pos| {
        let tx = TxEnvelope::from(recovered.transactions()[pos].clone());
        (tx_env(recovered, TxIndex::from(pos)), Recovered::new_unchecked(tx, recovered.senders[pos]))
    });
    let result = factory.create_executor(evm, ctx).execute_block(txs);
    db.merge_transitions(BundleRetention::Reverts);
    (format!("{result:?}"), db.take_bundle())
}

#[test]
fn all() {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/fixtures"));
    for folder in ["mainnet", "mainnet-witness", "mainnet-txenv"] {
        for file in collect_paths(&[root.join(folder)]).unwrap() {
            let block = load(&file).unwrap();
            let spec = FixedFork::new(&block.rules, block.number());
            let config = ExecutorConfig { workers: 4, ..ExecutorConfig::default() };
            let factory = MotetBlockExecutorFactory::new(AlloyReceiptBuilder::default(), spec, config).with_engine(Engine::Optimistic);
            let (r1, mut b1) = run(factory.stock(), &block);
            let (r2, mut b2) = run(&factory, &block);
            println!("{} {} {}", file.display(), r1 == r2, b1 == b2);
            if r1 != r2 { println!("{}\n{}", &r1[..r1.len().min(400)], &r2[..r2.len().min(400)]); }
            b1.reverts.sort(); b2.reverts.sort();
            let mut n = 0;
            for (a, x) in &b1.state {
                let y = b2.state.get(a);
                if Some(x) != y { n += 1; if n < 6 { println!("  STATE {a} stock {x:?}\n     ours {y:?}"); } }
            }
            for a in b2.state.keys() { if !b1.state.contains_key(a) { println!("  EXTRA {a}"); } }
            for h in b1.contracts.keys() { if !b2.contracts.contains_key(h) { println!("  CONTRACT missing {h}"); } }
            for h in b2.contracts.keys() { if !b1.contracts.contains_key(h) { println!("  CONTRACT extra {h}"); } }
            if b1.reverts != b2.reverts { 
                let (x, y) = (&b1.reverts[0], &b2.reverts[0]);
                println!("  REVERTS {} {}", x.len(), y.len());
                for e in x { if !y.contains(e) { println!("   stock {e:?}"); } }
                for e in y { if !x.contains(e) { println!("   ours {e:?}"); } }
            }
        }
    }
}
