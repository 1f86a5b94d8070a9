//! A step-ca on loopback that misbehaves on demand: written from its sources, not from the client. It knows `cnf`, shows its
//! intermediate certificates and makes CRLs, as newer ones do than Debian's.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, Duration, SubsecRound, Utc};
use josekit::jwk::Jwk;
use josekit::jws::{self, ES256};
use pki::{
    Certificate, CertificateBuilder, CrlBuilder, Csr, Curve, Digest, Extension, KeyKind, Name,
    PrivateKey, RevokedEntry, Serial,
};
use serde_json::{Value, json};

use crate::scripted::{self, Answer, Asked, Way};

/// What it does instead of signing well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    /// Signs, and the answer goes this way.
    Answers(Way),
    /// Answers so, with a message.
    Says(u16, &'static str),
    /// 307 to another host.
    Redirects,
    /// An answer of so many octets.
    Floods(usize),
    /// An answer that holds this.
    Garbles(&'static str),
    /// The certificate ends so many days earlier.
    Clips(i64),
    /// An EKU more.
    AddsAnEku,
    /// Leaves the alternative names out.
    DropsNames,
    /// Another key.
    SwapsTheKey,
    /// Signed by another CA of the same name.
    IsAnImpostor,
}

pub(crate) struct State {
    pub(crate) root: Certificate,
    root_key: PrivateKey,
    pub(crate) intermediate: Certificate,
    key: PrivateKey,
    /// The provisioners that it shows.
    pub(crate) provisioners: Vec<Value>,
    /// The public keys of those, by name.
    pub(crate) keys: Vec<(String, Jwk)>,
    pub(crate) acts: VecDeque<Act>,
    pub(crate) shows_intermediates: bool,
    pub(crate) makes_crls: bool,
    pub(crate) is_away: bool,
    /// The bodies of sign.
    pub(crate) asked: Vec<Value>,
    /// The claims of every token that was taken.
    pub(crate) claims: Vec<Value>,
    used: BTreeSet<String>,
    /// Serial numbers in decimal, and reasons.
    pub(crate) revoked: Vec<(String, u64)>,
    issued: Vec<Serial>,
    pub(crate) started: DateTime<Utc>,
}

pub(crate) struct FakeStepCa {
    url: String,
    state: Arc<Mutex<State>>,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FakeStepCa {
    pub(crate) async fn start() -> Self {
        let now = Utc::now() - Duration::minutes(1);
        let kind = KeyKind::Ec(Curve::P256);
        let (root, root_key) =
            issuer::create_root(&Name::parse("CN=Smallstep Root").unwrap(), kind, now, 10).unwrap();
        let (intermediate, key) = between((&root, &root_key), "CN=Smallstep Intermediate");
        let state = Arc::new(Mutex::new(State {
            root,
            root_key,
            intermediate,
            key,
            provisioners: Vec::new(),
            keys: Vec::new(),
            acts: VecDeque::new(),
            shows_intermediates: true,
            makes_crls: true,
            is_away: false,
            asked: Vec::new(),
            claims: Vec::new(),
            used: BTreeSet::new(),
            revoked: Vec::new(),
            issued: Vec::new(),
            started: Utc::now() - Duration::hours(1),
        }));
        let shared = Arc::clone(&state);
        let address = scripted::start(move |asked| answer(asked, &mut lock(&shared))).await;
        Self {
            url: format!("http://{address}"),
            state,
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// A JWK provisioner with this template.
    pub(crate) fn has(&self, name: &str, public: &Jwk, more: &Value) {
        let mut provisioner = json!({"type": "JWK", "name": name, "key": public});
        for (setting, value) in more.as_object().unwrap() {
            provisioner[setting] = value.clone();
        }
        let mut state = self.state();
        state.provisioners.push(provisioner);
        state.keys.push((name.to_owned(), public.clone()));
    }

    /// Another intermediate CA signs from now on.
    pub(crate) fn rolls_over(&self) {
        let mut state = self.state();
        let (intermediate, key) = between((&state.root, &state.root_key), "CN=Next Intermediate");
        (state.intermediate, state.key) = (intermediate, key);
    }
}

fn between(parent: (&Certificate, &PrivateKey), name: &str) -> (Certificate, PrivateKey) {
    let kind = KeyKind::Ec(Curve::P256);
    issuer::create_sub(parent, &Name::parse(name).unwrap(), kind, Utc::now(), 5).unwrap()
}

fn error(status: u16, message: &str) -> Answer {
    Answer::new(
        status,
        json!({"status": status, "message": message}).to_string(),
    )
}

fn ok(status: u16, body: Value) -> Answer {
    Answer::new(status, body.to_string())
}

fn answer(asked: &Asked, state: &mut State) -> Answer {
    if state.is_away {
        return Answer::new(200, "").by(Way::Lost);
    }
    if asked.method == "POST" && asked.headers["content-type"] != "application/json" {
        return error(400, "error reading request body");
    }
    let fingerprint = hex::encode(state.root.fingerprint());
    let path = asked.path.strip_prefix("/1.0/").unwrap_or("?");
    match (asked.method.as_str(), path) {
        ("GET", "health") => ok(200, json!({"status": "ok"})),
        ("GET", path) if path.strip_prefix("root/") == Some(&*fingerprint) => {
            ok(200, json!({"ca": state.root.to_pem()}))
        }
        ("GET", "roots") => ok(201, json!({"crts": [state.root.to_pem()]})),
        ("GET", "intermediates") if state.shows_intermediates => {
            ok(201, json!({"crts": [state.intermediate.to_pem()]}))
        }
        // A page each.
        ("GET", "provisioners") => {
            let cursor = asked
                .query
                .split('&')
                .find_map(|one| one.strip_prefix("cursor="));
            let at: usize = cursor.unwrap().parse().unwrap_or_default();
            let next = if at + 1 < state.provisioners.len() {
                (at + 1).to_string()
            } else {
                String::new()
            };
            let page = state.provisioners.get(at).into_iter().collect::<Vec<_>>();
            ok(200, json!({"provisioners": page, "nextCursor": next}))
        }
        ("GET", "crl") if state.makes_crls => Answer::new(200, crl(state)),
        ("GET", "crl") => error(404, "no CRL available"),
        ("POST", "sign") => {
            let act = state.acts.pop_front();
            let body: Value = serde_json::from_slice(&asked.body).unwrap();
            match act {
                Some(Act::Says(status, message)) => error(status, message),
                Some(Act::Redirects) => {
                    Answer::new(307, "").header("Location", "https://elsewhere.example/1.0/sign")
                }
                Some(Act::Floods(size)) => Answer::new(201, vec![b' '; size]),
                Some(Act::Garbles(text)) => Answer::new(201, text),
                Some(Act::Answers(way)) => sign(&body, state, None).by(way),
                act => sign(&body, state, act.as_ref()),
            }
        }
        ("POST", "revoke") => {
            let body: Value = serde_json::from_slice(&asked.body).unwrap();
            revoke(&body, state)
        }
        _ => error(404, "The requested resource could not be found."),
    }
}

const NOT_AUTHORISED: &str = "The request lacked necessary authorization to be completed.";

/// The claims of a token that is taken.
fn authorised(token: &str, call: &str, state: &mut State) -> Result<Value, Answer> {
    let refuse = || error(401, NOT_AUTHORISED);
    let payload = token.split('.').nth(1).unwrap();
    let unread: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    let of_name = state.keys.iter().find(|(name, _)| unread["iss"] == **name);
    let (_, key) = of_name.ok_or_else(refuse)?;
    let verifier = ES256.verifier_from_jwk(key).unwrap();
    let (_, header) = jws::deserialize_compact(token, &verifier).map_err(|_| refuse())?;
    let now = Utc::now().timestamp();
    let number = |name: &str| unread[name].as_i64().unwrap();
    let audience = format!("https://ca.example.com/1.0/{call}");
    let is_good = header.key_id() == key.key_id()
        && unread["aud"] == *audience
        && number("iat") >= state.started.timestamp()
        && number("nbf") <= now
        && number("exp") >= now
        && !unread["sub"].as_str().unwrap().is_empty()
        && state
            .used
            .insert(unread["jti"].as_str().unwrap().to_owned());
    if !is_good {
        return Err(refuse());
    }
    state.claims.push(unread.clone());
    Ok(unread)
}

fn sign(body: &Value, state: &mut State, act: Option<&Act>) -> Answer {
    state.asked.push(body.clone());
    let claims = match authorised(body["ott"].as_str().unwrap(), "sign", state) {
        Ok(claims) => claims,
        Err(answer) => return answer,
    };
    let pem = body["csr"].as_str().unwrap();
    let der: String = pem
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    let csr = Csr::from_der(&STANDARD.decode(der).unwrap()).unwrap();
    let forbidden = |what: &str| {
        error(
            403,
            &format!("The request was forbidden by the certificate authority: {what}."),
        )
    };
    let bound = URL_SAFE_NO_PAD.encode(pki::sha256(csr.der()));
    if claims["cnf"]["x5rt#S256"] != *bound {
        return forbidden("certificate request does not match the token's cnf");
    }
    let named = csr.subject().common_name();
    if named.is_some_and(|name| claims["sub"] != *name) {
        return forbidden("certificate request does not contain the valid common name");
    }
    let mut wanted: Vec<&str> = claims["sans"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one.as_str().unwrap())
        .collect();
    let ips: Vec<String> = csr.sans().ip.iter().map(ToString::to_string).collect();
    let sans = csr.sans();
    let mut found: Vec<&str> = sans
        .dns
        .iter()
        .chain(&sans.email)
        .chain(&sans.uri)
        .chain(&ips)
        .map(String::as_str)
        .collect();
    wanted.sort_unstable();
    found.sort_unstable();
    if wanted != found {
        return forbidden("certificate request does not contain the valid DNS names");
    }
    let moment = |name: &str| -> Option<DateTime<Utc>> { body[name].as_str()?.parse().ok() };
    let begin = moment("notBefore").unwrap_or_else(|| Utc::now().trunc_subsecs(0));
    let end = moment("notAfter").unwrap();
    let made = make(state, &csr, &claims["scepd"], (begin, end), act);
    state.issued.push(made.serial().clone());
    let (leaf, ca) = (made.to_pem(), state.intermediate.to_pem());
    ok(201, json!({"crt": leaf, "ca": ca, "certChain": [leaf, ca]}))
}

fn make(
    state: &State,
    csr: &Csr,
    claim: &Value,
    (not_before, not_after): (DateTime<Utc>, DateTime<Utc>),
    act: Option<&Act>,
) -> Certificate {
    let names = claim["subject"]["extraNames"].as_array().unwrap();
    let subject: Vec<String> = names
        .iter()
        .map(|one| {
            let value = one["value"].as_str().unwrap();
            let value = value
                .replace('\\', "\\\\")
                .replace(',', "\\,")
                .replace('+', "\\+");
            format!(
                "{}={value}",
                Name::short_name(one["type"].as_str().unwrap())
            )
        })
        .collect();
    let mut extensions: Vec<Extension> = claim["extensions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| Extension {
            oid: one["id"].as_str().unwrap().to_owned(),
            critical: one["critical"].as_bool().unwrap(),
            value: STANDARD.decode(one["value"].as_str().unwrap()).unwrap(),
        })
        .collect();
    match act {
        Some(Act::AddsAnEku) => {
            extensions.retain(|one| one.oid != "2.5.29.37");
            let both = ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"];
            extensions.push(Extension::ext_key_usage(&both).unwrap());
        }
        Some(Act::DropsNames) => extensions.retain(|one| one.oid != "2.5.29.17"),
        _ => {}
    }
    // The provisioner's, in every certificate.
    extensions.push(Extension {
        oid: "1.3.6.1.4.1.37476.9000.64.1".to_owned(),
        critical: false,
        value: vec![0x30, 0],
    });
    let swapped = PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    let key = match act {
        Some(Act::SwapsTheKey) => swapped.public_key(),
        _ => csr.public_key(),
    };
    extensions.push(Extension::subject_key_id(key));
    extensions.push(Extension::authority_key_id(
        state.intermediate.ski().unwrap(),
    ));
    let clipped = match act {
        Some(Act::Clips(days)) => Duration::days(*days),
        _ => Duration::zero(),
    };
    let signer = match act {
        Some(Act::IsAnImpostor) => &swapped,
        _ => &state.key,
    };
    let builder = CertificateBuilder {
        subject: Name::parse(&subject.join(", ")).unwrap(),
        issuer: state.intermediate.subject().clone(),
        serial: Serial::random().unwrap(),
        not_before,
        not_after: not_after - clipped,
        public_key: key.clone(),
        extensions,
    };
    builder
        .sign(signer, &signer.scheme(Digest::Sha256).unwrap())
        .unwrap()
}

fn revoke(body: &Value, state: &mut State) -> Answer {
    if body["passive"] != true {
        return error(501, "non-passive revocation not implemented");
    }
    let claims = match authorised(body["ott"].as_str().unwrap(), "revoke", state) {
        Ok(claims) => claims,
        Err(answer) => return answer,
    };
    let serial = body["serial"].as_str().unwrap().to_owned();
    if claims["sub"] != *serial {
        return error(401, NOT_AUTHORISED);
    }
    if state.revoked.iter().any(|(one, _)| *one == serial) {
        let words = format!(
            "The request could not be completed: certificate with serial number '{serial}' is already revoked."
        );
        return error(400, &words);
    }
    let reason = body["reasonCode"].as_u64().unwrap();
    state.revoked.push((serial, reason));
    ok(200, json!({"status": "ok"}))
}

/// With the place where it is fetched, critical, as step-ca has it.
fn crl(state: &State) -> Vec<u8> {
    let now = Utc::now().trunc_subsecs(0);
    let entries = state.issued.iter().take(state.revoked.len());
    let builder = CrlBuilder {
        issuer: state.intermediate.subject().clone(),
        entries: entries
            .map(|serial| RevokedEntry {
                serial: serial.clone(),
                revoked_at: now,
                reason: None,
            })
            .collect(),
        number: 1,
        this_update: now,
        next_update: now + Duration::days(1),
        aki: state.intermediate.ski().map(<[u8]>::to_vec),
    };
    let scheme = state.key.scheme(Digest::Sha256).unwrap();
    let plain = builder.sign(&state.key, &scheme).unwrap();
    placed(plain.der(), |tbs| state.key.sign(&scheme, tbs).unwrap())
}

/// A CRL with one extension more: a critical issuing distribution point that holds a place and nothing else.
fn placed(crl: &[u8], sign: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let uri = tlv(0x86, b"https://ca.example.com/1.0/crl");
    let point = tlv(0x30, &tlv(0xa0, &tlv(0xa0, &uri)));
    let extension = tlv(
        0x30,
        &[
            tlv(0x06, &[0x55, 0x1d, 28]),
            tlv(0x01, &[0xff]),
            tlv(0x04, &point),
        ]
        .concat(),
    );
    let (_, whole, _) = element(crl);
    let (_, tbs, rest) = element(whole);
    let mut fields = Vec::new();
    let mut left = tbs;
    while !left.is_empty() {
        let (tag, content, after) = element(left);
        fields.extend(match tag {
            0xa0 => {
                let (_, list, _) = element(content);
                tlv(0xa0, &tlv(0x30, &[list, &extension].concat()))
            }
            _ => left[..left.len() - after.len()].to_vec(),
        });
        left = after;
    }
    let tbs = tlv(0x30, &fields);
    let (_, _, after_algorithm) = element(rest);
    let algorithm = &rest[..rest.len() - after_algorithm.len()];
    let signature = tlv(0x03, &[&[0], &sign(&tbs)[..]].concat());
    tlv(0x30, &[&tbs, algorithm, &signature[..]].concat())
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let head = match length {
        0..0x80 => vec![tag, length as u8],
        0x80..0x100 => vec![tag, 0x81, length as u8],
        _ => vec![tag, 0x82, (length >> 8) as u8, length as u8],
    };
    [&head, content].concat()
}

/// Tag and content of the first element, and what follows it.
fn element(der: &[u8]) -> (u8, &[u8], &[u8]) {
    let (length, head) = match der[1] {
        0x81 => (usize::from(der[2]), 3),
        0x82 => (usize::from(der[2]) << 8 | usize::from(der[3]), 4),
        short => (usize::from(short), 2),
    };
    (der[0], &der[head..head + length], &der[head + length..])
}
