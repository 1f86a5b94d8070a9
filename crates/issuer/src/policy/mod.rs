//! The certificate policy: what a CSR may ask for.
//!
//! A certificate is built from the policy; the CSR is only asked for its key, its names, and a choice among the
//! usages and lifetimes that the policy offers. What goes beyond is refused by name, not dropped.
//!
//! | module | rule |
//! |---|---|
//! | [`keys`] | kind, size and quality of the key |
//! | [`extensions`] | which requested extensions are read, ignored, or refused |
//! | [`usage`] | key usages and extended key usages |
//! | [`names`] | subject and alternative names |
//! | [`readable`] | placeholders and invisible characters in names |
//! | [`apart`] | names and keys of the CA and the RA |
//! | [`lifetime`] | validity |

pub mod apart;
pub mod extensions;
pub mod keys;
pub mod lifetime;
pub mod names;
pub mod readable;
pub mod usage;

use chrono::{DateTime, Duration, Utc};
use pki::{Certificate, Csr, Curve, KeyUsage, SubjectAltNames, oid};

pub use apart::AuthorityNames;
pub use keys::KeyRules;
pub use names::{IpRange, IpRule, NameRule, SanRules, SubjectRules};
pub use readable::ReadableRules;

use crate::approved::{Approved, PolicyRefusal, Rule};

/// The longest backdating that is allowed: fleets exist whose clocks are hours behind.
pub const LONGEST_BACKDATE: Duration = Duration::hours(24);

/// The longest lifetime that can be asked of a policy: a century.
pub const LONGEST_TTL: Duration = Duration::days(36_525);

/// Something that is wrong with a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyProblem {
    /// The setting, by its name in `[[certificate_profile]]`.
    pub setting: &'static str,
    /// What is wrong, in a sentence.
    pub what: String,
}

/// The rules of one `[[certificate_profile]]`.
///
/// [`CertificatePolicy::new`] gives the defaults; [`CertificatePolicy::problems`] says what is wrong with one that
/// was put together by hand.
#[derive(Debug, Clone)]
pub struct CertificatePolicy {
    /// The certificate profile's id.
    pub id: String,
    /// Keys that may be certified.
    pub key_types: KeyRules,
    /// Rules for the subject.
    pub subject: SubjectRules,
    /// Rules for alternative names.
    pub sans: SanRules,
    /// Rules for the wording of both.
    pub readable: ReadableRules,
    /// Extended key usages, dotted, for a CSR that asks for none.
    pub ekus_default: Vec<String>,
    /// Extended key usages, dotted, that a CSR may choose from; the defaults are always among them.
    pub ekus_allowed: Vec<String>,
    /// Key usages for a CSR that asks for none.
    pub key_usage_default: KeyUsage,
    /// Key usages that a CSR may choose from; the defaults are always among them.
    pub key_usage_allowed: KeyUsage,
    /// The longest validity period, from notBefore to notAfter.
    pub max_ttl: Duration,
    /// What must be left, from now on; less is refused rather than issued to be of no use.
    pub min_ttl: Duration,
    /// How far before now notBefore lies, for devices whose clocks are behind. At most [`LONGEST_BACKDATE`].
    pub backdate: Duration,
    /// Whether dates that the CSR asks for are honoured, up to `max_ttl`.
    pub honour_requested_validity: bool,
    /// Whether certificates demand a stapled OCSP answer (RFC 7633).
    pub must_staple: bool,
    /// Whether a renewal may ask for another subject than before. If not, it keeps the old certificate's to the letter.
    pub renewal_subject_may_change: bool,
    /// The same for its alternative names.
    pub renewal_sans_may_change: bool,
}

/// One enrollment's request, as far as the certificate goes.
#[derive(Clone, Copy)]
pub struct CertificateRequest<'a> {
    /// The CSR, its own signature already verified.
    pub csr: &'a Csr,
    /// The security identifier that the challenge vouches for: the `S-1-...` form, or the whole tag URI.
    pub vouched_sid: Option<&'a str>,
    /// The certificate that is renewed, already found to be in force.
    pub previous: Option<&'a Certificate>,
}

impl CertificatePolicy {
    /// A policy for device certificates: RSA from 2048 bits, EC P-256 and P-384; client authentication;
    /// one year at most; DNS, e-mail, URI and IP names of any value, no UPN (it is a user's log-on name).
    #[must_use]
    pub fn new(id: &str) -> CertificatePolicy {
        CertificatePolicy {
            id: id.to_owned(),
            key_types: KeyRules::default(),
            subject: SubjectRules::default(),
            sans: SanRules::default(),
            readable: ReadableRules::default(),
            ekus_default: vec![usage::CLIENT_AUTH.to_owned()],
            ekus_allowed: vec![usage::CLIENT_AUTH.to_owned()],
            key_usage_default: usage::device_default(),
            key_usage_allowed: usage::device_default(),
            max_ttl: Duration::days(365),
            min_ttl: Duration::minutes(1),
            backdate: Duration::minutes(5),
            honour_requested_validity: true,
            must_staple: false,
            renewal_subject_may_change: false,
            renewal_sans_may_change: false,
        }
    }

    /// Whether a CSR is small enough to be looked at: for callers who still have to find out who sent it. Every policy
    /// has these bounds, and [`approve`](Self::approve) looks at them too.
    ///
    /// # Errors
    /// [`PolicyRefusal`]: the subject is too long, or there are too many attributes or extensions.
    pub fn bounds(csr: &Csr) -> Result<(), PolicyRefusal> {
        names::check_length(csr.subject())?;
        extensions::check_count(csr)
    }

    /// Decides on a request. Everything that the certificate will say is in the answer, but for the CA's own fields.
    ///
    /// # Errors
    /// [`PolicyRefusal`], naming what was asked for and the rule against it.
    pub fn approve(
        &self,
        request: CertificateRequest<'_>,
        now: DateTime<Utc>,
    ) -> Result<Approved, PolicyRefusal> {
        let csr = request.csr;
        let mut notes = Vec::new();

        Self::bounds(csr)?;
        let public_key = self.key_types.certified(csr.public_key())?;
        extensions::check(csr, &mut notes)?;
        let key_usage = self.key_usage_for(csr, &mut notes)?;
        let ekus = self.ekus_for(csr)?;
        let (subject, sans) = self.names_for(&request)?;
        let subject = self.subject.certified(subject)?;
        self.readable.check_subject(&subject, request.previous)?;
        self.readable.check_sans(sans, request.previous)?;
        self.sans
            .check(sans, request.vouched_sid, request.previous)?;
        if subject.is_empty() && sans.is_empty() {
            return Err(PolicyRefusal::new(
                Rule::Subject,
                "the request names nobody: no subject and no alternative name",
            ));
        }
        let (not_before, not_after) = self.validity_for(csr, now)?;

        Ok(Approved {
            policy_id: self.id.clone(),
            subject,
            sans: sans.clone(),
            public_key,
            key_usage,
            ekus,
            not_before,
            not_after,
            must_staple: self.must_staple,
            sid: None,
            notes,
        })
    }

    /// What is wrong with the policy itself; empty when it can be used.
    #[must_use]
    pub fn problems(&self) -> Vec<PolicyProblem> {
        let mut problems = Vec::new();
        let mut say = |setting: &'static str, wrong: bool, what: String| {
            if wrong {
                problems.push(PolicyProblem { setting, what })
            }
        };
        say(
            "key_types",
            self.key_types.rsa_min_bits.is_none() && self.key_types.curves.is_empty(),
            "no kind of key is allowed".to_owned(),
        );
        say(
            "rsa_bits_min",
            self.key_types.rsa_min_bits.is_some_and(|bits| bits < 2048),
            "RSA keys below 2048 bits are weak and cannot be allowed".to_owned(),
        );
        say(
            "rsa_bits_max",
            self.key_types
                .rsa_min_bits
                .is_some_and(|bits| bits > self.key_types.rsa_max_bits),
            format!(
                "the largest RSA key, {} bits, is below the smallest",
                self.key_types.rsa_max_bits
            ),
        );
        say(
            "key_types",
            !self
                .key_types
                .curves
                .iter()
                .all(|curve| matches!(curve, Curve::P256 | Curve::P384)),
            "EC keys are P-256 or P-384".to_owned(),
        );
        say(
            "backdate",
            self.backdate < Duration::zero() || self.backdate > LONGEST_BACKDATE,
            format!(
                "backdating is from 0 to {} hours",
                LONGEST_BACKDATE.num_hours()
            ),
        );
        say(
            "min_ttl",
            self.min_ttl < Duration::zero(),
            "the shortest lifetime is below zero".to_owned(),
        );
        let used_up = self
            .backdate
            .checked_add(&self.min_ttl)
            .is_none_or(|used| used >= self.max_ttl);
        say(
            "max_ttl",
            used_up,
            format!(
                "the longest lifetime, {} seconds, is used up by backdating",
                self.max_ttl.num_seconds()
            ),
        );
        say(
            "san.max_names",
            self.sans.max_names > SubjectAltNames::MOST,
            format!(
                "more than {} alternative names are never read",
                SubjectAltNames::MOST
            ),
        );
        for scheme in &self.sans.uri_schemes {
            say(
                "san.uri_schemes",
                !names::is_scheme(scheme),
                format!("`{scheme}` is no scheme of a URI; write https, not https://"),
            );
        }
        say(
            "common_name_max",
            !(1..=names::LONGEST_COMMON_NAME).contains(&self.subject.common_name_max),
            format!(
                "the longest common name is from 1 to {} characters",
                names::LONGEST_COMMON_NAME
            ),
        );
        say(
            "max_ttl",
            self.max_ttl > LONGEST_TTL,
            format!(
                "the longest lifetime is above {} days",
                LONGEST_TTL.num_days()
            ),
        );
        say(
            "key_usages_default",
            self.key_usage_default.is_empty(),
            "a certificate has at least one key usage".to_owned(),
        );
        let for_cas = usage::both(
            usage::ONLY_FOR_CAS,
            self.key_usage_allowed.union(self.key_usage_default),
        );
        say(
            "key_usages_allowed",
            !for_cas.is_empty(),
            format!("the key usage {for_cas} is for CAs and cannot be allowed"),
        );
        let defaults = self.ekus_default.iter().map(|eku| ("ekus_default", eku));
        let allowed = self.ekus_allowed.iter().map(|eku| ("ekus_allowed", eku));
        for (setting, purpose) in defaults.chain(allowed) {
            say(
                setting,
                oid::from_dotted(purpose).is_err(),
                format!("`{purpose}` is no object identifier"),
            );
            say(
                setting,
                purpose == oid::EKU_OCSP_SIGNING,
                format!(
                    "{} would let a device answer for revocation and cannot be allowed",
                    usage::eku_name(purpose)
                ),
            );
            say(
                setting,
                usage::ONLY_FOR_RAS.contains(&purpose.as_str()),
                format!(
                    "{} would let a device pass for a registration authority and cannot be allowed",
                    usage::eku_name(purpose)
                ),
            );
        }
        problems
    }
}
