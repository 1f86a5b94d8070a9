//! How much memory a large store takes.

use std::path::Path;

/// From this size of the store's data file on (octets) it is a large one: some 250,000 enrollments.
const LARGE: u64 = 1 << 30;

/// Has the process do without huge pages where the store is large. They are worth one percent of throughput; but what is
/// held in memory of a large store are many small things, which leave a good part of each huge page unused: a fifth of
/// all resident memory with 1,000,000 enrollments. What is resident already stays as it is.
pub(super) fn without_huge_pages(store: &Path) {
    let large = std::fs::metadata(store.join("db")).is_ok_and(|data| data.len() >= LARGE);
    if large && let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "huge pages cannot be switched off");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs::File;

    use rustix::thread::transparent_huge_pages_are_disabled;

    use super::*;

    #[test]
    fn a_large_store_does_without_huge_pages() {
        // Whoever runs the tests may do without them.
        rustix::thread::disable_transparent_huge_pages(false).unwrap();
        let dir = tempfile::tempdir().unwrap();
        without_huge_pages(dir.path());
        let data = File::create(dir.path().join("db")).unwrap();
        data.set_len(LARGE - 1).unwrap();
        without_huge_pages(dir.path());
        assert!(!transparent_huge_pages_are_disabled().unwrap());
        data.set_len(LARGE).unwrap();
        without_huge_pages(dir.path());
        assert!(transparent_huge_pages_are_disabled().unwrap());
    }
}
