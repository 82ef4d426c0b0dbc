//! A transaction on a stack of its own, suspended at a read and resumed there.
//!
//! A [`Fiber`] is an EVM inside a coroutine, driven like a state machine: `step(In) -> Out`. Its body lives
//! for a block and runs one transaction after the other. There are exactly two places where it is suspended:
//! between transactions, and in [`Gate::wait`], which is reached with nothing locked or borrowed.
//!
//! A suspended transaction is ended by an error value that travels through revm like any failed read, never
//! by unwinding its stack.

#![allow(unsafe_code)]

use crate::speculate::Wait;
use crate::stop::Stop;
use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use motet_types::TxIndex;
use std::marker::PhantomData;

/// Address space per stack. revm keeps its frames on the heap; the deepest native use seen is 27 KB (a
/// precompile's first run), and only touched pages cost memory.
pub(crate) const STACK_BYTES: usize = 512 << 10;

/// What a fiber is told.
#[derive(Debug)]
pub(crate) enum In {
    /// Run this transaction.
    Run(TxIndex),
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
        In::Run(_) | In::Cancel | In::Quit => Err(Stop::Cancelled),
    }
}

/// A coroutine whose body borrows from a block.
#[allow(missing_debug_implementations)]
pub(crate) struct Fiber<'a, T: Send> {
    /// `None` only once the stack is taken back.
    coroutine: Option<Coroutine<In, Out<T>, (), DefaultStack>>,
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
        Self { coroutine: Some(coroutine), _block: PhantomData }
    }

    /// Goes on until the fiber waits, is over with a transaction, or ends. A panic in the body goes on here.
    pub(crate) fn step(&mut self, command: In) -> Out<T> {
        let coroutine = self.coroutine.as_mut().expect("a fiber is stepped before its stack is taken");
        match coroutine.resume(command) {
            CoroutineResult::Yield(out) => out,
            CoroutineResult::Return(()) => Out::Ended,
        }
    }

    /// Ends the fiber without unwinding, and gives its stack back.
    pub(crate) fn into_stack(mut self) -> Option<DefaultStack> {
        let mut coroutine = self.coroutine.take()?;
        finish(&mut coroutine);
        coroutine.done().then(|| coroutine.into_stack())
    }
}

/// Cancels what is suspended, then lets the body return.
fn finish<T>(coroutine: &mut Coroutine<In, Out<T>, (), DefaultStack>) {
    while coroutine.started() && !coroutine.done() {
        if let CoroutineResult::Yield(Out::Over(_)) = coroutine.resume(In::Cancel) {
            coroutine.resume(In::Quit);
        }
    }
}

impl<T: Send> Drop for Fiber<'_, T> {
    fn drop(&mut self) {
        // A body that panicked is done; one that is suspended ends by error value.
        if let Some(coroutine) = &mut self.coroutine {
            finish(coroutine);
        }
    }
}
