//! The access list that a call would best come with.

use super::{CallChecks, CallError, CallOutcome, CallSession, CallTx};
use alloy_eips::eip2930::AccessList;
use revm_inspectors::access_list::AccessListInspector;

/// Runs until the list is looked for in vain: what a call touches may depend on the gas that its list saves.
const ROUNDS_MAX: usize = 16;

/// A call with the access list that it touches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessListed {
    /// Addresses and slots that are not warm anyway. EIP-2930.
    pub access_list: AccessList,
    /// What the call came to with this list.
    pub outcome: CallOutcome,
}

impl CallSession<'_> {
    /// Finds out what a call touches, beginning with the list that it has: runs it with what the run before touched, until
    /// that is the same. Nothing that it changes is kept.
    ///
    /// # Errors
    /// See [`CallSession::call`].
    pub fn access_list(&mut self, tx: &CallTx, checks: CallChecks) -> Result<AccessListed, CallError> {
        let mut list = tx.access_list.clone().unwrap_or_default();
        for round in 1.. {
            let with_list = CallTx { access_list: Some(list.clone()), ..tx.clone() };
            let mut inspector = AccessListInspector::new(list.clone());
            let executed = self.inspect(&with_list, checks, &mut inspector)?;
            let touched = inspector.into_access_list();
            if touched == list || round == ROUNDS_MAX {
                return Ok(AccessListed { access_list: list, outcome: CallOutcome::new(executed.result) });
            }
            list = touched;
        }
        unreachable!("the last round returns")
    }
}
