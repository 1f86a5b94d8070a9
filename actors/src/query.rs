//! The questions that change no enrollment: CertPoll, GetCert, GetCRL, and a request asked again.
//!
//! A question has no signature of its own, and what it holds may be the work of somebody who makes changes to an
//! envelope that he caught, and watches which of them can be read. So nothing is answered, found or looked up before the
//! issuer in it has turned out to be a name of this profile, which no such change brings about; and whatever is not
//! answered is refused in the words of a message that could not be opened.

use crate::admission::ActorHandle;
use crate::answer::Answer;
use crate::audit;
use crate::compute::Stage;
use crate::crl::CrlError;
use crate::durable;
use crate::enrollment::{EnrollmentRequest, Key, PriorResult, Question, Rejected};
use crate::findings;
use crate::messages::Origin;
use crate::read_request;
use crate::renewal;
use crate::shared::Shared;
use crate::spec::ProfileSpec;
use crate::waiting;
use chrono::TimeDelta;
use issuer::RemoteCa;
use pki::{Certificate, Name, Serial};
use scep::{FailInfo, Ra, ReplyTo};
use std::sync::Arc;
use store::{Change, Refusal, Stage as EnrollmentStage};

/// Octets of a serial number in a GetCRL, at most (RFC 5280, 4.1.2.2). What came out of a changed envelope is longer:
/// a name, and behind it in the same number everything that was not to be known.
const LONGEST_SERIAL: usize = 20;

/// Longer than any commit takes.
const SETTLES: TimeDelta = TimeDelta::minutes(2);

/// Why a question is not answered. For the log; the device is told nothing.
pub(crate) struct NotFound {
    detail: String,
    /// Whether it may be a guess at what an envelope holds.
    guess: bool,
}

impl NotFound {
    /// Who asks knows the issuer's name.
    fn here(detail: impl Into<String>) -> Self {
        Self {
            detail: detail.into(),
            guess: false,
        }
    }

    /// The refusal of a message that could not be opened.
    pub(crate) fn reject(self, reply: ReplyTo) -> Rejected {
        Rejected {
            reply,
            fail_info: FailInfo::BadCertId,
            text: scep::NOT_FOUND.into(),
            detail: self.detail,
            verified: true,
            opaque: true,
            guess: self.guess,
        }
    }
}

/// Answers a question of `signer`.
pub(crate) async fn answer(
    shared: &Arc<Shared>,
    actor: &ActorHandle,
    origin: &Origin,
    signer: &Certificate,
    question: Question,
) -> Result<Answer, NotFound> {
    let Some(naming) = Naming::of(&shared.spec, question.issuer()) else {
        return Err(NotFound {
            detail: "the issuer that is asked about is none of this profile's".to_owned(),
            guess: true,
        });
    };
    if let Some(finding) = naming.finding() {
        findings::log(shared, origin, &[finding.to_owned()]);
    }
    let (job, from) = (Arc::clone(shared), origin.clone());
    let answered = match question {
        Question::CertPoll { poll_key, .. } => {
            let polled = blocking(shared, move || cert_poll(&job, &from, &poll_key)).await;
            match polled {
                Ok(Ok(Polled {
                    answer,
                    not_approved,
                })) => {
                    if let Some(key) = not_approved {
                        actor.told(key);
                    }
                    Ok(Ok(answer))
                }
                Ok(Err(missing)) => match actor.waits_with(poll_key).await {
                    Ok(true) => Ok(Ok(Answer::Pending)),
                    Ok(false) => Ok(Err(missing)),
                    Err(_) => Ok(Ok(Answer::Busy)),
                },
                Err(error) => Err(error),
            }
        }
        Question::GetCert { issuer, serial } => {
            let signer = signer.clone();
            blocking(shared, move || {
                get_cert(&job, &from, &signer, &issuer, &serial)
            })
            .await
        }
        Question::GetCrl { issuer, serial } => {
            return get_crl(shared, origin, signer, &issuer, &serial).await;
        }
    };
    answered.unwrap_or_else(|error| Ok(unavailable(shared, origin, &error)))
}

/// How a client of this profile names its CA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Naming {
    /// By its name, or one that it had before.
    Right,
    /// By such a name with its parts in reverse order, as Java programs write it.
    Turned,
    /// By the name of the RA, as sscep does.
    Ra,
}

impl Naming {
    /// None when the name is nobody's here.
    fn of(spec: &ProfileSpec, name: &Name) -> Option<Self> {
        let authority = spec.issuer.authority();
        let ras = || spec.ras.iter().flat_map(Ra::certificates);
        let cas = || authority.names().chain(ras().map(Certificate::issuer));
        if cas().any(|ours| ours.matches(name)) {
            Some(Self::Right)
        } else if ras().any(|ra| ra.subject().matches(name)) {
            Some(Self::Ra)
        } else if cas().any(|ours| ours.matches_reversed(name)) {
            Some(Self::Turned)
        } else if ras().any(|ra| ra.subject().matches_reversed(name)) {
            Some(Self::Ra)
        } else {
            None
        }
    }

    /// What to say of it in the log.
    fn finding(self) -> Option<&'static str> {
        match self {
            Self::Right => None,
            Self::Turned => {
                Some("the question names the CA with the parts of its name in reverse order")
            }
            Self::Ra => Some("the question names the RA instead of the CA"),
        }
    }

    /// Whether `name`, named so, is the name of a certificate's or CRL's issuer.
    fn means(self, name: &Name, issuer: &Name) -> bool {
        match self {
            Self::Ra => true,
            Self::Right | Self::Turned => issuer.matches(name) || issuer.matches_reversed(name),
        }
    }
}

/// The answer to a CertPoll, and the request that it says was not approved.
struct Polled {
    answer: Answer,
    not_approved: Option<Key>,
}

/// CertPoll: PENDING, or SUCCESS however often asked.
fn cert_poll(shared: &Shared, origin: &Origin, poll_key: &Key) -> Result<Polled, NotFound> {
    let polled = |answer, not_approved| Polled {
        answer,
        not_approved,
    };
    match shared.enrollment_by_poll(poll_key) {
        Ok(Some(record)) => {
            let known = PriorResult::from(&record);
            let not_approved = known.ended.is_some().then_some(record.key);
            Ok(polled(stored(shared, origin, &known), not_approved))
        }
        Ok(None) => Err(NotFound::here("there is no such request in this profile")),
        Err(error) => Ok(polled(
            unavailable(shared, origin, &error.to_string()),
            None,
        )),
    }
}

/// The stored answer of a request that was decided before.
pub(crate) async fn known(shared: &Arc<Shared>, origin: &Origin, known: PriorResult) -> Answer {
    let (job, from) = (Arc::clone(shared), origin.clone());
    blocking(shared, move || stored(&job, &from, &known))
        .await
        .unwrap_or_else(|error| unavailable(shared, origin, &error))
}

/// An Intune enrollment that came again within the profile's retransmission window has got
/// `answer` again: its certificate is handed out once more, so that is audited.
pub(crate) async fn resent(
    shared: &Arc<Shared>,
    origin: &Origin,
    asked: &EnrollmentRequest,
    answer: Answer,
) -> Answer {
    let Answer::Certificate(certificate) = &answer else {
        return answer;
    };
    let event = audit::resent(shared, origin, asked, certificate, shared.now());
    match durable::commit(shared, Change::new().with(event), None).await {
        Ok(()) => answer,
        Err(error) => unavailable(shared, origin, &error.to_string()),
    }
}

/// GetCert: the certificate with that issuer and serial, for who holds one of this profile's.
fn get_cert(
    shared: &Shared,
    origin: &Origin,
    signer: &Certificate,
    issuer: &Name,
    serial: &Serial,
) -> Result<Answer, NotFound> {
    match certificate(shared, signer, issuer, serial) {
        Ok(Some(certificate)) => Ok(Answer::Certificate(certificate)),
        Ok(None) => Err(NotFound::here(
            "there is no such certificate here, or it is not shown to this signer",
        )),
        Err(error) => Ok(unavailable(shared, origin, &error)),
    }
}

fn certificate(
    shared: &Shared,
    signer: &Certificate,
    issuer: &Name,
    serial: &Serial,
) -> Result<Option<Certificate>, String> {
    let spec = &shared.spec;
    if !spec.open_get_cert {
        let holds = renewal::is_holder(shared, signer, shared.now());
        if !holds.map_err(|error| error.to_string())? {
            return Ok(None);
        }
    }
    let records = shared
        .services
        .store
        .certificates_with_serial(serial.as_bytes())
        .map_err(|error| error.to_string())?;
    let naming = Naming::of(spec, issuer);
    for record in records {
        if spec.is_called(&record.profile) {
            let certificate =
                Certificate::from_der(&record.der).map_err(|error| error.to_string())?;
            if naming.is_some_and(|naming| naming.means(issuer, certificate.issuer())) {
                return Ok(Some(certificate));
            }
        }
    }
    Ok(None)
}

/// GetCRL: the newest CRL, for anyone.
async fn get_crl(
    shared: &Arc<Shared>,
    origin: &Origin,
    signer: &Certificate,
    issuer: &Name,
    serial: &Serial,
) -> Result<Answer, NotFound> {
    if serial.minimal().len() > LONGEST_SERIAL {
        return Err(NotFound {
            detail: "the serial number that is asked about is too long".to_owned(),
            guess: true,
        });
    }
    let authority = shared.spec.issuer.authority();
    let named = match Naming::of(&shared.spec, issuer) {
        // The RA has no CRL: the serial number must show that the CA is meant.
        Some(Naming::Ra) => {
            let (job, of, serial) = (Arc::clone(shared), signer.clone(), serial.clone());
            match blocking(shared, move || is_of_the_ca(&job, &of, &serial)).await {
                Ok(Ok(named)) => named,
                Ok(Err(error)) | Err(error) => return Ok(unavailable(shared, origin, &error)),
            }
        }
        Some(naming) => naming.means(issuer, authority.certificate().subject()),
        None => false,
    };
    if !named {
        return Err(NotFound::here("there is no CRL of this CA here"));
    }
    if let Some(remote) = shared.spec.issuer.remote() {
        return remote_crl(shared, origin, remote).await;
    }
    let services = &shared.services;
    let newest = services
        .crls
        .newest(&services.store, &shared.spec.issuer, services.time.now());
    match newest.await {
        Ok(crl) => Ok(Answer::Crl(crl)),
        Err(CrlError::Issuer(issuer::Error::NotACa { missing, .. })) => {
            Err(NotFound::here(format!("there is no CRL: {missing}")))
        }
        Err(CrlError::Issuer(error @ issuer::Error::NoCrl { .. })) => {
            Err(NotFound::here(error.to_string()))
        }
        Err(error) => Ok(unavailable(shared, origin, &error.to_string())),
    }
}

/// The CRL of an issuer elsewhere.
async fn remote_crl(
    shared: &Shared,
    origin: &Origin,
    remote: &dyn RemoteCa,
) -> Result<Answer, NotFound> {
    let clock = &shared.services.clock;
    let limit = clock.wait_until(clock.instant() + shared.spec.outside.answer_within);
    let asked = tokio::select! {
        biased;
        asked = remote.newest_crl(shared.now()) => asked,
        () = limit => return Ok(unavailable(shared, origin, "the issuer gave no CRL in time")),
    };
    match asked {
        Ok(Some(crl)) => Ok(Answer::Crl(crl.der().into())),
        Ok(None) => Err(NotFound::here("the issuer makes no CRL")),
        Err(error) => Ok(unavailable(shared, origin, &error.to_string())),
    }
}

/// Whether a serial number is that of the CA's own certificate, of an RA's, of the signer's where this CA issued it, or of
/// any other certificate of this profile.
fn is_of_the_ca(shared: &Shared, signer: &Certificate, serial: &Serial) -> Result<bool, String> {
    let spec = &shared.spec;
    let authority = spec.issuer.authority();
    let ras = spec.ras.iter().flat_map(Ra::certificates);
    let mut own = ras.chain([authority.certificate()]);
    if own.any(|certificate| certificate.serial().same_number(serial))
        || (signer.serial().same_number(serial) && authority.issued(signer))
    {
        return Ok(true);
    }
    let stored = shared
        .services
        .store
        .certificates_with_serial(serial.as_bytes())
        .map_err(|error| error.to_string())?;
    Ok(stored.iter().any(|record| record.profile == spec.path_id))
}

fn stored(shared: &Shared, origin: &Origin, known: &PriorResult) -> Answer {
    match &known.stage {
        EnrollmentStage::AwaitingApproval { until } => {
            if until.is_some_and(|until| shared.passed() > until) {
                expired()
            } else {
                Answer::Pending
            }
        }
        EnrollmentStage::Validating { .. }
        | EnrollmentStage::Issuing { .. }
        | EnrollmentStage::Notifying { .. } => Answer::Pending,
        EnrollmentStage::Issued { ca, serial } => {
            match read_request::certificate_of(shared, ca, serial) {
                Ok(Some(certificate)) => Answer::Certificate(certificate),
                // Not durable yet, if it was issued just now.
                Ok(None) if shared.passed() - known.updated_at < SETTLES => Answer::Pending,
                // Past its end, where certificates are let go some time after it.
                Ok(None) => Answer::refused(
                    FailInfo::BadRequest,
                    "the certificate of this request is not kept any more: ask anew, with a new key",
                ),
                Err(error) => unavailable(shared, origin, &error),
            }
        }
        EnrollmentStage::Refused(Refusal::Denied { .. }) => {
            Answer::refused(FailInfo::BadRequest, "an operator refused this request")
        }
        EnrollmentStage::Refused(Refusal::ApprovalExpired)
            if known.ended.as_ref().is_some_and(|end| end.replaced) =>
        {
            waiting::replaced_answer()
        }
        EnrollmentStage::Refused(Refusal::ApprovalExpired) => expired(),
        EnrollmentStage::Refused(_) => {
            let told = known.refused.as_ref().and_then(|ended| ended.told.clone());
            let (number, text) = told.unwrap_or((2, "this request was refused".to_owned()));
            let fail_info = FailInfo::from_code(number).unwrap_or(FailInfo::BadRequest);
            Answer::refused(fail_info, &text)
        }
    }
}

fn expired() -> Answer {
    Answer::refused(FailInfo::BadRequest, "nobody approved this request in time")
}

fn unavailable(shared: &Shared, origin: &Origin, error: &str) -> Answer {
    tracing::error!(
        profile = shared.spec.path_id,
        request_id = origin.request_id,
        error,
        "a question could not be answered"
    );
    Answer::Busy
}

async fn blocking<T, F>(shared: &Arc<Shared>, job: F) -> Result<T, String>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let result = shared.services.pool.run(Stage::Finish, job).await;
    result.map_err(|error| error.to_string())
}
