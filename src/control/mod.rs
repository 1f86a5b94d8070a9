//! How `scepd token`, `audit` and `store` get at the store, whether or not a server has it open.
//!
//! A running server alone has the store open. It listens on [`SOCKET`] in its data directory, mode 0600: whoever may
//! connect could read the store itself. One [`Order`] a connection; an answer, with lines before it for an export.
//!
//! | module | holds |
//! |---|---|
//! | [`work`] | orders carried out on a store |
//! | [`import`] | certificates of another server, on their way into the store |
//! | [`listen`] | the server's side of the socket |
//! | [`ask`](mod@ask) | the command line's side |

pub mod ask;
pub mod import;
pub mod listen;
pub mod work;

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use ask::{ControlError, ask, is_served};
use import::{Import, ImportCounts};
pub use listen::Control;
pub use work::{alone, change};

/// The socket's name in the data directory.
pub const SOCKET: &str = "control.sock";
/// How long either side waits for the other.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a server may take to check a large store, and a reader of an export to go on reading: a pager in between
/// waits for a person.
const LONG_PATIENCE: Duration = Duration::from_secs(3600);
/// The longest line, in bytes.
const LONGEST: u64 = 8 * 1024 * 1024;
/// Begins a line of an export.
const EXPORTED: char = '+';
/// Begins the last line, the answer.
const ANSWERED: char = '=';

/// What can be asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Order {
    /// Make a token.
    CreateToken {
        /// Its name.
        name: String,
        /// What it may do.
        role: api::Role,
        /// The SCEP profile that it is limited to.
        #[serde(default)]
        profile: Option<String>,
        /// Days until it ends.
        days: Option<u32>,
    },
    /// Show all tokens.
    ListTokens,
    /// Revoke a token.
    RevokeToken {
        /// Its id or name.
        token: String,
    },
    /// Check the audit chain.
    VerifyAudit,
    /// Give audit events, oldest first, each as one line of JSON.
    ExportAudit {
        /// From this event on.
        from_id: u64,
        /// Only those at this time or later.
        since: Option<DateTime<Utc>>,
        /// Only those before this time.
        until: Option<DateTime<Utc>>,
    },
    /// Read and check everything in the store.
    VerifyStore,
    /// Put certificates of another server into the store.
    ImportCertificates(Import),
    /// Make a challenge for one device. Only a running server can.
    CreateChallenge(api::NewChallenge),
    /// Show challenges that were made for one device. Only a running server can.
    ListChallenges {
        /// Only those of this SCEP profile.
        profile: Option<String>,
        /// Only those in this state.
        state: Option<api::ChallengeState>,
        /// How many at most.
        limit: u32,
    },
    /// Give the revocations that wait for an issuer, the oldest first, each as one line of JSON ([`WaitingRevocation`]).
    WaitingRevocations {
        /// The issuer's id.
        issuer: String,
    },
    /// Revoke or release many certificates, or count them. Only a running server can.
    ChangeCertificates(api::BulkRequest),
    /// Release or refuse revocations that Intune asks for and that are held. Only a running server can.
    DecideRevocations {
        /// The id of the tenant.
        tenant: String,
        /// Whether they are revoked.
        release: bool,
    },
    /// Withdraw one. Only a running server can.
    WithdrawChallenge {
        /// Its id.
        id: String,
    },
}

impl Order {
    /// Whether a running server is needed for it.
    #[must_use]
    pub const fn needs_server(&self) -> bool {
        matches!(
            self,
            Self::CreateChallenge(_)
                | Self::ListChallenges { .. }
                | Self::WithdrawChallenge { .. }
                | Self::DecideRevocations { .. }
                | Self::ChangeCertificates(_)
        )
    }
}

/// A revocation that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingRevocation {
    /// The certificate's serial number, hex.
    pub serial: String,
    /// The reason's number (RFC 5280, section 5.3.1).
    pub reason: u8,
    /// When it was ordered.
    pub since: DateTime<Utc>,
    /// By whom.
    pub by: String,
    /// The certificate's common name, empty when it has none.
    pub common_name: String,
}

/// What comes back. No `Debug`: it may hold a new token's secret.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The token was made.
    Created(api::TokenCreated),
    /// All tokens, newest first.
    Tokens(Vec<api::Token>),
    /// The token was revoked.
    Revoked(api::Token),
    /// The check ran to its end.
    Checked(Checked),
    /// So many events were given.
    Exported {
        /// How many.
        events: u64,
    },
    /// So many certificates were imported.
    Imported(ImportCounts),
    /// The challenge was made.
    ChallengeMade(api::ChallengeCreated),
    /// Challenges, newest first.
    Challenges(Vec<api::Challenge>),
    /// The challenge was withdrawn.
    ChallengeWithdrawn(api::Challenge),
    /// Certificates were changed, or counted.
    CertificatesChanged(api::BulkReply),
    /// So many revocations were released or refused.
    RevocationsDecided(usize),
    /// It was not done, and why.
    Refused(String),
}

/// What a check came to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Checked {
    /// Whether nothing is wrong.
    pub good: bool,
    /// The same in words, a line each.
    pub words: Vec<String>,
    /// The whole report.
    pub report: serde_json::Value,
}

/// A directory under a path short enough for a socket's address (108 bytes), however deep it lies.
struct ShortDir {
    path: PathBuf,
    /// Keeps the path good.
    _open: File,
}

impl ShortDir {
    fn open(dir: &Path) -> io::Result<Self> {
        let open = File::open(dir)?;
        let path = if dir.as_os_str().len() < 80 {
            dir.to_owned()
        } else {
            PathBuf::from(format!("/proc/self/fd/{}", open.as_raw_fd()))
        };
        Ok(Self { path, _open: open })
    }

    fn path(&self) -> &Path {
        &self.path
    }
}
