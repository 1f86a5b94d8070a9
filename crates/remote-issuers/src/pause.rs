//! How long an issuer asks to be left alone.

use outbound::Response;
use std::time::Duration;

/// The longest pause that is kept: what an issuer says must not strand devices.
const LONGEST: Duration = Duration::from_secs(300);

/// What `Retry-After` says (RFC 9110, section 10.2.3), at most five minutes. A date in an answer without a `Date` of its
/// own counts as the longest.
pub(crate) fn pause(response: &Response) -> Option<Duration> {
    let asked = response.retry_after(0)?;
    Some(asked.min(LONGEST))
}
