//! `engine_getPayloadBodiesBy*`: what a consensus client asks for blocks that it has the headers of.

use crate::engine::TOO_LARGE;
use crate::error::RpcError;
use crate::methods::Methods;
use alloy_eips::eip2718::Encodable2718;
use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::{B256, Bytes, U64};
use motet_chain::ChainBlock;
use serde::Serialize;

/// Most bodies of one answer.
const BODIES_MAX: u64 = 1024;

/// Most bytes of transactions of one answer.
const BODIES_BYTES_MAX: usize = 64 << 20;

#[derive(Serialize)]
struct Body {
    transactions: Vec<Bytes>,
    withdrawals: Option<Vec<Withdrawal>>,
}

pub(super) fn add_to(methods: &mut Methods) {
    methods.add("engine_getPayloadBodiesByHashV1", |context, args| {
        let hashes: Vec<B256> = args.required("blockHashes")?;
        let mut bodies = Bodies::new(hashes.len() as u64)?;
        for hash in hashes {
            bodies.push(context.reader().block(&hash)?.as_deref())?;
        }
        Ok(bodies.bodies)
    });
    methods.add("engine_getPayloadBodiesByRangeV1", |context, args| {
        let start: U64 = args.required("start")?;
        let count: U64 = args.required("count")?;
        let (start, count) = (start.to::<u64>(), count.to::<u64>());
        if start == 0 || count == 0 {
            return Err(RpcError::params(format!("invalid start or count, start: {start} count: {count}")));
        }
        let mut bodies = Bodies::new(count)?;
        // Beyond the head there are none, and no nulls either.
        let last = context.reader().head().number().min(start.saturating_add(count - 1));
        for number in start..=last {
            bodies.push(context.reader().canonical_block(number)?.as_deref())?;
        }
        Ok(bodies.bodies)
    });
}

struct Bodies {
    bodies: Vec<Option<Body>>,
    bytes: usize,
}

impl Bodies {
    fn new(count: u64) -> Result<Self, RpcError> {
        match count > BODIES_MAX {
            true => Err(too_large(format!("requested count too large: {count}"))),
            false => Ok(Self { bodies: Vec::new(), bytes: 0 }),
        }
    }

    fn push(&mut self, block: Option<&ChainBlock>) -> Result<(), RpcError> {
        let body = block.map(|block| {
            let body = &block.block().body;
            Body {
                transactions: body.transactions.iter().map(|transaction| transaction.encoded_2718().into()).collect(),
                withdrawals: body.withdrawals.as_ref().map(|withdrawals| withdrawals.to_vec()),
            }
        });
        let bytes: usize = body.iter().flat_map(|body| &body.transactions).map(|bytes| bytes.len()).sum();
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > BODIES_BYTES_MAX {
            return Err(too_large("the bodies are too large for one answer".to_owned()));
        }
        self.bodies.push(body);
        Ok(())
    }
}

fn too_large(what: String) -> RpcError {
    RpcError::new(TOO_LARGE, format!("Too large request: {what}"))
}
