//! What a call may still use while it runs: time, and bytes of its answer; and who made it.
//!
//! Whoever runs a method sets them on the method's thread; methods that go through many blocks look. Where nobody set any
//! (callers without a server) there are none.

use crate::error::RpcError;
use crate::server::timed_out;
use std::cell::Cell;
use std::net::IpAddr;
use std::time::{Duration, Instant};

thread_local! {
    static CURRENT: Cell<CallBounds> = const { Cell::new(CallBounds::NONE) };
}

/// Bounds of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallBounds {
    /// When nobody waits for the answer any more.
    pub(crate) deadline: Option<Instant>,
    /// Bytes that the answer may have.
    pub(crate) bytes_max: usize,
    /// Who waits for it, where it came over a socket.
    pub(crate) caller: Option<IpAddr>,
}

impl CallBounds {
    /// As much as one likes.
    pub(crate) const NONE: Self = Self { deadline: None, bytes_max: usize::MAX, caller: None };

    /// Those of the call that this thread is at.
    pub(crate) fn current() -> Self {
        CURRENT.get()
    }

    /// Does something within these bounds.
    pub(crate) fn within<T>(self, work: impl FnOnce() -> T) -> T {
        /// A panic must not leave bounds behind.
        struct Restored(CallBounds);
        impl Drop for Restored {
            fn drop(&mut self) {
                CURRENT.set(self.0);
            }
        }
        let _restored = Restored(CURRENT.replace(self));
        work()
    }

    /// How long somebody waits still.
    pub(crate) fn left(self) -> Duration {
        self.deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Whether nobody waits any more.
    pub(crate) fn is_late(self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Goes on while there is time.
    ///
    /// # Errors
    /// When there is none: what a request is told whose time is over.
    pub(crate) fn check_time(self) -> Result<(), RpcError> {
        if self.is_late() { Err(timed_out()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::{RpcContext, RpcLimits};
    use crate::method_groups::all_methods;
    use crate::methods::Work;
    use alloy_genesis::Genesis;
    use motet_chain::{Chain, ChainOptions, EngineExecutor, GenesisBlock, LiveChain};
    use motet_exec::{Engine, ExecutorConfig};
    use motet_types::{ChainSpec, Fork};
    use std::panic::catch_unwind;
    use std::sync::Arc;

    #[test]
    fn bounds_hold_for_what_is_inside_them() {
        let tight = CallBounds { deadline: Some(Instant::now()), bytes_max: 5, caller: None };
        let inside = tight.within(|| (CallBounds::current().check_time().is_err(), CallBounds::current().bytes_max));
        assert_eq!(inside, (true, 5));
        let panicked = catch_unwind(|| tight.within(|| panic!("as the test wants it")));
        assert!(panicked.is_err() && CallBounds::current().check_time().is_ok());
        assert_eq!(CallBounds::current().bytes_max, usize::MAX);
    }

    #[test]
    fn methods_look_at_the_time_that_they_have() {
        let dir = std::env::temp_dir().join(format!("motet-rpc-bounds-{}", std::process::id()));
        let genesis = Genesis { gas_limit: 30_000_000, ..Genesis::default() };
        let genesis = GenesisBlock::with_spec(&genesis, ChainSpec::at_fork(1, Fork::Cancun)).unwrap();
        let (chain, _) = Chain::init(&dir, genesis, ChainOptions::small()).unwrap();
        let executor = EngineExecutor::new(Engine::Sequential, ExecutorConfig::default());
        let live = Arc::new(LiveChain::new(chain, Box::new(executor)));
        let (works, _) = all_methods(RpcContext::new(live, RpcLimits::default())).into_parts();
        let late = CallBounds { deadline: Some(Instant::now()), ..CallBounds::NONE };
        for (method, params) in [
            ("eth_feeHistory", r#"["0x400", "latest", [50]]"#),
            ("eth_getLogs", r#"[{"fromBlock": "earliest"}]"#),
            ("eth_getLogs", r#"[{"address": "0x00000000000000000000000000000000000000aa"}]"#),
            ("eth_getLogs", r#"[{"topics": ["0x00000000000000000000000000000000000000000000000000000000000000aa"]}]"#),
            ("eth_call", "[{}]"),
            ("eth_estimateGas", r#"[{"input": "0x00"}]"#),
            ("eth_createAccessList", "[{}]"),
            ("eth_simulateV1", r#"[{"blockStateCalls": [{"calls": [{}]}]}]"#),
            ("trace_call", r#"[{}, ["trace"]]"#),
            ("debug_traceCall", "[{}]"),
        ] {
            let Some(Work::Slow(work)) = works.get(method) else { panic!("no {method}") };
            assert!(work(Some(params)).is_ok(), "{method}: {:?}", work(Some(params)));
            let error = late.within(|| work(Some(params))).unwrap_err();
            let said = ["request timed out", "execution timeout", "the simulation takes too long"];
            assert!(said.contains(&&*error.message), "{method}: {error}");
        }
        drop(works);
        let _ = std::fs::remove_dir_all(&dir);
    }
}
