//! What a profile is: everything loaded, checked and immutable. The actors never see a path or a
//! configuration file; who builds a [`ProfileSpec`] has already refused what is wrong.

use crate::hooks::{ComplianceHook, FormerRevocations};
use crate::outside::OutsideRules;
use challenge::{SignedChallenges, StaticChallenges, Validator};
use issuer::{CertificatePolicy, Issuer};
use pki::Certificate;
use scep::{CryptoMode, Ra};
use std::sync::Arc;
use std::time::Duration;

/// One SCEP profile, ready to be served.
#[derive(Clone)]
pub struct ProfileSpec {
    /// The last segment of the profile's URL; empty for the root profile.
    pub path_id: String,
    /// Path ids that it had before: what was done under them counts here too.
    pub formerly: Vec<String>,
    /// Who signs.
    pub issuer: Arc<dyn Issuer>,
    /// What may be in a certificate.
    pub policy: Arc<CertificatePolicy>,
    /// RAs: the current one first, then those still in their overlap. Never empty.
    /// Where the CA itself stands in for an RA, its certificate is the first one's.
    pub ras: Vec<Ra>,
    /// The CA beside its RAs, where it opens what devices encrypt to it by mistake.
    pub ca: Option<Ra>,
    /// Which algorithms are accepted.
    pub mode: CryptoMode,
    /// Which certificates go out beside the leaf.
    pub chain: ChainSettings,
    /// Intune's signed challenges, if on: the first validator.
    pub intune: Option<Intune>,
    /// Challenges that are made for one device, if they are on: asked after the signed challenges.
    pub one_time: Option<OneTimeRules>,
    /// Validators beside those that are built in, asked before the static one.
    pub validators: Vec<Arc<dyn Validator>>,
    /// The static challenges, if there are any: the last validator, which takes what no other does.
    pub challenge: Option<StaticChallenges>,
    /// The CAs whose client certificates the mTLS listener takes for this profile; `None`: the
    /// profile is not served there.
    pub mtls: Option<Vec<Certificate>>,
    /// The profile is served by the mTLS listener alone.
    pub mtls_required: bool,
    /// Requests that one source, and the whole profile, may send.
    pub request_limits: RequestLimits,
    /// With approval: how long a request may wait for an operator.
    pub approval: Option<Duration>,
    /// How many requests may wait for an operator.
    pub pending: PendingLimits,
    /// Most octets of a CSR.
    pub max_csr_bytes: usize,
    /// What a renewal must bring.
    pub renewal: RenewalRules,
    /// Where certificates of the issuer that the store does not know are renewed: the revocations of who issued them.
    pub former: Option<Arc<dyn FormerRevocations>>,
    /// Refuse requests whose signer key is not the CSR's key.
    pub signer_key_must_match: bool,
    /// Where first requests come through a proxy alone: the certificates of which one must sign them.
    pub signers: Option<Arc<[Certificate]>>,
    /// Answer GetCert for anyone, not just for holders of this profile's certificates.
    pub open_get_cert: bool,
    /// How the profile deals with those outside that it needs.
    pub outside: OutsideRules,
    /// How many requests may be under way at once before the profile sheds load. At least 1.
    pub in_flight: usize,
    /// Audit events a minute about requests of which nothing could be verified; the rest is
    /// counted only.
    pub unverified_per_minute: u32,
    /// Audit events a minute about refusals of verified requests from one source; the rest is counted, and said in one event.
    /// 0 = each is written.
    pub refusals_per_source_per_minute: u32,
    /// Wrong challenges a minute from one source before it is turned away, messages that could not be opened counted in;
    /// 0 = no limit.
    pub guesses_per_minute: u32,
}

impl ProfileSpec {
    /// Whether an enrollment may need somebody outside: then it has stages, each of them durable.
    pub(crate) fn reaches_outside(&self) -> bool {
        self.issuer.local().is_none() || self.validators.iter().any(|one| one.is_remote())
    }

    /// The validator of that name.
    pub(crate) fn validator_named(&self, id: &str) -> Option<&dyn Validator> {
        let mut others = self.validators.iter().map(|validator| &**validator);
        others.find(|validator| validator.id() == id)
    }

    /// Whether certificates that this validator let in are renewed only by way of it.
    pub(crate) fn guards_renewals(&self, id: &str) -> bool {
        match &self.intune {
            Some(intune) if intune.signed.id() == id => true,
            _ => self
                .validator_named(id)
                .is_some_and(Validator::guards_renewals),
        }
    }

    /// How many enrollments a device may have within 24 hours; 0 = any number.
    pub(crate) fn device_limit(&self) -> u32 {
        let signed = self.intune.as_ref();
        let signed = signed.map(|intune| intune.signed.settings.per_device_limit_24h);
        let other = || self.validators.iter().find_map(|one| one.device_limit());
        signed.or_else(other).unwrap_or(0)
    }

    /// All names of the profile, the present one first.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.path_id)
            .chain(&self.formerly)
            .map(String::as_str)
    }

    /// Whether this is the profile's name, or was.
    #[must_use]
    pub fn is_called(&self, path_id: &str) -> bool {
        self.names().any(|name| name == path_id)
    }

    /// Everybody who may open a message, in the order in which they are looked for.
    pub(crate) fn openers(&self) -> impl Iterator<Item = &Ra> {
        self.ras.iter().chain(&self.ca)
    }

    /// Whether a renewal may come without a challenge. Where Intune is all that authenticates a
    /// device, the gates hold for renewals too.
    pub(crate) fn challenge_free_renewals(&self) -> bool {
        let guarded =
            self.intune.is_some() || self.validators.iter().any(|one| one.guards_renewals());
        !guarded || self.challenge.is_some() || self.one_time.is_some()
    }
}

/// Challenges that are made for one device, in one profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneTimeRules {
    /// For how long one is good, and the most that may be asked for.
    pub lifetime: Duration,
    /// How many characters it has.
    pub length: usize,
    /// What it is made of.
    pub alphabet: challenge::Alphabet,
    /// How many may be open at once.
    pub max_open: u32,
    /// How many one client may have made in a minute; 0 = no limit.
    pub per_client_per_minute: u32,
    /// The certificate profile that is used.
    pub certificate_profile: String,
}

/// Which certificates go out beside the leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainSettings {
    /// GetCACert holds the root too, not just the chain below it.
    pub root_in_ca_cert: bool,
    /// A SUCCESS CertRep holds the issuer's chain behind the leaf.
    pub chain_in_reply: bool,
}

impl Default for ChainSettings {
    fn default() -> Self {
        Self {
            root_in_ca_cert: true,
            chain_in_reply: false,
        }
    }
}

/// Requests that may come in; 0 = no limit. Counted before any RSA.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RequestLimits {
    /// A minute, from one source address.
    pub per_source_per_minute: u32,
    /// A second, for the whole profile.
    pub per_profile_per_second: u32,
}

/// Requests that may wait for an operator at once; 0 = no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PendingLimits {
    /// In the whole profile.
    pub per_profile: usize,
    /// From one source address.
    pub per_source: usize,
}

/// What a renewal must bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RenewalRules {
    /// Certificates are renewed at all; otherwise every request is a first enrollment.
    pub enabled: bool,
    /// The challenge is demanded as in a first enrollment.
    pub challenge_required: bool,
    /// The subject may differ from that of the certificate being renewed.
    pub subject_may_change: bool,
    /// So may the SANs.
    pub sans_may_change: bool,
    /// What was issued to a signed challenge is renewed without one as well.
    pub without_gates: bool,
    /// A RenewalReq signed with an expired certificate is a first enrollment where its challenge is good; else it is
    /// refused.
    pub expired_with_challenge: bool,
}

impl Default for RenewalRules {
    fn default() -> Self {
        Self {
            enabled: true,
            challenge_required: false,
            subject_may_change: false,
            sans_may_change: false,
            without_gates: false,
            expired_with_challenge: true,
        }
    }
}

/// Intune's signed challenges on one profile.
#[derive(Clone)]
pub struct Intune {
    /// What the gates go by, and whose signatures count.
    pub signed: SignedChallenges,
    /// For how long the very same enrollment gets its stored certificate again instead of
    /// `replay`; `None` = never.
    pub retransmission: Option<Duration>,
    /// Gate 9, if configured.
    pub compliance: Option<Arc<dyn ComplianceHook>>,
}
