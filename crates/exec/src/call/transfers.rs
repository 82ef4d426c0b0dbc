//! Logs as a simulation numbers them, and transfers of ether as if they were logs of a token.

use super::{CallChecks, CallError, CallOutcome, CallSession, CallTx};
use alloy_primitives::{Address, B256, Bytes, Log, LogData, U256, address, b256};
use revm::Inspector;
use revm::context_interface::{ContextTr, JournalTr};
use revm::inspector::JournalExt;
use revm::interpreter::{CallInputs, CallOutcome as FrameOutcome, CallScheme, CreateInputs, CreateOutcome};

/// Where logs of ether transfers seem to come from. ERC-7528.
pub const ETHER_LOG_ADDRESS: Address = address!("0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee");

/// `Transfer(address,address,uint256)`.
pub const TRANSFER_TOPIC: B256 = b256!("0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");

/// A log with its number in the block. Logs of calls that revert are numbered, too, and are not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchedLog {
    /// The log.
    pub log: Log,
    /// Its number.
    pub index: u64,
}

/// Collects logs by frame, so that those of a frame that fails go with it.
struct LogWatch {
    with_transfers: bool,
    frames: Vec<Vec<WatchedLog>>,
    kept: Vec<WatchedLog>,
    next: u64,
}

impl LogWatch {
    fn push(&mut self, log: Log) {
        let entry = WatchedLog { log, index: self.next };
        self.next = self.next.saturating_add(1);
        self.frames.last_mut().unwrap_or(&mut self.kept).push(entry);
    }

    fn transfer(&mut self, from: Address, to: Address, wei: U256) {
        if !self.with_transfers || wei.is_zero() {
            return;
        }
        let topics = vec![TRANSFER_TOPIC, from.into_word(), to.into_word()];
        let data = Bytes::copy_from_slice(&wei.to_be_bytes::<32>());
        self.push(Log { address: ETHER_LOG_ADDRESS, data: LogData::new_unchecked(topics, data) });
    }

    fn end(&mut self, is_ok: bool) {
        let Some(frame) = self.frames.pop() else { return };
        if is_ok {
            self.frames.last_mut().unwrap_or(&mut self.kept).extend(frame);
        }
    }
}

impl<CTX: ContextTr<Journal: JournalExt>> Inspector<CTX> for LogWatch {
    fn log(&mut self, _context: &mut CTX, log: Log) {
        self.push(log);
    }

    fn call(&mut self, _context: &mut CTX, inputs: &mut CallInputs) -> Option<FrameOutcome> {
        self.frames.push(Vec::new());
        let to = match inputs.scheme {
            CallScheme::CallCode => inputs.bytecode_address,
            _ => inputs.target_address,
        };
        if let Some(wei) = inputs.value.transfer() {
            self.transfer(inputs.caller, to, wei);
        }
        None
    }

    fn call_end(&mut self, _context: &mut CTX, _inputs: &CallInputs, outcome: &mut FrameOutcome) {
        self.end(outcome.result.result.is_ok());
    }

    fn create(&mut self, context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.frames.push(Vec::new());
        let nonce = context.journal().evm_state().get(&inputs.caller()).map_or(0, |caller| caller.info.nonce);
        self.transfer(inputs.caller(), inputs.created_address(nonce), inputs.value());
        None
    }

    fn create_end(&mut self, _context: &mut CTX, _inputs: &CreateInputs, outcome: &mut CreateOutcome) {
        self.end(outcome.result.result.is_ok());
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        self.transfer(contract, target, value);
    }
}

impl CallSession<'_> {
    /// Runs a call, keeps what it changes, and gives its logs with their numbers from `first` on, with logs of transfers of
    /// ether where these are wanted. `first` is then the number of the next log.
    ///
    /// # Errors
    /// See [`CallSession::call`].
    pub fn call_watched(
        &mut self,
        tx: &CallTx,
        checks: CallChecks,
        with_transfers: bool,
        first: &mut u64,
    ) -> Result<(CallOutcome, Vec<WatchedLog>), CallError> {
        let mut watch = LogWatch { with_transfers, frames: Vec::new(), kept: Vec::new(), next: *first };
        let mut executed = self.inspect(tx, checks, &mut watch)?;
        self.keep(&mut executed);
        *first = watch.next;
        Ok((CallOutcome::new(executed.result), watch.kept))
    }
}
