//! HashiCorp Vault and OpenBao: the PKI secrets engine, by `sign/{role}`.
//!
//! | module | holds |
//! |---|---|
//! | `api` | calls of the HTTP API, and what its statuses mean |
//! | `login` | logging in, and staying logged in |
//! | `role` | the role over there: what it makes of every certificate, and what it should be |
//! | `server` | what is asked, as whom, and what the server says of itself |
//! | `ra` | certificates for scepd's own registration authorities |
//! | `fields` | from what was approved to the fields of the API |
//!
//! The engine builds a certificate from the role and the call's fields; of the CSR it is to take the key alone. It has no
//! key for a call that is repeated, so an answer that was lost may have left a certificate that nobody has heard of.
//! Sources: the API documentation of OpenBao (PKI secrets engine), and OpenBao 2.7.2 itself.

mod api;
mod fields;
mod login;
mod ra;
mod role;
mod server;

pub use login::Login;
pub use ra::recommended_for_ras;
pub use role::{Role, recommended};

use crate::base::{Base, Opening, again, unheard};
use crate::words::excerpt;
use api::{Api, Fault, Reply};
use chrono::{DateTime, Utc};
use fields::Way;
use issuer::{
    Answering, Approved, Authority, CertificatePolicy, Health, Inexpressible, Issuance, IssueError,
    Issuer, Objection, Order, RemoteCa,
};
use login::Session;
use pki::{Certificate, Crl, Csr, RevocationReason};
use serde_json::Value;
use server::{Seen, Server};
use std::sync::{Arc, PoisonError, RwLock};

/// What `[issuer.vault]` says.
pub struct Settings {
    /// The namespace, where there is one.
    pub namespace: Option<String>,
    /// Where the PKI engine is mounted.
    pub mount: String,
    /// The role.
    pub role: String,
    /// The role for RA certificates, where it makes some.
    pub ra_role: Option<String>,
    /// Which of the mount's issuers signs: its name or id. The role's own where there is none.
    pub issuer_ref: Option<String>,
    /// How to log in.
    pub login: Login,
}

/// An issuer of this kind.
pub struct Vault {
    base: Base,
    server: Server,
    role: RwLock<Option<Role>>,
}

impl Vault {
    /// Reaches the server and reads its chain and role. Where that fails and a chain is known from before, the issuer is
    /// there all the same: [`RemoteCa::health`] says what was wrong.
    ///
    /// # Errors
    /// Why it cannot be reached, where no chain is known.
    pub async fn open(opening: Opening, settings: Settings) -> Result<Self, IssueError> {
        let server = Server {
            api: Api {
                client: opening.client.clone(),
                base: opening.url.clone(),
                namespace: settings.namespace.clone(),
            },
            session: Session::new(settings.login.clone(), Arc::clone(&opening.ticks)),
            settings,
        };
        let (chain, role) = match server.look(None, &opening.above).await {
            Ok(seen) => (Ok(seen.chain), seen.role),
            Err(error) => (Err(error), None),
        };
        Ok(Self {
            base: Base::new(opening, &chain)?,
            role: RwLock::new(role),
            server,
        })
    }

    /// What is known of the role; `None` where it may not be read.
    #[must_use]
    pub fn role(&self) -> Option<Role> {
        self.role
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    async fn sign(&self, order: &Order) -> Result<Issuance, IssueError> {
        let authority = self.base.authority();
        self.can_express(&order.approved)
            .map_err(|error| IssueError::Refused(error.to_string()))?;
        let fields = fields::fields(&order.approved, &order.csr, authority.certificate());
        let body = serde_json::to_value(&fields)
            .map_err(|_| IssueError::Refused("the fields cannot be written as JSON".to_owned()))?;
        let path = self.server.sign_path(&self.server.settings.role);
        let reply = self.server.write(&path, &body).await;
        let reply = reply.map_err(|fault| match fault {
            Fault::Refused(words) if !words.starts_with("unknown role") => {
                IssueError::Refused(words)
            }
            fault => fault.later(&format!("signing by {path}")),
        })?;
        for warning in reply.warnings.iter().flatten() {
            tracing::debug!(
                issuer = self.base.id,
                warning = excerpt(warning),
                "the issuer warns"
            );
        }
        let certificate = certificate_of(&reply)?;
        if authority.made(&certificate).is_err() {
            // Over there another CA signs now: its chain is read before anybody compares.
            self.refresh().await?;
        }
        Ok(Issuance::Issued(certificate))
    }

    async fn refresh(&self) -> Result<(), IssueError> {
        let role = self.role();
        let seen = self.server.look(role.as_ref(), &self.base.above).await;
        let (chain, role) = match seen {
            Ok(Seen { chain, role }) => (Ok(chain), Some(role)),
            Err(error) => (Err(error), None),
        };
        self.base.take(&chain);
        if let Some(role) = role {
            *self.role.write().unwrap_or_else(PoisonError::into_inner) = role;
        }
        chain.map(|_| ())
    }
}

impl Issuer for Vault {
    fn id(&self) -> &str {
        &self.base.id
    }

    fn authority(&self) -> Arc<Authority> {
        self.base.authority()
    }

    fn issue<'a>(&'a self, order: &'a Order) -> Answering<'a, Issuance> {
        Box::pin(self.base.noted(self.sign(order)))
    }

    fn revoke<'a>(
        &'a self,
        certificate: &'a Certificate,
        _: RevocationReason,
    ) -> Answering<'a, ()> {
        // No reason can be given to it.
        Box::pin(self.base.revoking(self.server.revoke(certificate)))
    }

    fn remote(&self) -> Option<&dyn RemoteCa> {
        Some(self)
    }
}

impl RemoteCa for Vault {
    fn kind(&self) -> &'static str {
        "vault"
    }

    fn can_express(&self, approved: &Approved) -> Result<(), Inexpressible> {
        let (authority, role) = (self.base.authority(), self.role());
        let way = Way {
            role_name: &self.server.settings.role,
            role: role.as_ref(),
            ca: authority.certificate(),
            accepts_shorter_validity: self.accepts_shorter_validity(),
        };
        way.can_express(approved)
    }

    fn objections(&self, policy: &CertificatePolicy) -> Vec<Objection> {
        let mut found = Vec::new();
        let named = policy.subject.attributes.as_deref();
        let constants = self.role().map(|role| {
            let all = role.constants().into_iter();
            all.map(|(oid, _)| oid).collect::<Vec<_>>()
        });
        let constants = constants.unwrap_or_default();
        let free = |oid: &str| role::FREE.contains(&oid) || constants.contains(&oid);
        match named {
            None => found.push(Objection {
                is_fatal: false,
                setting: "subject_attributes",
                what: "it allows any attribute, and a Vault issuer can be asked for CN, serialNumber and UID alone: requests with others are refused".to_owned(),
                remedy: "set subject_attributes = [\"CN\", \"serialNumber\", \"UID\"]".to_owned(),
            }),
            Some(named) => found.extend(named.iter().filter(|oid| !free(oid.as_str())).map(
                |oid| Objection {
                    is_fatal: true,
                    setting: "subject_attributes",
                    what: format!(
                        "it allows {}, which a Vault issuer cannot be asked for",
                        role::attribute(oid)
                    ),
                    remedy: "leave CN, serialNumber and UID in it; what is the same for all can be a constant of the role".to_owned(),
                },
            )),
        }
        if policy.must_staple {
            found.push(Objection {
                is_fatal: true,
                setting: "must_staple",
                what: "the TLS feature extension cannot be asked of a Vault issuer".to_owned(),
                remedy: "set must_staple = false".to_owned(),
            });
        }
        if let Some(role) = self.role() {
            found.extend(role.objections(&self.server.settings.role, policy));
        }
        found
    }

    fn findings(&self) -> Vec<Objection> {
        let name = &self.server.settings.role;
        match self.role() {
            Some(role) => role.findings(name),
            None if self.health().trouble.is_some() => Vec::new(),
            None => vec![Objection {
                is_fatal: false,
                setting: "",
                what: format!(
                    "the role {name} may not be read by scepd's token, so it was not checked"
                ),
                remedy: format!(
                    "let its policy `read` {}, or see to it that the role is as `scepd issuer role` prints it",
                    self.server.mounted(&format!("roles/{name}"))
                ),
            }],
        }
    }

    fn fixed_subject(&self) -> String {
        let role = self.role();
        let constants = role.as_ref().map(Role::constants).unwrap_or_default();
        let escaped = |value: &str| {
            let special = |one: char| matches!(one, ',' | '+' | '\\');
            value
                .chars()
                .flat_map(|one| special(one).then_some('\\').into_iter().chain([one]))
                .collect::<String>()
        };
        let texts = constants
            .iter()
            .map(|(oid, value)| format!("{}={}", role::attribute(oid), escaped(value)));
        texts.collect::<Vec<_>>().join(", ")
    }

    fn accepts_shorter_validity(&self) -> bool {
        self.base.accepts_shorter_validity
    }

    fn revokes(&self) -> bool {
        true
    }

    fn makes_ras(&self) -> bool {
        self.server.settings.ra_role.is_some()
    }

    fn certify_ra<'a>(
        &'a self,
        csr: &'a Csr,
        not_after: DateTime<Utc>,
    ) -> Answering<'a, Certificate> {
        Box::pin(self.base.noted(self.sign_ra(csr, not_after)))
    }

    fn look(&self) -> Answering<'_, ()> {
        Box::pin(self.refresh())
    }

    fn newest_crl(&self, now: DateTime<Utc>) -> Answering<'_, Option<Arc<Crl>>> {
        let of_role = self.role().map(|role| role.issuer_ref);
        let issuer = self.server.settings.issuer_ref.clone().or(of_role);
        let issuer = issuer.unwrap_or_else(|| "default".to_owned());
        Box::pin(async move {
            let fetch = self.server.crl(&issuer);
            self.base.newest_crl(now, fetch).await
        })
    }

    fn health(&self) -> Health {
        self.base.health()
    }
}

fn certificate_of(reply: &Reply) -> Result<Certificate, IssueError> {
    let pem = reply.data.get("certificate").and_then(Value::as_str);
    match pem.map(|pem| Certificate::from_pem(pem.as_bytes())) {
        Some(Ok(certificate)) => Ok(certificate),
        Some(Err(_)) | None => Err(unheard("its answer holds no certificate that can be read")),
    }
}
