use serde::Serialize;

/// One page of a longer list, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Page<T> {
    /// The page's items.
    pub data: Vec<T>,
    /// How many items match in all pages together.
    pub total: u64,
    /// This page's number, from 1.
    pub page: u32,
    /// The largest number of items on a page.
    pub per_page: u32,
}
