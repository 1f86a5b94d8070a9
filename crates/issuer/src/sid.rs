//! URIs that name a Windows SID.

/// What a URI begins with in which Windows looks for a security identifier.
const SID_AUTHORITY: &str = "tag:microsoft.com";

/// Wider than what Windows reads, so that no spelling of it slips through as an ordinary URI.
pub(crate) fn names_a_sid(uri: &str) -> bool {
    uri.get(..SID_AUTHORITY.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(SID_AUTHORITY))
}
