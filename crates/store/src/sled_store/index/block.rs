use std::borrow::Cow;
use std::sync::Arc;

use super::NO_CLASS;
use super::shelf::StoredText;
use crate::Result;

/// Where a block's text is.
#[derive(Clone, Debug)]
pub(super) enum Text {
    Memory(Vec<u8>),
    File(Arc<StoredText>),
}

/// What is indexed of one record.
#[derive(Clone, Copy, Debug)]
pub(in crate::sled_store) struct Row<'a> {
    /// Microseconds since 1970.
    pub(in crate::sled_store) time: i64,
    /// A second time; kept only by indexes made for it.
    pub(in crate::sled_store) end: i64,
    /// What exact filters ask for, interned.
    pub(in crate::sled_store) class: u32,
    /// Changeable bits.
    pub(in crate::sled_store) flags: u8,
    /// Made by [`TextBuilder`](super::TextBuilder).
    pub(in crate::sled_store) text: &'a [u8],
}

impl Row<'_> {
    /// Stands for a record that is not there.
    pub(in crate::sled_store) const MISSING: Row<'static> = Row {
        time: 0,
        end: 0,
        class: NO_CLASS,
        flags: 0,
        text: &[],
    };
}

/// Up to [`BLOCK_ROWS`](super::BLOCK_ROWS) rows, by column.
#[derive(Clone)]
pub(in crate::sled_store) struct Block {
    times: Vec<i64>,
    /// Empty when the index keeps no second time.
    ends: Vec<i64>,
    with_end: bool,
    classes: Vec<u32>,
    flags: Vec<u8>,
    /// Where each row's text ends.
    stops: Vec<u32>,
    text: Text,
}

impl Block {
    pub(super) const fn new(with_end: bool) -> Self {
        Self {
            times: Vec::new(),
            ends: Vec::new(),
            with_end,
            classes: Vec::new(),
            flags: Vec::new(),
            stops: Vec::new(),
            text: Text::Memory(Vec::new()),
        }
    }

    /// A full block.
    pub(super) fn stored(
        times: Vec<i64>,
        ends: Vec<i64>,
        classes: Vec<u32>,
        stops: Vec<u32>,
        text: Text,
        with_end: bool,
    ) -> Self {
        Self {
            flags: vec![0; times.len()],
            times,
            ends,
            with_end,
            classes,
            stops,
            text,
        }
    }

    /// Leaves the text to its file.
    pub(super) fn shelve(&mut self, text: StoredText) {
        self.text = Text::File(Arc::new(text));
    }

    pub(super) fn len(&self) -> usize {
        self.times.len()
    }

    pub(super) fn push(&mut self, row: &Row<'_>) {
        self.times.push(row.time);
        if self.with_end {
            self.ends.push(row.end);
        }
        self.classes.push(row.class);
        self.flags.push(row.flags);
        // Nothing is pushed to a full block, and only full ones are in files.
        if let Text::Memory(text) = &mut self.text {
            text.extend_from_slice(row.text);
            self.stops
                .push(u32::try_from(text.len()).unwrap_or(u32::MAX));
        }
    }

    /// Gives back what was reserved for growth.
    pub(super) fn shrink(&mut self) {
        self.times.shrink_to_fit();
        self.ends.shrink_to_fit();
        self.classes.shrink_to_fit();
        self.flags.shrink_to_fit();
        self.stops.shrink_to_fit();
        if let Text::Memory(text) = &mut self.text {
            text.shrink_to_fit();
        }
    }

    pub(super) fn times(&self) -> &[i64] {
        &self.times
    }

    pub(super) fn ends(&self) -> &[i64] {
        &self.ends
    }

    pub(super) fn classes(&self) -> &[u32] {
        &self.classes
    }

    pub(super) fn stops(&self) -> &[u32] {
        &self.stops
    }

    /// The text, read from its file where it is not in memory.
    pub(super) fn text(&self) -> Result<Cow<'_, [u8]>> {
        Ok(match &self.text {
            Text::Memory(text) => Cow::Borrowed(text),
            Text::File(text) => Cow::Owned(text.read()?),
        })
    }

    /// The text, where it is in memory.
    pub(super) fn text_in_memory(&self) -> Option<&[u8]> {
        match &self.text {
            Text::Memory(text) => Some(text),
            Text::File(_) => None,
        }
    }

    pub(super) fn flags(&self, row: usize) -> Option<u8> {
        self.flags.get(row).copied()
    }

    pub(super) fn set_flags(&mut self, row: usize, flags: u8) {
        if let Some(slot) = self.flags.get_mut(row) {
            *slot = flags;
        }
    }

    pub(super) fn hide(&mut self, row: usize) {
        if let Some(slot) = self.classes.get_mut(row) {
            *slot = NO_CLASS;
        }
    }

    /// Where in [`text`](Self::text) the row's text begins and ends.
    pub(super) fn span(&self, row: usize) -> std::ops::Range<usize> {
        let stop = |row: usize| self.stops.get(row).map_or(0, |&stop| stop as usize);
        let from = row.checked_sub(1).map_or(0, stop);
        from..stop(row).max(from)
    }

    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>()
            + 8 * (self.times.capacity() + self.ends.capacity())
            + 4 * (self.classes.capacity() + self.stops.capacity())
            + self.flags.capacity()
            + match &self.text {
                Text::Memory(text) => text.capacity(),
                Text::File(_) => size_of::<StoredText>(),
            }
    }
}
