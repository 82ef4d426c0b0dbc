//! Memory that blocks leave to the blocks after them.

use crate::mv_memory::MvMemory;
use crate::sync::Mutex;
use crate::vm::VmRoom;
use corosensei::stack::DefaultStack;

/// What an executor keeps between blocks: stacks of fibers, rooms of EVMs, and multi-version memories.
///
/// Bounds: `stacks` and `rooms` hold no more than the block that used most at a time, each room at most what
/// [`VmRoom::kept`] lets pass; a memory is kept for each block that executes at a time, unless it has grown large.
#[derive(Default)]
pub(crate) struct Recycled {
    stacks: Mutex<Vec<DefaultStack>>,
    rooms: Mutex<Vec<VmRoom>>,
    memories: Mutex<Vec<MvMemory>>,
}

impl Recycled {
    /// A stack from an earlier block.
    pub(crate) fn stack(&self) -> Option<DefaultStack> {
        self.stacks.lock().pop()
    }

    pub(crate) fn keep_stacks(&self, stacks: impl Iterator<Item = DefaultStack>) {
        self.stacks.lock().extend(stacks);
    }

    /// Room for an EVM, from an earlier block if there is any.
    pub(crate) fn room(&self) -> VmRoom {
        self.rooms.lock().pop().unwrap_or_default()
    }

    pub(crate) fn keep_room(&self, room: VmRoom) {
        if let Some(room) = room.kept() {
            self.rooms.lock().push(room);
        }
    }

    /// A memory in which nothing is written.
    pub(crate) fn memory(&self) -> MvMemory {
        self.memories.lock().pop().unwrap_or_else(MvMemory::new)
    }

    /// Takes a memory back that has been emptied.
    pub(crate) fn keep_memory(&self, memory: MvMemory) {
        if let Some(memory) = memory.kept() {
            self.memories.lock().push(memory);
        }
    }
}
