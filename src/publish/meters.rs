//! What is counted of OCSP answers and CRLs.

use std::time::Duration;

use actors::{Labels, Metrics};
use chrono::{DateTime, Utc};
use metrics::{Counter, Histogram};
use ocsp::{Refusal, Status};

/// What an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    Good,
    Revoked,
    Unknown,
    /// It is about several certificates.
    Several,
    MalformedRequest,
    InternalError,
    TryLater,
    Unauthorized,
}

/// How an answer came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Made {
    /// It was signed before, for somebody else.
    Cached,
    /// It was signed for this request.
    Fresh,
    /// Nobody signs it.
    Unsigned,
}

const SIGNED: [(Said, &str); 4] = [
    (Said::Good, "good"),
    (Said::Revoked, "revoked"),
    (Said::Unknown, "unknown"),
    (Said::Several, "several"),
];

const REFUSED: [(Said, &str); 4] = [
    (Said::MalformedRequest, "malformed_request"),
    (Said::InternalError, "internal_error"),
    (Said::TryLater, "try_later"),
    (Said::Unauthorized, "unauthorized"),
];

const MADE: [(Made, &str); 3] = [
    (Made::Cached, "cached"),
    (Made::Fresh, "fresh"),
    (Made::Unsigned, "unsigned"),
];

impl Said {
    /// Of the certificates in one answer.
    pub(super) fn of(statuses: &[Status]) -> Self {
        match statuses {
            [Status::Good] => Self::Good,
            [Status::Revoked { .. }] => Self::Revoked,
            [Status::Unknown] => Self::Unknown,
            _ => Self::Several,
        }
    }
}

impl From<Refusal> for Said {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::MalformedRequest => Self::MalformedRequest,
            Refusal::InternalError => Self::InternalError,
            Refusal::TryLater => Self::TryLater,
            Refusal::Unauthorized => Self::Unauthorized,
        }
    }
}

/// The counters of one issuer's responder, at hand: there are thousands of answers a second.
pub(super) struct Meters {
    answers: Vec<(Said, Made, Counter)>,
    seconds: [(Made, Histogram); MADE.len()],
    /// Requests for an answer of their own from sources that had theirs.
    limited: Counter,
}

impl Meters {
    /// All from 0 on, so that a rate is known from the first one on.
    pub(super) fn new(issuer: &str, metrics: &Metrics) -> Self {
        let counter = |said: &'static str, made: &'static str| {
            let labels: &Labels<'_> = &[("issuer", issuer), ("status", said), ("made", made)];
            let counter = metrics.counter("scepd_ocsp_answers_total", labels);
            counter.increment(0);
            counter
        };
        let signed = SIGNED
            .into_iter()
            .flat_map(|(said, name)| [Made::Cached, Made::Fresh].map(|made| (said, name, made)));
        let refused = REFUSED.map(|(said, name)| (said, name, Made::Unsigned));
        let answers = signed
            .chain(refused)
            .map(|(said, name, made)| (said, made, counter(name, name_of(made))));
        let seconds = MADE.map(|(made, name)| {
            let labels: &Labels<'_> = &[("issuer", issuer), ("made", name)];
            (made, metrics.histogram("scepd_ocsp_seconds", labels))
        });
        let limited = metrics.counter("scepd_ocsp_limited_total", &[("issuer", issuer)]);
        limited.increment(0);
        Self {
            answers: answers.collect(),
            seconds,
            limited,
        }
    }

    /// An answer, and how long it took.
    pub(super) fn answered(&self, said: Said, made: Made, took: Duration) {
        let mut answers = self.answers.iter();
        if let Some((.., counter)) = answers.find(|one| (one.0, one.1) == (said, made)) {
            counter.increment(1);
        }
        if let Some((_, seconds)) = self.seconds.iter().find(|one| one.0 == made) {
            seconds.record(took.as_secs_f64());
        }
    }

    /// A request for an answer of its own, from a source that had as many as it may.
    pub(super) fn limited(&self) {
        self.limited.increment(1);
    }
}

fn name_of(made: Made) -> &'static str {
    let mut names = MADE.iter().filter(|one| one.0 == made);
    names.next().map_or("", |one| one.1)
}

/// When the CRL that is shown ends, and how long it is.
pub(super) fn crl_shown(
    metrics: &Metrics,
    issuer: &str,
    mark: &str,
    next_update: DateTime<Utc>,
    octets: usize,
) {
    let labels: &Labels<'_> = &[("issuer", issuer), ("ca", mark)];
    #[expect(clippy::cast_precision_loss, reason = "seconds of centuries fit")]
    metrics
        .gauge("scepd_crl_next_update_timestamp_seconds", labels)
        .set(next_update.timestamp() as f64);
    #[expect(clippy::cast_precision_loss, reason = "octets in memory fit")]
    metrics.gauge("scepd_crl_bytes", labels).set(octets as f64);
}

/// How long it took to make a CRL and to keep it.
pub(super) fn crl_made(metrics: &Metrics, issuer: &str, took: Duration) {
    metrics
        .histogram("scepd_crl_seconds", &[("issuer", issuer)])
        .record(took.as_secs_f64());
}

/// When the certificate that signs OCSP answers ends.
pub(super) fn responder_renewed(metrics: &Metrics, issuer: &str, mark: &str, end: DateTime<Utc>) {
    #[expect(clippy::cast_precision_loss, reason = "seconds of centuries fit")]
    metrics
        .gauge(
            "scepd_ocsp_responder_end_timestamp_seconds",
            &[("issuer", issuer), ("ca", mark)],
        )
        .set(end.timestamp() as f64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_named_by_what_it_says_of_one_certificate() {
        let revoked = Status::Revoked {
            at: DateTime::UNIX_EPOCH,
            reason: None,
        };
        assert_eq!(Said::of(&[revoked]), Said::Revoked);
        assert_eq!(Said::of(&[Status::Good, revoked]), Said::Several);
        assert_eq!(Said::from(Refusal::TryLater), Said::TryLater);
    }
}
