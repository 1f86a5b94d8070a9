//! Who is asking, and the page's session.

use api::endpoints::{CheckAuth, ShowSession, SignIn};
use warp::http::header::SET_COOKIE;
use warp::http::{HeaderValue, StatusCode};
use warp::reply::Response;

use super::context::AdminContext;
use super::reply::{self, Problem};
use super::request::Asked;
use crate::auth::{Refused, SignedIn};

pub(super) fn check(caller: &SignedIn) -> Result<Response, Problem> {
    let is_admin = caller.is_admin();
    let caller = caller.caller();
    let kind = caller.kind.as_str().to_owned();
    reply::ok::<CheckAuth>(&api::AuthCheck::authenticated(
        caller.name.clone(),
        is_admin,
        kind,
    ))
}

pub(super) async fn sign_in(context: &AdminContext, asked: &Asked) -> Result<Response, Problem> {
    let api::SignIn { token } = asked.body::<SignIn>()?;
    let token = zeroize::Zeroizing::new(token);
    let started = context.gate.begin_session(&token, &asked.origin).await?;
    tracing::info!(
        request_id = asked.origin.request_id,
        user = started.session.user,
        source = %asked.origin.source,
        "signed in to the page"
    );
    let mut response = reply::ok::<SignIn>(&started.session)?;
    set_cookie(&mut response, started.cookie.expose(), "")?;
    Ok(response)
}

/// The session of the cookie. A bearer token has none.
pub(super) fn show(
    context: &AdminContext,
    _: &SignedIn,
    asked: &Asked,
) -> Result<Response, Problem> {
    reply::ok::<ShowSession>(&context.gate.session(asked.cookie())?)
}

/// Ends the session of the cookie, which must come with its CSRF token: a bearer token has no session to end.
pub(super) async fn sign_out(
    context: &AdminContext,
    _: &SignedIn,
    asked: &Asked,
) -> Result<Response, Problem> {
    context
        .gate
        .sign_in(&asked.presented_by_page(), &asked.origin)
        .await?;
    let cookie = asked.cookie().ok_or(Refused::Missing)?;
    context.gate.end_session(cookie);
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    set_cookie(&mut response, "", "; Max-Age=0")?;
    Ok(response)
}

fn set_cookie(response: &mut Response, value: &str, more: &str) -> Result<(), Problem> {
    let cookie = format!(
        "{}={value}; Path=/; Secure; HttpOnly; SameSite=Strict{more}",
        api::SESSION_COOKIE
    );
    let mut cookie = HeaderValue::try_from(cookie).map_err(Problem::fault)?;
    cookie.set_sensitive(true);
    response.headers_mut().insert(SET_COOKIE, cookie);
    Ok(())
}
