//! Who may have challenges made by an interface.

use crate::auth::secret::Digest;
use crate::http::mtls;
use crate::http::{Channel, Peer};
use actors::Runtime;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pki::Certificate;
use warp::http::header::AUTHORIZATION;
use warp::http::{HeaderMap, HeaderName};
use zeroize::Zeroizing;

/// What an interface must be shown. Of passwords the digests are kept.
pub struct Credentials {
    /// The name and password of Basic authentication.
    basic: Option<Digest>,
    /// A header, and what it must hold.
    header: Option<(HeaderName, Digest)>,
    /// The name, for the audit.
    name: String,
    /// Whether a Windows domain may stand before the name.
    with_domain: bool,
}

/// Who may call an interface: whoever shows a client certificate, where one is asked for, and credentials, where some are.
pub struct Callers {
    credentials: Option<Credentials>,
    /// The client certificates that may be shown, or their CAs.
    clients: Option<Vec<Certificate>>,
}

/// Why a connection is none on which an interface is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Elsewhere {
    /// It is served on the mTLS listener.
    OnMutual,
    /// It is served on the https listener.
    OnHttps,
    /// The client certificate is none of those that may be shown; why, for the log.
    Certificate(String),
}

impl Callers {
    /// With these credentials, and one of these client certificates (or of their CAs).
    #[must_use]
    pub fn new(credentials: Option<Credentials>, clients: Option<Vec<Certificate>>) -> Self {
        Self {
            credentials,
            clients,
        }
    }

    /// Whether the interface is served on this connection.
    pub(super) async fn come_by(&self, peer: &Peer, runtime: &Runtime) -> Result<(), Elsewhere> {
        let Some(clients) = &self.clients else {
            return match peer.channel {
                Channel::Https => Ok(()),
                Channel::Plain | Channel::Mutual => Err(Elsewhere::OnHttps),
            };
        };
        if peer.channel != Channel::Mutual {
            return Err(Elsewhere::OnMutual);
        }
        let now = runtime.services.clock.now();
        let leaf = peer.certificates.first();
        let named = leaf.is_some_and(|leaf| {
            let mut same = clients.iter().filter(|one| one.der() == leaf.as_ref());
            same.any(|one| one.valid_at(now))
        });
        if !named {
            let cas: Vec<Certificate> = clients.iter().filter(|one| one.is_ca()).cloned().collect();
            mtls::check(&peer.certificates, &cas, now)
                .map_err(|error| Elsewhere::Certificate(error.to_string()))?;
        }
        let revoked = mtls::not_revoked(runtime, &peer.certificates).await;
        revoked.map_err(|error| Elsewhere::Certificate(error.to_string()))
    }

    /// Whether the headers show the credentials.
    pub(super) fn shown(&self, headers: &HeaderMap) -> Shown {
        let credentials = self.credentials.as_ref();
        credentials.map_or(Shown::Right, |credentials| credentials.shown(headers))
    }

    /// Whether there is a secret that somebody could try out.
    pub(super) fn can_be_guessed(&self) -> bool {
        self.credentials.is_some()
    }

    /// What the audit calls the caller: by the credentials, or by the client certificate.
    pub(super) fn name(&self, peer: &Peer) -> String {
        if let Some(credentials) = &self.credentials {
            return credentials.name().to_owned();
        }
        let leaf = peer.certificates.first();
        leaf.and_then(|leaf| Certificate::from_der(leaf).ok())
            .map(|leaf| leaf.subject().to_string())
            .unwrap_or_default()
    }
}

/// What was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// What must be.
    Right,
    /// Something else.
    Wrong,
    /// Nothing.
    Nothing,
}

impl Credentials {
    /// Basic authentication with this name and password.
    #[must_use]
    pub fn basic(name: &str, password: &str) -> Self {
        Self {
            basic: Some(pair(name, password)),
            header: None,
            name: name.to_owned(),
            with_domain: false,
        }
    }

    /// A header that holds this.
    #[must_use]
    pub fn header(header: HeaderName, value: &str) -> Self {
        Self {
            basic: None,
            name: header.as_str().to_owned(),
            header: Some((header, Digest::of(value))),
            with_domain: false,
        }
    }

    /// A Windows domain may stand before the name: `CORP\name`.
    #[must_use]
    pub fn with_domain(self) -> Self {
        Self {
            with_domain: true,
            ..self
        }
    }

    /// What the audit calls who has them.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether the headers show them.
    pub(super) fn shown(&self, headers: &HeaderMap) -> Shown {
        if let Some((header, expected)) = &self.header {
            let Some(value) = headers.get(header) else {
                return Shown::Nothing;
            };
            let given = value.to_str().map(Digest::of);
            let right = given.is_ok_and(|given| given.matches(expected.octets()));
            return if right { Shown::Right } else { Shown::Wrong };
        }
        let Some(value) = headers.get(AUTHORIZATION) else {
            return Shown::Nothing;
        };
        let given = value.to_str().ok().and_then(read);
        let right = given.zip(self.basic).is_some_and(|(given, expected)| {
            let (name, password) = given.split_once(':').unwrap_or((&given, ""));
            let name = match name.split_once('\\') {
                Some((_, name)) if self.with_domain => name,
                _ => name,
            };
            pair(name, password).matches(expected.octets())
        });
        if right { Shown::Right } else { Shown::Wrong }
    }
}

fn pair(name: &str, password: &str) -> Digest {
    Digest::of(&Zeroizing::new(format!("{name}:{password}")))
}

/// The name and password of `Authorization: Basic ..` (RFC 7617).
fn read(value: &str) -> Option<Zeroizing<String>> {
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let octets = STANDARD.decode(encoded.trim()).ok()?;
    String::from_utf8(octets).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn shown(credentials: &Credentials, name: &'static str, value: &str) -> Shown {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        credentials.shown(&headers)
    }

    fn basic(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[test]
    fn the_very_name_and_password_and_no_other() {
        let credentials = Credentials::basic("jamf", "pass:word");
        assert_eq!(credentials.shown(&HeaderMap::new()), Shown::Nothing);
        assert_eq!(
            shown(&credentials, "authorization", &basic("jamf:pass:word")),
            Shown::Right
        );
        for wrong in [
            basic("jamf:pass"),
            basic("jamf"),
            basic("Jamf:pass:word"),
            basic("CORP\\jamf:pass:word"),
            "Basic ???".to_owned(),
            "Bearer jamf:pass:word".to_owned(),
            "Basic".to_owned(),
        ] {
            assert_eq!(
                shown(&credentials, "authorization", &wrong),
                Shown::Wrong,
                "{wrong}"
            );
        }
        let ndes = Credentials::basic("jamf", "pass:word").with_domain();
        let named = basic("CORP\\jamf:pass:word");
        assert_eq!(shown(&ndes, "authorization", &named), Shown::Right);
    }

    #[test]
    fn a_header_must_hold_what_it_must() {
        let credentials = Credentials::header(HeaderName::from_static("x-token"), "canary");
        assert_eq!(shown(&credentials, "x-token", "canary"), Shown::Right);
        assert_eq!(shown(&credentials, "x-token", "canary2"), Shown::Wrong);
        let other = basic("canary:canary");
        assert_eq!(shown(&credentials, "authorization", &other), Shown::Nothing);
    }
}
