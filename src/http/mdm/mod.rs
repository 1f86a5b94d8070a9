//! Where MDMs get challenges that are made for one device, each by the interface that it knows.
//!
//! | module | holds |
//! |---|---|
//! | `credentials` | who may: Basic authentication, a header, a client certificate |
//! | `jamf` | the webhook `SCEPChallenge` of Jamf Pro, which Fleet calls too |
//! | `ndes` | the page of NDES that Jamf Pro, Workspace ONE, Ivanti, ManageEngine and Fleet read |
//!
//! On the https listener, or on the mTLS listener where client certificates are asked for: both are called with a password.

mod credentials;
mod jamf;
mod ndes;

pub use credentials::{Callers, Credentials};
pub use jamf::JamfHook;
pub use ndes::NdesPage;

use credentials::{Elsewhere, Shown};

use super::origin::{origin, tagged};
use super::{Channel, Peer, target};
use crate::auth::limit::WrongCredentials;
use crate::config::Cidr;
use crate::telemetry::access::{AccessLog, Line};
use actors::{Origin, Runtime};
use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use warp::http::{HeaderMap, HeaderValue, Method, StatusCode};
use warp::path::FullPath;
use warp::reply::Response;

/// The largest body of a webhook, in octets.
const LARGEST_BODY: usize = 256 * 1024;

/// The interfaces of all profiles; a reload exchanges them.
pub struct Interfaces {
    /// The webhooks of Jamf Pro, by path id.
    pub jamf: BTreeMap<String, JamfHook>,
    /// The NDES pages, by path id.
    pub ndes: BTreeMap<String, NdesPage>,
    /// Whose NDES page is served without a path id.
    pub ndes_at_root: Option<String>,
    /// Wrong credentials by source.
    pub wrong: WrongCredentials,
}

/// What the interfaces go by now.
pub(super) struct Settings {
    /// Proxies whose X-Forwarded-For is believed.
    pub(super) trusted_proxies: Vec<Cidr>,
    /// How long a body may take.
    pub(super) body_timeout: Duration,
    /// The interfaces.
    pub(super) interfaces: Arc<Interfaces>,
}

/// What the interfaces work with.
pub(super) struct Context {
    pub(super) runtime: Arc<Runtime>,
    pub(super) access: Arc<AccessLog>,
    /// What they go by at this moment.
    pub(super) settings: Box<dyn Fn() -> Settings + Send + Sync>,
}

/// What a path means here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place<'a> {
    /// The webhook of a profile.
    Jamf(&'a str),
    /// The NDES page of a profile.
    Ndes(&'a str),
    /// The NDES page that is served without a path id.
    NdesAtRoot,
}

impl Place<'_> {
    const fn operation(self) -> &'static str {
        match self {
            Self::Jamf(_) => "JamfChallenge",
            Self::Ndes(_) | Self::NdesAtRoot => "NdesPage",
        }
    }
}

/// The end of the NDES page's path, in any letter case, as IIS takes it.
const NDES: &str = "/certsrv/mscep_admin";

fn place(path: &str) -> Option<Place<'_>> {
    if let Some(path_id) = path.strip_prefix("/hooks/jamf/") {
        let path_id = path_id.strip_suffix('/').unwrap_or(path_id);
        return target::is_path_id(path_id).then_some(Place::Jamf(path_id));
    }
    let path = path.strip_suffix('/').unwrap_or(path);
    let at = path.len().checked_sub(NDES.len())?;
    let (before, end) = path.split_at_checked(at)?;
    if !end.eq_ignore_ascii_case(NDES) {
        return None;
    }
    if before.is_empty() {
        return Some(Place::NdesAtRoot);
    }
    let (start, path_id) = before.split_at_checked("/ndes/".len())?;
    let named = start.eq_ignore_ascii_case("/ndes/") && target::is_path_id(path_id);
    named.then_some(Place::Ndes(path_id))
}

/// One request to an interface.
struct Asked<'a> {
    runtime: &'a Runtime,
    interfaces: &'a Interfaces,
    peer: &'a Peer,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
    origin: Origin,
}

impl Asked<'_> {
    /// What the request shows of an interface's credentials.
    ///
    /// # Errors
    /// The answer where the interface is not served on this connection, or not to this client certificate; and to a source
    /// that presented too many wrong credentials: what it shows now is not looked at, since a password can be guessed.
    async fn shows(&self, callers: &Callers) -> Result<Shown, Box<Answer>> {
        if let Err(elsewhere) = callers.come_by(self.peer, self.runtime).await {
            return Err(Box::new(Answer::elsewhere(self, elsewhere)));
        }
        let now = self.runtime.services.clock.instant();
        match callers.shown(&self.headers) {
            Shown::Right if !callers.can_be_guessed() => Ok(Shown::Right),
            Shown::Nothing => Ok(Shown::Nothing),
            shown => match self.interfaces.wrong.waits(self.origin.source, now) {
                Some(wait) => Err(Box::new(Answer::locked_out(wait))),
                None => Ok(shown),
            },
        }
    }
}

/// What is answered, and how the log calls it.
struct Answer {
    response: Response,
    profile: Option<String>,
    outcome: &'static str,
}

impl Answer {
    fn new(outcome: &'static str, response: Response) -> Self {
        Self {
            response,
            profile: None,
            outcome,
        }
    }

    /// A status with a line of words.
    fn words(status: StatusCode, outcome: &'static str, text: &str) -> Self {
        let mut response = Response::new(format!("{text}\n").into());
        *response.status_mut() = status;
        set(&mut response, "text/plain");
        Self::new(outcome, response)
    }

    fn later(status: StatusCode, outcome: &'static str, text: &str, after: Duration) -> Self {
        let mut answer = Self::words(status, outcome, text);
        let seconds = HeaderValue::from(after.as_secs().max(1));
        answer.response.headers_mut().insert(RETRY_AFTER, seconds);
        answer
    }

    fn not_allowed(allowed: &'static str) -> Self {
        let text = format!("this URL takes {allowed} only");
        let mut answer = Self::words(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", &text);
        let allowed = HeaderValue::from_static(allowed);
        answer.response.headers_mut().insert(ALLOW, allowed);
        answer
    }

    /// To a connection on which the interface is not served.
    fn elsewhere(asked: &Asked<'_>, elsewhere: Elsewhere) -> Self {
        let words = match elsewhere {
            Elsewhere::OnMutual => "this interface is served on the mTLS listener only",
            Elsewhere::OnHttps => "this interface is served on the https listener only",
            Elsewhere::Certificate(why) => {
                let origin = &asked.origin;
                tracing::info!(
                    request_id = origin.request_id,
                    source = %origin.source,
                    why,
                    "a client certificate does not open a challenge interface"
                );
                let words = "this client certificate does not open this interface";
                return Self::words(StatusCode::FORBIDDEN, "unauthenticated", words);
            }
        };
        Self::words(StatusCode::NOT_FOUND, "not_found", words)
    }

    fn locked_out(wait: Duration) -> Self {
        let words = "too many wrong credentials from this address";
        Self::later(StatusCode::TOO_MANY_REQUESTS, "limited", words, wait)
    }

    /// Nobody, or somebody with wrong credentials.
    fn unauthenticated(asked: &Asked<'_>, presented: bool) -> Self {
        let origin = &asked.origin;
        if presented {
            tracing::info!(
                request_id = origin.request_id,
                source = %origin.source,
                "wrong credentials for a challenge interface"
            );
            let now = asked.runtime.services.clock.instant();
            if let Err(wait) = asked.interfaces.wrong.count(origin.source, now) {
                return Self::locked_out(wait);
            }
        }
        let words = "sign in with the name and password that the profile has for this interface";
        let mut answer = Self::words(StatusCode::UNAUTHORIZED, "unauthenticated", words);
        let basic = HeaderValue::from_static("Basic realm=\"scepd\", charset=\"UTF-8\"");
        answer
            .response
            .headers_mut()
            .insert(WWW_AUTHENTICATE, basic);
        answer
    }

    fn of(mut self, profile: &str) -> Self {
        self.profile = Some(profile.to_owned());
        self
    }
}

fn set(response: &mut Response, content_type: &'static str) {
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// The interfaces' routes, on https with client certificates and without.
pub(super) fn routes(context: Arc<Context>) -> BoxedFilter<(Response,)> {
    warp::path::full()
        .and(warp::ext::get::<Peer>())
        .and_then(|path: FullPath, peer: Peer| async move {
            let ours = peer.channel != Channel::Plain && place(path.as_str()).is_some();
            ours.then_some((path, peer))
                .ok_or_else(warp::reject::not_found)
        })
        .and(warp::method())
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .then(
            move |(path, peer): (FullPath, Peer), method: Method, headers: HeaderMap, body| {
                let context = Arc::clone(&context);
                async move { answer(&context, path.as_str(), &peer, method, headers, body).await }
            },
        )
        .boxed()
}

async fn answer<B, D, E>(
    context: &Context,
    path: &str,
    peer: &Peer,
    method: Method,
    headers: HeaderMap,
    body: B,
) -> Response
where
    B: Stream<Item = Result<D, E>> + Send,
    D: Buf,
{
    let settings = (context.settings)();
    let origin = origin(peer, &headers, &settings.trusted_proxies);
    let clock = &context.runtime.services.clock;
    let started = clock.instant();
    let (source, request_id) = (origin.source, origin.request_id.clone());
    let (user_agent, shown_method) = (origin.user_agent.clone(), method.clone());
    let place = place(path).unwrap_or(Place::NdesAtRoot);
    let answer = match tokio::time::timeout(settings.body_timeout, read(body)).await {
        Err(_) => Answer::words(
            StatusCode::REQUEST_TIMEOUT,
            "too_slow",
            "the body took too long",
        ),
        Ok(None) => Answer::words(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            "the body is broken, or larger than 256 KiB",
        ),
        Ok(Some(body)) => {
            let asked = Asked {
                runtime: &context.runtime,
                interfaces: &settings.interfaces,
                peer,
                method,
                headers,
                body,
                origin,
            };
            match place {
                Place::Jamf(path_id) => jamf::answer(&asked, path_id).await,
                Place::Ndes(path_id) => ndes::answer(&asked, Some(path_id)).await,
                Place::NdesAtRoot => ndes::answer(&asked, None).await,
            }
        }
    };
    let took = clock.instant().saturating_duration_since(started);
    let line = Line {
        operation: place.operation(),
        profile: answer.profile.as_deref(),
        nearest_profile: None,
        source,
        user_agent: user_agent.as_deref(),
        transaction_id: None,
        status: Some(answer.response.status().as_u16()),
        outcome: answer.outcome,
        method: Some(shown_method.as_str()),
        path: Some(path),
        milliseconds: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        request_id: Some(&request_id),
    };
    context.access.write(&line, || clock.now());
    tagged(answer.response, &request_id)
}

/// A body within its limit; `None`: it is larger, or ended early.
async fn read<B, D, E>(stream: B) -> Option<Bytes>
where
    B: Stream<Item = Result<D, E>> + Send,
    D: Buf,
{
    let mut stream = std::pin::pin!(stream);
    let mut octets = BytesMut::new();
    while let Some(chunk) = stream.next().await {
        let mut chunk = chunk.ok()?;
        let length = chunk.remaining();
        if octets.len() + length > LARGEST_BODY {
            return None;
        }
        octets.extend_from_slice(&chunk.copy_to_bytes(length));
    }
    Some(octets.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_in_any_case_and_with_a_slash_or_without() {
        for path in [
            "/certsrv/mscep_admin",
            "/certsrv/mscep_admin/",
            "/CertSrv/MSCEP_Admin/",
        ] {
            assert_eq!(place(path), Some(Place::NdesAtRoot), "{path}");
        }
        for path in [
            "/ndes/corp/certsrv/mscep_admin",
            "/NDES/corp/CERTSRV/mscep_admin/",
        ] {
            assert_eq!(place(path), Some(Place::Ndes("corp")), "{path}");
        }
        for path in ["/hooks/jamf/corp", "/hooks/jamf/corp/"] {
            assert_eq!(place(path), Some(Place::Jamf("corp")), "{path}");
        }
        for path in [
            "/",
            "/hooks/jamf/",
            "/hooks/jamf/a/b",
            "/ndes/certsrv/mscep_admin",
            "/ndes//certsrv/mscep_admin",
            "/ndes/a/b/certsrv/mscep_admin",
            "/other/corp/certsrv/mscep_admin",
            "/certsrv/mscep/mscep.dll",
            "/certsrv/mscep_admin/x",
        ] {
            assert_eq!(place(path), None, "{path}");
        }
    }
}
