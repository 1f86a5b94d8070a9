//! The CRL of the server that issued certificates of a CA before scepd did: from a file, or from a URL.
//!
//! A renewal of a certificate that the store does not know is granted only while such a list is at hand, is signed by
//! the CA, and has not passed its nextUpdate. A file is looked at again when it has changed, at most every ten seconds.
//! A URL is fetched by a thread of its own, every hour and, after a failure, every minute, so that no device waits for it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant, SystemTime};

use actors::{Former, FormerRevocations};
use chrono::{DateTime, TimeDelta, Utc};
use pki::{Certificate, Crl};
use reqwest::{Client, Url, redirect};

use crate::stable_read;

/// The largest list that is fetched, in octets.
const LARGEST: usize = 64 * 1024 * 1024;
/// How long a fetch may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a URL is fetched,
const FETCH_EVERY: Duration = Duration::from_secs(3600);
/// and after a failure.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// How often a file is looked at, at most.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How far a list's thisUpdate may lie in the future: clocks differ.
const AHEAD: TimeDelta = TimeDelta::minutes(5);

/// A list that was read and is signed by the CA.
struct List {
    revoked: HashSet<Vec<u8>>,
    number: Option<u64>,
    this_update: DateTime<Utc>,
    next_update: Option<DateTime<Utc>>,
}

/// What is known now: a list, or why there is none.
type Known = Result<Arc<List>, String>;

/// Where the list comes from.
enum Place {
    File {
        path: PathBuf,
        looked: Mutex<Option<(Instant, Option<SystemTime>)>>,
    },
    /// Dropped, it ends the thread that fetches.
    Url { _thread: mpsc::Sender<()> },
}

/// A former server's CRL.
pub struct FormerCrl {
    ca: Certificate,
    place: Place,
    known: Arc<Mutex<Known>>,
}

/// Whether the setting names a URL, and not a file.
pub(crate) fn is_url(place: &str) -> bool {
    place.contains("://")
}

impl FormerCrl {
    /// The list at `place`, a path or an http or https URL, of the CA.
    ///
    /// # Errors
    /// The place cannot be used, in words.
    pub fn new(place: &str, ca: Certificate) -> Result<Self, String> {
        let known = Arc::new(Mutex::new(Err("it has not been fetched yet".to_owned())));
        let place = if is_url(place) {
            let thread = fetch_for_ever(place, ca.clone(), Arc::clone(&known))?;
            Place::Url { _thread: thread }
        } else {
            Place::File {
                path: PathBuf::from(place),
                looked: Mutex::new(None),
            }
        };
        Ok(Self { ca, place, known })
    }

    /// The newest list, a file's after a look at the file.
    fn newest(&self) -> Known {
        if let Place::File { path, looked } = &self.place {
            let mut looked = lock(looked);
            let now = Instant::now();
            let lately = |(at, _): &(Instant, _)| now.saturating_duration_since(*at) < LOOK_EVERY;
            if !looked.as_ref().is_some_and(lately) {
                let changed = std::fs::metadata(path)
                    .and_then(|file| file.modified())
                    .ok();
                let same = looked.is_some_and(|(_, before)| before == changed && before.is_some());
                if !same {
                    *lock(&self.known) = from_file(path, &self.ca);
                }
                *looked = Some((now, changed));
            }
        }
        lock(&self.known).clone()
    }
}

impl FormerRevocations for FormerCrl {
    fn look(&self, certificate: &Certificate, now: DateTime<Utc>) -> Result<Former, String> {
        let list = self.newest()?;
        if !certificate.issuer().matches(self.ca.subject()) {
            return Err("it speaks for another CA than the certificate's".to_owned());
        }
        list.fresh(now)?;
        let number = list.number.map(|number| format!(" number {number}"));
        Ok(Former {
            revoked: list.revoked.contains(certificate.serial().minimal()),
            list: format!(
                "the former server's CRL{} of {}",
                number.unwrap_or_default(),
                list.this_update
            ),
        })
    }
}

impl List {
    fn fresh(&self, now: DateTime<Utc>) -> Result<(), String> {
        match self.next_update {
            None => Err("it does not say when the next one is due".to_owned()),
            Some(end) if end <= now => Err(format!("it ended on {end}")),
            Some(_) if self.this_update > now + AHEAD => {
                Err(format!("it begins on {} only", self.this_update))
            }
            Some(_) => Ok(()),
        }
    }
}

/// Reads a list of the CA, DER or PEM.
fn read(octets: &[u8], ca: &Certificate) -> Known {
    let unread = |error: pki::Error| format!("it cannot be read as a CRL: {error}");
    let crl = Crl::from_der_or_pem(octets).map_err(unread)?;
    if !crl.issuer().matches(ca.subject()) || crl.verify_signature_by(ca.public_key()).is_err() {
        return Err(format!("it is not signed by the CA `{}`", ca.subject()));
    }
    if crl.is_partial() {
        return Err("it is a delta CRL, or one for a part of the certificates".to_owned());
    }
    let serials = crl.entries().iter();
    Ok(Arc::new(List {
        revoked: serials
            .map(|entry| entry.serial.minimal().to_vec())
            .collect(),
        number: crl.number(),
        this_update: crl.this_update(),
        next_update: crl.next_update(),
    }))
}

fn from_file(path: &Path, ca: &Certificate) -> Known {
    let file = stable_read::read(path);
    let octets = file.map_err(|unread| format!("{}: {}", path.display(), unread.words().0))?;
    read(&octets.bytes, ca).map_err(|why| format!("{}: {why}", path.display()))
}

/// For the start-up checks: what is wrong with the list in a file, if anything; first what makes it useless, then what
/// may mend itself.
pub(crate) fn check_file(
    path: &Path,
    ca: &Certificate,
    now: DateTime<Utc>,
) -> Result<Result<(), String>, String> {
    Ok(from_file(path, ca)?.fresh(now))
}

/// Starts the thread that fetches; it ends when what this returns is dropped.
fn fetch_for_ever(
    url: &str,
    ca: Certificate,
    known: Arc<Mutex<Known>>,
) -> Result<mpsc::Sender<()>, String> {
    let url = Url::parse(url).map_err(|error| format!("it is no URL: {error}"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    // reqwest panics where no provider is installed; a second installation changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .timeout(PATIENCE)
        .redirect(redirect::Policy::limited(3))
        .user_agent(concat!("scepd/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| error.without_url().to_string())?;
    let (keep, kept) = mpsc::channel();
    let work = move || {
        loop {
            let fetched = runtime.block_on(fetch(&client, &url));
            let read = fetched.and_then(|octets| read(&octets, &ca));
            let again = match read {
                Ok(list) => {
                    *lock(&known) = Ok(list);
                    FETCH_EVERY
                }
                Err(why) => {
                    let host = url.host_str().unwrap_or_default();
                    tracing::warn!(
                        host,
                        "the former server's CRL cannot be had: {why}; trying again in a minute"
                    );
                    // A list that was had before is good until its end.
                    let mut known = lock(&known);
                    if known.is_err() {
                        *known = Err(why);
                    }
                    TRY_AGAIN_AFTER
                }
            };
            if kept.recv_timeout(again) == Err(mpsc::RecvTimeoutError::Disconnected) {
                return;
            }
        }
    };
    std::thread::Builder::new()
        .name("former-crl".to_owned())
        .spawn(work)
        .map_err(|error| error.to_string())?;
    Ok(keep)
}

async fn fetch(client: &Client, url: &Url) -> Result<Vec<u8>, String> {
    let failed = |error: reqwest::Error| error.without_url().to_string();
    let mut response = client.get(url.clone()).send().await.map_err(failed)?;
    if response.status().as_u16() != 200 {
        return Err(format!("status {}", response.status().as_u16()));
    }
    let mut octets = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if octets.len() + chunk.len() > LARGEST {
            return Err(format!("it is larger than {LARGEST} octets"));
        }
        octets.extend_from_slice(&chunk);
    }
    Ok(octets)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::{Read, Write};

    use issuer::{CrlSigner, Issuer, LocalCa, LocalCaParts, RaCertifier};
    use pki::{Curve, KeyKind, Name, RevokedEntry};

    use super::*;

    struct Old {
        ca: LocalCa,
        now: DateTime<Utc>,
    }

    impl Old {
        fn new() -> Self {
            let now = DateTime::from_timestamp(Utc::now().timestamp(), 0).unwrap();
            let name = Name::parse("CN=Old CA").unwrap();
            let kind = KeyKind::Ec(Curve::P256);
            let (certificate, key) = issuer::create_root(&name, kind, now, 10).unwrap();
            let ca = LocalCa::from_parts("old", LocalCaParts::new(certificate, key)).unwrap();
            Self { ca, now }
        }

        fn crl(&self, revoked: &Certificate) -> Vec<u8> {
            let entry = RevokedEntry {
                serial: revoked.serial().clone(),
                revoked_at: self.now,
                reason: None,
            };
            self.ca
                .sign_crl(&[entry], 7, self.now)
                .unwrap()
                .der()
                .to_vec()
        }

        fn ra(&self) -> Certificate {
            let key = pki::PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
            self.ca.certify_ra(key.public_key(), "x", self.now).unwrap()
        }
    }

    #[test]
    fn a_file_is_read_again_when_it_has_changed_and_only_a_fresh_list_of_the_ca_counts() {
        let (old, stranger) = (Old::new(), Old::new());
        let (revoked, good) = (old.ra(), old.ra());
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("old.crl");
        let place = file.to_str().unwrap();
        let ca = || old.ca.authority().certificate().clone();
        let look = |certificate| {
            FormerCrl::new(place, ca())
                .unwrap()
                .look(certificate, old.now)
        };
        assert!(look(&good).unwrap_err().contains("no such file"));
        std::fs::write(&file, stranger.crl(&good)).unwrap();
        assert!(look(&good).unwrap_err().contains("not signed by the CA"));
        std::fs::write(&file, old.crl(&revoked)).unwrap();
        let former = look(&good).unwrap();
        assert!(!former.revoked);
        assert!(
            former
                .list
                .starts_with("the former server's CRL number 7 of")
        );
        assert!(look(&revoked).unwrap().revoked);
        let crl = FormerCrl::new(place, ca()).unwrap();
        let late = old.now + TimeDelta::days(400);
        assert!(crl.look(&good, late).unwrap_err().contains("ended on"));
        assert!(check_file(&file, &ca(), old.now).unwrap().is_ok());
        assert!(check_file(&file, &ca(), late).unwrap().is_err());
        assert!(
            check_file(
                &file,
                &stranger.ca.authority().certificate().clone(),
                old.now
            )
            .is_err()
        );
    }

    #[test]
    fn a_url_is_fetched_without_being_asked() {
        let old = Old::new();
        let (revoked, good) = (old.ra(), old.ra());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/old.crl", listener.local_addr().unwrap());
        let octets = old.crl(&revoked);
        let (tell, told) = mpsc::channel();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 1024];
            let _ = stream.read(&mut asked).unwrap();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                octets.len()
            )
            .unwrap();
            stream.write_all(&octets).unwrap();
            drop(stream);
            tell.send(()).unwrap();
        });
        let crl = FormerCrl::new(&url, old.ca.authority().certificate().clone()).unwrap();
        told.recv().unwrap();
        server.join().unwrap();
        // The answer is on its way; nothing tells when it has been read.
        while crl.look(&good, old.now).is_err() {
            std::thread::yield_now();
        }
        assert!(!crl.look(&good, old.now).unwrap().revoked);
        assert!(crl.look(&revoked, old.now).unwrap().revoked);
    }
}
