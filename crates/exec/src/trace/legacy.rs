//! The tree of calls as geth's first call tracer gave it, which was a script over the opcodes: `callTracerLegacy`.
//!
//! It knew what the caller saw, no more. So a callee that ran no code has no gas and no output, precompiled contracts are no
//! calls, an output is what the caller asked for, and a creation that could not pay for its code failed for no reason.

use super::frame::{Frame, FrameKind};
use alloy_primitives::Bytes;

/// Turns the tree into its legacy form.
pub(super) fn legacy(mut root: Frame) -> Frame {
    root.circumstances.output_bytes_wanted = root.output.as_ref().map_or(0, |output| output.len());
    let has_failed = root.error.is_some();
    let mut root = below(root);
    if !has_failed {
        root.output.get_or_insert_default();
    }
    root
}

fn below(mut frame: Frame) -> Frame {
    let calls = std::mem::take(&mut frame.calls);
    frame.calls =
        calls.into_iter().filter(|call| !call.circumstances.is_precompile).map(|call| callee(below(call))).collect();
    frame.revert_reason = None;
    frame
}

fn callee(mut call: Frame) -> Frame {
    let circumstances = call.circumstances;
    match call.kind {
        FrameKind::SelfDestruct => (call.gas, call.gas_used) = (None, None),
        FrameKind::Create | FrameKind::Create2 => {
            if call.error.as_deref().is_some_and(|error| error.starts_with("contract creation code storage")) {
                call.error = Some("internal failure".to_owned());
            }
        }
        _ => {
            if call.kind == FrameKind::DelegateCall {
                call.value = None;
            }
            if !circumstances.has_run {
                (call.gas, call.gas_used, call.output) = (None, None, None);
            } else if call.error.is_none() {
                let mut output = call.output.unwrap_or_default().to_vec();
                output.resize(circumstances.output_bytes_wanted, 0);
                call.output = Some(Bytes::from(output));
            }
        }
    }
    call
}
