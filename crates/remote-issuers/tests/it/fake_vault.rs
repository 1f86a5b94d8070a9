//! A Vault on loopback that misbehaves on demand. Written from the API's documentation and from what OpenBao answers, not
//! from the client.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Duration, SubsecRound, Utc};
use pki::{
    Certificate, CertificateBuilder, CrlBuilder, Csr, Curve, Digest, Extension, KeyKind, KeyUsage,
    Name, PrivateKey, RevocationReason, RevokedEntry, Serial, SubjectAltNames,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What it does instead of signing well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    /// Signs, and closes the connection without an answer.
    LosesItsAnswer,
    /// Closes the connection in the middle of the answer.
    CutsItsAnswer,
    /// Never answers.
    Hangs,
    /// Answers so.
    Says(u16, &'static str),
    /// 307 to another host.
    Redirects,
    /// 429 with Retry-After.
    IsBusy(u64),
    /// An answer of so many octets.
    Floods(usize),
    /// JSON that is none, or without a certificate.
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
    /// As the role of registration authorities does.
    MakesAnRa,
}

pub(crate) struct State {
    pub(crate) ca: Certificate,
    key: PrivateKey,
    pub(crate) role: Value,
    pub(crate) role_readable: bool,
    pub(crate) acts: VecDeque<Act>,
    pub(crate) sealed: bool,
    pub(crate) issued: Vec<Certificate>,
    pub(crate) revoked: Vec<Serial>,
    pub(crate) tokens: Vec<String>,
    /// Seconds of a login's token; 0 = without end.
    pub(crate) lease: u64,
    pub(crate) renewable: bool,
    pub(crate) logins: usize,
    pub(crate) renewals: usize,
    pub(crate) secret_id: String,
    /// The bodies of sign.
    pub(crate) asked: Vec<Value>,
    /// The namespace of the last call.
    pub(crate) namespace: Option<String>,
    /// How often each path was called.
    pub(crate) calls: BTreeMap<String, usize>,
}

pub(crate) struct FakeVault {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

/// A role that makes what the default certificate profile approves.
pub(crate) fn good_role() -> Value {
    json!({
        "issuer_ref": "default", "key_type": "any", "use_csr_common_name": false, "use_csr_sans": false,
        "require_cn": false, "cn_validations": ["disabled"], "enforce_hostnames": false, "allow_any_name": true,
        "allowed_uri_sans": ["*"], "allowed_other_sans": ["*"], "allowed_serial_numbers": ["*"],
        "allowed_user_ids": ["*"], "server_flag": false, "client_flag": false,
        "key_usage": ["DigitalSignature", "KeyEncipherment"], "ext_key_usage": ["ClientAuth"],
        "no_store": false, "generate_lease": false, "organization": [], "ou": null,
    })
}

impl FakeVault {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (ca, key) = root("CN=Corp Root", 10);
        let state = Arc::new(Mutex::new(State {
            ca,
            key,
            role: good_role(),
            role_readable: true,
            acts: VecDeque::new(),
            sealed: false,
            issued: Vec::new(),
            revoked: Vec::new(),
            tokens: vec!["canary-token-7f31".to_owned()],
            lease: 1200,
            renewable: true,
            logins: 0,
            renewals: 0,
            secret_id: "canary-secret-id-91b2".to_owned(),
            asked: Vec::new(),
            namespace: None,
            calls: BTreeMap::new(),
        }));
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, Arc::clone(&shared)));
            }
        });
        Self { address, state }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Another CA signs from now on.
    pub(crate) fn rolls_over(&self) {
        let (ca, key) = root("CN=Next Root", 20);
        let mut state = self.state();
        (state.ca, state.key) = (ca, key);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn root(name: &str, years: u32) -> (Certificate, PrivateKey) {
    let name = Name::parse(name).unwrap();
    let now = Utc::now() - Duration::minutes(1);
    issuer::create_root(&name, KeyKind::Ec(Curve::P256), now, years).unwrap()
}

struct Asked {
    method: String,
    path: String,
    token: Option<String>,
    namespace: Option<String>,
    body: Value,
}

/// A response: status, further header lines, body.
struct Answer(u16, String, Vec<u8>);

async fn serve(mut socket: TcpStream, state: Arc<Mutex<State>>) {
    let Some(asked) = read(&mut socket).await else {
        return;
    };
    let act = {
        let mut state = lock(&state);
        state.namespace.clone_from(&asked.namespace);
        *state.calls.entry(asked.path.clone()).or_default() += 1;
        let signs = asked.path.ends_with("/sign/scepd") && !state.sealed;
        if signs
            && asked
                .token
                .as_ref()
                .is_some_and(|token| state.tokens.contains(token))
        {
            state.acts.pop_front()
        } else {
            None
        }
    };
    let Answer(status, headers, body) = match &act {
        Some(Act::Hangs) => return std::future::pending().await,
        Some(Act::Says(status, text)) => error(*status, text),
        Some(Act::Redirects) => Answer(
            307,
            "Location: https://elsewhere.example/v1/pki/sign/scepd\r\n".to_owned(),
            Vec::new(),
        ),
        Some(Act::IsBusy(seconds)) => Answer(
            429,
            format!("Retry-After: {seconds}\r\n"),
            br#"{"errors":["request path \"pki/sign/scepd\": rate limit quota exceeded"]}"#
                .to_vec(),
        ),
        Some(Act::Floods(size)) => Answer(200, String::new(), vec![b' '; *size]),
        Some(Act::Garbles(text)) => Answer(200, String::new(), text.as_bytes().to_vec()),
        act => answer(&asked, &mut lock(&state), act.as_ref()),
    };
    if act == Some(Act::LosesItsAnswer) {
        return;
    }
    let head = format!(
        "HTTP/1.1 {status} X\r\n{headers}Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let body = match act {
        Some(Act::CutsItsAnswer) => body.get(..body.len() / 2).unwrap().to_vec(),
        _ => body,
    };
    let _ = socket.write_all(&[head.into_bytes(), body].concat()).await;
    let _ = socket.shutdown().await;
}

async fn read(socket: &mut TcpStream) -> Option<Asked> {
    let mut octets = Vec::new();
    let head = loop {
        let mut chunk = [0; 4096];
        let count = socket
            .read(&mut chunk)
            .await
            .ok()
            .filter(|count| *count > 0)?;
        octets.extend_from_slice(chunk.get(..count)?);
        if let Some(end) = octets.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
    };
    let text = String::from_utf8(octets.get(..head)?.to_vec()).ok()?;
    let mut lines = text.lines();
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?);
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    assert_eq!(
        headers.get("x-vault-request").map(String::as_str),
        Some("true")
    );
    let length: usize = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let mut body = octets.split_off(head + 4);
    while body.len() < length {
        let mut chunk = [0; 4096];
        let count = socket
            .read(&mut chunk)
            .await
            .ok()
            .filter(|count| *count > 0)?;
        body.extend_from_slice(chunk.get(..count)?);
    }
    Some(Asked {
        method,
        path: target.split('?').next()?.strip_prefix("/v1/")?.to_owned(),
        token: headers.get("x-vault-token").cloned(),
        namespace: headers.get("x-vault-namespace").cloned(),
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    })
}

fn error(status: u16, text: &str) -> Answer {
    let body = json!({"errors": [text]}).to_string();
    Answer(status, String::new(), body.into_bytes())
}

fn ok(data: Value) -> Answer {
    let body = json!({"request_id": "1", "data": data, "warnings": null, "auth": null});
    Answer(200, String::new(), body.to_string().into_bytes())
}

fn answer(asked: &Asked, state: &mut State, act: Option<&Act>) -> Answer {
    let path = asked.path.as_str();
    if path == "sys/health" {
        let status = if state.sealed { 503 } else { 200 };
        let body = json!({"initialized": true, "sealed": state.sealed});
        return Answer(status, String::new(), body.to_string().into_bytes());
    }
    if state.sealed {
        return error(503, "Vault is sealed");
    }
    match (asked.method.as_str(), path) {
        ("POST", "auth/approle/login") => {
            if asked.body["secret_id"] != *state.secret_id || asked.body["role_id"] != "role-1" {
                return error(400, "invalid role or secret ID");
            }
            return log_in(state);
        }
        ("POST", "auth/kubernetes/login") => {
            if asked.body["jwt"] != "pod-token" || asked.body["role"] != "scepd" {
                return error(403, "permission denied");
            }
            return log_in(state);
        }
        ("GET", "pki/issuer/default/json") => {
            let pem = state.ca.to_pem();
            return ok(json!({"certificate": pem, "ca_chain": [pem]}));
        }
        ("GET", "pki/issuer/default/crl/der") => {
            return Answer(200, String::new(), crl(state));
        }
        _ => {}
    }
    let token = asked.token.as_ref();
    if !token.is_some_and(|token| state.tokens.contains(token)) {
        return error(
            403,
            "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n",
        );
    }
    match (asked.method.as_str(), path) {
        ("GET", "auth/token/lookup-self") => {
            ok(json!({"ttl": state.lease, "renewable": state.renewable, "id": token}))
        }
        ("POST", "auth/token/renew-self") => {
            state.renewals += 1;
            let auth = json!({"client_token": token, "lease_duration": state.lease, "renewable": state.renewable});
            Answer(
                200,
                String::new(),
                json!({ "auth": auth }).to_string().into_bytes(),
            )
        }
        ("GET", "pki/roles/scepd") if state.role_readable => ok(state.role.clone()),
        ("GET", "pki/roles/scepd") => error(403, "1 error occurred:\n\t* permission denied\n\n"),
        ("POST", "pki/sign/scepd") => sign(asked, state, act),
        ("POST", "pki/sign/ra") => sign(asked, state, Some(&Act::MakesAnRa)),
        ("POST", "pki/sign/other") => error(400, "unknown role: other"),
        ("POST", "pki/revoke") => revoke(asked, state),
        _ => error(404, "no handler for route"),
    }
}

fn log_in(state: &mut State) -> Answer {
    state.logins += 1;
    let token = format!("canary-login-{}", state.logins);
    state.tokens.push(token.clone());
    let auth =
        json!({"client_token": token, "lease_duration": state.lease, "renewable": state.renewable});
    Answer(
        200,
        String::new(),
        json!({ "auth": auth }).to_string().into_bytes(),
    )
}

fn crl(state: &State) -> Vec<u8> {
    let now = Utc::now().trunc_subsecs(0);
    let entries = state.revoked.iter().map(|serial| RevokedEntry {
        serial: serial.clone(),
        revoked_at: now,
        reason: None::<RevocationReason>,
    });
    let builder = CrlBuilder {
        issuer: state.ca.subject().clone(),
        entries: entries.collect(),
        number: 1 + state.revoked.len() as u64,
        this_update: now,
        next_update: now + Duration::days(3),
        aki: state.ca.ski().map(<[u8]>::to_vec),
    };
    let scheme = state.key.scheme(Digest::Sha256).unwrap();
    builder.sign(&state.key, &scheme).unwrap().der().to_vec()
}

fn revoke(asked: &Asked, state: &mut State) -> Answer {
    let text = asked.body["serial_number"].as_str().unwrap_or_default();
    let serial = Serial::from_hex(text).ok().filter(|_| text.contains(':'));
    let known = serial.filter(|serial| {
        let mut issued = state.issued.iter();
        issued.any(|one| one.serial().same_number(serial))
    });
    let Some(serial) = known else {
        return error(400, &format!("certificate with serial {text} not found."));
    };
    if !state.revoked.contains(&serial) {
        state.revoked.push(serial);
    }
    ok(json!({"revocation_time": 1, "state": "revoked"}))
}

fn texts(value: &Value) -> Vec<String> {
    let items = value.as_array().into_iter().flatten();
    items
        .map(|item| item.as_str().unwrap().to_owned())
        .collect()
}

fn sign(asked: &Asked, state: &mut State, act: Option<&Act>) -> Answer {
    let body = &asked.body;
    // What its own RAs are asked with is not counted.
    let is_ra = act == Some(&Act::MakesAnRa);
    if !is_ra {
        state.asked.push(body.clone());
    }
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let pem = text("csr");
    let der: String = pem
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    let Ok(csr) = Csr::from_der(&STANDARD.decode(der).unwrap()) else {
        return error(400, "certificate request could not be parsed");
    };
    let mut subject = Vec::new();
    let constants = [("C", "country"), ("O", "organization")];
    for (name, setting) in constants.into_iter().filter(|_| !is_ra) {
        let values = texts(&state.role[setting]);
        subject.extend(
            values
                .iter()
                .map(|value| format!("{name}={}", escaped(value))),
        );
    }
    for (name, value) in [
        ("CN", text("common_name")),
        ("serialNumber", text("serial_number")),
    ] {
        if !value.is_empty() {
            subject.push(format!("{name}={}", escaped(&value)));
        }
    }
    subject.extend(
        texts(&body["user_ids"])
            .iter()
            .map(|id| format!("UID={}", escaped(id))),
    );
    let (email, dns) = text("alt_names")
        .split(',')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .partition(|name: &String| name.contains('@'));
    let upn = texts(&body["other_sans"]);
    let sans = SubjectAltNames {
        dns,
        email,
        upn: upn
            .iter()
            .map(|one| {
                one.strip_prefix("1.3.6.1.4.1.311.20.2.3;UTF8:")
                    .unwrap()
                    .to_owned()
            })
            .collect(),
        uri: texts(&body["uri_sans"]),
        ip: texts(&body["ip_sans"])
            .iter()
            .map(|ip| ip.parse().unwrap())
            .collect(),
        other: Vec::new(),
    };
    let not_after: DateTime<Utc> = text("not_after").parse().unwrap();
    if not_after > state.ca.not_after() {
        return error(
            400,
            "cannot satisfy request, as TTL would result in notAfter beyond the expiration of the CA certificate",
        );
    }
    let made = make(state, &csr, &subject.join(", "), &sans, not_after, act);
    if !is_ra {
        state.issued.push(made.clone());
    }
    ok(json!({
        "certificate": made.to_pem().trim_end(),
        "issuing_ca": state.ca.to_pem(),
        "serial_number": made.serial().to_hex(),
        "expiration": not_after.timestamp(),
    }))
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace(',', "\\,")
        .replace('+', "\\+")
}

fn make(
    state: &State,
    csr: &Csr,
    subject: &str,
    sans: &SubjectAltNames,
    not_after: DateTime<Utc>,
    act: Option<&Act>,
) -> Certificate {
    let clipped = match act {
        Some(Act::Clips(days)) => Duration::days(*days),
        _ => Duration::zero(),
    };
    let swapped = PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    let key = match act {
        Some(Act::SwapsTheKey) => swapped.public_key(),
        _ => csr.public_key(),
    };
    let subject = Name::parse(subject).unwrap();
    let mut ekus = match act {
        Some(Act::MakesAnRa) => vec!["1.3.6.1.4.1.311.20.2.1"],
        _ => vec!["1.3.6.1.5.5.7.3.2"],
    };
    ekus.extend((act == Some(&Act::AddsAnEku)).then_some("1.3.6.1.5.5.7.3.1"));
    let usage = KeyUsage::DIGITAL_SIGNATURE.union(KeyUsage::KEY_ENCIPHERMENT);
    let mut extensions = vec![
        Extension::key_usage(usage),
        Extension::ext_key_usage(&ekus).unwrap(),
        Extension::subject_key_id(key),
        Extension::authority_key_id(state.ca.ski().unwrap()),
    ];
    if !sans.is_empty() && act != Some(&Act::DropsNames) {
        extensions.push(Extension::subject_alt_names(sans, &subject).unwrap());
    }
    let builder = CertificateBuilder {
        subject,
        issuer: state.ca.subject().clone(),
        serial: Serial::random().unwrap(),
        not_before: Utc::now().trunc_subsecs(0) - Duration::seconds(30),
        not_after: not_after - clipped,
        public_key: key.clone(),
        extensions,
    };
    let impostor = PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    let signer = match act {
        Some(Act::IsAnImpostor) => &impostor,
        _ => &state.key,
    };
    builder
        .sign(signer, &signer.scheme(Digest::Sha256).unwrap())
        .unwrap()
}
