//! Active Directory Certificate Services over HTTP: CES (MS-WSTEP) and the pages of certsrv, before one CA.
//!
//! Requests have one row of numbers, whichever way they came. Subject, key and alternative names come from the request
//! (a template with "Supply in the request"); usages and validity from the template. Nothing here can revoke.

mod certsrv;
mod ces;
mod envelope;
mod login;
mod requests;
mod words;
mod xml;

use serde::{Deserialize, Serialize};

use crate::message::{Answer, Operation, Request};
use crate::world::World;

pub(crate) use requests::State;
pub(crate) use words::error;

/// How AD CS behaves.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Settings {
    /// The CA's name in the addresses of CES.
    pub ca: String,
    /// The names of the templates that the account may use.
    pub templates: Vec<String>,
    /// The names of templates that the account may not use.
    pub forbidden_templates: Vec<String>,
    /// `DOMAIN\user` and the password.
    pub account: (String, String),
    /// Pages take Basic.
    pub basic: bool,
    /// The language of the pages and of disposition messages.
    pub language: Language,
    /// The template wants a DNS name.
    pub wants_dns: bool,
    /// The template wants the signature of an enrollment agent.
    pub wants_agent: bool,
    /// How often the CA's certificate was renewed.
    pub renewals: u32,
}

/// A language of Windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Language {
    /// English.
    English,
    /// German, in the code page 1252.
    German,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ca: "Fake-CA".to_owned(),
            templates: vec!["SCEPDevice".to_owned()],
            forbidden_templates: vec!["DomainController".to_owned()],
            account: (
                "FAKE\\svc-scepd".to_owned(),
                "p4ss of the account".to_owned(),
            ),
            basic: true,
            language: Language::English,
            wants_dns: false,
            wants_agent: false,
            renewals: 0,
        }
    }
}

/// The ways to CES and their addresses' endings.
const CES: [&str; 3] = ["UsernamePassword", "Certificate", "Kerberos"];

/// The way that a path names, when it is one of CES.
fn ces_way<'a>(world: &World, path: &[&'a str]) -> Option<&'a str> {
    let [directory, "service.svc", "CES"] = path else {
        return None;
    };
    let way = directory.strip_prefix(world.settings.adcs.ca.as_str())?;
    way.strip_prefix("_CES_").filter(|way| CES.contains(way))
}

/// What a request is about.
pub(crate) fn operation(world: &World, request: &Request) -> Operation {
    let path = request.path();
    if ces_way(world, &path).is_some() {
        let text = String::from_utf8_lossy(&request.body);
        return if text.contains("QueryTokenStatus") {
            Operation::Collect
        } else {
            Operation::Issue
        };
    }
    let ca = request.parameter("ReqID") == Some("CACert");
    match path.as_slice() {
        ["certsrv", "certfnsh.asp"] => Operation::Issue,
        ["certsrv", "certnew.cer"] if !ca => Operation::Collect,
        ["certsrv", "certnew.cer" | "certnew.p7b" | "certcarc.asp"] => Operation::Chain,
        ["certsrv", "certcrl.crl"] => Operation::Crl,
        ["certsrv"] => Operation::Health,
        _ => Operation::Other,
    }
}

/// Answers one request.
pub(crate) fn answer(world: &mut World, request: &Request, now: i64) -> Answer {
    let path = request.path();
    if let Some(way) = ces_way(world, &path) {
        return ces::answer(world, request, way, now);
    }
    match path.as_slice() {
        ["certsrv", page @ ..] => certsrv::answer(world, request, page, now),
        _ => missing(&request.target),
    }
}

/// IIS has no such file.
fn missing(target: &str) -> Answer {
    let page = "<html><head><title>404 - File or directory not found.</title></head></html>";
    Answer::of(404, "text/html", page).problem(format!("{target} is nothing of AD CS"))
}

/// The names of the errors.
pub(crate) fn error_names() -> Vec<&'static str> {
    words::CODES.iter().map(|(name, ..)| *name).collect()
}

/// IIS is not well.
pub(crate) fn failure(status: u16) -> Answer {
    let page = format!("<html><head><title>{status} - Server error.</title></head></html>");
    Answer::of(status, "text/html", page)
}

/// The answer to somebody whose password is not taken any more.
pub(crate) fn login_ran_out(world: &World, request: &Request) -> Answer {
    if ces_way(world, &request.path()) == Some("UsernamePassword") {
        envelope::nobody("")
    } else {
        login::challenge(world)
    }
}
