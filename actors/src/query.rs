//! The questions that change nothing: CertPoll, GetCert, GetCRL, and a request asked again.

use crate::answer::Answer;
use crate::candidate;
use crate::compute::Stage;
use crate::renewal::{self, Standing};
use crate::shared::Shared;
use crate::transactions::{Key, Known};
use pki::{Certificate, Name, Serial};
use scep::FailInfo;
use std::sync::Arc;
use store::TransactionState;

/// CertPoll: PENDING, SUCCESS however often asked, or badCertId where there is no such request.
pub(crate) async fn cert_poll(shared: &Arc<Shared>, poll_key: Key) -> Answer {
    let job = Arc::clone(shared);
    blocking(shared, move || {
        match job
            .services
            .store
            .transaction_by_poll(&job.spec.path_id, &poll_key)
        {
            Ok(Some(record)) => answer(&job, &Known::from(&record)),
            Ok(None) => Answer::refused(
                FailInfo::BadCertId,
                "there is no such request in this profile",
            ),
            Err(error) => unavailable(&job, &error.to_string()),
        }
    })
    .await
}

/// The stored answer of a request that was decided before.
pub(crate) async fn known(shared: &Arc<Shared>, known: Known) -> Answer {
    let job = Arc::clone(shared);
    blocking(shared, move || answer(&job, &known)).await
}

/// GetCert: the certificate with that issuer and serial, for who holds one of this profile's.
pub(crate) async fn get_cert(
    shared: &Arc<Shared>,
    signer: &Certificate,
    issuer: Name,
    serial: Serial,
) -> Answer {
    let job = Arc::clone(shared);
    let signer = signer.clone();
    blocking(shared, move || {
        match certificate(&job, &signer, &issuer, &serial) {
            Ok(Some(certificate)) => Answer::Certificate(certificate),
            Ok(None) => Answer::refused(
                FailInfo::BadCertId,
                "there is no such certificate here, or it is not shown to this signer",
            ),
            Err(error) => unavailable(&job, &error),
        }
    })
    .await
}

fn certificate(
    shared: &Shared,
    signer: &Certificate,
    issuer: &Name,
    serial: &Serial,
) -> Result<Option<Certificate>, String> {
    let spec = &shared.spec;
    if !spec.open_get_cert {
        let standing = renewal::standing(shared, signer, shared.now());
        match standing.map_err(|error| error.to_string())? {
            Standing::Holder => {}
            Standing::Foreign | Standing::Unfit(_) => return Ok(None),
        }
    }
    let record = shared
        .services
        .store
        .certificate(spec.issuer.id(), serial.as_bytes())
        .map_err(|error| error.to_string())?;
    let Some(record) = record.filter(|record| record.profile == spec.path_id) else {
        return Ok(None);
    };
    let certificate = Certificate::from_der(&record.der).map_err(|error| error.to_string())?;
    Ok(certificate.issuer().matches(issuer).then_some(certificate))
}

/// GetCRL: the newest CRL, for anyone.
pub(crate) async fn get_crl(shared: &Arc<Shared>, issuer: Name) -> Answer {
    let job = Arc::clone(shared);
    blocking(shared, move || {
        if !job.spec.issuer.ca_certificate().subject().matches(&issuer) {
            return Answer::refused(FailInfo::BadCertId, "this profile has another issuer");
        }
        let services = &job.services;
        match services
            .crls
            .newest(&*services.store, &*job.spec.issuer, job.now())
        {
            Ok(crl) => Answer::Crl(crl),
            Err(error) => unavailable(&job, &error.to_string()),
        }
    })
    .await
}

fn answer(shared: &Shared, known: &Known) -> Answer {
    match &known.state {
        TransactionState::Pending | TransactionState::Approved { .. } => {
            if known
                .deadline
                .is_some_and(|deadline| shared.now() > deadline)
            {
                expired()
            } else {
                Answer::Pending
            }
        }
        TransactionState::Issued { issuer_id, serial } => {
            match candidate::certificate_of(shared, issuer_id, serial) {
                Ok(certificate) => Answer::Certificate(certificate),
                Err(error) => unavailable(shared, &error),
            }
        }
        TransactionState::Denied { .. } => {
            Answer::refused(FailInfo::BadRequest, "an operator refused this request")
        }
        TransactionState::Expired => expired(),
    }
}

fn expired() -> Answer {
    Answer::refused(FailInfo::BadRequest, "nobody approved this request in time")
}

fn unavailable(shared: &Shared, error: &str) -> Answer {
    tracing::error!(
        profile = shared.spec.path_id,
        error,
        "a question could not be answered"
    );
    Answer::Busy
}

async fn blocking<F>(shared: &Arc<Shared>, job: F) -> Answer
where
    F: FnOnce() -> Answer + Send + 'static,
{
    match shared.services.pool.run(Stage::Finish, job).await {
        Ok(answer) => answer,
        Err(error) => unavailable(shared, &error.to_string()),
    }
}
