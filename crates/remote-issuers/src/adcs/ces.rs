//! The certificate enrollment web service, CES (MS-WSTEP).

use super::soap::{self, Fault, Question, Reply};
use super::{Login, Said, Wrapped, hresult};
use crate::base::{again, unheard};
use crate::read;
use crate::words::excerpt;
use issuer::IssueError;
use outbound::{CallError, Client, Request, Url};
use pki::{Certificate, cms};

/// What CES says is of no use as a number of a request, so that asking for it tells only whether the CA is at work.
const NO_REQUEST: u64 = 0;

/// The service.
pub(super) struct Ces {
    pub(super) client: Client,
    pub(super) url: Url,
    pub(super) login: Login,
}

impl Ces {
    /// Whether the service lets scepd in and its CA is at work.
    pub(super) async fn probe(&self) -> Result<(), IssueError> {
        let question = Question::Status { number: NO_REQUEST };
        match self.ask(&question).await {
            Ok(_) => Ok(()),
            Err(error) if hresult::is_unknown_request(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn submit(
        &self,
        request: &Wrapped,
        template: &str,
    ) -> Result<Said, IssueError> {
        self.ask(&Question::Issue {
            request: &request.octets,
            is_signed: request.is_signed,
            template,
        })
        .await
    }

    pub(super) async fn query(&self, number: u64) -> Result<Said, IssueError> {
        self.ask(&Question::Status { number }).await
    }

    async fn ask(&self, question: &Question<'_>) -> Result<Said, IssueError> {
        let id = pki::random::<16>().map_err(|error| again(&error.to_string()))?;
        let password = match &self.login {
            Login::Certificate => None,
            Login::Password { username, password } => {
                let password = read(password).await.map_err(|why| again(&why))?;
                Some((username.as_str(), password))
            }
        };
        let login = password.as_ref().map(|(user, text)| (*user, text.as_str()));
        let body = soap::write(self.url.as_str(), id, login, question);
        let request = Request::post(self.url.clone()).body(
            "application/soap+xml; charset=utf-8",
            body.as_bytes().to_vec(),
        );
        let response = self.client.send(request).await.map_err(of_call)?;
        match response.status() {
            // A fault comes with 500, and by some proxies with 400.
            200..=299 | 400 | 500 => {}
            401 | 403 => {
                return Err(again(
                    "it does not let scepd in: see to adcs.username and adcs.password_file, or to the client certificate; `url` must be that of the CES for this way to log in",
                ));
            }
            404 => {
                return Err(again(
                    "there is no CES at this address: `url` ends with /<CA>_CES_UsernamePassword/service.svc/CES, or _CES_Certificate",
                ));
            }
            300..=399 => {
                return Err(again(&format!(
                    "it sends elsewhere (status {}), which is not followed: correct `url`",
                    response.status()
                )));
            }
            503 => {
                return Err(again(
                    "the web server has no such service running (status 503)",
                ));
            }
            status => return Err(unheard(&format!("it answered with status {status}"))),
        }
        let text = std::str::from_utf8(response.body())
            .map_err(|_| unheard("its answer cannot be read: it is not UTF-8"))?;
        let reply = soap::read(text.trim_start_matches('\u{feff}'));
        match reply.map_err(|what| unheard(&format!("its answer cannot be read: {what}")))? {
            Reply::Issued { certificate, chain } => Ok(Said::Issued {
                certificate: Certificate::from_der(&certificate)
                    .map_err(|_| unheard("its answer holds no certificate that can be read"))?,
                pool: chain
                    .and_then(|octets| cms::parse_degenerate(&octets).ok())
                    .map(|(certificates, _)| certificates)
                    .unwrap_or_default(),
            }),
            Reply::Waits { number } => Ok(Said::Waits { number }),
            Reply::Fault(fault) => Err(of_fault(&fault)),
        }
    }
}

fn of_call(error: CallError) -> IssueError {
    IssueError::Again {
        why: error.to_string(),
        after: None,
        unheard: error.may_have_arrived(),
    }
}

fn of_fault(fault: &Fault) -> IssueError {
    let reason = excerpt(&fault.reason);
    if let Some(code) = fault.error {
        return hresult::outcome(code, &reason);
    }
    let names = |part: &str| fault.codes.iter().any(|code| code.contains(part));
    // Names of WS-Security and of WCF.
    if names("FailedAuthentication") || names("InvalidSecurity") || names("AccessDenied") {
        return again(&format!(
            "it does not let scepd in: {reason}; see to adcs.username and adcs.password_file, or to the client certificate"
        ));
    }
    let said = format!("{} ({})", reason, fault.codes.join(", "));
    match fault.is_invalid || names("Sender") {
        true => IssueError::Refused(said),
        false => unheard(&format!("it failed: {said}")),
    }
}
