//! Which operation a request is, and whether its caller may have it.

use std::sync::Arc;
use std::time::Instant;

use api::{Lookup, Operation, Permission, Route, lookup};
use bytes::{Buf, Bytes};
use futures_util::Stream;
use warp::http::Method;
use warp::reply::Response;

use super::reply::{self, Problem};
use super::request::{Arrived, Asked, decoded, read};
use super::{audit, certificates, checks, pending, probes, profiles, session, timeline, tokens};
use crate::auth::{Admin, SignedIn};
use crate::server::Server;

/// Whether a path is the admin side's: a route of the table, or anything under `/api`.
pub(super) fn is_ours(path: &str) -> bool {
    path == "/api" || path.starts_with("/api/") || !matches!(lookup("GET", path), Lookup::NotFound)
}

/// Answers one request.
pub(super) async fn answer<B, D, E>(server: Arc<Server>, arrived: Arrived, body: B) -> Response
where
    B: Stream<Item = Result<D, E>> + Send,
    D: Buf,
{
    let begun = Instant::now();
    let origin = arrived.origin(&server);
    let request_id = origin.request_id.clone();
    let (method, path) = (arrived.method.clone(), arrived.path.clone());
    let result = match find(&arrived) {
        Ok((route, parameters)) => {
            let patience = server.config().server.body_timeout.duration();
            match read(body, patience).await {
                Ok(body) => {
                    let Arrived {
                        query,
                        headers,
                        peer,
                        ..
                    } = arrived;
                    let channel = peer.channel;
                    let changes = route.method.changes();
                    let asked = Asked {
                        parameters,
                        query,
                        headers,
                        body,
                        origin,
                        changes,
                        channel,
                    };
                    carry_out(&server, route, asked).await
                }
                Err(problem) => Err(problem),
            }
        }
        Err(problem) => Err(problem),
    };
    let response = match result {
        Ok(response) if method == Method::HEAD => without_body(response),
        Ok(response) => response,
        Err(problem) => {
            if let Some(reason) = problem.logged() {
                tracing::error!(request_id, %method, path, reason, "an admin request failed");
            }
            problem.into_response(&request_id)
        }
    };
    let milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::debug!(request_id, %method, path, status = response.status().as_u16(), milliseconds, "admin request");
    reply::finish(response, &request_id)
}

fn find(arrived: &Arrived) -> Result<(&'static Route, Vec<String>), Problem> {
    // Load balancers probe with HEAD.
    let method = match arrived.method.as_str() {
        "HEAD" if matches!(arrived.path.as_str(), "/healthz" | "/readyz") => "GET",
        method => method,
    };
    match lookup(method, &arrived.path) {
        Lookup::Found(route, parameters) => {
            Ok((route, parameters.into_iter().map(decoded).collect()))
        }
        Lookup::MethodNotAllowed(allowed) => Err(Problem::method_not_allowed(&allowed)),
        Lookup::NotFound => Err(Problem::not_found(
            "there is nothing at this URL; see /api/v1/openapi.yaml",
        )),
    }
}

/// What the caller has shown, as far as the route asks for it.
enum Standing {
    Anyone,
    SignedIn(SignedIn),
    Admin(Admin),
}

impl Standing {
    async fn of(server: &Server, route: &Route, asked: &Asked) -> Result<Self, Problem> {
        Ok(match route.permission {
            Permission::Public => Self::Anyone,
            Permission::Metrics => {
                server
                    .gate()
                    .metrics(&asked.presented(), &asked.origin)
                    .await?;
                Self::Anyone
            }
            Permission::SignedIn => Self::SignedIn(asked.sign_in(server).await?),
            Permission::Admin => Self::Admin(asked.sign_in(server).await?.admin()?),
        })
    }

    fn signed_in(self) -> Result<SignedIn, Problem> {
        match self {
            Self::SignedIn(caller) => Ok(caller),
            Self::Anyone | Self::Admin(_) => {
                Err(Problem::fault("the route table asks for too little here"))
            }
        }
    }

    fn admin(self) -> Result<Admin, Problem> {
        match self {
            Self::Admin(admin) => Ok(admin),
            Self::Anyone | Self::SignedIn(_) => {
                Err(Problem::fault("the route table asks for too little here"))
            }
        }
    }
}

async fn carry_out(server: &Arc<Server>, route: &Route, asked: Asked) -> Result<Response, Problem> {
    let by = Standing::of(server, route, &asked).await?;
    match route.operation {
        Operation::CheckAuth => session::check(&by.signed_in()?),
        Operation::SignIn => session::sign_in(server, &asked).await,
        Operation::ShowSession => session::show(server, &by.signed_in()?, &asked),
        Operation::SignOut => session::sign_out(server, &by.signed_in()?, &asked).await,
        Operation::ShowAbout => probes::about(server, &by.signed_in()?),
        Operation::ShowOpenApi => Ok(reply::file(
            "application/yaml",
            Bytes::from_static(api::OPENAPI.as_bytes()),
        )),
        Operation::ListScepProfiles => profiles::list(server, &by.admin()?).await,
        Operation::ListScepIntuneStats => profiles::intune_stats(server, &by.admin()?).await,
        Operation::ReloadScepIntuneTrust => {
            profiles::reload_trust(server, &by.admin()?, &asked).await
        }
        Operation::RunScepChecks => checks::run(server, &by.admin()?, &asked).await,
        Operation::ListScepRequests => pending::list(server, &by.admin()?, &asked).await,
        Operation::ApproveScepRequest => pending::decide(server, &by.admin()?, &asked, true).await,
        Operation::DenyScepRequest => pending::decide(server, &by.admin()?, &asked, false).await,
        Operation::ListCertificates => certificates::list(server, &by.admin()?, &asked).await,
        Operation::ShowCertificate => certificates::show(server, &by.admin()?, &asked).await,
        Operation::RevokeCertificate => certificates::revoke(server, &by.admin()?, &asked).await,
        Operation::DownloadCertificate => {
            certificates::download(server, &by.admin()?, &asked).await
        }
        Operation::ShowTimeline => timeline::show(server, &by.admin()?, &asked).await,
        Operation::ListAuditEvents => audit::list(server, &by.admin()?, &asked).await,
        Operation::ListTokens => tokens::list(server, &by.admin()?),
        Operation::CreateToken => tokens::create(server, &by.admin()?, &asked).await,
        Operation::RevokeToken => tokens::revoke(server, &by.admin()?, &asked).await,
        Operation::ShowHealth => probes::health(),
        Operation::ShowReadiness => probes::readiness(server).await,
        Operation::ShowMetrics => probes::metrics(server, asked.channel).await,
    }
}

fn without_body(mut response: Response) -> Response {
    *response.body_mut() = Default::default();
    response
}
