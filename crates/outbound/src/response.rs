//! What came back.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use chrono::DateTime;
use reqwest::header::HeaderMap;
use serde::de::DeserializeOwned;

/// An answer, read to its end.
#[derive(Clone)]
pub struct Response {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Response {
    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Whether the status is one of success (2xx).
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The first value of a header, where it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// Where it is not what is expected, in words with line and column and without any of its text.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, String> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let what = match error.classify() {
                serde_json::error::Category::Data => "a member is missing or of another type",
                serde_json::error::Category::Eof => "it ends too early",
                serde_json::error::Category::Syntax | serde_json::error::Category::Io => {
                    "it is not JSON"
                }
            };
            format!("{what} (line {}, column {})", error.line(), error.column())
        })
    }

    /// How long the other side asks to be left alone (RFC 9110, section 10.2.3): seconds or a date, which is counted
    /// from the answer's own `Date` where it has one, so that a clock that differs does no harm, else from `now`.
    #[must_use]
    pub fn retry_after(&self, now_unix: i64) -> Option<Duration> {
        let value = self.header("retry-after")?.trim();
        if let Ok(seconds) = value.parse::<u64>() {
            return Some(Duration::from_secs(seconds));
        }
        let until = http_date(value)?;
        let from = self.date().unwrap_or(now_unix);
        Some(Duration::from_secs(
            u64::try_from(until.saturating_sub(from)).unwrap_or(0),
        ))
    }

    /// The other side's clock, in seconds since the epoch.
    #[must_use]
    pub fn date(&self) -> Option<i64> {
        http_date(self.header("date")?)
    }
}

/// An HTTP date, in seconds since the epoch.
fn http_date(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc2822(text.trim())
        .ok()
        .map(|date| date.timestamp())
}

/// A body may hold a secret: only its length is shown.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("octets", &self.body.len())
            .finish_non_exhaustive()
    }
}
