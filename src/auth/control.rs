//! The socket by which `scepd token` speaks to a running server.
//!
//! The server alone has the store open. It listens on `control.sock` in its data directory, mode 0600: whoever may
//! connect could read the store itself. One JSON order a connection, one JSON answer, each ended by a line feed.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use actors::{Journal, JournalError, SharedClock};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use store::{Change, Store, TokenRecord, TokenRole};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use super::tokens::{self, By, TokenError, Wanted};

/// The socket's name in the data directory.
pub const SOCKET: &str = "control.sock";
/// The longest order or answer, in bytes.
const LONGEST: u64 = 4 * 1024 * 1024;
/// How long either side waits for the other.
const PATIENCE: Duration = Duration::from_secs(10);

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
    /// It was not done, and why.
    Refused(String),
}

/// Works an order out against the tokens there are: the answer, and the change that must be durable before it is given.
///
/// # Errors
/// [`TokenError`].
pub fn work_out(
    order: &Order,
    known: &[TokenRecord],
    by: &By,
    now: DateTime<Utc>,
) -> Result<(Answer, Option<Change>), TokenError> {
    match order {
        Order::CreateToken { name, role, days } => {
            let role = match role {
                api::Role::Admin => TokenRole::Admin,
                api::Role::Viewer => TokenRole::Viewer,
            };
            let minted = tokens::mint(
                &Wanted {
                    name: name.clone(),
                    role,
                    days: *days,
                },
                known,
                by,
                now,
            )?;
            let created = api::TokenCreated {
                secret: minted.secret.expose().to_owned(),
                token: tokens::shown(&minted.record),
            };
            Ok((Answer::Created(created), Some(minted.change)))
        }
        Order::ListTokens => Ok((
            Answer::Tokens(known.iter().rev().map(tokens::shown).collect()),
            None,
        )),
        Order::RevokeToken { token } => {
            let (record, change) = tokens::revoke(token, known, by, now)?;
            Ok((Answer::Revoked(tokens::shown(&record)), Some(change)))
        }
    }
}

/// The server's side.
#[derive(Clone)]
pub struct Control {
    /// Where tokens are.
    pub store: Arc<dyn Store>,
    /// The way to write them.
    pub journal: Journal,
    /// The time.
    pub clock: SharedClock,
}

impl Control {
    /// Binds the socket in `data_dir`, in the place of one that a dead server has left.
    ///
    /// # Errors
    /// The directory cannot be written, or the system refuses the socket.
    pub fn bind(data_dir: &Path) -> io::Result<UnixListener> {
        let short = ShortDir::open(data_dir)?;
        // Made under another name, so that it is never there with a wider mode.
        let fresh = format!("{SOCKET}.{}", std::process::id());
        let fresh = short.path().join(fresh);
        let _ = std::fs::remove_file(&fresh);
        let listener = UnixListener::bind(&fresh)?;
        std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600))?;
        std::fs::rename(&fresh, short.path().join(SOCKET))?;
        Ok(listener)
    }

    /// Answers orders until the task is dropped.
    pub async fn serve(self, listener: UnixListener) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let this = self.clone();
                    tokio::spawn(async move {
                        if tokio::time::timeout(PATIENCE, this.talk(stream))
                            .await
                            .is_err()
                        {
                            tracing::debug!("the other end of the control socket was too slow");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the control socket cannot be listened on; trying again");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    async fn talk(&self, mut stream: tokio::net::UnixStream) {
        let user = stream.peer_cred().map_or_else(
            |_| "unknown".to_owned(),
            |peer| format!("uid {}", peer.uid()),
        );
        let (reading, mut writing) = stream.split();
        let mut line = String::new();
        let mut limited = tokio::io::BufReader::new(reading.take(LONGEST));
        let answer = match limited.read_line(&mut line).await {
            Ok(_) => match serde_json::from_str::<Order>(&line) {
                Ok(order) => self.carry_out(&order, user).await,
                Err(error) => Answer::Refused(format!("the order cannot be read: {error}")),
            },
            Err(error) => Answer::Refused(format!("the order cannot be read: {error}")),
        };
        let mut text = serde_json::to_string(&answer).unwrap_or_default();
        text.push('\n');
        let _ = writing.write_all(text.as_bytes()).await;
    }

    async fn carry_out(&self, order: &Order, user: String) -> Answer {
        let by = By {
            name: user,
            kind: "CLI",
            request_id: None,
        };
        match carry_out(&self.store, &self.journal, order, &by, self.clock.now()).await {
            Ok(answer) => answer,
            Err(error) => Answer::Refused(error.to_string()),
        }
    }
}

/// Carries an order out and answers when it is durable.
///
/// # Errors
/// [`TokenError`]; nothing has changed then.
pub async fn carry_out(
    store: &Arc<dyn Store>,
    journal: &Journal,
    order: &Order,
    by: &By,
    now: DateTime<Utc>,
) -> Result<Answer, TokenError> {
    let (answer, change) = work_out(order, &store.tokens(), by, now)?;
    if let Some(change) = change {
        journal
            .commit(change, None)
            .await
            .map_err(|error| match error {
                JournalError::Conflict(conflict) => TokenError::Store(conflict.to_string()),
                other => TokenError::Store(other.to_string()),
            })?;
    }
    Ok(answer)
}

/// Why no server answered.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// No server runs on this data directory.
    #[error("no server answers on {}", path.display())]
    NotRunning {
        /// The socket.
        path: PathBuf,
    },
    /// One runs, and the conversation failed.
    #[error("the server on {} did not answer: {source}", path.display())]
    Broken {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Sends an order to the server that runs on `data_dir`.
///
/// # Errors
/// [`ControlError`].
pub fn ask(data_dir: &Path, order: &Order) -> Result<Answer, ControlError> {
    let path = data_dir.join(SOCKET);
    let connected =
        ShortDir::open(data_dir).and_then(|short| UnixStream::connect(short.path().join(SOCKET)));
    let stream = match connected {
        Ok(stream) => stream,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) =>
        {
            return Err(ControlError::NotRunning { path });
        }
        Err(source) => return Err(ControlError::Broken { path, source }),
    };
    converse(stream, order).map_err(|source| ControlError::Broken { path, source })
}

fn converse(mut stream: UnixStream, order: &Order) -> io::Result<Answer> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_string(order)?;
    line.push('\n');
    stream.write_all(line.as_bytes())?;
    let mut answer = zeroize::Zeroizing::new(String::new());
    BufReader::new(stream.take(LONGEST)).read_line(&mut answer)?;
    Ok(serde_json::from_str(&answer)?)
}

/// A directory under a path short enough for a socket's address (108 bytes), however deep it lies.
struct ShortDir {
    path: PathBuf,
    /// Keeps the path good.
    _open: std::fs::File,
}

impl ShortDir {
    fn open(dir: &Path) -> io::Result<Self> {
        let open = std::fs::File::open(dir)?;
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
