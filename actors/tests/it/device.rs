//! A device: a key, a self-signed certificate, and whatever it is told to ask.

use crate::test_env::{CHALLENGE, Running, TestEnv};
use actors::Outcome;
use pki::{Certificate, Csr, KeyKind, Name, PrivateKey, SubjectAltNames};
use scep::client::{Content, Reply, Request, RequestBuilder, self_signed};

pub struct Device {
    pub name: Name,
    pub key: PrivateKey,
    pub signer: Certificate,
}

impl Device {
    pub fn new(env: &TestEnv, common_name: &str) -> Self {
        let key = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
        Self::with_key(env, common_name, key)
    }

    pub fn with_key(env: &TestEnv, common_name: &str, key: PrivateKey) -> Self {
        use actors::Clock;
        let name = Name::parse(&format!("CN={common_name}, O=scepd")).unwrap();
        let signer = self_signed(&name, &key, env.clock.now()).unwrap();
        Self { name, key, signer }
    }

    pub fn csr(&self, challenge: Option<&str>, sans: &str) -> Csr {
        let sans = if sans.is_empty() {
            SubjectAltNames::default()
        } else {
            SubjectAltNames::parse(sans).unwrap()
        };
        Csr::build(&self.name, &sans, challenge, &[], &self.key).unwrap()
    }

    pub fn request(&self, env: &TestEnv, content: Content<'_>) -> Request {
        self.builder(env, content, |builder| builder)
    }

    pub fn builder(
        &self,
        env: &TestEnv,
        content: Content<'_>,
        with: impl for<'a> FnOnce(RequestBuilder<'a>) -> RequestBuilder<'a>,
    ) -> Request {
        let recipients = [&env.ra.certificate];
        with(RequestBuilder::new(
            content,
            (&self.signer, &self.key),
            &recipients,
        ))
        .build()
        .unwrap()
    }

    /// Enrolls with a challenge.
    pub fn pkcs_req(&self, env: &TestEnv, challenge: &str) -> Request {
        self.request(env, Content::PkcsReq(&self.csr(Some(challenge), "")))
    }

    /// The certificate that it gets with the static challenge.
    pub async fn enroll(&self, env: &TestEnv, running: &Running, path_id: &str) -> Certificate {
        let request = self.pkcs_req(env, CHALLENGE);
        issued(ask(env, running, path_id, &request).await)
    }
}

/// Sends and opens the reply, all checks included.
pub async fn ask(env: &TestEnv, running: &Running, path_id: &str, request: &Request) -> Reply {
    match running.send(path_id, request.message().to_vec()).await {
        Outcome::CertRep(octets) => request
            .open_reply(&octets, &[&env.ra.certificate])
            .expect("a reply that checks"),
        other => panic!("no CertRep: {other:?}"),
    }
}

/// The certificate of a SUCCESS.
pub fn issued(reply: Reply) -> Certificate {
    match reply {
        Reply::Certificate {
            leaf, leaf_first, ..
        } => {
            assert!(leaf_first);
            leaf
        }
        other => panic!("not issued: {}", words(&other)),
    }
}

pub fn words(reply: &Reply) -> String {
    match reply {
        Reply::Certificate { leaf, .. } => format!("SUCCESS {}", leaf.subject()),
        Reply::Crl(_) => "CRL".to_owned(),
        Reply::Pending => "PENDING".to_owned(),
        Reply::Failure { fail_info, text } => {
            format!(
                "FAILURE {fail_info} {}",
                text.as_deref().unwrap_or_default()
            )
        }
    }
}
