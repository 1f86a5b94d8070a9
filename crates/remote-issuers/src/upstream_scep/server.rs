//! The other server: what it is asked, by which algorithms, and what its answers mean.

use super::trust::CaTrust;
use crate::base::{again, unheard};
use crate::pause::pause;
use crate::{Clock, words};
use issuer::IssueError;
use outbound::{CallError, Client, Method, Request, Response, Url};
use pki::{Certificate, ContentCipher, Csr, Digest, PrivateKey, Serial};
use scep::caps::Capabilities;
use scep::client::{CaCertificates, Content, Reply, RequestBuilder};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

pub(super) struct Server {
    pub(super) client: Client,
    pub(super) url: Url,
    pub(super) clock: Clock,
    pub(super) signer: Arc<(Certificate, PrivateKey)>,
    pub(super) trust: CaTrust,
    pub(super) identifier: Option<String>,
    pub(super) allows_legacy: bool,
    met: RwLock<Option<Arc<Met>>>,
}

/// A server whose capabilities and CA are known.
pub(super) struct Met {
    pub(super) ca: CaCertificates,
    cipher: ContentCipher,
    digest: Digest,
    posts: bool,
}

/// What came back.
pub(super) enum Answer {
    /// A CertRep.
    Reply(Reply),
    /// It has no such operation: the status and what it means.
    Unknown(IssueError),
}

/// What is asked.
pub(super) enum Ask {
    /// PKCSReq.
    Enroll(Csr),
    /// CertPoll for the certificate of this CSR.
    Poll(Csr),
    /// GetCRL, by the serial number of a certificate of its CA.
    Crl(Serial),
}

impl Ask {
    /// Whether a server that answers with this status does not know the operation: CertPoll and GetCRL are left out by many,
    /// which answer them with "not implemented" as an internal error, or as a bad request.
    fn is_unknown(&self, status: u16) -> bool {
        !matches!(self, Self::Enroll(_))
            && matches!(status, 400 | 403..=406 | 415 | 422 | 500 | 501)
    }
}

impl Server {
    pub(super) fn new(
        (client, url, clock): (Client, Url, Clock),
        signer: (Certificate, PrivateKey),
        trust: CaTrust,
        identifier: Option<String>,
        allows_legacy: bool,
    ) -> Self {
        Self {
            client,
            url,
            clock,
            signer: Arc::new(signer),
            trust,
            identifier,
            allows_legacy,
            met: RwLock::default(),
        }
    }

    /// As it was met last, or now.
    pub(super) async fn known(&self) -> Result<Arc<Met>, IssueError> {
        let known = {
            let met = self.met.read().unwrap_or_else(PoisonError::into_inner);
            met.clone()
        };
        match known {
            Some(met) => Ok(met),
            None => self.meet().await,
        }
    }

    /// Asks for capabilities and CA certificates, and looks at who vouches for them.
    pub(super) async fn meet(&self) -> Result<Arc<Met>, IssueError> {
        let capabilities = self.get("GetCACaps", None).await;
        let capabilities = capabilities.map_err(|error| of_asking("GetCACaps", error))?;
        let text = String::from_utf8_lossy(capabilities.body()).into_owned();
        let capabilities = Capabilities::parse(&text);
        let shown = self.get("GetCACert", self.identifier.as_deref()).await;
        let shown = shown.map_err(|error| of_asking("GetCACert", error))?;
        let mut ca = CaCertificates::read(shown.body())
            .map_err(|error| again(&format!("GetCACert: {error}")))?;
        let now = (self.clock)();
        self.trust.check(&ca, now).map_err(|what| again(&what))?;
        ca.keep_fit_ras(now)
            .map_err(|error| again(&format!("GetCACert: {error}")))?;
        let met = Arc::new(self.dialect(&capabilities, ca)?);
        *self.met.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&met));
        Ok(met)
    }

    /// The best that both sides have.
    fn dialect(&self, capabilities: &Capabilities, ca: CaCertificates) -> Result<Met, IssueError> {
        let none = |what: &str| {
            again(&format!(
                "its GetCACaps offers no {what}; set scep.legacy = true to use what it offers all the same"
            ))
        };
        let cipher = match (capabilities.aes, self.allows_legacy) {
            (true, _) => ContentCipher::Aes128Cbc,
            (false, true) => ContentCipher::DesEde3Cbc,
            (false, false) => return Err(none("AES")),
        };
        let digest = match (capabilities.sha256, capabilities.sha512) {
            (true, _) => Digest::Sha256,
            (false, true) => Digest::Sha512,
            (false, false) if self.allows_legacy => Digest::Sha1,
            (false, false) => return Err(none("SHA-256")),
        };
        Ok(Met {
            ca,
            cipher,
            digest,
            posts: capabilities.post,
        })
    }

    /// One PKIOperation, under a transactionID that is the same for every try.
    pub(super) async fn ask(
        &self,
        met: &Arc<Met>,
        ask: Ask,
        transaction_id: &str,
    ) -> Result<Answer, IssueError> {
        let (for_building, signer) = (Arc::clone(met), Arc::clone(&self.signer));
        let id = transaction_id.to_owned();
        let allows_legacy = self.allows_legacy;
        let ask = Arc::new(ask);
        let asked = Arc::clone(&ask);
        // Beside the async threads: RSA takes its time.
        let built = tokio::task::spawn_blocking(move || {
            build(&for_building, &signer, &asked, id, allows_legacy)
        })
        .await;
        let mut request = match built {
            Ok(built) => built.map_err(|error| again(&format!("making the request: {error}")))?,
            Err(_) => return Err(again("making the request was broken off")),
        };
        let message = request.take_message();
        let call = match met.posts {
            true => {
                let call = Request::new(Method::POST, self.at("PKIOperation", None));
                call.body("application/x-pki-message", message)
            }
            false => {
                let text = scep::get::encode_message(&message);
                let mut url = self.at("PKIOperation", None);
                // It is escaped already.
                let query = format!("{}&message={text}", url.query().unwrap_or_default());
                url.set_query(Some(&query));
                Request::get(url)
            }
        };
        let response = match self.send(call).await {
            Ok(response) => response,
            Err(Trouble::Status { status, .. }) if ask.is_unknown(status) => {
                let (why, _) = of_status(status);
                return Ok(Answer::Unknown(again(&format!("PKIOperation: {why}"))));
            }
            Err(trouble) => return Err(trouble.into_error("PKIOperation")),
        };
        let met = Arc::clone(met);
        let opened = tokio::task::spawn_blocking(move || {
            request.open_reply(response.body(), &met.ca.reply_signers())
        });
        match opened.await {
            Ok(Ok(reply)) => Ok(Answer::Reply(reply)),
            // Its RA may be another one by now.
            Ok(Err(error)) => {
                *self.met.write().unwrap_or_else(PoisonError::into_inner) = None;
                let said = words::excerpt(&error.to_string());
                Err(unheard(&format!("its reply cannot be believed: {said}")))
            }
            Err(_) => Err(unheard("opening its reply was broken off")),
        }
    }

    async fn get(&self, operation: &str, message: Option<&str>) -> Result<Response, Trouble> {
        self.send(Request::get(self.at(operation, message))).await
    }

    async fn send(&self, request: Request) -> Result<Response, Trouble> {
        let response = self.client.send(request).await.map_err(Trouble::Call)?;
        match response.status() {
            200..=299 => Ok(response),
            status => Err(Trouble::Status {
                status,
                after: pause(&response),
            }),
        }
    }

    fn at(&self, operation: &str, message: Option<&str>) -> Url {
        let mut url = self.url.clone();
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("operation", operation);
            if let Some(message) = message {
                query.append_pair("message", message);
            }
        }
        url
    }
}

fn build(
    met: &Met,
    signer: &(Certificate, PrivateKey),
    ask: &Ask,
    id: String,
    allows_legacy: bool,
) -> Result<scep::client::Request, scep::Error> {
    let issuer = met.ca.issuing().subject();
    let recipient = met.ca.recipient()?;
    let recipients = [recipient];
    let content = match ask {
        Ask::Enroll(csr) => Content::PkcsReq(csr),
        Ask::Poll(csr) => Content::CertPoll {
            issuer,
            subject: csr.subject(),
            key: csr.public_key(),
        },
        Ask::Crl(serial) => Content::GetCrl { issuer, serial },
    };
    RequestBuilder::new(content, (&signer.0, &signer.1), &recipients)
        .cipher(met.cipher)
        .digest(met.digest)
        .transaction_id(id)
        .takes_single_des(allows_legacy)
        .build()
}

/// Why there is no answer that can be read.
enum Trouble {
    Call(CallError),
    Status {
        status: u16,
        after: Option<Duration>,
    },
}

impl Trouble {
    fn into_error(self, doing: &str) -> IssueError {
        let (why, after, unheard) = match self {
            Self::Call(error) => (error.to_string(), None, error.may_have_arrived()),
            Self::Status { status, after } => {
                let (why, unheard) = of_status(status);
                (why, after, unheard)
            }
        };
        IssueError::Again {
            why: format!("{doing}: {why}"),
            after,
            unheard,
        }
    }
}

/// Of a question that makes nothing.
fn of_asking(doing: &str, trouble: Trouble) -> IssueError {
    match trouble.into_error(doing) {
        IssueError::Again { why, after, .. } => IssueError::Again {
            why,
            after,
            unheard: false,
        },
        refused => refused,
    }
}

fn of_status(status: u16) -> (String, bool) {
    match status {
        300..=399 => (
            format!(
                "it sends elsewhere (status {status}), which is not followed: name its own address in `url`"
            ),
            false,
        ),
        404 => (
            "there is no SCEP at this address (status 404): correct `url`".to_owned(),
            false,
        ),
        429 | 503 => (format!("it is busy (status {status})"), false),
        // The certificate may have been made before that.
        500..=599 => (format!("it failed with status {status}"), true),
        _ => (format!("it answered with status {status}"), false),
    }
}
