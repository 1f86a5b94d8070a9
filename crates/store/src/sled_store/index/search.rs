use std::sync::Arc;

use super::block::Block;
use super::{BLOCK_ROWS, Index, NO_CLASS, Needle};
use crate::Result;

/// From so many blocks on a search of their texts is worth a second thread.
const SHARED_BLOCKS: usize = 16;

/// What rows to find. Everything given must hold.
#[derive(Default)]
pub(in crate::sled_store) struct Filter {
    /// By class: whether it is wanted. `None` = all; a class beyond its end is not wanted.
    pub(in crate::sled_store) classes: Option<Vec<bool>>,
    /// At this time or later.
    pub(in crate::sled_store) since: Option<i64>,
    /// Before this time.
    pub(in crate::sled_store) until: Option<i64>,
    /// The second time is after this.
    pub(in crate::sled_store) ends_after: Option<i64>,
    /// The second time is not after this.
    pub(in crate::sled_store) ended_by: Option<i64>,
    /// The flags are these.
    pub(in crate::sled_store) flags: Option<u8>,
    /// The text holds these.
    pub(in crate::sled_store) needles: Vec<Needle>,
}

/// Rows found, by number, newest first, and how many there are in all.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::sled_store) struct Found {
    pub(in crate::sled_store) rows: Vec<u64>,
    pub(in crate::sled_store) total: u64,
}

/// A search started under the lock, to be finished without it.
pub(in crate::sled_store) struct Snapshot {
    filter: Filter,
    window: Window,
    /// Full blocks, oldest first, with the number of their first row.
    rest: Vec<(u64, Arc<Block>)>,
    first: u64,
}

impl Snapshot {
    /// Searches the newest block and takes references to the others. `skip` rows are passed over
    /// before up to `take` are listed.
    pub(in crate::sled_store) fn begin(
        index: &Index,
        filter: Filter,
        skip: u64,
        take: usize,
    ) -> Result<Self> {
        let mut base = index.base;
        let mut rest = Vec::with_capacity(index.blocks.len());
        for block in &index.blocks {
            rest.push((base, Arc::clone(block)));
            base += BLOCK_ROWS as u64;
        }
        let mut snapshot = Self {
            filter,
            window: Window {
                skip,
                take,
                found: Found::default(),
            },
            rest,
            first: index.first,
        };
        snapshot.step()?;
        Ok(snapshot)
    }

    /// Searches the rest: long texts by two threads, of which one takes the older half.
    pub(in crate::sled_store) fn finish(mut self) -> Result<Found> {
        if self.filter.needles.is_empty() || self.rest.len() < SHARED_BLOCKS {
            while self.step()? {}
            return Ok(self.window.found);
        }
        let newer = self.rest.split_off(self.rest.len() / 2);
        let older = std::mem::replace(&mut self.rest, newer);
        let (filter, first) = (&self.filter, self.first);
        let search = |blocks: &[(u64, Arc<Block>)]| {
            let rows = blocks
                .iter()
                .rev()
                .map(|(base, block)| Ok((*base, filter.rows(*base, block, first)?)));
            rows.collect::<Result<Vec<_>>>()
        };
        let (newer, older) = std::thread::scope(|scope| {
            let helper = scope.spawn(|| search(&older));
            let newer = search(&self.rest);
            // It cannot have panicked but for want of memory; then this thread does its work.
            (newer, helper.join().unwrap_or_else(|_| search(&older)))
        });
        for (base, rows) in newer?.iter().chain(&older?) {
            self.window.add(*base, rows);
        }
        Ok(self.window.found)
    }

    /// Searches one block, the newest of those left. The reference is dropped before it returns,
    /// so that appending to the newest block need not copy it.
    fn step(&mut self) -> Result<bool> {
        let Some((base, block)) = self.rest.pop() else {
            return Ok(false);
        };
        let rows = self.filter.rows(base, &block, self.first)?;
        self.window.add(base, &rows);
        Ok(true)
    }
}

/// The page to be listed.
struct Window {
    skip: u64,
    take: usize,
    found: Found,
}

impl Window {
    /// Takes a block's rows, which are in ascending order.
    fn add(&mut self, base: u64, rows: &[u32]) {
        let seen = self.found.total;
        self.found.total += rows.len() as u64;
        let missing = self.take - self.found.rows.len();
        let passed = usize::try_from(self.skip.saturating_sub(seen)).unwrap_or(usize::MAX);
        let listed = rows.iter().rev().skip(passed).take(missing);
        self.found
            .rows
            .extend(listed.map(|&row| base + u64::from(row)));
    }
}

impl Filter {
    /// The rows that pass of a block whose first row has the number `base`, ascending; rows
    /// with numbers below `first` are left out.
    fn rows(&self, base: u64, block: &Block, first: u64) -> Result<Vec<u32>> {
        let from = usize::try_from(first.saturating_sub(base)).unwrap_or(usize::MAX);
        self.search(block, from.min(block.len()))
    }

    /// The block's rows from `from` on that pass, ascending.
    fn search(&self, block: &Block, from: usize) -> Result<Vec<u32>> {
        let rows = self.by_columns(block, from);
        let Some((first, others)) = self.needles.split_first() else {
            return Ok(rows);
        };
        if rows.is_empty() {
            return Ok(rows);
        }
        let text = block.text()?;
        let text = &*text;
        let holds = |needle: &Needle, row: usize| {
            let span = block.span(row);
            text.get(span)
                .is_some_and(|text| needle.find(text, 0).is_some())
        };
        let mut hits = if rows.len() < BLOCK_ROWS / 8 {
            let mut hits = rows;
            hits.retain(|&row| holds(first, row as usize));
            hits
        } else {
            swept(first, block, text, &rows)
        };
        hits.retain(|&row| others.iter().all(|needle| holds(needle, row as usize)));
        Ok(hits)
    }

    fn by_columns(&self, block: &Block, from: usize) -> Vec<u32> {
        let mut rows: Vec<u32> = (from as u32..block.len() as u32).collect();
        let value = |column: &[i64], row: u32| column.get(row as usize).copied().unwrap_or(0);
        let classes = block.classes();
        let class = |row: u32| classes.get(row as usize).copied().unwrap_or(NO_CLASS);
        match &self.classes {
            None => rows.retain(|&row| class(row) != NO_CLASS),
            Some(wanted) => {
                rows.retain(|&row| wanted.get(class(row) as usize).copied().unwrap_or(false))
            }
        }
        if let Some(since) = self.since {
            rows.retain(|&row| value(block.times(), row) >= since);
        }
        if let Some(until) = self.until {
            rows.retain(|&row| value(block.times(), row) < until);
        }
        if let Some(after) = self.ends_after {
            rows.retain(|&row| value(block.ends(), row) > after);
        }
        if let Some(by) = self.ended_by {
            rows.retain(|&row| value(block.ends(), row) <= by);
        }
        if let Some(flags) = self.flags {
            rows.retain(|&row| block.flags(row as usize) == Some(flags));
        }
        rows
    }
}

/// Those of the rows whose text holds the needle, in one pass over the block's text.
fn swept(needle: &Needle, block: &Block, text: &[u8], rows: &[u32]) -> Vec<u32> {
    let mut hits = Vec::new();
    let mut candidates = rows
        .iter()
        .map(|&row| (row, block.span(row as usize)))
        .peekable();
    let mut from = candidates.peek().map_or(0, |(_, span)| span.start);
    while let Some(at) = needle.find(text, from) {
        while candidates.next_if(|(_, span)| span.end <= at).is_some() {}
        match candidates.peek() {
            None => break,
            Some((row, span)) if span.contains(&at) => {
                hits.push(*row);
                from = span.end;
            }
            Some((_, span)) => from = span.start,
        }
    }
    hits
}
