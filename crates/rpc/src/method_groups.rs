//! Which groups of methods a node opens.

use crate::context::RpcContext;
use crate::dev::DevMethods;
use crate::eth_chain::EthChain;
use crate::methods::Methods;
use std::sync::Arc;

/// Groups of methods that are not open to everybody.
///
/// `eth_*`, `net_*`, `web3_*`, `rpc_*` and `motet_*` always are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenGroups {
    /// `debug_*`.
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
    let methods = Methods::new(context).with::<EthChain>();
    let methods = if open.debug { methods } else { methods };
    let methods = if open.trace { methods } else { methods };
    let methods = if open.txpool { methods } else { methods };
    let methods = if open.testing { methods } else { methods };
    if open.dev { methods.with::<DevMethods>() } else { methods }
}
