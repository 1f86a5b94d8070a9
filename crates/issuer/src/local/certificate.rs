//! What a local CA writes into certificates.

use chrono::{DateTime, Duration, SubsecRound, Utc};
use pki::{
    Certificate, CertificateBuilder, Extension, KeyUsage, Name, PrivateKey, PublicKey, Serial,
    SubjectAltNames, oid,
};

use super::{LocalCa, key_id_of, scheme_for};
use crate::policy::usage::device_default;
use crate::{Approved, Error, RaRole};

/// How far back RA, TLS and OCSP certificates begin, for clients whose clocks are behind.
const OWN_BACKDATE: Duration = Duration::hours(24);

/// One certificate, but for what every certificate of the CA has.
struct Content<'a> {
    subject: &'a Name,
    public_key: &'a PublicKey,
    sans: &'a SubjectAltNames,
    key_usage: KeyUsage,
    ekus: &'a [String],
    must_staple: bool,
    /// A Windows SID for the security extension.
    sid: Option<&'a str>,
    /// An OCSP responder: nobody asks about it, so that it says nothing of places to ask at.
    no_check: bool,
    not_before: DateTime<Utc>,
    not_after: DateTime<Utc>,
}

impl LocalCa {
    pub(super) fn device_certificate(
        &self,
        approved: &Approved,
        now: DateTime<Utc>,
    ) -> Result<Certificate, Error> {
        self.sign(
            &Content {
                subject: approved.subject(),
                public_key: approved.public_key(),
                sans: approved.sans(),
                key_usage: approved.key_usage(),
                ekus: approved.ext_key_usages(),
                must_staple: approved.must_staple(),
                sid: approved.sid(),
                no_check: false,
                not_before: approved.not_before(),
                not_after: approved.not_after(),
            },
            now,
        )
    }

    pub(super) fn sign_ra(
        &self,
        role: RaRole,
        key: &PublicKey,
        path_id: &str,
        now: DateTime<Utc>,
    ) -> Result<Certificate, Error> {
        let profile = if path_id.is_empty() {
            "root profile"
        } else {
            path_id
        };
        let (key_usage, suffix) = match role {
            RaRole::Both => (device_default(), ""),
            RaRole::Signing => (KeyUsage::DIGITAL_SIGNATURE, " signing"),
            RaRole::Encryption => (KeyUsage::KEY_ENCIPHERMENT, " encryption"),
        };
        let (not_before, not_after) = span(now, self.parts.ra_lifetime)?;
        self.sign(
            &Content {
                subject: &self.own_name(&format!("SCEP RA {profile}{suffix}"))?,
                public_key: key,
                sans: &SubjectAltNames::default(),
                key_usage,
                ekus: &[oid::EKU_REQUEST_AGENT.to_owned()],
                must_staple: false,
                sid: None,
                no_check: false,
                not_before,
                not_after,
            },
            now,
        )
    }

    pub(super) fn sign_tls(
        &self,
        key: &PublicKey,
        names: &SubjectAltNames,
        now: DateTime<Utc>,
    ) -> Result<Certificate, Error> {
        let sans = SubjectAltNames {
            dns: names.dns.clone(),
            ip: names.ip.clone(),
            ..SubjectAltNames::default()
        };
        let first = sans
            .dns
            .first()
            .cloned()
            .or_else(|| sans.ip.first().map(ToString::to_string));
        let first = first.ok_or(Error::Argument(
            "a TLS certificate needs a DNS name or an IP address",
        ))?;
        let (not_before, not_after) = span(now, self.parts.tls_lifetime)?;
        self.sign(
            &Content {
                subject: &common_name(&first)?,
                public_key: key,
                sans: &sans,
                key_usage: device_default(),
                ekus: &[oid::EKU_SERVER_AUTH.to_owned()],
                must_staple: false,
                sid: None,
                no_check: false,
                not_before,
                not_after,
            },
            now,
        )
    }

    pub(super) fn sign_responder(
        &self,
        ca: &Certificate,
        key: &PublicKey,
        lifetime: Duration,
        now: DateTime<Utc>,
    ) -> Result<Certificate, Error> {
        let (not_before, not_after) = span(now, lifetime)?;
        let content = Content {
            subject: &self.own_name("OCSP responder")?,
            public_key: key,
            sans: &SubjectAltNames::default(),
            key_usage: KeyUsage::DIGITAL_SIGNATURE,
            ekus: &[oid::EKU_OCSP_SIGNING.to_owned()],
            must_staple: false,
            sid: None,
            no_check: true,
            not_before,
            not_after,
        };
        self.sign_as((ca, self.key_of(ca)?), &content, now)
    }

    /// A name beside the CA's own: its country and organisation, and a common name.
    fn own_name(&self, common: &str) -> Result<Name, Error> {
        let mut text = String::new();
        for attribute in self.parts.certificate.subject().attributes() {
            let short = match attribute.oid.as_str() {
                oid::COUNTRY => "C",
                oid::ORGANIZATION => "O",
                _ => continue,
            };
            text.push_str(&format!("{short}={}, ", escaped(&attribute.value)));
        }
        Ok(Name::parse(&format!("{text}CN={}", escaped(common)))?)
    }

    fn sign(&self, content: &Content<'_>, now: DateTime<Utc>) -> Result<Certificate, Error> {
        self.sign_as((&self.parts.certificate, &self.parts.key), content, now)
    }

    /// Signs as one of this CA's keys.
    fn sign_as(
        &self,
        (ca, key): (&Certificate, &PrivateKey),
        content: &Content<'_>,
        now: DateTime<Utc>,
    ) -> Result<Certificate, Error> {
        if !ca.valid_at(now) {
            return Err(Error::CaNotValid {
                subject: ca.subject().to_string(),
                not_before: ca.not_before(),
                not_after: ca.not_after(),
            });
        }
        if content.public_key == ca.public_key() {
            return Err(Error::OwnKey);
        }
        let builder = CertificateBuilder {
            subject: content.subject.clone(),
            issuer: ca.subject().clone(),
            serial: Serial::random()?,
            not_before: content.not_before.max(ca.not_before()),
            not_after: content.not_after.min(ca.not_after()),
            public_key: content.public_key.clone(),
            extensions: self.extensions(ca, content)?,
        };
        Ok(builder.sign(key, &scheme_for(key, self.parts.digest)?)?)
    }

    fn extensions(&self, ca: &Certificate, content: &Content<'_>) -> Result<Vec<Extension>, Error> {
        let parts = &self.parts;
        let mut extensions = vec![
            Extension::authority_key_id(&key_id_of(ca)),
            Extension::subject_key_id(content.public_key),
            Extension::basic_constraints(false, None),
            Extension::key_usage(content.key_usage),
        ];
        if !content.ekus.is_empty() {
            extensions.push(Extension::ext_key_usage(content.ekus)?);
        }
        if !content.sans.is_empty() {
            extensions.push(Extension::subject_alt_names(content.sans, content.subject)?);
        }
        if content.no_check {
            extensions.push(Extension::ocsp_no_check());
            return Ok(extensions);
        }
        if !parts.cdp_urls.is_empty() {
            extensions.push(Extension::crl_distribution_points(&parts.cdp_urls)?);
        }
        if !parts.ocsp_urls.is_empty() || !parts.ca_issuers_urls.is_empty() {
            extensions.push(Extension::authority_info_access(
                &parts.ocsp_urls,
                &parts.ca_issuers_urls,
            )?);
        }
        if content.must_staple {
            extensions.push(Extension::must_staple());
        }
        if let Some(sid) = content.sid {
            extensions.push(Extension::ms_sid(sid)?);
        }
        Ok(extensions)
    }
}

/// From a backdated beginning to `lifetime` after it.
fn span(now: DateTime<Utc>, lifetime: Duration) -> Result<(DateTime<Utc>, DateTime<Utc>), Error> {
    let backdate = OWN_BACKDATE.min(lifetime / 2);
    let not_before = now
        .checked_sub_signed(backdate)
        .ok_or(Error::DateOutOfRange)?
        .trunc_subsecs(0);
    let not_after = not_before
        .checked_add_signed(lifetime)
        .ok_or(Error::DateOutOfRange)?;
    Ok((not_before, not_after))
}

fn common_name(text: &str) -> Result<Name, Error> {
    Ok(Name::parse(&format!("CN={}", escaped(text)))?)
}

/// The text of one value as [`Name::parse`] reads it back.
fn escaped(value: &str) -> String {
    value
        .chars()
        .flat_map(|character| {
            matches!(character, ',' | '\\' | '+')
                .then_some('\\')
                .into_iter()
                .chain([character])
        })
        .collect()
}
