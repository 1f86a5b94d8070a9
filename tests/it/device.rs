//! A device: its key, its requests, and every check of what comes back.

use pki::{Certificate, Csr, KeyKind, Name, PrivateKey, SubjectAltNames};
use scep::client::{CaCertificates, Content, Reply, Request, RequestBuilder, self_signed};
use scep::get;

use crate::house::{CHALLENGE, Running};

/// A device that knows its profile's URL and certificates.
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
        let (url, http) = (server.http(path_id), server.client());
        let key = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
        let signer = self_signed(&subject(), &key, chrono::Utc::now()).unwrap();
        let reply = http
            .get(format!("{url}?operation=GetCACert"))
            .send()
            .await
            .unwrap();
        assert!(reply.status().is_success(), "GetCACert: {}", reply.status());
        let ca = CaCertificates::read(&reply.bytes().await.unwrap()).unwrap();
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
