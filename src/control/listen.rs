//! The server's side of the socket.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actors::{Directory, Journal, JournalError, MOST_AT_ONCE, Minter, Services};
use chrono::{DateTime, Utc};
use store::{ChallengeQuery, Conflict, Store};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;

use super::{
    ANSWERED, Answer, EXPORTED, LONG_PATIENCE, LONGEST, Order, PATIENCE, SOCKET, ShortDir, import,
    work,
};
use crate::auth::TokenError;
use crate::auth::tokens::By;
use crate::certificates;
use crate::challenges::{make, shown, state_of};
use crate::intune::{Decision, Revokers};

/// The longest note to a change of many certificates, in characters.
const LONGEST_NOTE: usize = 1000;

/// Lines of an export that wait to be sent.
const AHEAD: usize = 256;

/// What the server answers orders with.
#[derive(Clone)]
pub struct Control {
    /// The store and the way to it, challenges, CRLs, the time.
    pub services: Services,
    /// The profiles.
    pub directory: Directory,
    /// What revokes what Intune wants revoked.
    pub revokers: Arc<Revokers>,
}

impl Control {
    /// Binds the socket in `data_dir`, in the place of one that a dead server has left.
    ///
    /// # Errors
    /// The directory cannot be written, or the system refuses the socket.
    pub fn bind(data_dir: &Path) -> io::Result<UnixListener> {
        let short = ShortDir::open(data_dir)?;
        // Made under another name, so that it is never there with a wider mode.
        let fresh = short
            .path()
            .join(format!("{SOCKET}.{}", std::process::id()));
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
                        if let Err(error) = this.talk(stream).await {
                            tracing::debug!(%error, "a conversation on the control socket broke off");
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

    async fn talk(&self, mut stream: UnixStream) -> io::Result<()> {
        let user = stream.peer_cred().map_or_else(
            |_| "unknown".to_owned(),
            |peer| format!("uid {}", peer.uid()),
        );
        let (reading, mut writing) = stream.split();
        let mut line = String::new();
        let mut reading = tokio::io::BufReader::new(reading.take(LONGEST));
        tokio::time::timeout(PATIENCE, reading.read_line(&mut line)).await??;
        let answer = match serde_json::from_str::<Order>(&line) {
            Ok(order) => self.carry_out(order, user, &mut writing).await?,
            Err(error) => Answer::Refused(format!("the order cannot be read: {error}")),
        };
        let text = zeroize::Zeroizing::new(serde_json::to_string(&answer)?);
        send(&mut writing, ANSWERED, &text, PATIENCE).await
    }

    /// Releases or refuses a tenant's revocations that are held.
    async fn decide(&self, tenant: &str, release: bool, by: &By) -> Answer {
        let Some(revoker) = self.revokers.find(tenant) else {
            let words = format!("there is no tenant `{tenant}` whose revocations are handled");
            return Answer::Refused(words);
        };
        let decision = match release {
            true => Decision::Release,
            false => Decision::Refuse,
        };
        match revoker.decide(decision, by).await {
            Ok(count) => Answer::RevocationsDecided(count),
            Err(error) => Answer::Refused(error.to_string()),
        }
    }

    /// Revokes or releases many certificates, or counts them.
    async fn change_certificates(&self, mut request: api::BulkRequest, by: By) -> Answer {
        let note = request.note.as_deref().unwrap_or_default();
        if note.chars().count() > LONGEST_NOTE {
            return Answer::Refused(format!("the note is longer than {LONGEST_NOTE} characters"));
        }
        let by = actors::By {
            name: by.name,
            kind: by.kind.to_owned(),
            note: request.note.take(),
            request_id: by.request_id,
        };
        let (services, directory) = (&self.services, &self.directory);
        match certificates::change(services, directory, request, MOST_AT_ONCE, by).await {
            Ok(reply) => Answer::CertificatesChanged(reply),
            Err(error) => Answer::Refused(error.to_string()),
        }
    }

    /// Makes, lists or withdraws challenges that are made for one device.
    async fn challenge(&self, order: Order, by: &By) -> Answer {
        let minter = Minter {
            name: by.name.clone(),
            kind: by.kind.to_owned(),
            origin: None,
        };
        let challenges = &self.services.challenges;
        let done = match order {
            Order::CreateChallenge(wanted) => {
                let made = make(&self.directory, challenges, wanted, "cli", &minter).await;
                made.map(Answer::ChallengeMade)
                    .map_err(|error| error.to_string())
            }
            Order::ListChallenges {
                profile,
                state,
                limit,
            } => {
                let query = ChallengeQuery {
                    profile,
                    state: state.map(state_of),
                    before: None,
                    limit: usize::try_from(limit).unwrap_or(0),
                };
                let found = challenges.list(query).await;
                let all = found.map(|found| {
                    let all = found.found.iter();
                    all.map(|record| shown(record, challenges.state(record)))
                        .collect()
                });
                all.map(Answer::Challenges)
                    .map_err(|error| error.to_string())
            }
            Order::WithdrawChallenge { id } => {
                let done = challenges.withdraw(&id, &minter).await;
                done.map(|record| {
                    Answer::ChallengeWithdrawn(shown(&record, challenges.state(&record)))
                })
                .map_err(|error| error.to_string())
            }
            _ => Err("no order for a challenge".to_owned()),
        };
        done.unwrap_or_else(Answer::Refused)
    }

    async fn carry_out(
        &self,
        order: Order,
        user: String,
        writing: &mut (impl AsyncWrite + Unpin),
    ) -> io::Result<Answer> {
        let by = By {
            name: user,
            kind: "CLI",
            request_id: None,
        };
        let Services {
            store,
            journal,
            clock,
            ..
        } = &self.services;
        if let Some(done) = change(store, journal, &order, &by, clock.now())
            .await
            .transpose()
        {
            return Ok(done.unwrap_or_else(|error| Answer::Refused(error.to_string())));
        }
        if let Order::ImportCertificates(order) = order {
            let imported = self.import(order, by).await;
            return Ok(imported.map_or_else(Answer::Refused, Answer::Imported));
        }
        if let Order::DecideRevocations { tenant, release } = order {
            return Ok(self.decide(&tenant, release, &by).await);
        }
        if let Order::ChangeCertificates(request) = order {
            return Ok(self.change_certificates(request, by).await);
        }
        if order.needs_server() {
            return Ok(self.challenge(order, &by).await);
        }
        let (lines, mut waiting) = mpsc::channel::<String>(AHEAD);
        let store = Arc::clone(store);
        let reading = tokio::task::spawn_blocking(move || {
            work::read(store.as_ref(), &order, &mut |line| {
                lines
                    .blocking_send(line.to_owned())
                    .map_err(|_| io::ErrorKind::BrokenPipe.into())
            })
        });
        while let Some(line) = waiting.recv().await {
            send(writing, EXPORTED, &line, LONG_PATIENCE).await?;
        }
        Ok(match reading.await.map_err(io::Error::other)? {
            Ok(Some(answer)) => answer,
            Ok(None) => Answer::Refused("this order is not known".to_owned()),
            Err(error) => Answer::Refused(error.to_string()),
        })
    }
}

impl Control {
    /// Puts certificates of another server into the store.
    async fn import(&self, order: import::Import, by: By) -> Result<import::ImportCounts, String> {
        let services = &self.services;
        let (store, now) = (Arc::clone(&services.store), services.clock.now());
        let preparing = move || import::prepare(store.as_ref(), &order, &by, now);
        let prepared = tokio::task::spawn_blocking(preparing).await;
        let prepared = prepared.map_err(|error| error.to_string())??;
        if prepared.change.0.is_empty() {
            return Ok(prepared.counts);
        }
        let committed = services.journal.commit(prepared.change, None).await;
        committed.map_err(|error| error.to_string())?;
        for (record, reason) in &prepared.revoked {
            services.crls.changed(&record.ca, &[&record.serial]);
            services.compromised.revoked(record, *reason);
        }
        Ok(prepared.counts)
    }
}

/// Carries out an order that changes tokens, and answers when it is durable. `None` for other orders.
///
/// # Errors
/// [`TokenError`]; nothing has changed then.
pub async fn change(
    store: &Arc<dyn Store>,
    journal: &Journal,
    order: &Order,
    by: &By,
    now: DateTime<Utc>,
) -> Result<Option<Answer>, TokenError> {
    let Some((answer, change)) = work::change(order, &store.tokens(), by, now)? else {
        return Ok(None);
    };
    journal
        .commit(change, None)
        .await
        .map_err(|error| match error {
            // Somebody else was first.
            JournalError::Conflict(Conflict::TokenName { name }) => TokenError::Taken(name),
            JournalError::Conflict(Conflict::TokenRevoked { id }) => TokenError::Revoked(id),
            JournalError::Conflict(conflict) => TokenError::Store(conflict.to_string()),
            other => TokenError::Store(other.to_string()),
        })?;
    Ok(Some(answer))
}

async fn send(
    writing: &mut (impl AsyncWrite + Unpin),
    kind: char,
    text: &str,
    patience: Duration,
) -> io::Result<()> {
    let line = zeroize::Zeroizing::new(format!("{kind}{text}\n"));
    tokio::time::timeout(patience, writing.write_all(line.as_bytes())).await?
}
