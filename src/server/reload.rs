//! Reload: everything is read and built anew, and swapped only when all of it is good. Where it is
//! not, trust files are rotated all the same (`rotation`).

use super::{
    Server, admin, assembly, connection_limits, front_settings, load, log_notices, open_access_log,
    ras, read, warn_of_forgotten,
};
use crate::checks;
use crate::server::ServerError;
use crate::telemetry;
use actors::{Applied, ApplyProfiles};
use std::sync::Arc;
use store::{AuditDetails, AuditEvent, Change, Outcome};

/// What a reload changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reloaded {
    /// Profiles added, updated and removed.
    pub profiles: Applied,
    /// Settings that are new in the file but need a restart.
    pub needs_restart: Vec<&'static str>,
}

impl Server {
    /// Reads the configuration and everything that it points to again. `by` is who asked, for the
    /// audit.
    ///
    /// # Errors
    /// [`ServerError`]: what is wrong. Then nothing has changed but trust files that are good.
    pub async fn reload(&self, by: &str) -> Result<Reloaded, ServerError> {
        let mut in_force = self.in_force.loaded.lock().await;
        let result = self.try_reload(&mut in_force).await;
        let rotated = match &result {
            Ok(_) => Vec::new(),
            Err(refused) => self.rotate_trust(refused, by).await,
        };
        drop(in_force);
        self.audit_reload(by, &result, &rotated).await;
        result
    }

    async fn try_reload(
        &self,
        in_force: &mut Arc<checks::Loaded>,
    ) -> Result<Reloaded, ServerError> {
        let effective = read(&self.sources).await?;
        log_notices(&effective);
        let mut config = effective.config;
        let before = self.config();
        let needs_restart = needs_restart(&before, &config);
        // What is kept in the data directory is that of the running server.
        config.server.data_dir.clone_from(&before.server.data_dir);
        config.store = before.store.clone();
        let now = self.clock.now();
        let mut loaded = load(&config, now).await?;
        loaded.carry_over(in_force, now);
        warn_of_forgotten(&config, &self.runtime().services.store, now).await;
        keep_what_needs_a_restart(&mut config, &before);
        // The last things that can fail, before anything is swapped.
        let metrics = &self.runtime().services.metrics;
        let tenants = self
            .tenants
            .prepare(&loaded.tenants, &self.clock, metrics)?;
        let specs = assembly::specs(&loaded, &config, &tenants, now)?;
        let gate = admin::gate_settings(&config, &loaded)?;
        let access = open_access_log(&config)?;
        // Accepted: on disk before a device can see them.
        let new_ras = ras::write(&loaded).await?;
        let applied = self
            .runtime()
            .supervisor
            .send(ApplyProfiles(specs))
            .await
            .map_err(|_| actors::ApplyError::Stopped)??;
        new_ras.keep();
        let issuers = loaded.issuers.values().cloned().collect();
        self.runtime().services.remotes.set(issuers);
        self.tls.replace_with(&loaded.tls.identity);
        self.context.gate.apply(gate);
        self.tenants.apply(&loaded.tenants, &tenants);
        let runtime = &self.context.runtime;
        self.revokers.apply(&self.tenants.all(), &config, runtime);
        if let Err(error) = telemetry::logs::change(&config.log) {
            tracing::warn!("{error}");
        }
        self.front.access.apply(access);
        self.front
            .settings
            .store(Arc::new(front_settings(&config, &loaded)));
        self.connection_limits
            .store(Arc::new(connection_limits(&config)));
        if let Some(publication) = &self.publication {
            let proxies = &config.server.trusted_proxies;
            publication.apply(&config.publish, proxies, loaded.issuers.values());
        }
        self.in_force.exchange(in_force, config, loaded);
        self.retention_changed.notify_one();
        Ok(Reloaded {
            profiles: applied,
            needs_restart,
        })
    }

    async fn audit_reload(
        &self,
        by: &str,
        result: &Result<Reloaded, ServerError>,
        rotated: &[String],
    ) {
        let (outcome, message) = match result {
            Ok(reloaded) => {
                let Applied {
                    added,
                    updated,
                    removed,
                } = &reloaded.profiles;
                let text = format!(
                    "configuration reloaded: {} profiles go on, {} added, {} removed",
                    updated.len(),
                    added.len(),
                    removed.len()
                );
                tracing::info!(
                    added = added.join(","),
                    removed = removed.join(","),
                    profiles = updated.len() + added.len(),
                    "configuration reloaded"
                );
                for setting in &reloaded.needs_restart {
                    tracing::warn!(
                        setting,
                        "changed in the file, but takes effect only after a restart"
                    );
                }
                (Outcome::Success, text)
            }
            Err(error) => {
                for line in error.to_string().lines() {
                    tracing::error!("reload refused: {line}");
                }
                let changed = match rotated {
                    [] => "nothing has changed".to_owned(),
                    rotated => format!("nothing has changed but {}", rotated.join(", ")),
                };
                (
                    Outcome::Failure,
                    format!("reload refused, {changed}: {error}"),
                )
            }
        };
        let event = AuditEvent {
            timestamp: self.clock.now(),
            actor: by.to_owned(),
            actor_type: "System".to_owned(),
            action: "scep_config_reload".to_owned(),
            resource_type: "configuration".to_owned(),
            resource_id: String::new(),
            details: AuditDetails {
                outcome: Some(outcome),
                message: Some(message),
                ..AuditDetails::default()
            },
        };
        let journal = &self.runtime().services.journal;
        if let Err(error) = journal.commit(Change::new().with(event), None).await {
            tracing::warn!(%error, "the reload could not be audited");
        }
    }
}

/// The configuration in force says what is so: what is read once, at start, is as it was then.
fn keep_what_needs_a_restart(config: &mut crate::config::Config, before: &crate::config::Config) {
    let (new, old) = (&mut config.server, &before.server);
    new.https_listen = old.https_listen;
    new.http_listen = old.http_listen;
    new.mtls_listen = old.mtls_listen;
    new.max_connections = old.max_connections;
    new.compute_threads = old.compute_threads;
    new.compute_queue = old.compute_queue;
    config.admin.metrics_listen = before.admin.metrics_listen;
    config.publish.listen = before.publish.listen;
    config.log.format = before.log.format;
}

/// Settings that are read once, at start, and are others now.
fn needs_restart(
    before: &crate::config::Config,
    after: &crate::config::Config,
) -> Vec<&'static str> {
    let (old, new) = (&before.server, &after.server);
    [
        ("server.https_listen", old.https_listen != new.https_listen),
        ("server.http_listen", old.http_listen != new.http_listen),
        ("server.mtls_listen", old.mtls_listen != new.mtls_listen),
        ("server.data_dir", old.data_dir != new.data_dir),
        (
            "server.max_connections",
            old.max_connections != new.max_connections,
        ),
        (
            "server.compute_threads",
            old.compute_threads != new.compute_threads,
        ),
        (
            "server.compute_queue",
            old.compute_queue != new.compute_queue,
        ),
        ("store", before.store != after.store),
        (
            "admin.metrics_listen",
            before.admin.metrics_listen != after.admin.metrics_listen,
        ),
        (
            "publish.listen",
            before.publish.listen != after.publish.listen,
        ),
        ("log.format", before.log.format != after.log.format),
    ]
    .into_iter()
    .filter_map(|(setting, changed)| changed.then_some(setting))
    .collect()
}
