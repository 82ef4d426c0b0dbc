//! Memory of an EVM that another one can use.

use revm::context::{FrameStack, LocalContext};
use revm::handler::EthFrame;

/// Frames that a room may hold to be kept. Each has a stack of 32 KiB.
const FRAMES_MAX: usize = 16;
/// Bytes of contracts' memory that a room may hold to be kept.
const MEMORY_BYTES_MAX: usize = 256 << 10;

/// Frames with their stacks, and the buffer behind the memories of all frames.
///
/// Making them anew costs more than many a transaction: pages are cleared and touched for the first time.
pub(crate) struct VmRoom {
    pub(super) frames: FrameStack<EthFrame>,
    pub(super) local: LocalContext,
    /// The most frames that were in use at a time.
    pub(super) deepest: usize,
}

// SAFETY: a room is not `Send` because of the `Rc` around the memory buffer and of raw pointers into bytecode in its
// frames. All clones of that `Rc` sit in these frames and in this context (see `Vm`), so they move together; a frame's
// pointers are set anew before it runs.
#[allow(unsafe_code)]
unsafe impl Send for VmRoom {}

impl Default for VmRoom {
    fn default() -> Self {
        Self { frames: FrameStack::new(), local: LocalContext::default(), deepest: 0 }
    }
}

impl VmRoom {
    /// The room, if it is small enough to keep.
    pub(crate) fn kept(self) -> Option<Self> {
        let memory = self.local.shared_memory_buffer.borrow().capacity();
        (self.deepest <= FRAMES_MAX && memory <= MEMORY_BYTES_MAX).then_some(self)
    }
}
