//! Which operation a request is, and whether its caller may have it.

use api::endpoints::{ApproveScepRequest, DenyScepRequest};
use std::sync::Arc;
use std::time::Instant;

use api::{Lookup, Operation, Permission, Route, lookup};
use bytes::{Buf, Bytes};
use futures_util::Stream;
use warp::http::Method;
use warp::reply::Response;

use super::context::AdminContext;
use super::reply::{self, Problem};
use super::request::{Arrived, Asked, decoded, read};
use super::{
    audit, bulk, certificates, challenges, checks, pending, probes, profiles, session, tenants,
    timeline, tokens,
};
use crate::auth::{Admin, ChallengeMaker, SignedIn};

/// Whether a path is the admin side's: a route of the table, or anything under `/api`.
pub(super) fn is_ours(path: &str) -> bool {
    path == "/api" || path.starts_with("/api/") || !matches!(lookup("GET", path), Lookup::NotFound)
}

/// Answers one request.
pub(super) async fn answer<B, D, E>(
    context: Arc<AdminContext>,
    arrived: Arrived,
    body: B,
) -> Response
where
    B: Stream<Item = Result<D, E>> + Send,
    D: Buf,
{
    let started = Instant::now();
    let origin = arrived.origin(&context);
    let request_id = origin.request_id.clone();
    let (method, path) = (arrived.method.clone(), arrived.path.clone());
    let result = match find(&arrived) {
        Ok((route, parameters)) => {
            let patience = context.config().server.body_timeout.duration();
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
                    carry_out(&context, route, asked).await
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
    let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
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
enum Authority {
    Anyone,
    SignedIn(SignedIn),
    Admin(Admin),
    ChallengeMaker(ChallengeMaker),
}

impl Authority {
    async fn of(context: &AdminContext, route: &Route, asked: &Asked) -> Result<Self, Problem> {
        Ok(match route.permission {
            Permission::Public => Self::Anyone,
            Permission::Metrics => {
                context
                    .gate
                    .metrics(&asked.presented(), &asked.origin)
                    .await?;
                Self::Anyone
            }
            Permission::SignedIn => Self::SignedIn(asked.sign_in(context).await?),
            Permission::Admin => Self::Admin(asked.sign_in(context).await?.admin()?),
            Permission::Challenge => {
                Self::ChallengeMaker(asked.sign_in(context).await?.challenge_maker()?)
            }
        })
    }

    fn signed_in(self) -> Result<SignedIn, Problem> {
        match self {
            Self::SignedIn(caller) => Ok(caller),
            _ => Err(Problem::fault("the route table asks for too little here")),
        }
    }

    fn admin(self) -> Result<Admin, Problem> {
        match self {
            Self::Admin(admin) => Ok(admin),
            _ => Err(Problem::fault("the route table asks for too little here")),
        }
    }

    fn challenge_maker(self) -> Result<ChallengeMaker, Problem> {
        match self {
            Self::ChallengeMaker(maker) => Ok(maker),
            _ => Err(Problem::fault("the route table asks for too little here")),
        }
    }
}

async fn carry_out(
    context: &AdminContext,
    route: &Route,
    asked: Asked,
) -> Result<Response, Problem> {
    let by = Authority::of(context, route, &asked).await?;
    match route.operation {
        Operation::CheckAuth => session::check(&by.signed_in()?),
        Operation::SignIn => session::sign_in(context, &asked).await,
        Operation::ShowSession => session::show(context, &by.signed_in()?, &asked),
        Operation::SignOut => session::sign_out(context, &by.signed_in()?, &asked).await,
        Operation::ShowAbout => probes::about(context, &by.signed_in()?),
        Operation::ShowOpenApi => Ok(reply::file(
            "application/yaml",
            Bytes::from_static(api::OPENAPI.as_bytes()),
        )),
        Operation::ListScepProfiles => profiles::list(context, &by.admin()?).await,
        Operation::ListScepIntuneStats => profiles::intune_stats(context, &by.admin()?).await,
        Operation::ReloadScepIntuneTrust => {
            profiles::reload_trust(context, &by.admin()?, &asked).await
        }
        Operation::RunScepChecks => checks::run(context, &by.admin()?, &asked).await,
        Operation::ListTenants => tenants::list(context, &by.admin()?).await,
        Operation::ReleaseRevocations => tenants::release(context, &by.admin()?, &asked).await,
        Operation::RefuseRevocations => tenants::refuse(context, &by.admin()?, &asked).await,
        Operation::ListScepRequests => pending::list(context, &by.admin()?, &asked).await,
        Operation::ApproveScepRequest => {
            pending::decide::<ApproveScepRequest>(context, &by.admin()?, &asked, true).await
        }
        Operation::DenyScepRequest => {
            pending::decide::<DenyScepRequest>(context, &by.admin()?, &asked, false).await
        }
        Operation::ListCertificates => certificates::list(context, &by.admin()?, &asked).await,
        Operation::ShowCertificate => certificates::show(context, &by.admin()?, &asked).await,
        Operation::RevokeCertificate => certificates::revoke(context, &by.admin()?, &asked).await,
        Operation::ReleaseCertificate => certificates::release(context, &by.admin()?, &asked).await,
        Operation::ChangeCertificates => bulk::change(context, &by.admin()?, &asked).await,
        Operation::DownloadCertificate => {
            certificates::download(context, &by.admin()?, &asked).await
        }
        Operation::ShowTimeline => timeline::show(context, &by.admin()?, &asked).await,
        Operation::ListAuditEvents => audit::list(context, &by.admin()?, &asked).await,
        Operation::CreateChallenge => {
            challenges::create(context, &by.challenge_maker()?, &asked).await
        }
        Operation::ListChallenges => {
            challenges::list(context, &by.challenge_maker()?, &asked).await
        }
        Operation::WithdrawChallenge => {
            challenges::withdraw(context, &by.challenge_maker()?, &asked).await
        }
        Operation::ListTokens => tokens::list(context, &by.admin()?),
        Operation::CreateToken => tokens::create(context, &by.admin()?, &asked).await,
        Operation::RevokeToken => tokens::revoke(context, &by.admin()?, &asked).await,
        Operation::ShowHealth => probes::health(),
        Operation::ShowReadiness => probes::readiness(context).await,
        Operation::ShowMetrics => probes::metrics(context, asked.channel).await,
    }
}

fn without_body(mut response: Response) -> Response {
    *response.body_mut() = Default::default();
    response
}
