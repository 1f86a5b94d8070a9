//! The part that the clock measures: prepared octets out, replies in, each connection one request at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::Uri;
use rustls::ClientConfig;
use scep::client::{peek_fail_info, peek_status};
use scep::{PkiStatus, get};

use super::connection::Connection;
use super::prepare::Prepared;
use super::{BenchOptions, Failures, Latencies, Measured, Progress, Sample, cpu};
use crate::client::{Endpoint, Error, Method, Server};

const OPERATION: &str = "PKIOperation";

/// What all connections share.
struct Shared {
    endpoint: Endpoint,
    tls: Option<Arc<ClientConfig>>,
    limit: Duration,
    outgoing: Vec<Outgoing>,
    next: AtomicUsize,
    keep_every: usize,
}

struct Outgoing {
    target: Uri,
    body: Option<Bytes>,
}

#[derive(Default)]
struct Done {
    latencies: Latencies,
    failures: Failures,
    reconnects: u64,
    kept: Vec<(usize, Bytes)>,
}

/// Sends everything; the clock runs from the first request to the last reply.
pub(super) async fn run(
    server: &Server,
    prepared: Vec<Prepared>,
    options: &BenchOptions,
    progress: &Arc<Progress>,
) -> Result<Measured, Error> {
    let count = prepared.len();
    let mut requests = Vec::with_capacity(count);
    let mut outgoing = Vec::with_capacity(count);
    for Prepared { message, request } in prepared {
        outgoing.push(address(
            server.session.endpoint(),
            message,
            options.dialect.method,
        )?);
        requests.push(Some(request));
    }
    let shared = Arc::new(Shared {
        endpoint: server.session.endpoint().clone(),
        tls: server.session.tls().cloned(),
        limit: server.session.limit(),
        outgoing,
        next: AtomicUsize::new(0),
        keep_every: count
            .checked_div(options.checked)
            .map_or(usize::MAX, |every| every.max(1)),
    });

    let mut connections = Vec::with_capacity(options.concurrency);
    for _ in 0..options.concurrency.clamp(1, count.max(1)) {
        connections
            .push(Connection::open(&shared.endpoint, shared.tls.as_ref(), shared.limit).await?);
    }
    let cpu_before = cpu::process_time();
    let start = Instant::now();
    let tasks: Vec<_> = connections
        .into_iter()
        .map(|connection| tokio::spawn(drive(connection, shared.clone(), progress.clone())))
        .collect();
    let mut latencies = Latencies::with_capacity(count);
    let mut failures = Failures::default();
    let mut reconnects = 0;
    let mut samples = Vec::new();
    let mut parts = Vec::with_capacity(tasks.len());
    for task in tasks {
        parts.push(
            task.await
                .map_err(|error| Error::Usage(format!("a connection's task died: {error}")))?,
        );
    }
    let elapsed = start.elapsed();
    let own_cpu = cpu_before
        .zip(cpu::process_time())
        .map(|(before, after)| after.saturating_sub(before));
    for done in parts {
        latencies.absorb(done.latencies);
        failures.absorb(done.failures);
        reconnects += done.reconnects;
        for (number, body) in done.kept {
            if let Some(request) = requests.get_mut(number).and_then(Option::take) {
                samples.push(Sample { request, body });
            }
        }
    }
    Ok(Measured {
        elapsed,
        own_cpu,
        latencies,
        failures,
        reconnects,
        samples,
    })
}

fn address(endpoint: &Endpoint, message: Bytes, method: Method) -> Result<Outgoing, Error> {
    let (target, body) = match method {
        Method::Post => (endpoint.target(OPERATION, None), Some(message)),
        Method::Get => (
            endpoint.target(OPERATION, Some(&get::encode_message(&message))),
            None,
        ),
    };
    let target = target.parse().map_err(|error| Error::Exchange {
        operation: OPERATION,
        why: format!("{error}"),
    })?;
    Ok(Outgoing { target, body })
}

async fn drive(mut connection: Connection, shared: Arc<Shared>, progress: Arc<Progress>) -> Done {
    let mut done = Done::default();
    loop {
        let number = shared.next.fetch_add(1, Ordering::Relaxed);
        let Some(outgoing) = shared.outgoing.get(number) else {
            return done;
        };
        if connection.is_closed() {
            done.reconnects += 1;
            match Connection::open(&shared.endpoint, shared.tls.as_ref(), shared.limit).await {
                Ok(opened) => connection = opened,
                Err(_) => {
                    done.failures.add("no connection");
                    progress.answered.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
            }
        }
        let start = Instant::now();
        let response = connection
            .send(
                OPERATION,
                &outgoing.target,
                outgoing.body.clone(),
                shared.limit,
            )
            .await;
        let took = start.elapsed();
        progress.answered.fetch_add(1, Ordering::Relaxed);
        match response {
            Ok(response) if response.status == 200 => match peek_status(&response.body) {
                Some(PkiStatus::Success) => {
                    done.latencies.add(took);
                    if number.is_multiple_of(shared.keep_every) {
                        done.kept.push((number, response.body));
                    }
                }
                Some(PkiStatus::Pending) => done.failures.add("PENDING"),
                Some(PkiStatus::Failure) => {
                    done.failures.add(match peek_fail_info(&response.body) {
                        Some(fail_info) => fail_info.name(),
                        None => "FAILURE",
                    })
                }
                None => done.failures.add("not a CertRep"),
            },
            Ok(response) => done.failures.add(format!("HTTP {}", response.status)),
            Err(Error::Exchange { why, .. }) => done.failures.add(why),
            Err(error) => done.failures.add(error.to_string()),
        }
    }
}
