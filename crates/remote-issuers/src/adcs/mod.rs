//! Active Directory Certificate Services: by its enrollment web service (CES) or by the pages of `/certsrv`.
//!
//! | module | holds |
//! |---|---|
//! | `ces` | the web service (MS-WSTEP) |
//! | `soap` | its messages |
//! | `certsrv` | the pages |
//! | `hresult` | the codes by which Windows says why not |
//! | `passed_on` | what of a device's request may go to the CA, and an enrollment agent's signature |
//! | `advice` | what to prepare there |
//!
//! The CA takes the names from the CSR, where the template says "Supply in the request", and everything else from the
//! template. What comes back is compared. No request can be found again whose number was lost, and nothing can be revoked
//! over HTTP: that is done by hand, and the CA's CRL tells when it was. NTLM and Kerberos are not spoken: they belong to a
//! connection, which a pool of connections has none of, and CES needs neither.
//! Sources: MS-WSTEP, MS-WCCE; the pages as the clients certsrv and Certipy read them.

mod advice;
mod certsrv;
mod ces;
mod hresult;
mod passed_on;
mod soap;

pub use advice::{recommended, revocation_command};

use crate::base::{Base, Opening, again};
use crate::{Credential, asked, chain, ra, words};
use certsrv::Certsrv;
use ces::Ces;
use chrono::{DateTime, Utc};
use issuer::{
    Answering, Approved, Authority, CertificatePolicy, Handle, Health, Inexpressible, Issuance,
    IssueError, Issuer, Objection, Order, RemoteCa,
};
use outbound::{Client, Request, Url};
use pki::{Certificate, Crl, Csr, PrivateKey, RevocationReason};
use std::sync::Arc;
use std::time::Duration;

/// When to look again for what a certificate manager has to decide on.
const LOOK_AGAIN: Duration = Duration::from_secs(120);

/// By what it is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interface {
    /// The enrollment web service.
    Ces,
    /// The pages of Web Enrollment.
    Certsrv,
}

/// How to log in.
#[derive(Clone)]
pub enum Login {
    /// The TLS client certificate of the connection.
    Certificate,
    /// A user name and its password: in the message with CES, as Basic authentication with the pages.
    Password {
        /// `DOMAIN\user` or `user@domain`.
        username: String,
        /// The password.
        password: Credential,
    },
}

/// An enrollment agent: signs requests, as NDES does.
pub struct Agent {
    /// Its certificate.
    pub certificate: Certificate,
    /// Its key.
    pub key: PrivateKey,
}

/// What `[issuer.adcs]` says.
pub struct Settings {
    /// By what it is spoken to.
    pub interface: Interface,
    /// The template's name.
    pub template: String,
    /// The template for RA certificates, where it makes some.
    pub ra_template: Option<String>,
    /// How to log in.
    pub login: Login,
    /// Who signs requests.
    pub agent: Option<Agent>,
    /// Where the CRL is; without it the pages are asked, and CES has none.
    pub crl: Option<(Client, Url)>,
}

/// An issuer of this kind.
pub struct Adcs {
    base: Base,
    service: Service,
    settings: Settings,
}

enum Service {
    Ces(Ces),
    Certsrv(Certsrv),
}

/// What the CA says of a request.
enum Said {
    Issued {
        certificate: Certificate,
        /// What came with it.
        pool: Vec<Certificate>,
    },
    Waits {
        number: u64,
    },
}

/// A request as it is sent.
struct Wrapped {
    octets: Vec<u8>,
    /// Whether an agent's signature is around it.
    is_signed: bool,
}

impl Service {
    /// Whether it is at work, and the chain of its CA: CES shows none, so there it is the one that is set or was known.
    async fn look(
        &self,
        above: &[Certificate],
        known: &[Certificate],
    ) -> Result<Vec<Certificate>, IssueError> {
        match self {
            Self::Certsrv(pages) => pages.chain(above).await.map(|(chain, _)| chain),
            Self::Ces(ces) => {
                ces.probe().await?;
                set_chain(above, known)
            }
        }
    }

    async fn submit(&self, request: &Wrapped, template: &str) -> Result<Said, IssueError> {
        match self {
            Self::Ces(ces) => ces.submit(request, template).await,
            Self::Certsrv(pages) => pages.submit(request, template).await,
        }
    }

    async fn query(&self, number: u64) -> Result<Said, IssueError> {
        match self {
            Self::Ces(ces) => ces.query(number).await,
            Self::Certsrv(pages) => pages.query(number).await,
        }
    }
}

/// The chain of the file, or the one that was known, whichever CA is the newer one.
fn set_chain(above: &[Certificate], known: &[Certificate]) -> Result<Vec<Certificate>, IssueError> {
    let first = chain::lowest(above).ok_or_else(|| {
        again("CES shows no CA certificate: name a file with it and those above it by chain_path")
    })?;
    match known.first() {
        Some(newer) if newer.not_before() > first.not_before() => Ok(known.to_vec()),
        _ => chain::ordered(first.clone(), above).map_err(|what| again(&what)),
    }
}

impl Adcs {
    /// Reaches the service, and reads the CA's chain where it shows one. Where that fails and a chain is known from before,
    /// the issuer is there all the same: [`RemoteCa::health`] says what was wrong.
    ///
    /// # Errors
    /// Why it cannot be reached, where no chain is known.
    pub async fn open(opening: Opening, settings: Settings) -> Result<Self, IssueError> {
        let (client, url, login) = (
            opening.client.clone(),
            opening.url.clone(),
            settings.login.clone(),
        );
        let service = match settings.interface {
            Interface::Ces => Service::Ces(Ces { client, url, login }),
            Interface::Certsrv => Service::Certsrv(Certsrv { client, url, login }),
        };
        let chain = service.look(&opening.above, &opening.known).await;
        Ok(Self {
            base: Base::new(opening, &chain)?,
            service,
            settings,
        })
    }

    async fn refresh(&self) -> Result<(), IssueError> {
        let known = self.base.authority();
        let chain = self.service.look(&self.base.above, known.chain()).await;
        self.base.take(&chain);
        chain.map(drop)
    }

    async fn enroll(&self, order: &Order) -> Result<Issuance, IssueError> {
        let refused = |error: Inexpressible| IssueError::Refused(error.to_string());
        let csr =
            Csr::from_der(&order.csr).map_err(|error| IssueError::Refused(error.to_string()))?;
        self.can_express(&order.approved).map_err(refused)?;
        asked::same_names(&order.approved, &csr).map_err(refused)?;
        passed_on::check(&csr).map_err(refused)?;
        let request = passed_on::wrap(&order.csr, self.settings.agent.as_ref())?;
        let said = self
            .service
            .submit(&request, &self.settings.template)
            .await?;
        self.issuance(said).await
    }

    async fn resumed(&self, handle: &Handle) -> Result<Issuance, IssueError> {
        let number = handle.0.parse().map_err(|_| {
            IssueError::Refused("the number of its request was kept wrong".to_owned())
        })?;
        let said = self.service.query(number).await?;
        self.issuance(said).await
    }

    async fn issuance(&self, said: Said) -> Result<Issuance, IssueError> {
        match said {
            Said::Waits { number } => Ok(Issuance::Later {
                handle: Handle(number.to_string()),
                after: LOOK_AGAIN,
            }),
            Said::Issued { certificate, pool } => {
                if self.base.authority().made(&certificate).is_err() {
                    self.adopt(&certificate, &pool).await?;
                }
                Ok(Issuance::Issued(certificate))
            }
        }
    }

    /// Where another CA signs over there, its chain is taken over before anybody compares: from the pages, or from what came
    /// with the certificate, if it ends with a certificate that is known.
    async fn adopt(
        &self,
        certificate: &Certificate,
        pool: &[Certificate],
    ) -> Result<(), IssueError> {
        if matches!(self.service, Service::Certsrv(_)) {
            return self.refresh().await;
        }
        let signed = |ca: &&Certificate| {
            ca.is_ca()
                && certificate.issuer().matches(ca.subject())
                && certificate.verify_signature_by(ca.public_key()).is_ok()
        };
        let Some(signer) = pool.iter().find(signed) else {
            return Ok(());
        };
        let known = self.base.authority();
        let all: Vec<Certificate> = self
            .base
            .above
            .iter()
            .chain(known.chain())
            .chain(pool)
            .cloned()
            .collect();
        if let Ok(chain) = chain::ordered(signer.clone(), &all)
            && chain
                .last()
                .is_some_and(|last| self.base.above.contains(last) || known.chain().contains(last))
        {
            self.base.take(&Ok(chain));
        }
        Ok(())
    }

    async fn enroll_ra(&self, csr: &Csr) -> Result<Certificate, IssueError> {
        let Some(template) = &self.settings.ra_template else {
            return Err(IssueError::Refused(
                "no adcs.ra_template is set, so it makes no RA certificates".to_owned(),
            ));
        };
        let request = passed_on::wrap(csr.der(), self.settings.agent.as_ref())?;
        let said = self.service.submit(&request, template).await?;
        let Issuance::Issued(made) = self.issuance(said).await? else {
            return Err(again(
                "RA certificates wait for a certificate manager: let the template issue them at once",
            ));
        };
        let by = format!("the template {}", words::quoted(template));
        let useful = ra::is_of_use(&made, csr, &self.base.authority());
        useful.map_err(|wrong| ra::useless(&by, &wrong))?;
        Ok(made)
    }

    async fn crl(&self) -> Result<Option<Crl>, IssueError> {
        let Some((client, url)) = &self.settings.crl else {
            return match &self.service {
                Service::Certsrv(pages) => pages.crl().await,
                Service::Ces(_) => Ok(None),
            };
        };
        let response = client.send(Request::get(url.clone())).await;
        let response = response.map_err(|error| again(&format!("reading the CRL: {error}")))?;
        if !response.is_success() {
            let status = response.status();
            return Err(again(&format!(
                "reading the CRL: status {status}; correct adcs.crl_url"
            )));
        }
        Crl::from_der_or_pem(response.body())
            .map(Some)
            .map_err(|error| again(&format!("its CRL cannot be read: {error}")))
    }

    fn has_crl(&self) -> bool {
        self.settings.crl.is_some() || self.settings.interface == Interface::Certsrv
    }

    /// Whether the CRL lists a certificate. That it is old is no matter here.
    async fn is_listed(&self, certificate: &Certificate) -> Result<bool, IssueError> {
        let crl = self
            .base
            .newest_crl(DateTime::UNIX_EPOCH, self.crl())
            .await?;
        Ok(crl.is_some_and(|crl| {
            crl.issuer().matches(certificate.issuer())
                && crl
                    .entries()
                    .iter()
                    .any(|entry| entry.serial.same_number(certificate.serial()))
        }))
    }
}

impl Issuer for Adcs {
    fn id(&self) -> &str {
        &self.base.id
    }

    fn authority(&self) -> Arc<Authority> {
        self.base.authority()
    }

    fn issue<'a>(&'a self, order: &'a Order) -> Answering<'a, Issuance> {
        Box::pin(self.base.noted(self.enroll(order)))
    }

    fn resume<'a>(&'a self, _: &'a Order, handle: &'a Handle) -> Answering<'a, Issuance> {
        Box::pin(self.base.noted(self.resumed(handle)))
    }

    fn revoke<'a>(
        &'a self,
        certificate: &'a Certificate,
        _: RevocationReason,
    ) -> Answering<'a, ()> {
        let serial = certificate.serial().to_hex();
        let refused = IssueError::Refused(format!(
            "ADCS revokes nothing over HTTP: revoke {serial} with certutil"
        ));
        Box::pin(std::future::ready(Err(refused)))
    }

    fn remote(&self) -> Option<&dyn RemoteCa> {
        Some(self)
    }
}

impl RemoteCa for Adcs {
    fn kind(&self) -> &'static str {
        "adcs"
    }

    fn can_express(&self, approved: &Approved) -> Result<(), Inexpressible> {
        let authority = self.base.authority();
        let shorter = self.accepts_shorter_validity();
        asked::ends_with_the_ca(approved, authority.certificate(), shorter)
    }

    fn objections(&self, policy: &CertificatePolicy) -> Vec<Objection> {
        let accepts = self.accepts_shorter_validity();
        let lifetime = asked::lifetime_is_its_own(policy, "the template", accepts);
        let staple = policy.must_staple.then(|| Objection {
            is_fatal: true,
            setting: "must_staple",
            what: "no template of ADCS writes the TLS feature extension".to_owned(),
            remedy: "set must_staple = false".to_owned(),
        });
        lifetime.into_iter().chain(staple).collect()
    }

    fn findings(&self) -> Vec<Objection> {
        let none = Objection {
            is_fatal: false,
            setting: "",
            what: "CES gives no CRL: GetCRL is refused, and a revocation is never known to be done"
                .to_owned(),
            remedy: "set adcs.crl_url to the CRL distribution point of the CA".to_owned(),
        };
        (!self.has_crl()).then_some(none).into_iter().collect()
    }

    fn accepts_shorter_validity(&self) -> bool {
        self.base.accepts_shorter_validity
    }

    fn revokes(&self) -> bool {
        false
    }

    fn revokes_by_hand(&self) -> bool {
        self.has_crl()
    }

    fn is_revoked<'a>(&'a self, certificate: &'a Certificate) -> Answering<'a, bool> {
        Box::pin(self.is_listed(certificate))
    }

    fn makes_ras(&self) -> bool {
        self.settings.ra_template.is_some()
    }

    fn certify_ra<'a>(&'a self, csr: &'a Csr, _: DateTime<Utc>) -> Answering<'a, Certificate> {
        Box::pin(self.base.noted(self.enroll_ra(csr)))
    }

    fn look(&self) -> Answering<'_, ()> {
        Box::pin(self.refresh())
    }

    fn newest_crl(&self, now: DateTime<Utc>) -> Answering<'_, Option<Arc<Crl>>> {
        Box::pin(self.base.newest_crl(now, self.crl()))
    }

    fn health(&self) -> Health {
        self.base.health()
    }
}
