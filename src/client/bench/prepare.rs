//! Requests made before the clock starts: few keys, but each its own CSR, challenge, nonce and transactionID.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use pki::{Certificate, Csr, KeyKind, Name, PrivateKey, SubjectAltNames};
use scep::client::{CaCertificates, Content, Request, RequestBuilder, self_signed};
use serde_json::{Map, Value};

use super::{BenchOptions, Progress};
use crate::client::{Device, Error};

/// Where challenges come from.
pub enum Challenges {
    /// None is sent.
    None,
    /// The same for all.
    Static(String),
    /// Each request its own, signed as Intune's connector does, for a device of its own.
    Intune {
        /// Signs.
        minter: challenge::mint::Minter,
        /// `aud`.
        audience: Option<String>,
        /// `iss`.
        issuer: String,
        /// `exp` is this long after `iat`.
        lifetime: TimeDelta,
    },
}

/// What every request is like.
pub struct Recipe {
    /// Comes before `CN=<run>-<number>` in the subject; may be empty.
    pub subject_prefix: String,
    /// With a DNS name as SAN, or without any SAN.
    pub with_san: bool,
    /// The challenges.
    pub challenges: Challenges,
    /// When the requests are made.
    pub now: DateTime<Utc>,
}

/// A request that is ready to be sent.
pub(super) struct Prepared {
    pub(super) message: Bytes,
    pub(super) request: Request,
}

/// Makes all requests, on all cores.
pub(super) fn all(
    ca: &CaCertificates,
    recipe: &Recipe,
    options: &BenchOptions,
    progress: &Progress,
) -> Result<Vec<Prepared>, Error> {
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let run = run_name()?;
    let devices = devices(options.keys.clamp(1, options.count.max(1)), recipe.now)?;
    let next = AtomicUsize::new(0);
    let work = || {
        let mut made = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(device) = devices.get(number % devices.len().max(1)) else {
                return Ok(made);
            };
            if number >= options.count {
                return Ok(made);
            }
            made.push(one(
                ca,
                recipe,
                options,
                device,
                &format!("{run}-{number}"),
            )?);
            progress.prepared.fetch_add(1, Ordering::Relaxed);
        }
    };
    let parts: Vec<Result<Vec<Prepared>, Error>> = thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let failed = || {
            Err(Error::Usage(
                "a thread that prepares requests died".to_owned(),
            ))
        };
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|_| failed()))
            .collect()
    });
    let mut prepared = Vec::with_capacity(options.count);
    for part in parts {
        prepared.extend(part?);
    }
    Ok(prepared)
}

fn devices(count: usize, now: DateTime<Utc>) -> Result<Vec<Device>, Error> {
    let subject = Name::parse("CN=scepd bench")?;
    (0..count)
        .map(|_| {
            let key = PrivateKey::generate(KeyKind::Rsa { bits: 2048 })?;
            Ok(Device {
                certificate: self_signed(&subject, &key, now)?,
                key,
            })
        })
        .collect()
}

fn one(
    ca: &CaCertificates,
    recipe: &Recipe,
    options: &BenchOptions,
    device: &Device,
    name: &str,
) -> Result<Prepared, Error> {
    let subject = Name::parse(&format!("{}CN={name}", recipe.subject_prefix))?;
    let dns = if recipe.with_san {
        vec![format!("{name}.bench.example")]
    } else {
        Vec::new()
    };
    let challenge = recipe.challenges.next(name, &dns, recipe.now)?;
    let sans = SubjectAltNames {
        dns,
        ..SubjectAltNames::default()
    };
    let csr = Csr::build(&subject, &sans, challenge.as_deref(), &[], &device.key)?;
    let recipients: [&Certificate; 1] = [ca.recipient()?];
    let mut request = RequestBuilder::new(
        Content::PkcsReq(&csr),
        (&device.certificate, &device.key),
        &recipients,
    )
    .cipher(options.dialect.cipher)
    .digest(options.dialect.digest)
    .key_transport(options.dialect.key_transport)
    .build()?;
    Ok(Prepared {
        message: Bytes::from(request.take_message()),
        request,
    })
}

impl Challenges {
    fn next(
        &self,
        device: &str,
        dns: &[String],
        now: DateTime<Utc>,
    ) -> Result<Option<String>, Error> {
        match self {
            Challenges::None => Ok(None),
            Challenges::Static(secret) => Ok(Some(secret.clone())),
            Challenges::Intune {
                minter,
                audience,
                issuer,
                lifetime,
            } => {
                let mut claims = Map::new();
                claims.insert("iss".to_owned(), Value::from(issuer.as_str()));
                claims.insert("sub".to_owned(), Value::from(format!("device-{device}")));
                if let Some(audience) = audience {
                    claims.insert("aud".to_owned(), Value::from(audience.as_str()));
                }
                claims.insert("device_name".to_owned(), Value::from(device));
                if !dns.is_empty() {
                    claims.insert("san_dns".to_owned(), Value::from(dns));
                }
                let minted = minter.mint(claims, *lifetime, now);
                minted
                    .map(Some)
                    .map_err(|error| Error::Usage(format!("no challenge could be made: {error}")))
            }
        }
    }
}

/// Names no other run has, so that runs against the same server do not meet.
fn run_name() -> Result<String, Error> {
    Ok(format!("bench-{}", hex::encode(pki::random::<4>()?)))
}
