//! Answers of issuers that are still to come, and why there is none.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::Error;

/// An answer of an issuer that is still to come.
pub type Answering<'a, T> = Pin<Box<dyn Future<Output = Result<T, IssueError>> + Send + 'a>>;

/// Why there is no certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// The issuer refuses this certificate: asking again is of no use.
    #[error("the issuer refused: {0}")]
    Refused(String),
    /// It could not be asked, or did not answer: to be tried again.
    #[error("{why}")]
    Again {
        /// Why, in words.
        why: String,
        /// How long the issuer wants to be left alone, where it says so (`Retry-After`).
        after: Option<Duration>,
        /// Whether it may have made a certificate all the same, of which nobody has heard.
        unheard: bool,
    },
}

impl From<Error> for IssueError {
    /// A local CA that cannot sign now may sign later.
    fn from(error: Error) -> Self {
        Self::Again {
            why: error.to_string(),
            after: None,
            unheard: false,
        }
    }
}
