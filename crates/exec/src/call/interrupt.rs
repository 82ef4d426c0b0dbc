//! A call that is given up in the middle, once nobody waits for it any more.

use super::handler::CallContext;
use crate::stop::Stop;
use revm::context_interface::context::ContextError;
use revm::inspector::Inspector;
use revm::interpreter::interpreter_types::LoopControl;
use revm::interpreter::{CallInputs, CallOutcome, Interpreter};

/// Opcodes between two looks at the time, where none of them is a call.
const STEPS_PER_LOOK: u32 = 1 << 12;

/// Looks at the time now and then while a call runs. What is read looks by itself: a read may take long.
#[derive(Debug, Default)]
pub(super) struct Interrupt {
    steps: u32,
}

impl<'s, 'a> Inspector<CallContext<'s, 'a>> for Interrupt {
    #[inline]
    fn step(&mut self, interp: &mut Interpreter, context: &mut CallContext<'s, 'a>) {
        self.steps = self.steps.wrapping_add(1);
        if self.steps.is_multiple_of(STEPS_PER_LOOK)
            && context.journaled_state.database.is_late()
            && context.error.is_ok()
        {
            context.error = Err(ContextError::Db(Stop::Cancelled));
            interp.bytecode.action().take();
            interp.bytecode.reset_action();
            interp.halt_fatal();
        }
    }

    /// What is called may be a precompiled contract, which has no steps.
    fn call(&mut self, _context: &mut CallContext<'s, 'a>, _inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.steps = STEPS_PER_LOOK - 1;
        None
    }
}
