//! Memory of nodes: byte blocks of any size behind 32-bit numbers.
//!
//! Millions of nodes of 40 to 600 bytes would each pay a pointer and the allocator's own overhead, and their number
//! would make freeing a trie slow. Here they lie in pages, one after the other; what is freed goes to a list of blocks
//! of its size, which is chained through the blocks themselves, and is used again before the heap grows. Blocks are not
//! cut: what would be left is too short for most nodes. A heap of which much is free is copied instead.

/// Number of a block in its heap: its offset in units. Zero is no block.
pub(super) type NodeId = u32;

/// No block.
pub(super) const NIL: NodeId = 0;

/// No block either: stands for a node that is not in memory and is known to be a branch.
pub(super) const CLOSED_BRANCH: NodeId = 1;

/// Units of the first page that are no block, since their numbers mean something else.
const UNITS_RESERVED: usize = 2;
/// Bytes to which sizes are rounded.
const UNIT: usize = 4;
/// Units of the largest page, as a power of two: 16 KiB.
const PAGE_UNITS_LOG2: u32 = 12;
const PAGE_UNITS: usize = 1 << PAGE_UNITS_LOG2;
/// Units of the first page, so that a trie of a few nodes is small: 512 bytes. Each page is twice the one before.
const FIRST_PAGE_UNITS: usize = 128;
/// Free blocks are listed by their units, up to this many; longer ones are cut.
const FREE_UNITS_MAX: usize = 255;
/// Pages that 32-bit block numbers can name.
const PAGES_MAX: usize = 1 << (32 - PAGE_UNITS_LOG2);

/// Bytes of the longest block.
pub(super) const BLOCK_BYTES_MAX: usize = (PAGE_UNITS - UNITS_RESERVED) * UNIT;

/// Blocks of bytes.
#[derive(Debug, Clone)]
pub(super) struct Heap {
    pages: Vec<Box<[u8]>>,
    /// Units of the last page that are given out.
    bump: usize,
    /// First free block of each size in units.
    free: Box<[NodeId; FREE_UNITS_MAX + 1]>,
    used_bytes: usize,
    /// Bytes of listed blocks.
    free_bytes: usize,
}

impl Default for Heap {
    fn default() -> Self {
        Self { pages: Vec::new(), bump: 0, free: Box::new([NIL; FREE_UNITS_MAX + 1]), used_bytes: 0, free_bytes: 0 }
    }
}

/// The heap cannot number another page: 16 GiB of nodes in one of 256 subtries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HeapFull;

impl Heap {
    /// Stores `bytes`, at most [`BLOCK_BYTES_MAX`] of them.
    pub(super) fn store(&mut self, bytes: &[u8]) -> Result<NodeId, HeapFull> {
        let id = self.allocate(bytes.len())?;
        self.bytes_mut(id)[..bytes.len()].copy_from_slice(bytes);
        Ok(id)
    }

    /// From the block's first byte to the end of its page: only who wrote the block knows its length.
    #[inline]
    pub(super) fn bytes(&self, id: NodeId) -> &[u8] {
        let (page, offset) = place(id);
        &self.pages[page][offset..]
    }

    /// As [`Heap::bytes`].
    #[inline]
    pub(super) fn bytes_mut(&mut self, id: NodeId) -> &mut [u8] {
        let (page, offset) = place(id);
        &mut self.pages[page][offset..]
    }

    /// Gives back a block that was stored with `len` bytes.
    pub(super) fn free(&mut self, id: NodeId, len: usize) {
        let units = len.div_ceil(UNIT);
        self.used_bytes -= units * UNIT;
        self.list(id, units);
    }

    /// Whether so much is free that a copy of what is used saves at least a third, and more than a few pages.
    pub(super) fn is_sparse(&self) -> bool {
        self.free_bytes > self.used_bytes / 2 && self.free_bytes > 4 * PAGE_UNITS * UNIT
    }

    /// Bytes of blocks in use, rounded up to units.
    pub(super) fn used_bytes(&self) -> usize {
        self.used_bytes
    }

    /// Bytes of all pages and of the heap's own tables.
    pub(super) fn memory_bytes(&self) -> usize {
        let tables = size_of_val(&*self.free) + self.pages.capacity() * size_of::<Box<[u8]>>();
        tables + self.pages.iter().map(|page| page.len()).sum::<usize>()
    }

    fn allocate(&mut self, len: usize) -> Result<NodeId, HeapFull> {
        let units = len.div_ceil(UNIT).max(1);
        assert!(units <= PAGE_UNITS - UNITS_RESERVED, "a block of {len} bytes, longer than {BLOCK_BYTES_MAX}");
        let id = match self.free.get(units) {
            Some(first) if *first != NIL => self.unlist(units),
            _ => self.extend(units)?,
        };
        self.used_bytes += units * UNIT;
        Ok(id)
    }

    /// A block behind all others.
    fn extend(&mut self, units: usize) -> Result<NodeId, HeapFull> {
        let left = self.pages.last().map_or(0, |page| page.len() / UNIT - self.bump);
        if left < units {
            if left > 0 {
                let rest = self.number(self.bump);
                self.list(rest, left);
            }
            if self.pages.len() == PAGES_MAX {
                return Err(HeapFull);
            }
            let first = if self.pages.is_empty() { UNITS_RESERVED } else { 0 };
            let size = (FIRST_PAGE_UNITS << self.pages.len().min(16)).max(units + first).min(PAGE_UNITS);
            self.pages.push(vec![0; size * UNIT].into_boxed_slice());
            self.bump = first;
        }
        let id = self.number(self.bump);
        self.bump += units;
        Ok(id)
    }

    /// Number of a unit of the last page.
    fn number(&self, unit: usize) -> NodeId {
        (((self.pages.len() - 1) << PAGE_UNITS_LOG2) + unit) as NodeId
    }

    fn list(&mut self, mut id: NodeId, mut units: usize) {
        self.free_bytes += units * UNIT;
        while units > 0 {
            let size = units.min(FREE_UNITS_MAX);
            let next = std::mem::replace(&mut self.free[size], id);
            self.bytes_mut(id)[..UNIT].copy_from_slice(&next.to_le_bytes());
            id += size as NodeId;
            units -= size;
        }
    }

    /// Takes the first free block of `units`, which exists.
    fn unlist(&mut self, units: usize) -> NodeId {
        let id = self.free[units];
        let mut next = [0; UNIT];
        next.copy_from_slice(&self.bytes(id)[..UNIT]);
        self.free[units] = NodeId::from_le_bytes(next);
        self.free_bytes -= units * UNIT;
        id
    }
}

#[inline]
fn place(id: NodeId) -> (usize, usize) {
    ((id >> PAGE_UNITS_LOG2) as usize, (id as usize & (PAGE_UNITS - 1)) * UNIT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng, rngs::SmallRng};

    #[test]
    fn blocks_keep_their_bytes_while_others_come_and_go() {
        let mut rng = SmallRng::seed_from_u64(1);
        let mut heap = Heap::default();
        let mut blocks: Vec<(NodeId, Vec<u8>)> = Vec::new();
        for step in 0..30_000u32 {
            if blocks.len() < 500 || rng.random_bool(0.5) {
                let len =
                    if step % 100 == 0 { rng.random_range(1..=BLOCK_BYTES_MAX) } else { rng.random_range(1..600) };
                let bytes = vec![step as u8; len];
                blocks.push((heap.store(&bytes).expect("far from full"), bytes));
            } else {
                let (id, bytes) = blocks.swap_remove(rng.random_range(0..blocks.len()));
                assert_eq!(heap.bytes(id)[..bytes.len()], bytes[..]);
                heap.free(id, bytes.len());
            }
        }
        let expected: usize = blocks.iter().map(|(_, bytes)| bytes.len().div_ceil(UNIT) * UNIT).sum();
        assert_eq!(heap.used_bytes(), expected);
        for (id, bytes) in &blocks {
            assert!(*id > CLOSED_BRANCH);
            assert_eq!(heap.bytes(*id)[..bytes.len()], bytes[..]);
        }
    }

    #[test]
    fn the_longest_block_fits_anywhere() {
        for before in 0..4 {
            let mut heap = Heap::default();
            (0..before).for_each(|_| assert!(heap.store(&[1; 400]).is_ok()));
            let id = heap.store(&[7; BLOCK_BYTES_MAX]).expect("far from full");
            assert_eq!(heap.bytes(id)[..BLOCK_BYTES_MAX], [7; BLOCK_BYTES_MAX]);
        }
    }

    #[test]
    fn freed_blocks_are_used_again() {
        let mut heap = Heap::default();
        for round in 0..1000 {
            let ids: Vec<NodeId> = (0..50).map(|_| heap.store(&[round as u8; 100]).expect("far from full")).collect();
            ids.into_iter().for_each(|id| heap.free(id, 100));
        }
        assert_eq!(heap.used_bytes(), 0);
        assert!(heap.memory_bytes() < 20_000, "{} bytes", heap.memory_bytes());
    }
}
