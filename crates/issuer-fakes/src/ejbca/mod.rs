//! EJBCA's REST interface (`/ejbca/ejbca-rest-api/v1`), as its published sources answer.
//!
//! Names on the wire are in snake case and members that nobody knows are ignored. A caller shows a client certificate or
//! a bearer token; without either, or without the rights, the answer is 403 in EJBCA's own words.

mod enroll;
mod login;
mod look;
mod revoke;

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::message::{Answer, Operation, Request};
use crate::world::World;

/// How EJBCA behaves.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Settings {
    /// `certificate_authority_name`.
    pub ca: String,
    /// `certificate_profile_name`.
    pub certificate_profile: String,
    /// `end_entity_profile_name`.
    pub end_entity_profile: String,
    /// Bearer tokens that are taken for ever.
    pub tokens: Vec<String>,
    /// The client that the identity provider at `/oauth/token` knows: `client_id` and `client_secret`.
    pub oauth_client: (String, String),
    /// For how many seconds a token of the identity provider is.
    pub token_life: i64,
    /// The client certificate is an administrator's.
    pub administrator: bool,
    /// REST Certificate Management is enabled in the protocol configuration.
    pub enabled: bool,
    /// `response_format` may be left out, as in the newest versions.
    pub default_format: bool,
    /// `subject_dn` and `end_time` are honoured, as in the newest versions.
    pub overrides: bool,
    /// The CA's "Enforce unique public keys": a key is of one username.
    pub unique_keys: bool,
    /// The CA's "Enforce unique DN": a subject is of one username.
    pub unique_dn: bool,
    /// The certificate profile's "LDAP DN order": subjects begin with CN and end with C, whatever was asked for.
    pub ldap_dn_order: bool,
    /// Attributes of subjects that the end entity profile knows, by their short names.
    pub subject_fields: Vec<String>,
    /// Kinds of alternative names that the end entity profile knows: the tag numbers of RFC 5280.
    pub san_kinds: Vec<u8>,
    /// The search for certificates exists: it does in Enterprise.
    pub search: bool,
    /// How an enrollment that needs approval is answered.
    pub approval_form: ApprovalForm,
    /// Revocations need approval.
    pub revocation_approval: bool,
}

/// How an enrollment that needs approval is answered: it differs from version to version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ApprovalForm {
    /// 202 with `request_id`.
    Number,
    /// 202 whose number stands in `link` alone.
    Link,
    /// 400 in words, without a number.
    Refused,
    /// 500 `General failure.`
    Failure,
}

impl Default for Settings {
    fn default() -> Self {
        let fields = [
            "CN",
            "SN",
            "UID",
            "O",
            "OU",
            "C",
            "L",
            "ST",
            "DC",
            "E",
            "GIVENNAME",
            "SURNAME",
            "T",
        ];
        Self {
            ca: "ManagementCA".to_owned(),
            certificate_profile: "DEVICE".to_owned(),
            end_entity_profile: "Devices".to_owned(),
            tokens: Vec::new(),
            oauth_client: ("scepd".to_owned(), "s3cret-of-the-client".to_owned()),
            token_life: 300,
            administrator: true,
            enabled: true,
            default_format: false,
            overrides: true,
            unique_keys: true,
            unique_dn: true,
            ldap_dn_order: true,
            subject_fields: fields.map(str::to_owned).to_vec(),
            san_kinds: vec![0, 1, 2, 4, 6, 7, 8],
            search: true,
            approval_form: ApprovalForm::Number,
            revocation_approval: false,
        }
    }
}

/// What EJBCA knows.
#[derive(Debug)]
pub(crate) struct State {
    /// End entities: the password of each username.
    users: BTreeMap<String, String>,
    /// Bearer tokens and when they end, in seconds since 1970.
    tokens: HashMap<String, i64>,
    requests: u64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            users: BTreeMap::new(),
            tokens: HashMap::new(),
            requests: 4711,
        }
    }
}

/// Each of EJBCA's errors: a name, the status, the words.
const ERRORS: [(&str, u16, &str); 21] = [
    ("csr", 400, "Invalid certificate request"),
    ("popo", 400, "Popo verification failed."),
    ("format", 400, "Invalid input. Incorrect response format"),
    (
        "subject_field",
        400,
        "Wrong number of ORGANIZATION fields in Subject DN.",
    ),
    (
        "unique_dn",
        400,
        "User 'scepd-1' is not allowed to use same subject DN as the user(s) scepd-0 (see setting for 'Enforce unique DN' in the section Certificate Authorities).",
    ),
    (
        "unique_key",
        400,
        "User 'scepd-1' is not allowed to use same key as the user(s) 'scepd-0' is/are using.",
    ),
    ("password", 400, "Password cannot be empty or null."),
    (
        "approval",
        400,
        "Add End Entity Action have been added for approval by authorized administrators",
    ),
    (
        "no_login",
        403,
        "Error no client certificate or OAuth token received for authentication.",
    ),
    (
        "not_authorized",
        403,
        "Administrator is not authorized to resource /administrator. Msg: .",
    ),
    (
        "token",
        403,
        "Authentication failed using OAuth Bearer Token",
    ),
    (
        "token_expired",
        403,
        "Authentication failed using OAuth Bearer Token. JWT token has expired.",
    ),
    ("login", 403, "Wrong username or password"),
    (
        "status",
        403,
        "Got request with status GENERATED (40), NEW, FAILED or INPROCESS required: scepd-1.",
    ),
    (
        "no_profile",
        404,
        "End Entity Profile of name \"Devices\" was not found",
    ),
    (
        "conflict",
        409,
        "Failed to generate certificate due to the new certificate conflicting with an existing one.",
    ),
    ("too_large", 413, "Request entity too large"),
    (
        "unprocessable",
        422,
        "Illegal validity: notAfter is before notBefore.",
    ),
    ("general_failure", 500, "General failure."),
    ("device", 503, "Device was unavailable."),
    (
        "ca_offline",
        503,
        "CA is offline: CA ManagementCA, -1234567",
    ),
];

/// The error with this name.
pub(crate) fn error(name: &str) -> Option<Answer> {
    let (_, status, words) = ERRORS.iter().find(|(known, ..)| *known == name)?;
    Some(failure(*status, words))
}

/// The names of the errors.
pub(crate) fn error_names() -> Vec<&'static str> {
    ERRORS.iter().map(|(name, ..)| *name).collect()
}

/// `{"error_code","error_message"}`, as ExceptionErrorRestResponse is.
pub(crate) fn failure(status: u16, words: &str) -> Answer {
    Answer::json(
        status,
        &json!({"error_code": status, "error_message": words}),
    )
}

/// `{"status_code","info_message",..}`, as ExceptionInfoRestResponse is.
fn accepted(words: &str, id: Option<u64>, link: Option<String>) -> Answer {
    let mut body = json!({"status_code": 202, "info_message": words});
    if let Some(id) = id {
        body["request_id"] = id.into();
    }
    if let Some(link) = link {
        body["link"] = link.into();
    }
    Answer::json(202, &body)
}

/// The parts of the path below the interface.
fn below(request: &Request) -> Option<Vec<&str>> {
    let path = request.path();
    let rest = path.strip_prefix(&["ejbca", "ejbca-rest-api", "v1"])?;
    Some(rest.to_vec())
}

/// What a request is about.
pub(crate) fn operation(request: &Request) -> Operation {
    if request.path() == ["oauth", "token"] {
        return Operation::Login;
    }
    match below(request).as_deref() {
        Some(["certificate", "pkcs10enroll"]) => Operation::Issue,
        Some(["certificate", _, "finalize"]) => Operation::Collect,
        Some(["certificate", "search"]) => Operation::Find,
        Some(["certificate", _, _, "revoke"]) => Operation::Revoke,
        Some(["certificate", _, _, "revocationstatus"]) => Operation::Status,
        Some(["certificate" | "ca", "status"]) => Operation::Health,
        Some(["ca"] | ["ca", _, "certificate", "download"]) => Operation::Chain,
        Some(["ca", _, "getLatestCrl"]) => Operation::Crl,
        _ => Operation::Other,
    }
}

/// Answers one request.
pub(crate) fn answer(world: &mut World, request: &Request, now: i64) -> Answer {
    if request.path() == ["oauth", "token"] {
        return login::token(world, request, now);
    }
    let Some(path) = below(request) else {
        return Answer::of(404, "text/html", "<html>404 - Not Found</html>").problem(format!(
            "{} is nothing of EJBCA's REST interface",
            request.target
        ));
    };
    let method = request.method.as_str();
    if let ("GET", ["certificate" | "ca", "status"]) = (method, path.as_slice()) {
        return Answer::json(
            200,
            &json!({"status": "OK", "version": "1.0", "revision": "EJBCA 9.3.0 Community (fake)"}),
        );
    }
    if !world.settings.ejbca.enabled {
        return Answer::of(403, "text/plain", "This service has been disabled.");
    }
    if let Err(answer) = login::judge(world, request, now) {
        return answer;
    }
    match (method, path.as_slice()) {
        ("POST", ["certificate", "pkcs10enroll"]) => enroll::enroll(world, request, now),
        ("POST", ["certificate", id, "finalize"]) => enroll::finalize(world, request, id),
        ("POST", ["certificate", "search"]) if world.settings.ejbca.search => {
            look::search(world, request)
        }
        ("PUT", ["certificate", issuer, serial, "revoke"]) => {
            revoke::revoke(world, request, issuer, serial, now)
        }
        ("GET", ["certificate", issuer, serial, "revocationstatus"]) => {
            revoke::status(world, issuer, serial)
        }
        ("GET", ["ca"]) => look::cas(world),
        ("GET", ["ca", name, "certificate", "download"]) => look::chain(world, name),
        ("GET", ["ca", name, "getLatestCrl"]) => look::crl(world, request, name, now),
        (_, ["certificate", "search"]) => failure(404, "HTTP 404 Not Found"),
        (_, ["certificate" | "ca", ..]) if operation(request) != Operation::Other => {
            failure(405, "HTTP 405 Method Not Allowed")
                .problem(format!("{method} is not for {path:?}"))
        }
        _ => failure(404, "HTTP 404 Not Found").problem(format!("{path:?} is nothing of EJBCA's")),
    }
}

/// The body of a call, which has to be JSON.
///
/// # Errors
/// What JAX-RS and Jackson answer to anything else.
fn body(request: &Request) -> Result<Value, Answer> {
    if request.media_type() != "application/json" {
        return Err(failure(415, "HTTP 415 Unsupported Media Type")
            .problem("the body is not sent as application/json"));
    }
    let body: Value = serde_json::from_slice(&request.body)
        .map_err(|_| failure(400, "Unexpected character in JSON").problem("the body is no JSON"))?;
    if body.is_object() {
        Ok(body)
    } else {
        Err(failure(400, "Cannot deserialize value").problem("the body is no JSON object"))
    }
}

/// A member that is a text and not empty.
fn text<'a>(body: &'a Value, name: &str) -> Option<&'a str> {
    body.get(name)?.as_str().filter(|text| !text.is_empty())
}
