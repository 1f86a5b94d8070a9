//! Issuers elsewhere beside a running server: looked at again and again, their chains kept on disk, an alarm when one is
//! away for long.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use actors::ApplyProfiles;
use futures_util::future::join_all;
use issuer::Issuer;
use tokio::sync::watch;

use super::{Server, assembly};
use crate::checks::chain_file;
use crate::http::Phase;

/// How often they are looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// The longest that one look may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// After so long without an answer somebody must see to it.
const ALARM: Duration = Duration::from_secs(5 * 60);

/// Those of which an alarm was given and that have not come back.
pub type Alarmed = BTreeSet<String>;

impl Server {
    /// Looks at every issuer elsewhere: renews logins, takes over and keeps new chains, gives an alarm for those that are
    /// away.
    pub async fn look_at_issuers(&self, alarmed: &mut Alarmed) {
        let issuers = self.in_force.loaded.lock().await.issuers.clone();
        let looks = issuers.values().filter_map(|issuer| issuer.remote());
        join_all(looks.map(|remote| tokio::time::timeout(PATIENCE, remote.look()))).await;
        for (id, issuer) in &issuers {
            alarm(id, &**issuer, alarmed);
        }
        if self.keep_chains(&issuers).await {
            self.show_new_chains().await;
        }
    }

    /// Writes the chains that are not on disk yet. Whether there were any.
    pub(super) async fn keep_chains(&self, issuers: &BTreeMap<String, Arc<dyn Issuer>>) -> bool {
        let data_dir = self.config().server.data_dir.clone();
        let chains: Vec<(PathBuf, String)> = issuers
            .iter()
            .filter(|(_, issuer)| issuer.remote().is_some())
            .map(|(id, issuer)| {
                let authority = issuer.authority();
                let pem = authority.chain().iter().map(pki::Certificate::to_pem);
                (chain_file(&data_dir, id), pem.collect())
            })
            .collect();
        let written = tokio::task::spawn_blocking(move || {
            let mut any = false;
            for (file, pem) in chains {
                if std::fs::read(&file).is_ok_and(|kept| kept == pem.as_bytes()) {
                    continue;
                }
                any = true;
                if let Err(error) = write(&file, pem.as_bytes()) {
                    tracing::error!(path = %file.display(), %error, "the chain of an issuer elsewhere cannot be kept: a start while it is away would fail");
                }
            }
            any
        });
        written.await.unwrap_or_default()
    }

    /// What profiles say of their CA is made anew.
    async fn show_new_chains(&self) {
        let loaded = self.in_force.loaded.lock().await;
        let config = self.config();
        let metrics = &self.runtime().services.metrics;
        let tenants = self
            .tenants
            .prepare(&loaded.tenants, &self.clock, metrics)
            .map_err(|error| error.to_string());
        let specs = tenants.and_then(|tenants| {
            assembly::specs(&loaded, &config, &tenants, self.clock.now())
                .map_err(|error| error.to_string())
        });
        let specs = match specs {
            Ok(specs) => specs,
            Err(error) => {
                tracing::warn!(%error, "a new chain of an issuer elsewhere is shown to devices only after a reload");
                return;
            }
        };
        let applied = self.runtime().supervisor.send(ApplyProfiles(specs)).await;
        if !matches!(applied, Ok(Ok(_))) {
            tracing::warn!(
                "a new chain of an issuer elsewhere is shown to devices only after a reload"
            );
        }
    }
}

/// Says it once when an issuer is away for long, and when it is back.
fn alarm(id: &str, issuer: &dyn Issuer, alarmed: &mut Alarmed) {
    let Some(remote) = issuer.remote() else {
        return;
    };
    let health = remote.health();
    let Some(trouble) = health.trouble else {
        if alarmed.remove(id) {
            tracing::info!(issuer = id, "the issuer is back");
        }
        return;
    };
    if health.silent_for >= ALARM && alarmed.insert(id.to_owned()) {
        tracing::error!(
            issuer = id,
            minutes = health.silent_for.as_secs() / 60,
            trouble,
            "an issuer elsewhere has not done its work for minutes; devices wait (PENDING)"
        );
    }
}

/// Looks at them until the server drains.
pub(super) async fn watch(server: Weak<Server>, mut phase: watch::Receiver<Phase>) {
    let draining = phase.wait_for(|phase| *phase == Phase::Draining);
    let mut draining = std::pin::pin!(draining);
    let mut alarmed = Alarmed::new();
    while let Some(server) = server.upgrade() {
        tokio::select! {
            () = server.look_at_issuers(&mut alarmed) => {}
            _ = draining.as_mut() => return,
        }
        drop(server);
        let asleep = tokio::time::timeout(LOOK_AGAIN, draining.as_mut()).await;
        if asleep.is_ok() {
            return;
        }
    }
}

/// Writes beside the place and renames, so that a crash leaves a whole file or the one of before.
fn write(file: &Path, content: &[u8]) -> io::Result<()> {
    let directory = file.parent().unwrap_or(Path::new("."));
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    let unfinished = file.with_extension("new");
    let mut out = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)?;
    out.write_all(content)?;
    out.sync_all()?;
    std::fs::rename(&unfinished, file)?;
    File::open(directory)?.sync_all()
}
