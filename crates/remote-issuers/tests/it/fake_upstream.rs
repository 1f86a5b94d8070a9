//! Another SCEP server on loopback that misbehaves on demand: its CA, an RA of its own, and memory of transactions.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{Duration, SubsecRound, Utc};
use pki::{
    Certificate, CertificateBuilder, CrlBuilder, Csr, Curve, Digest, Extension, KeyKind, KeyUsage,
    Name, PrivateKey, RevokedEntry, Serial,
};
use scep::{Body, CryptoMode, FailInfo, OpenError, RaIdentity};

use crate::scripted::{self, Answer, Asked, Way};

/// What it does instead of answering well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    /// Issues, and the answer goes this way.
    Answers(Way),
    /// Refuses so.
    Fails(FailInfo, &'static str),
    /// A status without more.
    Says(u16),
    /// 307 to another host.
    Redirects,
    /// An answer of so many octets.
    Floods(usize),
    /// Octets that are no PKIMessage.
    Garbles,
    /// PENDING until somebody decides.
    Waits,
    /// The certificate ends so many days earlier.
    Clips(i64),
    /// An EKU more.
    AddsAnEku,
    /// Signed by another CA of the same name.
    IsAnImpostor,
}

pub(crate) struct State {
    pub(crate) ca: Certificate,
    key: PrivateKey,
    ra: RaIdentity,
    pub(crate) caps: &'static str,
    pub(crate) acts: VecDeque<Act>,
    /// What became of each transaction; `None` = it waits.
    pub(crate) transactions: BTreeMap<String, Option<Certificate>>,
    pub(crate) revoked: Vec<Serial>,
    pub(crate) knows_crls: bool,
    pub(crate) answers_polls: bool,
    /// The status of operations that it does not have, where that is no CertRep.
    pub(crate) unknown: Option<u16>,
    /// The challenge of each CSR.
    pub(crate) challenges: Vec<Option<String>>,
    /// The HTTP method of each PKIOperation.
    pub(crate) methods: Vec<String>,
    /// Whose requests are taken.
    pub(crate) signer: Option<Certificate>,
}

pub(crate) struct FakeUpstream {
    url: String,
    state: Arc<Mutex<State>>,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// A certificate of this CA for a key.
pub(crate) fn certified(
    (ca, key): (&Certificate, &PrivateKey),
    subject: &str,
    public: &pki::PublicKey,
    extensions: Vec<Extension>,
) -> Certificate {
    let now = Utc::now().trunc_subsecs(0);
    let builder = CertificateBuilder {
        subject: name(subject),
        issuer: ca.subject().clone(),
        serial: Serial::random().unwrap(),
        not_before: now - Duration::minutes(1),
        not_after: now + Duration::days(900),
        public_key: public.clone(),
        extensions,
    };
    let scheme = key.scheme(Digest::Sha256).unwrap();
    builder.sign(key, &scheme).unwrap()
}

impl FakeUpstream {
    pub(crate) async fn start() -> Self {
        let now = Utc::now() - Duration::minutes(5);
        let kind = KeyKind::Ec(Curve::P256);
        let (ca, key) = issuer::create_root(&name("CN=Upstream CA"), kind, now, 10).unwrap();
        let ra_key = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
        let usage = KeyUsage::DIGITAL_SIGNATURE.union(KeyUsage::KEY_ENCIPHERMENT);
        let ra = certified(
            (&ca, &key),
            "CN=Upstream RA",
            ra_key.public_key(),
            vec![Extension::key_usage(usage)],
        );
        let state = Arc::new(Mutex::new(State {
            ca,
            key,
            ra: RaIdentity {
                certificate: ra,
                key: ra_key,
            },
            caps: "POSTPKIOperation\nAES\nSHA-256\nSCEPStandard\n",
            acts: VecDeque::new(),
            transactions: BTreeMap::new(),
            revoked: Vec::new(),
            knows_crls: true,
            answers_polls: true,
            unknown: None,
            challenges: Vec::new(),
            methods: Vec::new(),
            signer: None,
        }));
        let shared = Arc::clone(&state);
        let address = scripted::start(move |asked| answer(asked, &mut lock(&shared))).await;
        Self {
            url: format!("http://{address}/scep"),
            state,
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Somebody decides on what waits.
    pub(crate) fn approves(&self, csr: &Csr) {
        let mut state = self.state();
        let made = make(&state, csr, None);
        for waiting in state.transactions.values_mut().filter(|one| one.is_none()) {
            *waiting = Some(made.clone());
        }
    }
}

fn answer(asked: &Asked, state: &mut State) -> Answer {
    let value = |name: &str| {
        let pairs = asked.query.split('&').filter_map(|one| one.split_once('='));
        pairs
            .filter(|(known, _)| *known == name)
            .map(|(_, value)| value.to_owned())
            .next()
    };
    match value("operation").as_deref() {
        Some("GetCACaps") => Answer::new(200, state.caps),
        Some("GetCACert") => {
            let ras = [&state.ra.certificate];
            let chain = std::slice::from_ref(&state.ca);
            Answer::new(200, scep::ca_cert_body(&ras, chain).unwrap().1)
        }
        Some("PKIOperation") => {
            state.methods.push(asked.method.clone());
            let message = match asked.method.as_str() {
                "POST" => asked.body.clone(),
                _ => scep::get::decode_message(&value("message").unwrap()).unwrap(),
            };
            operation(&message, state)
        }
        _ => Answer::new(404, ""),
    }
}

fn operation(message: &[u8], state: &mut State) -> Answer {
    let opened = match scep::open(message, [&state.ra], CryptoMode::Compatible) {
        Ok(opened) => opened,
        Err(OpenError::Unreadable(what)) => return Answer::new(400, what),
        Err(OpenError::Refused { detail, .. }) => panic!("{detail}"),
    };
    let act = match opened.body {
        Body::PkcsReq(_) => state.acts.pop_front(),
        _ => None,
    };
    let id = opened.reply.transaction_id.clone().unwrap();
    let reply = |answer: scep::Answer<'_>| {
        let now = Utc::now().trunc_subsecs(0);
        let mode = CryptoMode::Compatible;
        let octets = scep::cert_rep(&opened.reply, &answer, &state.ra, mode, now).unwrap();
        Answer::new(200, octets)
    };
    let refuse = |fail_info, text| reply(scep::Answer::Failure { fail_info, text });
    match &act {
        Some(Act::Fails(fail_info, text)) => return refuse(*fail_info, text),
        Some(Act::Says(status)) => return Answer::new(*status, ""),
        Some(Act::Redirects) => {
            return Answer::new(307, "").header("Location", "https://elsewhere.example/scep");
        }
        Some(Act::Floods(size)) => return Answer::new(200, vec![b' '; *size]),
        Some(Act::Garbles) => return Answer::new(200, "<html>"),
        _ => {}
    }
    let is_known = state
        .signer
        .as_ref()
        .is_none_or(|known| *known == opened.reply.signer);
    if !is_known {
        return refuse(FailInfo::BadMessageCheck, "not an authorised signer");
    }
    match &opened.body {
        Body::PkcsReq(csr) => {
            let known = state.transactions.get(&id).cloned();
            let made = match known {
                Some(known) => known,
                None if act == Some(Act::Waits) => None,
                None => Some(make(state, csr, act.as_ref())),
            };
            let answer = match &made {
                Some(made) => reply(scep::Answer::Success {
                    certificates: std::slice::from_ref(made),
                }),
                None => reply(scep::Answer::Pending),
            };
            state
                .challenges
                .push(csr.challenge_password().map(str::to_owned));
            state.transactions.insert(id, made);
            match act {
                Some(Act::Answers(way)) => answer.by(way),
                _ => answer,
            }
        }
        Body::CertPoll { .. } if state.answers_polls => match state.transactions.get(&id) {
            Some(Some(made)) => reply(scep::Answer::Success {
                certificates: std::slice::from_ref(made),
            }),
            Some(None) => reply(scep::Answer::Pending),
            None => refuse(FailInfo::BadCertId, "no such request"),
        },
        Body::GetCrl { .. } if state.knows_crls => reply(scep::Answer::Crl(&crl(state))),
        _ => match state.unknown {
            Some(status) => Answer::new(status, "not implemented"),
            None => refuse(FailInfo::BadRequest, "not supported"),
        },
    }
}

fn make(state: &State, csr: &Csr, act: Option<&Act>) -> Certificate {
    let now = Utc::now().trunc_subsecs(0);
    let usage = KeyUsage::DIGITAL_SIGNATURE.union(KeyUsage::KEY_ENCIPHERMENT);
    let mut ekus = vec!["1.3.6.1.5.5.7.3.2"];
    ekus.extend((act == Some(&Act::AddsAnEku)).then_some("1.3.6.1.5.5.7.3.1"));
    let mut extensions = vec![
        Extension::key_usage(usage),
        Extension::ext_key_usage(&ekus).unwrap(),
    ];
    if !csr.sans().is_empty() {
        extensions.push(Extension::subject_alt_names(csr.sans(), csr.subject()).unwrap());
    }
    let days = match act {
        Some(Act::Clips(days)) => 365 - days,
        _ => 365,
    };
    let impostor = PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    let signer = match act {
        Some(Act::IsAnImpostor) => &impostor,
        _ => &state.key,
    };
    let builder = CertificateBuilder {
        subject: csr.subject().clone(),
        issuer: state.ca.subject().clone(),
        serial: Serial::random().unwrap(),
        not_before: now - Duration::seconds(30),
        not_after: now + Duration::days(days) - Duration::minutes(6),
        public_key: csr.public_key().clone(),
        extensions,
    };
    builder
        .sign(signer, &signer.scheme(Digest::Sha256).unwrap())
        .unwrap()
}

fn crl(state: &State) -> Vec<u8> {
    let now = Utc::now().trunc_subsecs(0);
    let entries = state.revoked.iter().map(|serial| RevokedEntry {
        serial: serial.clone(),
        revoked_at: now,
        reason: None,
    });
    let builder = CrlBuilder {
        issuer: state.ca.subject().clone(),
        entries: entries.collect(),
        number: 1,
        this_update: now,
        next_update: now + Duration::days(1),
        aki: state.ca.ski().map(<[u8]>::to_vec),
    };
    let scheme = state.key.scheme(Digest::Sha256).unwrap();
    builder.sign(&state.key, &scheme).unwrap().der().to_vec()
}
