//! A search index in memory: a few columns and one run of lower-cased text per block of rows.
//!
//! Rows are numbered as the records are, without gaps, and only ever appended (or pruned from the
//! front), so a row needs no number of its own. Blocks that are full never change but for their
//! flags, so a search takes references to them and lets go of the lock.

mod block;
mod needle;
mod search;
mod shelf;
mod text;

pub(super) use block::Row;
pub(super) use needle::Needle;
pub(super) use search::{Filter, Snapshot};
pub(super) use shelf::{Head, Shelf, Shelved, StoredText};
pub(super) use text::{Field, TextBuilder};

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;

use block::Block;

/// Rows in a block: small enough to search the newest one under the lock.
pub(super) const BLOCK_ROWS: usize = 8192;

/// The class of rows that stand for missing records. No filter lets it through.
pub(super) const NO_CLASS: u32 = u32::MAX;

/// Rows by number, oldest first.
pub(super) struct Index {
    /// The number of the first row of the first block.
    base: u64,
    /// The number of the first row that counts: those before it in its block are pruned.
    first: u64,
    blocks: VecDeque<Arc<Block>>,
    /// Whether rows carry a second time.
    with_end: bool,
}

impl Index {
    /// An empty index whose first row will have this number.
    pub(super) fn new(first: u64, with_end: bool) -> Self {
        Self {
            base: first,
            first,
            blocks: VecDeque::new(),
            with_end,
        }
    }

    /// An empty index whose blocks begin at multiples of their size, and whose rows count from this
    /// number on.
    pub(super) fn aligned(first: u64, with_end: bool) -> Self {
        let base = block_start(first);
        Self {
            base,
            first,
            ..Self::new(base, with_end)
        }
    }

    /// Adds a full block after the others.
    pub(super) fn push_block(&mut self, block: Block) {
        self.blocks.push_back(Arc::new(block));
    }

    /// The last block, when it is full and its text is still in memory, with the number of its first row.
    pub(super) fn to_be_shelved(&self) -> Option<(u64, &Block, &[u8])> {
        let last = self.blocks.back()?;
        let text = last.text_in_memory()?;
        let first = self.base + (self.blocks.len() as u64 - 1) * BLOCK_ROWS as u64;
        (last.len() == BLOCK_ROWS).then_some((first, last, text))
    }

    /// Leaves the last block's text to its file.
    pub(super) fn shelve(&mut self, text: StoredText) {
        if let Some(last) = self.blocks.back_mut() {
            let last = Arc::make_mut(last);
            last.shrink();
            last.shelve(text);
        }
    }

    /// The class of a row.
    pub(super) fn class(&self, number: u64) -> Option<u32> {
        let (block, row) = self.place(number)?;
        self.blocks.get(block)?.classes().get(row).copied()
    }

    /// The number that the next row gets.
    pub(super) fn next(&self) -> u64 {
        let full = self.blocks.len().saturating_sub(1) * BLOCK_ROWS;
        let last = self.blocks.back().map_or(0, |block| block.len());
        self.base + (full + last) as u64
    }

    /// How many rows count.
    pub(super) fn len(&self) -> u64 {
        self.next().saturating_sub(self.first)
    }

    pub(super) fn push(&mut self, row: &Row<'_>) {
        if self
            .blocks
            .back()
            .is_none_or(|block| block.len() >= BLOCK_ROWS)
        {
            if let Some(full) = self.blocks.back_mut() {
                Arc::make_mut(full).shrink();
            }
            self.blocks.push_back(Arc::new(Block::new(self.with_end)));
        }
        if let Some(last) = self.blocks.back_mut() {
            Arc::make_mut(last).push(row);
        }
    }

    /// Sets a row's flags; nothing for a number that is not there.
    pub(super) fn set_flags(&mut self, number: u64, flags: u8) {
        if let Some((block, row)) = self.place(number)
            && let Some(block) = self.blocks.get_mut(block)
        {
            Arc::make_mut(block).set_flags(row, flags);
        }
    }

    /// Hides a row from every search.
    pub(super) fn hide(&mut self, number: u64) {
        if let Some((block, row)) = self.place(number)
            && let Some(block) = self.blocks.get_mut(block)
        {
            Arc::make_mut(block).hide(row);
        }
    }

    /// The rows that count and whose second time is before `end`, oldest first.
    pub(super) fn ended_before(&self, end: i64) -> impl Iterator<Item = u64> {
        let blocks = (self.base..).step_by(BLOCK_ROWS).zip(&self.blocks);
        blocks.flat_map(move |(first, block)| {
            let rows = block.ends().iter().zip(block.classes()).enumerate();
            let ended = rows.filter(move |(_, (at, class))| **at < end && **class != NO_CLASS);
            ended.map(move |(row, _)| first + row as u64)
        })
    }

    fn place(&self, number: u64) -> Option<(usize, usize)> {
        if number < self.first {
            return None;
        }
        let offset = usize::try_from(number.checked_sub(self.base)?).ok()?;
        Some((offset / BLOCK_ROWS, offset % BLOCK_ROWS))
    }

    /// Forgets the rows before this number; gives the first rows of the blocks that went.
    pub(super) fn prune(&mut self, first: u64) -> Vec<u64> {
        self.first = first.min(self.next()).max(self.first);
        let mut gone = Vec::new();
        while self.first.saturating_sub(self.base) >= BLOCK_ROWS as u64
            && self.blocks.pop_front().is_some()
        {
            gone.push(self.base);
            self.base += BLOCK_ROWS as u64;
        }
        gone
    }

    /// Approximate octets of memory.
    pub(super) fn bytes(&self) -> u64 {
        self.blocks.iter().map(|block| block.bytes() as u64).sum()
    }
}

/// The number of the first row of the block that holds this row.
pub(super) const fn block_start(number: u64) -> u64 {
    let before = number.saturating_sub(1);
    before - before % BLOCK_ROWS as u64 + 1
}

/// Small numbers for a few distinct values.
pub(super) struct Interner<T> {
    numbers: HashMap<T, u32>,
    values: Vec<T>,
}

impl<T: Clone + Eq + Hash> Interner<T> {
    pub(super) fn new() -> Self {
        Self {
            numbers: HashMap::new(),
            values: Vec::new(),
        }
    }

    /// The value's number, a new one when it was not seen before.
    pub(super) fn number(&mut self, value: T) -> u32 {
        let next = u32::try_from(self.values.len())
            .unwrap_or(NO_CLASS - 1)
            .min(NO_CLASS - 1);
        *self.numbers.entry(value).or_insert_with_key(|value| {
            self.values.push(value.clone());
            next
        })
    }

    /// The values by number.
    pub(super) fn values(&self) -> &[T] {
        &self.values
    }
}

#[cfg(test)]
mod tests;
