//! A device: its key, its requests, and every check of what comes back.

use pki::{Certificate, Csr, KeyKind, Name, PrivateKey, SubjectAltNames};
use scep::client::{CaCertificates, Content, Reply, Request, RequestBuilder, self_signed};
use scep::get;

use std::time::{Duration, Instant};

use crate::test_env::{CHALLENGE, Running};

/// Nothing takes as long as that, unless it hangs.
const STUCK: Duration = Duration::from_secs(180);

/// A device that knows its profile's URL and certificates.
#[derive(Clone)]
pub(crate) struct Device {
    pub(crate) url: String,
    pub(crate) http: reqwest::Client,
    pub(crate) ca: CaCertificates,
    pub(crate) key: PrivateKey,
    /// Signs requests: self-signed first, the issued one for a renewal.
    pub(crate) signer: Certificate,
}

impl Device {
    /// A device with an RSA-2048 key, at the plain http URL of a profile.
    pub(crate) async fn of(server: &Running, path_id: &str) -> Device {
        let key = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
        Device::at(server.http(path_id), server.client(), key).await
    }

    /// A device with this key, at any URL.
    pub(crate) async fn at(url: String, http: reqwest::Client, key: PrivateKey) -> Device {
        let signer = self_signed(&subject(), &key, chrono::Utc::now()).unwrap();
        let ca = ca_of(&url, &http).await.unwrap();
        Device {
            url,
            http,
            ca,
            key,
            signer,
        }
    }

    /// A CSR of this device.
    pub(crate) fn csr(&self, challenge: Option<&str>) -> Csr {
        let sans = SubjectAltNames::parse("dns:box-4.example.org").unwrap();
        Csr::build(&subject(), &sans, challenge, &[], &self.key).unwrap()
    }

    /// A request signed by this device, encrypted to the profile's RA.
    pub(crate) fn request(&self, content: Content<'_>) -> Request {
        let recipient = [self.ca.recipient().unwrap()];
        RequestBuilder::new(content, (&self.signer, &self.key), &recipient)
            .build()
            .unwrap()
    }

    /// POSTs a request and checks the reply in every way.
    pub(crate) async fn post(&self, request: &Request) -> Reply {
        let sent = self
            .http
            .post(format!("{}?operation=PKIOperation", self.url));
        self.read(request, sent.body(request.message().to_vec()))
            .await
    }

    /// The same by GET.
    pub(crate) async fn get(&self, request: &Request) -> Reply {
        let message = get::encode_message(request.message());
        let sent = self.http.get(format!(
            "{}?operation=PKIOperation&message={message}",
            self.url
        ));
        self.read(request, sent).await
    }

    /// Asks for the CA's certificates again.
    pub(crate) async fn refresh(&mut self) -> Result<(), String> {
        self.ca = ca_of(&self.url, &self.http).await?;
        Ok(())
    }

    /// POSTs a request; everything but a good CertRep is an error in words.
    pub(crate) async fn try_post(&self, request: &Request) -> Result<Reply, Trouble> {
        let sent = self
            .http
            .post(format!("{}?operation=PKIOperation", self.url));
        let reply = sent.body(request.message().to_vec()).send().await?;
        let status = reply.status();
        let body = reply.bytes().await?;
        if status != 200 {
            let words = String::from_utf8_lossy(&body).into_owned();
            return Err(Trouble::Status(status.as_u16(), words));
        }
        request
            .open_reply(&body, &self.ca.reply_signers())
            .map_err(|error| Trouble::Reply(error.to_string()))
    }

    async fn read(&self, request: &Request, sent: reqwest::RequestBuilder) -> Reply {
        let reply = sent.send().await.unwrap();
        let content_type = reply
            .headers()
            .get("content-type")
            .map(|value| value.as_bytes().to_vec());
        let status = reply.status();
        let body = reply.bytes().await.unwrap();
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        assert_eq!(
            content_type.as_deref(),
            Some(&b"application/x-pki-message"[..])
        );
        request.open_reply(&body, &self.ca.reply_signers()).unwrap()
    }

    /// Enrolls with the static challenge.
    pub(crate) async fn enroll(&self) -> Certificate {
        let csr = self.csr(Some(CHALLENGE));
        issued(self.post(&self.request(Content::PkcsReq(&csr))).await)
    }
}

/// Why there was no CertRep.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// No connection could be made: nothing was accepted.
    NoConnection(String),
    /// The connection broke.
    Broken(String),
    /// Another HTTP status than 200.
    Status(u16, String),
    /// Not a reply to this request, by a signer that the device knows.
    Reply(String),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Trouble::NoConnection(words) => write!(f, "no connection: {words}"),
            Trouble::Broken(words) => write!(f, "the connection broke: {words}"),
            Trouble::Status(status, words) => write!(f, "HTTP {status}: {words}"),
            Trouble::Reply(words) => write!(f, "the reply: {words}"),
        }
    }
}

impl From<reqwest::Error> for Trouble {
    fn from(error: reqwest::Error) -> Trouble {
        if error.is_connect() {
            Trouble::NoConnection(format!("{error:?}"))
        } else {
            Trouble::Broken(format!("{error:?}"))
        }
    }
}

async fn ca_of(url: &str, http: &reqwest::Client) -> Result<CaCertificates, String> {
    let asked = http.get(format!("{url}?operation=GetCACert")).send().await;
    let reply = asked.map_err(|error| format!("GetCACert: {error:?}"))?;
    let status = reply.status();
    if status != 200 {
        return Err(format!("GetCACert: {status}"));
    }
    let body = reply
        .bytes()
        .await
        .map_err(|error| format!("GetCACert: {error:?}"))?;
    CaCertificates::read(&body).map_err(|error| format!("GetCACert: {error}"))
}

/// The certificate of a SUCCESS.
pub(crate) fn issued(reply: Reply) -> Certificate {
    match reply {
        Reply::Certificate {
            leaf, leaf_first, ..
        } => {
            assert!(leaf_first, "clients store the first certificate");
            leaf
        }
        Reply::Failure { fail_info, text } => {
            panic!("refused: {fail_info} {}", text.unwrap_or_default())
        }
        Reply::Pending => panic!("pending"),
        Reply::Crl(_) => panic!("a CRL"),
    }
}

/// The failInfo and the text of a FAILURE.
pub(crate) fn refused(reply: Reply) -> (scep::FailInfo, String) {
    match reply {
        Reply::Failure { fail_info, text } => (fail_info, text.unwrap_or_default()),
        _ => panic!("not refused"),
    }
}

fn subject() -> Name {
    Name::parse("O=Example, CN=box-4").unwrap()
}

/// Sends the same request until it is decided, as a device does: it comes again when it is told to wait, and when the
/// server was busy with the request at that moment.
pub(crate) async fn until_decided(device: &Device, request: &Request) -> Reply {
    let started = Instant::now();
    while started.elapsed() < STUCK {
        match device.try_post(request).await {
            Ok(Reply::Pending) | Err(Trouble::Status(503, _)) => tokio::task::yield_now().await,
            Ok(reply) => return reply,
            Err(trouble) => panic!("{trouble}"),
        }
    }
    panic!("it stays pending")
}
