//! Precompiled contracts, of which overrides may move some elsewhere.

use crate::vm::SpecId;
use alloy_primitives::Address;
use alloy_primitives::map::{AddressMap, AddressSet};
use revm::context::Cfg;
use revm::context_interface::ContextTr;
use revm::handler::{EthPrecompiles, PrecompileProvider};
use revm::interpreter::{CallInputs, InterpreterResult};

/// The precompiled contracts of a fork, where overrides have put them.
///
/// Their usual addresses stay warm (EIP-2929), wherever they have gone.
#[derive(Clone, Debug)]
pub(crate) struct CallPrecompiles {
    usual: EthPrecompiles,
    /// Address to the usual address of what runs there.
    moved: AddressMap<Address>,
    /// Usual addresses where nothing runs any more.
    gone: AddressSet,
}

impl CallPrecompiles {
    pub(super) fn new(spec: SpecId) -> Self {
        Self { usual: EthPrecompiles::new(spec), moved: AddressMap::default(), gone: AddressSet::default() }
    }

    /// Whether a call of the address runs a precompiled contract.
    pub(super) fn runs(&self, address: &Address) -> bool {
        self.source(address).is_some()
    }

    /// The usual address of what runs at an address.
    fn source(&self, address: &Address) -> Option<Address> {
        match self.moved.get(address) {
            Some(usual) => Some(*usual),
            None => (self.usual.contains(address) && !self.gone.contains(address)).then_some(*address),
        }
    }

    /// Has what runs at `from` run at `to` from now on. Says whether there was anything.
    pub(super) fn move_to(&mut self, from: Address, to: Address) -> bool {
        let Some(source) = self.source(&from) else { return false };
        self.moved.insert(to, source);
        self.remove(from);
        true
    }

    /// Has nothing but ordinary code run at an address from now on.
    pub(super) fn remove(&mut self, address: Address) {
        self.moved.remove(&address);
        self.gone.insert(address);
    }
}

impl<CTX: ContextTr<Cfg: Cfg<Spec = SpecId>>> PrecompileProvider<CTX> for CallPrecompiles {
    type Output = InterpreterResult;

    fn set_spec(&mut self, _spec: SpecId) -> bool {
        // The session says which contracts there are: a simulation keeps those of the block that it starts from.
        false
    }

    fn run(&mut self, context: &mut CTX, inputs: &CallInputs) -> Result<Option<InterpreterResult>, String> {
        match self.source(&inputs.bytecode_address) {
            None => Ok(None),
            Some(source) if source == inputs.bytecode_address => self.usual.run(context, inputs),
            Some(source) => self.usual.run(context, &CallInputs { bytecode_address: source, ..inputs.clone() }),
        }
    }

    fn warm_addresses(&self) -> &AddressSet {
        self.usual.warm_addresses()
    }

    fn contains(&self, address: &Address) -> bool {
        self.runs(address)
    }
}
