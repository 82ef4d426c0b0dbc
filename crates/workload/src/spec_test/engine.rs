//! Engine tests: blocks as payloads of the Engine API.

use super::chain::TestChain;
use super::error::{Fault, FieldError};
use super::json::Node;
use super::payload::Payload;
use serde_json::Value;

/// Payloads on a genesis, each valid or refused, and the head that they must leave.
#[derive(Clone, Debug)]
pub struct EngineTest {
    /// Genesis, rules, and the expected end.
    pub chain: TestChain,
    /// The calls in order.
    pub payloads: Vec<TestPayload>,
}

/// One `engine_newPayload` call.
#[derive(Clone, Debug)]
pub struct TestPayload {
    /// The method's version: `engine_newPayloadV<version>`.
    pub version: u8,
    /// The version of the `engine_forkchoiceUpdated` call that follows, where stated.
    pub forkchoice_version: Option<u8>,
    /// The parameters as they go over the wire.
    pub params: Vec<Value>,
    /// The parameters as a block's fields, or why they are none; that is right only where an error is expected.
    pub payload: Result<Payload, FieldError>,
    /// The exceptions that make the payload `INVALID`; any one of them is right. Empty: `VALID`.
    pub validation_errors: Vec<String>,
    /// The JSON-RPC error that the call itself must fail with.
    pub error_code: Option<i64>,
}

impl EngineTest {
    pub(super) fn parse(case: &Node<'_>) -> Result<Self, FieldError> {
        Ok(Self {
            chain: TestChain::parse(case)?,
            payloads: case.field("engineNewPayloads")?.list(TestPayload::parse)?,
        })
    }
}

impl TestPayload {
    fn parse(node: &Node<'_>) -> Result<Self, FieldError> {
        let params = node.field("params")?;
        let validation_error = node.optional_as("validationError", |error| error.text().map(str::to_owned))?;
        Ok(Self {
            version: parse_version(&node.field("newPayloadVersion")?)?,
            forkchoice_version: node.optional_as("forkchoiceUpdatedVersion", parse_version)?,
            params: params.list(|param| Ok(param.value().clone()))?,
            payload: Payload::parse(&params),
            validation_errors: validation_error
                .iter()
                .flat_map(|names| names.split('|'))
                .map(|name| name.trim().to_owned())
                .collect(),
            error_code: node.optional_as("errorCode", Node::integer)?,
        })
    }

    /// Whether the payload must be accepted.
    pub fn is_valid(&self) -> bool {
        self.validation_errors.is_empty() && self.error_code.is_none()
    }
}

fn parse_version(node: &Node<'_>) -> Result<u8, FieldError> {
    u8::try_from(node.integer()?)
        .map_err(|_| node.fault(Fault::Type { expected: "a version below 256", found: "another number" }))
}
