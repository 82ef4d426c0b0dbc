//! A transaction on a stack of its own, suspended at a read and resumed there.
//!
//! A [`Fiber`] is an EVM inside a coroutine, driven like a state machine: `step(In) -> Out`. Its body lives
//! for a block and runs one transaction after the other. There are exactly two places where it is suspended:
//! between transactions, and in [`Gate::wait`], which is reached with nothing locked or borrowed.
//!
//! A suspended transaction is ended by an error value that travels through revm like any failed read, never
//! by unwinding its stack.

#![allow(unsafe_code)]

use crate::parallel::Ahead;
use crate::speculate::Wait;
use crate::stop::Stop;
use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use motet_types::TxIndex;
use std::marker::PhantomData;

/// Address space per stack. revm keeps its frames on the heap; the deepest native use seen is 27 KB (a
/// precompile's first run), and only touched pages cost memory.
pub const STACK_BYTES: usize = 512 << 10;

/// What a fiber is told.
#[derive(Debug)]
pub(crate) enum In {
    /// Run this transaction, in the memory of an outcome that is done with.
    Run(TxIndex, Option<Box<Ahead>>),
    /// What you waited for may be there: look again.
    Go,
    /// Give the transaction up.
    Cancel,
    /// End.
    Quit,
}

/// What a fiber answers.
#[derive(Debug)]
pub(crate) enum Out<T> {
    /// The transaction waits.
    Waits(Wait),
    /// The transaction lets others go first.
    Paused,
    /// The transaction is over; this is what came of it.
    Over(T),
    /// The body has returned.
    Ended,
}

/// What happens when a read has no answer yet.
#[allow(missing_debug_implementations)]
pub(crate) enum Gate<'y, T> {
    /// The transaction is given up and started again later: there is no stack to keep.
    Direct,
    /// The transaction is suspended.
    Fiber(&'y Yielder<In, Out<T>>),
    /// The same, and it pauses before every read, so that a seed can interleave it with others.
    Stepped(&'y Yielder<In, Out<T>>),
}

impl<T> Gate<'_, T> {
    /// Whether waiting keeps the transaction.
    pub(crate) fn can_suspend(&self) -> bool {
        !matches!(self, Self::Direct)
    }

    /// Lets others go first, where a seed interleaves.
    #[inline]
    pub(crate) fn pause(&self) -> Result<(), Stop> {
        match self {
            Self::Direct | Self::Fiber(_) => Ok(()),
            Self::Stepped(yielder) => suspend(yielder, Out::Paused),
        }
    }

    /// The only point at which a running transaction is suspended.
    #[cold]
    #[inline(never)]
    pub(crate) fn wait(&self, wait: Wait) -> Result<(), Stop> {
        match self {
            Self::Direct => Err(Stop::Blocked),
            Self::Fiber(yielder) | Self::Stepped(yielder) => suspend(yielder, Out::Waits(wait)),
        }
    }
}

#[inline(never)]
fn suspend<T>(yielder: &Yielder<In, Out<T>>, out: Out<T>) -> Result<(), Stop> {
    match yielder.suspend(out) {
        In::Go => Ok(()),
        In::Run(..) | In::Cancel | In::Quit => Err(Stop::Cancelled),
    }
}

/// ThreadSanitizer's interface for stacks of one's own (compiler-rt, `sanitizer/tsan_interface.h`). Without
/// it the tool takes a switch of stacks for a corrupted one.
#[cfg(tsan)]
mod tsan {
    use std::ffi::{c_uint, c_void};

    unsafe extern "C" {
        fn __tsan_get_current_fiber() -> *mut c_void;
        fn __tsan_create_fiber(flags: c_uint) -> *mut c_void;
        fn __tsan_destroy_fiber(fiber: *mut c_void);
        fn __tsan_switch_to_fiber(fiber: *mut c_void, flags: c_uint);
    }

    /// The tool's side of one fiber.
    pub(super) struct Shadow(*mut c_void);

    impl Shadow {
        pub(super) fn new() -> Self {
            // SAFETY: no precondition.
            Self(unsafe { __tsan_create_fiber(0) })
        }

        /// Runs `on_fiber`, which switches stacks there and back, with the tool told of both switches.
        #[inline(never)]
        pub(super) fn during<R>(&self, on_fiber: impl FnOnce() -> R) -> R {
            // SAFETY: the handle is live until drop, and the switch back restores the caller's own.
            unsafe {
                let _back = Back(__tsan_get_current_fiber());
                __tsan_switch_to_fiber(self.0, 0);
                on_fiber()
            }
        }
    }

    /// Goes back to the caller's fiber, also where a panic comes out of the other.
    struct Back(*mut c_void);

    impl Drop for Back {
        // A call of its own would be entered on one fiber's records and left on the other's.
        #[inline(always)]
        fn drop(&mut self) {
            // SAFETY: it was the current fiber when this was made, and its stack is the one that this drops on.
            unsafe { __tsan_switch_to_fiber(self.0, 0) }
        }
    }

    impl Drop for Shadow {
        fn drop(&mut self) {
            // SAFETY: the fiber is not running: dropping needs it by value.
            unsafe { __tsan_destroy_fiber(self.0) }
        }
    }
}

/// A coroutine whose body borrows from a block.
#[allow(missing_debug_implementations)]
pub(crate) struct Fiber<'a, T: Send> {
    /// `None` only once the stack is taken back.
    coroutine: Option<Coroutine<In, Out<T>, (), DefaultStack>>,
    #[cfg(tsan)]
    shadow: tsan::Shadow,
    _block: PhantomData<&'a ()>,
}

// SAFETY: `Coroutine` is not `Send` because the compiler cannot see what its stack holds. Here it holds one
// body (`Fiber::new`'s bound) that owns its EVM from birth to death. What is not `Send` inside an EVM are
// `Rc`s of its memory buffer and raw pointers into its own bytecode: all clones live and die on this stack,
// since `In` and `Out<T>` are `Send` (checked below) and nothing else leaves. The body captures only `Send`
// values. `step` takes `&mut self` and a fiber moves between threads by value through a mutex, so that
// everything a step did happens before the next one. No reference to a thread-local is held across
// `Gate::wait`: it is `inline(never)` and neither we nor revm's call path keep one.
unsafe impl<T: Send> Send for Fiber<'_, T> {}

const _: () = {
    const fn assert_send<T: Send>() {}
    assert_send::<In>();
    assert_send::<Out<()>>();
};

impl<'a, T: Send + 'a> Fiber<'a, T> {
    /// A fiber that has not started. `body` gets the yielder and the first command, and serves commands
    /// until it is told to quit.
    pub(crate) fn new<F>(stack: DefaultStack, body: F) -> Self
    where
        F: FnOnce(&Yielder<In, Out<T>>, In) + Send + 'a,
    {
        // SAFETY: the body may borrow for `'a`, which the coroutine's type cannot say; `PhantomData<&'a ()>`
        // keeps the fiber itself from outliving `'a`, and dropping it ends the body first (`finish`). A
        // leaked fiber is never resumed, so its body never runs after `'a` either.
        let coroutine = unsafe { Coroutine::with_stack_unchecked(stack, body) };
        Self {
            coroutine: Some(coroutine),
            #[cfg(tsan)]
            shadow: tsan::Shadow::new(),
            _block: PhantomData,
        }
    }
}

impl<T: Send> Fiber<'_, T> {
    /// Goes on until the fiber waits, is over with a transaction, or ends. A panic in the body goes on here.
    pub(crate) fn step(&mut self, command: In) -> Out<T> {
        let coroutine = self.coroutine.as_mut().expect("a fiber is stepped before its stack is taken");
        #[cfg(tsan)]
        let result = self.shadow.during(|| coroutine.resume(command));
        #[cfg(not(tsan))]
        let result = coroutine.resume(command);
        match result {
            CoroutineResult::Yield(out) => out,
            CoroutineResult::Return(()) => Out::Ended,
        }
    }

    /// Ends the fiber without unwinding, and gives its stack back.
    pub(crate) fn into_stack(mut self) -> Option<DefaultStack> {
        self.finish();
        let coroutine = self.coroutine.take()?;
        coroutine.done().then(|| coroutine.into_stack())
    }

    /// Cancels what is suspended, then lets the body return.
    fn finish(&mut self) {
        while self.coroutine.as_ref().is_some_and(|coroutine| coroutine.started() && !coroutine.done()) {
            if let Out::Over(_) = self.step(In::Cancel) {
                self.step(In::Quit);
            }
        }
    }
}

impl<T: Send> Drop for Fiber<'_, T> {
    fn drop(&mut self) {
        // A body that panicked is done; one that is suspended ends by error value.
        self.finish();
    }
}
