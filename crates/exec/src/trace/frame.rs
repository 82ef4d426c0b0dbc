//! One call, creation or self-destruct of a transaction, with all below it.

use alloy_primitives::{Address, B256, Bytes, U64, U256};
use serde::Serialize;

/// How a frame came to be, by its opcode; the transaction's own frame is a CALL or a CREATE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum FrameKind {
    Call,
    CallCode,
    DelegateCall,
    StaticCall,
    Create,
    Create2,
    SelfDestruct,
}

impl FrameKind {
    pub(super) fn is_creation(self) -> bool {
        matches!(self, Self::Create | Self::Create2)
    }

    /// In small letters, as Parity has it.
    pub(super) fn name_small(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::CallCode => "callcode",
            Self::DelegateCall => "delegatecall",
            Self::StaticCall => "staticcall",
            Self::Create => "create",
            Self::Create2 => "create2",
            Self::SelfDestruct => "selfdestruct",
        }
    }
}

/// A frame, in the order of fields and the spelling of geth's `callTracer`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Frame {
    pub(super) from: Address,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) gas: Option<U64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) gas_used: Option<U64>,
    /// None: a creation that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) to: Option<Address>,
    pub(super) input: Bytes,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) output: Option<Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) revert_reason: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) calls: Vec<Frame>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) logs: Vec<FrameLog>,
    /// None: a static call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<U256>,
    #[serde(rename = "type")]
    pub(super) kind: FrameKind,
    /// What only renderings look at.
    #[serde(skip)]
    pub(super) circumstances: Circumstances,
}

/// What is known of a frame besides what `callTracer` says.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Circumstances {
    /// Whether the callee is a precompiled contract.
    pub(super) is_precompile: bool,
    /// Whether any opcode ran.
    pub(super) has_run: bool,
    /// How many bytes of the output the caller asked for.
    pub(super) output_bytes_wanted: usize,
}

/// A log in the frame that emitted it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct FrameLog {
    pub(super) address: Address,
    pub(super) topics: Vec<B256>,
    pub(super) data: Bytes,
    /// Which log of the block it is, as far as logs before it were not undone by then.
    pub(super) index: U64,
    /// How many calls the frame had made before.
    pub(super) position: U64,
}

impl Frame {
    /// A frame that begins.
    pub(super) fn begun(
        kind: FrameKind,
        from: Address,
        to: Address,
        input: Bytes,
        gas: u64,
        value: Option<U256>,
    ) -> Self {
        Self {
            from,
            gas: Some(U64::from(gas)),
            gas_used: Some(U64::ZERO),
            to: Some(to),
            input,
            output: None,
            error: None,
            revert_reason: None,
            calls: Vec::new(),
            logs: Vec::new(),
            value,
            kind,
            circumstances: Circumstances::default(),
        }
    }

    /// Takes the logs of failed frames, and of all below them, away, since they were never emitted; the others have those of
    /// the block's transactions before.
    pub(super) fn settle_logs(&mut self, logs_before: u64, is_parent_failed: bool) {
        let is_failed = is_parent_failed || self.error.is_some();
        if is_failed {
            self.logs.clear();
        }
        for log in &mut self.logs {
            log.index += U64::from(logs_before);
        }
        for call in &mut self.calls {
            call.settle_logs(logs_before, is_failed);
        }
    }
}
