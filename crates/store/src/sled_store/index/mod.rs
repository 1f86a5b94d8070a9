//! A search index in memory: a few columns and one run of lower-cased text per block of rows.
//!
//! Rows are numbered as the records are, without gaps, and only ever appended (or pruned from the
//! front), so a row needs no number of its own. Blocks that are full never change but for their
//! flags, so a search takes references to them and lets go of the lock.

mod block;
mod needle;
mod search;
mod text;

pub(super) use block::Row;
pub(super) use needle::Needle;
pub(super) use search::{Filter, Snapshot};
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

    fn place(&self, number: u64) -> Option<(usize, usize)> {
        if number < self.first {
            return None;
        }
        let offset = usize::try_from(number.checked_sub(self.base)?).ok()?;
        Some((offset / BLOCK_ROWS, offset % BLOCK_ROWS))
    }

    /// Forgets the rows before this number.
    pub(super) fn prune(&mut self, first: u64) {
        self.first = first.clamp(self.first, self.next());
        while self.first - self.base >= BLOCK_ROWS as u64 && self.blocks.pop_front().is_some() {
            self.base += BLOCK_ROWS as u64;
        }
    }

    /// Approximate octets of memory.
    pub(super) fn bytes(&self) -> u64 {
        self.blocks.iter().map(|block| block.bytes() as u64).sum()
    }
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
