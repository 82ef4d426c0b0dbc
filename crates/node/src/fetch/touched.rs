//! Which accounts and slots a block touches: what is worth asking for in bulk.
//!
//! Only names are taken from a trace, never values. A tracer shows each transaction the state after the one
//! before it and leaves out accounts that do not exist yet, so that the first value that it shows of an account
//! may be one that the block itself made.

use super::block_id::quantity;
use super::client::Client;
use super::error::FetchError;
use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, B256, U256};
use motet_workload::block_file::ReplayBlock;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Accounts, and slots of theirs.
#[derive(Clone, Debug, Default)]
pub(super) struct Touched(pub(super) BTreeMap<Address, BTreeSet<U256>>);

impl Touched {
    /// What the block itself names: senders, recipients, access lists, authorities, beneficiary, withdrawals.
    pub(super) fn named_in(block: &ReplayBlock) -> Self {
        let mut touched = Self::default();
        touched.add(block.block.header().beneficiary);
        for ((tx, sender), authorities) in
            block.block.transactions().iter().zip(&block.block.senders).zip(&block.block.authorities)
        {
            touched.add(*sender);
            tx.to().into_iter().for_each(|to| touched.add(to));
            authorities.iter().flatten().for_each(|authority| touched.add(*authority));
            for item in tx.access_list().into_iter().flat_map(|list| list.iter()) {
                let slots = touched.0.entry(item.address).or_default();
                slots.extend(item.storage_keys.iter().map(|slot| U256::from_be_bytes(slot.0)));
            }
        }
        let withdrawals = block.block.block.body.withdrawals.iter().flat_map(|withdrawals| withdrawals.iter());
        withdrawals.for_each(|withdrawal| touched.add(withdrawal.address));
        touched
    }

    fn add(&mut self, address: Address) {
        self.0.entry(address).or_default();
    }

    /// Adds what the node's tracer saw.
    ///
    /// # Errors
    /// When the node gives no trace.
    pub(super) fn add_traced(&mut self, client: &Client, number: u64, hash: B256) -> Result<(), FetchError> {
        /// One transaction's state, or why there is none.
        #[derive(Deserialize)]
        struct TxTrace {
            result: Option<BTreeMap<Address, AccountTrace>>,
        }

        #[derive(Deserialize)]
        struct AccountTrace {
            #[serde(default)]
            storage: Option<BTreeMap<B256, IgnoredAny>>,
        }

        let options = json!({
            "tracer": "prestateTracer",
            "tracerConfig": {"diffMode": false, "disableCode": true},
            "timeout": format!("{}s", client.timeout().as_secs()),
        });
        let (by_hash, by_number) = ("debug_traceBlockByHash", "debug_traceBlockByNumber");
        let (method, answer) = match client.call::<Vec<TxTrace>>(by_hash, json!([hash, options])) {
            Err(error) if error.is_unknown_method() => {
                (by_number, client.call(by_number, json!([quantity(number), options])))
            }
            answer => (by_hash, answer),
        };
        let traces = match answer {
            Err(refusal @ FetchError::Refused { .. }) => {
                return Err(FetchError::NoTrace { refusal: Box::new(refusal) });
            }
            answer => answer?.ok_or_else(|| client.strange(method, "the answer is null"))?,
        };
        for (address, account) in traces.into_iter().filter_map(|trace| trace.result).flatten() {
            let slots = self.0.entry(address).or_default();
            slots.extend(account.storage.into_iter().flatten().map(|(slot, _)| U256::from_be_bytes(slot.0)));
        }
        Ok(())
    }

    /// How many accounts and slots.
    pub(super) fn count(&self) -> (usize, usize) {
        (self.0.len(), self.0.values().map(BTreeSet::len).sum())
    }
}
