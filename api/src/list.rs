//! Paged lists.

use serde::{Deserialize, Serialize};

/// Rows on a page when the caller does not say.
pub const DEFAULT_PER_PAGE: u32 = 50;
/// The most rows that one page may hold; asking for more is a 400.
pub const MAX_PER_PAGE: u32 = 500;

/// One page of a longer list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct List<T> {
    /// The rows of this page; `[]` past the end.
    pub data: Vec<T>,
    /// How many rows all pages hold together.
    pub total: u64,
    /// This page's number, from 1.
    pub page: u32,
    /// Rows on a page, 1 to [`MAX_PER_PAGE`].
    pub per_page: u32,
}
