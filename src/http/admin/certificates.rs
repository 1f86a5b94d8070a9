//! Issued certificates: search, detail, revocation, download.

use actors::{By, Revocation, RevokeError};
use api::endpoints::{
    DownloadCertificate, ListCertificates, ReleaseCertificate, RevokeCertificate, ShowCertificate,
};
use api::{
    CertificateDetail, CertificateStatus, DownloadFormat, DownloadQuery, Extension, List,
    ReleaseReply, ReleaseRequest, RevokeReply, RevokeRequest,
};
use issuer::policy::usage::eku_short_name;
use pki::{Certificate, Serial, oid};
use store::{CaId, CertificateRecord};
use warp::http::header::CONTENT_DISPOSITION;
use warp::http::{HeaderValue, StatusCode};
use warp::reply::Response;

use super::context::AdminContext;
use super::reply::{self, Problem};
use super::request::{Asked, blocking, note, page};
use super::serials;
use crate::auth::Admin;
use crate::certificates::{ca_named, reason_meant, shown};

pub(super) async fn list(
    context: &AdminContext,
    _: &Admin,
    asked: &Asked,
) -> Result<Response, Problem> {
    let query = asked.query::<ListCertificates>()?;
    let (page, per_page) = page(query.page, query.per_page)?;
    let query = store::CertificateQuery {
        ca: query
            .issuer_id
            .as_deref()
            .and_then(|id| ca_named(&context.runtime().directory, id)),
        issuer_id: query.issuer_id,
        profile: query.profile,
        device: query.device,
        serial: query.serial,
        q: query.q,
        status: query.status.map(|status| match status {
            CertificateStatus::Valid => store::CertificateStatus::Valid,
            CertificateStatus::Expired => store::CertificateStatus::Expired,
            CertificateStatus::Revoked => store::CertificateStatus::Revoked,
        }),
        page,
        per_page,
        ..store::CertificateQuery::default()
    };
    let services = context.runtime().services.clone();
    let now = services.clock.now();
    let found = blocking(move || Ok(serials::search(&*services.store, query, now)?)).await?;
    reply::ok::<ListCertificates>(&List {
        data: found.data.iter().map(|record| shown(record, now)).collect(),
        total: found.total,
        page,
        per_page,
    })
}

pub(super) async fn show(
    context: &AdminContext,
    _: &Admin,
    asked: &Asked,
) -> Result<Response, Problem> {
    let record = find(context, asked).await?;
    let certificate = Certificate::from_der(&record.der).map_err(Problem::fault)?;
    let name = |oid: &String| eku_short_name(oid).map_or_else(|| oid.clone(), str::to_owned);
    reply::ok::<ShowCertificate>(&CertificateDetail {
        certificate: shown(&record, context.runtime().services.clock.now()),
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        public_key: certificate.public_key().kind().to_string(),
        key_usage: certificate
            .key_usage()
            .map(|usage| usage.names().map(str::to_owned).collect())
            .unwrap_or_default(),
        ext_key_usage: certificate.ext_key_usages().iter().map(name).collect(),
        extensions: certificate
            .extensions()
            .iter()
            .map(|extension| Extension {
                oid: extension.oid.clone(),
                name: extension_name(&extension.oid).map(str::to_owned),
                critical: extension.critical,
            })
            .collect(),
        sha256_fingerprint: hex::encode(certificate.fingerprint()),
        pem: certificate.to_pem(),
    })
}

pub(super) async fn revoke(
    context: &AdminContext,
    admin: &Admin,
    asked: &Asked,
) -> Result<Response, Problem> {
    let RevokeRequest { reason, note: why } = asked.body_or_default::<RevokeCertificate>()?;
    let why = note(why)?;
    let record = find(context, asked).await?;
    let (issuer_id, serial) = (record.issuer_id, record.serial);
    let revocation = Revocation {
        ca: record.ca,
        serial: Serial::new(serial.clone()),
        reason: reason_meant(reason),
        by: admin.caller().name.clone(),
        by_type: admin.caller().kind.as_str().to_owned(),
        note: why,
        request_id: asked.origin.request_id.clone(),
    };
    let services = &context.runtime().services;
    let ordered_at = services.clock.now();
    let answer = |waits: Option<String>, revoked_at| RevokeReply {
        revoked: waits.is_none(),
        waits,
        issuer_id,
        serial: hex::encode(serial),
        reason,
        revoked_at,
    };
    match actors::revoke(services, revocation).await {
        Ok(revoked_at) => reply::ok::<RevokeCertificate>(&answer(None, revoked_at)),
        Err(error @ RevokeError::Waits(_)) => {
            let answer = answer(Some(error.to_string()), ordered_at);
            reply::with_status::<RevokeCertificate>(StatusCode::ACCEPTED, &answer)
        }
        Err(error) => Err(not_changed(error)),
    }
}

pub(super) async fn release(
    context: &AdminContext,
    admin: &Admin,
    asked: &Asked,
) -> Result<Response, Problem> {
    let ReleaseRequest { note: why } = asked.body_or_default::<ReleaseCertificate>()?;
    let why = note(why)?;
    let record = find(context, asked).await?;
    let serial = Serial::new(record.serial.clone());
    let services = &context.runtime().services;
    let by = by(admin, why, asked);
    match actors::release(services, record.ca, &serial, by).await {
        Ok(released_at) => reply::ok::<ReleaseCertificate>(&ReleaseReply {
            released: true,
            issuer_id: record.issuer_id,
            serial: serial.to_hex(),
            released_at,
        }),
        Err(error) => Err(not_changed(error)),
    }
}

/// Who asks, for the audit.
pub(super) fn by(admin: &Admin, note: Option<String>, asked: &Asked) -> By {
    By {
        name: admin.caller().name.clone(),
        kind: admin.caller().kind.as_str().to_owned(),
        note,
        request_id: Some(asked.origin.request_id.clone()),
    }
}

/// What to say where a certificate's status was not changed.
pub(super) fn not_changed(error: RevokeError) -> Problem {
    match error {
        RevokeError::Unknown => Problem::not_found(error.to_string()),
        RevokeError::Already
        | RevokeError::NotOnHold
        | RevokeError::Waits(_)
        | RevokeError::Refused(_) => Problem::conflict(error.to_string()),
        RevokeError::Failed(error) => Problem::fault(error),
    }
}

pub(super) async fn download(
    context: &AdminContext,
    _: &Admin,
    asked: &Asked,
) -> Result<Response, Problem> {
    let DownloadQuery { format } = asked.query::<DownloadCertificate>()?;
    let record = find(context, asked).await?;
    let name = hex::encode(&record.serial);
    let (mut response, extension) = match format {
        DownloadFormat::Der => (reply::file("application/pkix-cert", record.der), "cer"),
        DownloadFormat::Pem => {
            let certificate = Certificate::from_der(&record.der).map_err(Problem::fault)?;
            (
                reply::file("application/x-pem-file", certificate.to_pem()),
                "pem",
            )
        }
        DownloadFormat::Chain => {
            let certificate = Certificate::from_der(&record.der).map_err(Problem::fault)?;
            let mut pem = certificate.to_pem();
            for above in chain_of(context, &record.ca, &certificate) {
                pem.push_str(&above.to_pem());
            }
            (reply::file("application/x-pem-file", pem), "chain.pem")
        }
    };
    let disposition = format!("attachment; filename=\"{name}.{extension}\"");
    let disposition = HeaderValue::try_from(disposition).map_err(Problem::fault)?;
    response
        .headers_mut()
        .insert(CONTENT_DISPOSITION, disposition);
    Ok(response)
}

/// The record that the path names: by what the issuer was called when it signed, or is called now.
async fn find(context: &AdminContext, asked: &Asked) -> Result<CertificateRecord, Problem> {
    let issuer_id = asked.parameter(0)?.to_owned();
    let digits = asked.parameter(1)?.to_owned();
    let unknown = format!("issuer {issuer_id:?} has no certificate with the serial {digits:?}");
    let ca = ca_named(&context.runtime().directory, &issuer_id);
    let store = context.runtime().services.store.clone();
    let found = blocking(move || Ok(serials::find(&*store, (&issuer_id, ca), &digits)?)).await?;
    found.ok_or_else(|| Problem::not_found(unknown))
}

/// The CA's chain, as far as a profile still uses it and it is the one that signed.
fn chain_of(context: &AdminContext, ca: &CaId, certificate: &Certificate) -> Vec<Certificate> {
    let profiles = context.runtime().directory.all();
    let chain = profiles
        .values()
        .map(|entry| entry.current())
        .find(|current| CaId::of_ca(current.spec.issuer.authority().certificate()) == *ca)
        .map(|current| current.spec.issuer.authority().chain().to_vec())
        .unwrap_or_default();
    let signed = chain
        .first()
        .is_some_and(|ca| certificate.verify_signature_by(ca.public_key()).is_ok());
    if signed { chain } else { Vec::new() }
}

fn extension_name(dotted: &str) -> Option<&'static str> {
    Some(match dotted {
        oid::SUBJECT_KEY_ID => "subjectKeyIdentifier",
        oid::KEY_USAGE => "keyUsage",
        oid::SUBJECT_ALT_NAME => "subjectAltName",
        oid::BASIC_CONSTRAINTS => "basicConstraints",
        oid::CRL_DISTRIBUTION_POINTS => "cRLDistributionPoints",
        oid::CERTIFICATE_POLICIES => "certificatePolicies",
        oid::AUTHORITY_KEY_ID => "authorityKeyIdentifier",
        oid::EXT_KEY_USAGE => "extKeyUsage",
        oid::AUTHORITY_INFO_ACCESS => "authorityInfoAccess",
        oid::TLS_FEATURE => "tlsFeature",
        _ => return None,
    })
}
