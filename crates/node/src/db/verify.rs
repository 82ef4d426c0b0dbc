//! `motet db verify`.

use crate::data_dir::DataArgs;
use crate::out;
use crate::verdict::Verdict;
use indicatif::ProgressBar;
use motet_chain::{ChainError, Verified, VerifyStep};
use motet_state::store::StoreError;
use serde_json::json;
use std::io::{self, IsTerminal};

pub(super) fn run(data: &DataArgs, as_json: bool) -> eyre::Result<Verdict> {
    let verified = match verify(data) {
        Ok(verified) => verified,
        Err(error) if is_damage(&error) => {
            let what = format!("{error:#}");
            if as_json {
                out::print(json!({ "schema": "motet-db-verify/1", "ok": false, "damage": what }))?;
            }
            out::say(format_args!("damaged: {what}"));
            return Ok(Verdict::Different);
        }
        Err(error) => return Err(error),
    };
    let (Verified { rows, blocks, transactions, accounts, slots, codes }, head) = verified;
    if as_json {
        out::print(json!({
            "schema": "motet-db-verify/1", "ok": true, "damage": null, "rows": rows, "blocks": blocks,
            "transactions": transactions, "accounts": accounts, "slots": slots, "codes": codes,
            "head": { "number": head.0, "hash": head.1, "state_root": head.2 },
        }))?;
    } else {
        out::print(format_args!(
            "whole: {rows} rows, {blocks} blocks with {transactions} transactions, {accounts} accounts, {slots} slots, \
             {codes} codes; head {} ({}), state root {} from scratch",
            head.0, head.1, head.2,
        ))?;
    }
    Ok(Verdict::Equal)
}

type Head = (u64, alloy_primitives::B256, alloy_primitives::B256);

fn verify(data: &DataArgs) -> eyre::Result<(Verified, Head)> {
    let chain = data.open()?;
    let spinner = if io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    let verified = chain.verify(&mut |step, count| {
        let what = match step {
            VerifyStep::Rows => "rows of the tables".to_owned(),
            VerifyStep::State => format!("{count} accounts"),
            VerifyStep::Blocks => format!("{count} blocks"),
        };
        spinner.set_message(what);
        spinner.tick();
    });
    spinner.finish_and_clear();
    let head = chain.head();
    Ok((verified?, (head.number(), head.hash(), head.block().header.state_root)))
}

/// Whether an error tells of damage, not of a store that cannot be used as it is asked.
fn is_damage(error: &eyre::Report) -> bool {
    error.chain().any(|cause| {
        matches!(
            cause.downcast_ref::<ChainError>(),
            Some(
                ChainError::StateRoot { .. }
                    | ChainError::Part { .. }
                    | ChainError::Config { .. }
                    | ChainError::Trie(_)
                    | ChainError::Store(StoreError::Corrupt(_) | StoreError::Engine(_))
            )
        )
    })
}
