//! A SCEP server of a few lines for tests: scep and pki, and none of the server around them.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use pki::{
    Certificate, CertificateBuilder, CrlBuilder, Csr, Digest, Extension, KeyKind, KeyUsage, Name,
    PrivateKey, PublicKey, Serial, SubjectAltNames,
};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use scep::{
    Answer, Body, CryptoMode, FailInfo, OpenError, Opened, RaIdentity, caps, content_type, get,
};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

mod lies;

pub(crate) use lies::Lie;

/// What the server is like.
#[derive(Debug, Clone)]
pub(crate) struct Behaviour {
    pub(crate) tls: bool,
    pub(crate) mode: CryptoMode,
    /// Sent for GetCACaps in place of what is true.
    pub(crate) caps: Option<&'static str>,
    /// Refuses POST.
    pub(crate) get_only: bool,
    pub(crate) challenge: Option<String>,
    /// So many polls of each request are answered with PENDING.
    pub(crate) pending: usize,
    /// Closes the connection after each reply.
    pub(crate) closes: bool,
    /// Signs replies with a key that GetCACert does not show.
    pub(crate) impostor: bool,
    /// Leaves the root out of GetCACert.
    pub(crate) no_root: bool,
    /// Answers GetCRL with badCertId in place of an empty CRL.
    pub(crate) no_crl: bool,
    /// Every so manieth PKIOperation is answered with 503; 0 for none.
    pub(crate) busy_every: usize,
    /// In what certificates are not what was asked for.
    pub(crate) lie: Option<Lie>,
    /// The extended key usages of the RA; none for no such extension.
    pub(crate) ra_usages: &'static [&'static str],
}

impl Default for Behaviour {
    fn default() -> Self {
        Behaviour {
            tls: false,
            mode: CryptoMode::Modern,
            caps: None,
            get_only: false,
            challenge: Some("s3cret".to_owned()),
            pending: 0,
            closes: false,
            impostor: false,
            no_root: false,
            no_crl: false,
            busy_every: 0,
            lie: None,
            ra_usages: &[],
        }
    }
}

/// A running server; it ends with this value.
pub(crate) struct Responder {
    address: SocketAddr,
    state: Arc<State>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

struct State {
    behaviour: Behaviour,
    root: Certificate,
    ca: Certificate,
    ca_key: PrivateKey,
    ra: RaIdentity,
    impostor: RaIdentity,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    challenges: Vec<Option<String>>,
    operations: usize,
    renewals: usize,
    waiting: HashMap<String, (usize, Csr)>,
}

impl Responder {
    pub(crate) fn start(behaviour: Behaviour) -> Responder {
        let state = Arc::new(State::new(behaviour));
        let tls = state.behaviour.tls.then(|| state.tls());
        let (stop, stopped) = oneshot::channel();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let serving = state.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    () = accept(listener, serving, tls) => {}
                    _ = stopped => {}
                }
            });
        });
        Responder {
            address,
            state,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.state.behaviour.tls {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}/scep/corp", self.address)
    }

    pub(crate) fn root(&self) -> &Certificate {
        &self.state.root
    }

    pub(crate) fn ca(&self) -> &Certificate {
        &self.state.ca
    }

    pub(crate) fn ca_fingerprint(&self) -> String {
        hex::encode(self.state.ca.fingerprint())
    }

    /// The challenges that came, in order.
    pub(crate) fn challenges(&self) -> Vec<Option<String>> {
        self.state.seen.lock().unwrap().challenges.clone()
    }

    pub(crate) fn renewals(&self) -> usize {
        self.state.seen.lock().unwrap().renewals
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, state: Arc<State>, tls: Option<TlsAcceptor>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = state.clone();
        let tls = tls.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let state = state.clone();
                async move { Ok::<_, Infallible>(state.serve(request).await) }
            });
            let http = hyper::server::conn::http1::Builder::new();
            // A client may go away at any time.
            let _ = match tls {
                None => http.serve_connection(TokioIo::new(stream), service).await,
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => http.serve_connection(TokioIo::new(stream), service).await,
                    Err(_) => return,
                },
            };
        });
    }
}

fn rsa() -> PrivateKey {
    PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap()
}

impl State {
    fn new(behaviour: Behaviour) -> State {
        let (root_key, ca_key) = (rsa(), rsa());
        let none = SubjectAltNames::default();
        let name = |text: &str| Name::parse(text).unwrap();
        let root = issue(
            &name("CN=Root"),
            &name("CN=Root"),
            root_key.public_key(),
            &root_key,
            true,
            &none,
        );
        let ca = issue(
            &name("CN=Issuing"),
            &name("CN=Root"),
            ca_key.public_key(),
            &root_key,
            true,
            &none,
        );
        let ra = || {
            let key = rsa();
            let mut builder = builder(
                &name("CN=RA"),
                &name("CN=Issuing"),
                key.public_key(),
                &ca_key,
                (false, DEVICE_USAGE),
                &none,
            );
            if !behaviour.ra_usages.is_empty() {
                let usages = Extension::ext_key_usage(behaviour.ra_usages).unwrap();
                builder.extensions.push(usages);
            }
            let scheme = ca_key.scheme(Digest::Sha256).unwrap();
            let certificate = builder.sign(&ca_key, &scheme).unwrap();
            RaIdentity { certificate, key }
        };
        State {
            ra: ra(),
            impostor: ra(),
            behaviour,
            root,
            ca,
            ca_key,
            seen: Mutex::default(),
        }
    }

    /// A TLS certificate for 127.0.0.1, issued by the root.
    fn tls(&self) -> TlsAcceptor {
        let key = rsa();
        let sans = SubjectAltNames {
            ip: vec!["127.0.0.1".parse().unwrap()],
            ..SubjectAltNames::default()
        };
        let name = Name::parse("CN=server").unwrap();
        let certificate = issue(
            &name,
            self.ca.subject(),
            key.public_key(),
            &self.ca_key,
            false,
            &sans,
        );
        let chain = [&certificate, &self.ca]
            .map(|c| CertificateDer::from(c.der().to_vec()))
            .to_vec();
        let key = PrivateKeyDer::from_pem_slice(key.to_pkcs8_pem().unwrap().as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }

    async fn serve(&self, request: Request<hyper::body::Incoming>) -> Response<Full<Bytes>> {
        let raw = request.uri().query().unwrap_or_default().to_owned();
        let query = get::Query::parse(&raw);
        let post = request.method() == Method::POST;
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let (status, kind, body) = match query.operation {
            Some("GetCACaps") => {
                let caps = self.behaviour.caps.map_or_else(
                    || caps::render(self.behaviour.mode, true, true),
                    str::to_owned,
                );
                (200, content_type::TEXT, caps.into_bytes())
            }
            Some("GetCACert") => {
                let chain = [self.ca.clone(), self.root.clone()];
                let shown = if self.behaviour.no_root { 1 } else { 2 };
                let (kind, body) =
                    scep::ca_cert_body(&[&self.ra.certificate], &chain[..shown]).unwrap();
                (200, kind, body)
            }
            Some("GetNextCACert") => {
                let body =
                    scep::next_ca_body(&self.ca, &self.ca_key, std::slice::from_ref(&self.root))
                        .unwrap();
                (200, content_type::NEXT_CA_CERT, body)
            }
            Some("PKIOperation") if post && self.behaviour.get_only => {
                (405, content_type::TEXT, b"GET only".to_vec())
            }
            Some("PKIOperation") if post => self.operate(&body),
            Some("PKIOperation") => {
                self.operate(&get::decode_message(query.message.unwrap()).unwrap())
            }
            _ => (400, content_type::TEXT, b"no such operation".to_vec()),
        };
        let mut response = Response::builder()
            .status(status)
            .header("content-type", kind);
        if self.behaviour.closes {
            response = response.header("connection", "close");
        }
        response.body(Full::new(Bytes::from(body))).unwrap()
    }

    fn operate(&self, message: &[u8]) -> (u16, &'static str, Vec<u8>) {
        {
            let mut seen = self.seen.lock().unwrap();
            seen.operations += 1;
            let every = self.behaviour.busy_every;
            if every > 0 && seen.operations.is_multiple_of(every) {
                return (503, content_type::TEXT, b"busy".to_vec());
            }
        }
        let ra = if self.behaviour.impostor {
            &self.impostor
        } else {
            &self.ra
        };
        let mode = self.behaviour.mode;
        let reply = match scep::open(message, std::slice::from_ref(&self.ra), mode) {
            Ok(opened) => self.decide(&opened, |answer| {
                scep::cert_rep(&opened.reply, &answer, ra, mode, Utc::now()).unwrap()
            }),
            Err(OpenError::Refused {
                reply,
                fail_info,
                text,
                ..
            }) => {
                let text = &text;
                let answer = Answer::Failure { fail_info, text };
                scep::cert_rep(&reply, &answer, ra, mode, Utc::now()).unwrap()
            }
            Err(OpenError::Unreadable(words)) => {
                return (400, content_type::TEXT, words.into_bytes());
            }
        };
        (200, content_type::PKI_MESSAGE, reply)
    }

    fn decide(&self, opened: &Opened, reply: impl Fn(Answer<'_>) -> Vec<u8>) -> Vec<u8> {
        let refuse = |fail_info, text| reply(Answer::Failure { fail_info, text });
        let mut seen = self.seen.lock().unwrap();
        let id = opened.reply.transaction_id.clone().unwrap();
        let csr = match &opened.body {
            Body::PkcsReq(csr) => {
                seen.challenges
                    .push(csr.challenge_password().map(str::to_owned));
                let wanted = self.behaviour.challenge.as_deref();
                if wanted.is_some() && csr.challenge_password() != wanted {
                    return refuse(FailInfo::BadRequest, "the challenge is wrong");
                }
                csr.clone()
            }
            Body::RenewalReq(csr) => {
                if opened
                    .reply
                    .signer
                    .verify_signature_by(self.ca.public_key())
                    .is_err()
                {
                    return refuse(FailInfo::BadRequest, "the signer is none of ours");
                }
                seen.renewals += 1;
                csr.clone()
            }
            Body::CertPoll { .. } => match seen.waiting.get_mut(&id) {
                Some((0, csr)) => return self.success(&csr.clone(), reply),
                Some((left, _)) => {
                    *left -= 1;
                    return reply(Answer::Pending);
                }
                None => return refuse(FailInfo::BadCertId, "no such request"),
            },
            Body::GetCrl { .. } if !self.behaviour.no_crl => {
                return reply(Answer::Crl(&self.crl()));
            }
            Body::GetCert { .. } | Body::GetCrl { .. } => {
                return refuse(FailInfo::BadCertId, "there is none");
            }
        };
        if self.behaviour.pending > 0 {
            seen.waiting.insert(id, (self.behaviour.pending - 1, csr));
            return reply(Answer::Pending);
        }
        // Who asks again for what was issued gets it.
        seen.waiting.insert(id, (0, csr.clone()));
        self.success(&csr, reply)
    }

    fn crl(&self) -> Vec<u8> {
        let builder = CrlBuilder {
            issuer: self.ca.subject().clone(),
            entries: Vec::new(),
            number: 1,
            this_update: Utc::now(),
            next_update: Utc::now() + TimeDelta::days(1),
            aki: None,
        };
        let scheme = self.ca_key.scheme(Digest::Sha256).unwrap();
        builder.sign(&self.ca_key, &scheme).unwrap().der().to_vec()
    }

    fn success(&self, csr: &Csr, reply: impl Fn(Answer<'_>) -> Vec<u8>) -> Vec<u8> {
        let certificate = match self.behaviour.lie {
            Some(lie) => lies::certificate(lie, csr, &self.ca, &self.ca_key),
            None => issue(
                csr.subject(),
                self.ca.subject(),
                csr.public_key(),
                &self.ca_key,
                false,
                csr.sans(),
            ),
        };
        reply(Answer::Success {
            certificates: &[certificate],
        })
    }
}

const DEVICE_USAGE: KeyUsage = KeyUsage::DIGITAL_SIGNATURE.union(KeyUsage::KEY_ENCIPHERMENT);

fn issue(
    subject: &Name,
    issuer: &Name,
    key: &PublicKey,
    signing: &PrivateKey,
    is_ca: bool,
    sans: &SubjectAltNames,
) -> Certificate {
    let usage = match is_ca {
        true => KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN,
        false => DEVICE_USAGE,
    };
    builder(subject, issuer, key, signing, (is_ca, usage), sans)
        .sign(signing, &signing.scheme(Digest::Sha256).unwrap())
        .unwrap()
}

fn builder(
    subject: &Name,
    issuer: &Name,
    key: &PublicKey,
    signing: &PrivateKey,
    (is_ca, usage): (bool, KeyUsage),
    sans: &SubjectAltNames,
) -> CertificateBuilder {
    let mut extensions = vec![
        Extension::basic_constraints(is_ca, None),
        Extension::key_usage(usage),
        Extension::subject_key_id(key),
        Extension::authority_key_id(&signing.public_key().key_id()),
    ];
    if !sans.is_empty() {
        extensions.push(Extension::subject_alt_names(sans, subject).unwrap());
    }
    CertificateBuilder {
        subject: subject.clone(),
        issuer: issuer.clone(),
        serial: Serial::random().unwrap(),
        not_before: Utc::now() - TimeDelta::minutes(5),
        not_after: Utc::now() + TimeDelta::days(100),
        public_key: key.clone(),
        extensions,
    }
}
