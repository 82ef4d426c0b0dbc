//! Blockchain and engine tests: blocks offered to a chain, each executed by every engine.

use super::engines::{EngineRuns, Engines};
use super::failure::{Detail, Failure, Item, check_refusal};
use super::offer::{Offer, Offered};
use super::receipts;
use super::subject::{Rejection, StoreMode, Subject, decoded};
use alloy_primitives::B256;
use motet_chain::execution::ExecuteResult;
use motet_chain::{BlockError, ExecuteRequest, GenesisBlock, exception_names};
use motet_exec::BlockInput;
use motet_types::BlockOutcome;
use motet_workload::spec_test::{ExpectedReceipt, PostState, TestChain};

/// Imports all that is offered, in order, and holds every verdict and the final head against the fixture.
/// The chain goes on with what sequential execution gives. One on disk is closed and opened again half way.
pub(super) fn run<'a>(
    engines: &Engines,
    test: &TestChain,
    offers: impl Iterator<Item = Offer<'a>>,
    store: Option<StoreMode>,
    runs: &mut EngineRuns,
) -> Result<(), Failure> {
    let mut chain = Subject::open(genesis(test)?, store)?;
    let offers: Vec<Offer<'a>> = offers.collect();
    let half = offers.len() / 2;
    for (pos, offer) in offers.into_iter().enumerate() {
        if pos == half && pos > 0 {
            // What is executed for this alone is not counted.
            let mut scratch = engines.runs();
            chain.reopen(&mut |request| execute(engines, request, &mut scratch))?;
        }
        offer_one(engines, test, &mut chain, Item::Block(pos), offer, runs)?;
    }
    let head = chain.head()?;
    if head.hash() != test.last_block_hash {
        return Err(Failure::of_hash("hash of the head", test.last_block_hash, head.hash(), None));
    }
    match &test.post {
        PostState::Alloc(post) => match chain.difference_at_head(post)? {
            Some(difference) => {
                let found = head.block().header.state_root;
                Err(Failure::of_hash("postState", post.state_root(), found, Some(difference)))
            }
            None => Ok(()),
        },
        PostState::Root(root) if *root != head.block().header.state_root => {
            Err(Failure::of_hash("postStateHash", *root, head.block().header.state_root, None))
        }
        PostState::Root(_) | PostState::Unstated => Ok(()),
    }
}

/// The genesis block, which must be the one that the fixture states.
fn genesis(test: &TestChain) -> Result<GenesisBlock, Failure> {
    let stated = &test.genesis.header;
    let state = test.pre.to_memory_state();
    let mut genesis = GenesisBlock::from_parts(test.spec.clone(), stated.header.clone(), state);
    if genesis.hash != stated.hash {
        return Err(Failure::of_hash("hash of the genesis block", stated.hash, genesis.hash, None));
    }
    let root = genesis.state.root();
    if root != stated.header.state_root {
        return Err(Failure::of_hash("state root of the genesis block", stated.header.state_root, root, None));
    }
    if let Some(rlp) = &test.genesis.rlp {
        let decoded = motet_chain::validate::decode_block(rlp).map(|block| block.header.hash_slow());
        match decoded {
            Ok(hash) if hash == stated.hash => {}
            Ok(hash) => return Err(Failure::of_hash("hash of genesisRLP", stated.hash, hash, None)),
            Err(error) => {
                let (expected, found) = (stated.hash.to_string(), error.to_string());
                return Err(Failure::Value { field: "genesisRLP", expected, found, detail: Detail::default() });
            }
        }
    }
    Ok(genesis)
}

fn offer_one(
    engines: &Engines,
    test: &TestChain,
    chain: &mut Subject,
    what: Item,
    offer: Offer<'_>,
    runs: &mut EngineRuns,
) -> Result<(), Failure> {
    let Offer { offered, access_list, exceptions, hash, receipts } = offer;
    let expected: Vec<&str> = exceptions.iter().map(String::as_str).collect();
    let mut outcome = None;
    let mut parent = B256::ZERO;
    let mut execute = |request: ExecuteRequest<'_>| {
        parent = request.parent_hash;
        let result = execute(engines, request, runs);
        outcome = result.as_ref().ok().cloned();
        result
    };
    let imported = match decoded(&offered) {
        Some(Ok(block)) => chain.import(block, access_list, &mut execute),
        Some(Err(error)) => Err(Rejection::Invalid(error)),
        None => match offered {
            Offered::Refused { error, names } if expected.is_empty() => {
                let detail = Detail((!names.is_empty()).then(|| names.join(", ")));
                return Err(Failure::Refused { what, error, detail });
            }
            Offered::Refused { error, names } => return check_refusal(what, &expected, error, &names),
            Offered::Rlp(_) | Offered::Block(_) => return Ok(()),
        },
    };
    if let Some(run) = runs.disagreement() {
        return Err(Failure::of_engine(run));
    }
    match imported {
        Ok(_) if !expected.is_empty() => Err(Failure::Accepted { what, expected: expected.join("|") }),
        Ok(found) => match hash {
            Some(hash) if hash != found => Err(Failure::of_hash("hash of the block", hash, found, None)),
            _ => Ok(()),
        },
        Err(Rejection::Invalid(error)) if !expected.is_empty() => {
            check_refusal(what, &expected, error.to_string(), exception_names(&error))
        }
        Err(Rejection::Invalid(error)) => {
            let detail = outcome.and_then(|outcome| diagnose(&error, &outcome, receipts, test, chain, parent, runs));
            Err(Failure::Refused { what, error: format!("invalid block: {error}"), detail: Detail(detail) })
        }
        Err(Rejection::Failed(error)) => Err(Failure::Refused { what, error, detail: Detail::default() }),
    }
}

/// The first value behind a root or sum that is not the header's, as far as the fixture lists values.
fn diagnose(
    error: &BlockError,
    outcome: &BlockOutcome,
    listed: Option<&[ExpectedReceipt]>,
    test: &TestChain,
    chain: &Subject,
    parent: B256,
    runs: &EngineRuns,
) -> Option<String> {
    match error {
        BlockError::GasUsed { .. } | BlockError::ReceiptsRoot { .. } | BlockError::LogsBloom => {
            receipts::first_difference(listed?, &outcome.receipts)
        }
        BlockError::AccessListHash { .. } => runs.list_refusal.clone(),
        BlockError::StateRoot { .. } => {
            let PostState::Alloc(post) = &test.post else { return None };
            chain.difference_after(&parent, &outcome.diff, post)
        }
        _ => None,
    }
}

fn execute(engines: &Engines, request: ExecuteRequest<'_>, runs: &mut EngineRuns) -> ExecuteResult {
    let input = BlockInput::new(request.block, request.rules);
    Ok(engines.execute(&input, request.view, request.receipt_roots, request.steps, runs)?)
}
