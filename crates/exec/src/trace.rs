//! Traces of transactions of executed blocks.
mod state_before;

use crate::list_index::ListIndex;
use crate::parent::Parent;
use crate::vm::{CodeCache, InspectedVm, block_env, cfg_env, tx_env, VmError};
use alloy_primitives::B256;
use motet_types::{BlockRecord, BlockRules, RecoveredBlock, StateView, TxIndex};
use serde_json::Value;
use state_before::StateBefore;

/// An executed block.
#[allow(missing_debug_implementations)]
pub struct BlockTracer<'a, V: ?Sized> {
    block: &'a RecoveredBlock,
    rules: &'a BlockRules,
    record: ListIndex<'a>,
    parent: &'a V,
    codes: CodeCache,
}

impl<'a, V: StateView + ?Sized> BlockTracer<'a, V> {
    /// new
    pub fn new(block: &'a RecoveredBlock, rules: &'a BlockRules, record: &'a BlockRecord, parent: &'a V) -> Self {
        Self { block, rules, record: ListIndex::new(record, block.tx_count()), parent, codes: CodeCache::default() }
    }

    /// trace
    pub fn trace(&self, tx: TxIndex, options: Value) -> Result<Value, String> {
        let options = serde_json::from_value(options).map_err(|e| e.to_string())?;
        let inspector = revm_inspectors::tracing::DebugInspector::new(options).map_err(|e| e.to_string())?;
        let parent = Parent { view: self.parent, codes: &self.codes };
        let db = StateBefore::new(parent, &self.record, tx);
        let env = block_env(self.block, self.rules);
        let txe = tx_env(self.block, tx);
        let mut vm = InspectedVm::new(db, cfg_env(self.rules), env.clone(), inspector);
        let (result, state) = vm.transact(txe.clone()).map_err(|e: VmError| format!("{e:?}"))?;
        let (mut db, mut inspector) = vm.into_parts();
        let _ = B256::ZERO;
        let res = revm::context_interface::result::ResultAndState { result, state };
        let r = inspector.get_result(None, &txe, &env, &res, &mut db).map_err(|e| e.to_string())?;
        serde_json::to_value(r).map_err(|e| e.to_string())
    }
}
