//! `scepd serve`: the server with the process's signals around it.

use super::lost::lost;
use super::{Addresses, Ended, Server, ServerError, Sockets, read};
use crate::config::Sources;
use actors::SystemClock;
use chrono::Utc;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The longest sleep between two looks at whether something is due.
const LOOK_AGAIN: Duration = Duration::from_secs(3600);

/// Runs until SIGTERM or SIGINT. SIGHUP reloads. `ready` is called once requests are answered.
///
/// # Errors
/// [`ServerError`] when the server does not start; [`ServerError::StoreLost`] when its store failed
/// and it must be started anew.
pub async fn serve(
    sources: Sources,
    sockets: Sockets,
    ready: impl FnOnce(Addresses),
) -> Result<(), ServerError> {
    // First of all: until then any of them ends the process without a word, and reading may wait for
    // a file that is being written. What comes meanwhile is answered once the server runs.
    let mut hangup = signal(SignalKind::hangup()).map_err(ServerError::Signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(ServerError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServerError::Signals)?;
    if let Ok(effective) = read(&sources).await {
        // A level that is no filter is a finding of the checks.
        let _ = crate::telemetry::logs::start(&effective.config.log);
    }
    let server = Server::start(sources, sockets, Arc::new(SystemClock)).await?;
    let addresses = server.addresses();
    tracing::info!(
        https = %addresses.https,
        http = addresses.http.map(tracing::field::display),
        mtls = addresses.mtls.map(tracing::field::display),
        publish = addresses.publish.map(tracing::field::display),
        "ready"
    );
    tell_systemd(&[sd_notify::NotifyState::Ready]);
    ready(addresses);
    let ends = tokio::select! {
        // A reload waits for disks; the end does not wait for a reload.
        () = reloads(&server, &mut hangup) => Ok(()),
        () = lost(&server) => Err(ServerError::StoreLost),
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    };
    tracing::info!("draining: no new connections, requests in flight are answered");
    tell_systemd(&[sd_notify::NotifyState::Stopping]);
    let limit = server.config().server.drain_timeout.duration();
    let Ended { in_time, flushed } = server.stop(limit).await;
    if !in_time {
        tracing::warn!(
            seconds = limit.as_secs(),
            "some connections did not end within server.drain_timeout"
        );
    }
    if flushed {
        tracing::info!("drained, the store is flushed");
    } else {
        tracing::error!(
            "ended without the store: what was answered is on disk, what was not is open"
        );
    }
    ends
}

/// Reloads on every SIGHUP, and when something is due. Without end.
async fn reloads(server: &Server, hangup: &mut Signal) {
    loop {
        tokio::select! {
            _ = hangup.recv() => {
                reloading();
                // What it did is logged and audited.
                let _ = server.reload("SIGHUP").await;
                tell_systemd(&[sd_notify::NotifyState::Ready]);
            }
            () = due(server) => {
                let _ = server.reload("schedule").await;
            }
        }
    }
}

/// Until an automatic RA certificate is due, or an overlap ends.
async fn due(server: &Server) {
    let sleep = server
        .in_force
        .loaded
        .lock()
        .await
        .reload_at
        .map_or(LOOK_AGAIN, |at| {
            (at - Utc::now())
                .to_std()
                .unwrap_or(Duration::from_secs(60))
                .min(LOOK_AGAIN)
        });
    tokio::time::sleep(sleep).await;
}

fn reloading() {
    let mut states = vec![sd_notify::NotifyState::Reloading];
    if let Ok(now) = sd_notify::NotifyState::monotonic_usec_now() {
        states.push(now);
    }
    tell_systemd(&states);
}

/// Without systemd there is nobody to tell.
fn tell_systemd(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(false, states) {
        tracing::debug!(%error, "systemd could not be told");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Whether this process handles a signal, as the kernel says.
    fn is_handled(signal: SignalKind) -> bool {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let mask = status
            .lines()
            .find_map(|line| line.strip_prefix("SigCgt:"))
            .unwrap();
        let mask = u64::from_str_radix(mask.trim(), 16).unwrap();
        mask & (1 << (signal.as_raw_value() - 1)) != 0
    }

    #[tokio::test]
    async fn signals_are_handled_before_the_configuration_is_read() {
        // A file that was written just now is waited for, so that reading takes its time.
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "[server]\n").unwrap();
        let sources = Sources {
            file: Some(file.path().to_owned()),
            ..Sources::default()
        };
        let serving = serve(sources, Sockets::default(), |_| {});
        tokio::select! {
            biased;
            _ = serving => unreachable!("it has read nothing yet"),
            () = std::future::ready(()) => {}
        }
        for signal in [
            SignalKind::hangup(),
            SignalKind::terminate(),
            SignalKind::interrupt(),
        ] {
            assert!(is_handled(signal), "{signal:?}");
        }
    }
}
