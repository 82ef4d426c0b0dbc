//! Which groups of methods a node opens.

use crate::build_block::TestingMethods;
use crate::calls::EthCalls;
use crate::context::RpcContext;
use crate::debug_trace::DebugTrace;
use crate::dev::DevMethods;
use crate::eth_blocks::EthBlocks;
use crate::eth_chain::{EthChain, Modules};
use crate::eth_config::EthConfig;
use crate::eth_fees::EthFees;
use crate::eth_proofs::EthProofs;
use crate::eth_send::EthSend;
use crate::eth_state::EthState;
use crate::eth_transactions::EthTransactions;
use crate::filters::EthFilters;
use crate::logs::EthLogs;
use crate::methods::Methods;
use crate::parity_trace::ParityTrace;
use crate::raw_data::RawData;
use crate::schedule::{MotetMethods, ScheduleMethods};
use crate::subscriptions::EthSubscriptions;
use crate::txpool::TxPool;
use crate::witness::Witnesses;
use std::sync::Arc;

/// Groups of methods that are not open to everybody.
///
/// `eth_*`, `net_*`, `web3_*`, `rpc_*` and `motet_*` always are, but for what executes whole blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenGroups {
    /// `debug_*`, and what of `motet_*` executes whole blocks.
    pub debug: bool,
    /// `trace_*`.
    pub trace: bool,
    /// `txpool_*`.
    pub txpool: bool,
    /// `testing_*`, which builds blocks for whoever asks.
    pub testing: bool,
    /// `anvil_*`, `evm_*`, `hardhat_*` and what signs with the keys of development accounts.
    pub dev: bool,
}

impl OpenGroups {
    /// All of them: a development chain, and tests.
    pub const ALL: Self = Self { debug: true, trace: true, txpool: true, testing: true, dev: true };
}

/// Every method there is.
pub fn all_methods(context: Arc<RpcContext>) -> Methods {
    open_methods(context, OpenGroups::ALL)
}

/// The methods of a node that opens these groups.
pub fn open_methods(context: Arc<RpcContext>, open: OpenGroups) -> Methods {
    let mut methods = Methods::new(context)
        .with::<EthChain>()
        .with::<EthConfig>()
        .with::<EthBlocks>()
        .with::<EthTransactions>()
        .with::<EthSend>()
        .with::<EthState>()
        .with::<EthProofs>()
        .with::<EthFees>()
        .with::<EthLogs>()
        .with::<EthFilters>()
        .with::<EthSubscriptions>()
        .with::<EthCalls>()
        .with::<MotetMethods>();
    if open.debug {
        methods = methods.with::<RawData>().with::<DebugTrace>().with::<Witnesses>().with::<ScheduleMethods>();
    }
    if open.trace {
        methods = methods.with::<ParityTrace>();
    }
    if open.txpool {
        methods = methods.with::<TxPool>();
    }
    if open.testing {
        methods = methods.with::<TestingMethods>();
    }
    if open.dev {
        methods = methods.with::<DevMethods>();
    }
    methods.with::<Modules>()
}
