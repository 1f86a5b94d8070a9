//! Which route a request takes, on which listener.

use super::mdm::{self, Interfaces};
use super::scep::{self, ScepRequest};
use super::{Channel, Peer};
use crate::config::Cidr;
use crate::telemetry::access::AccessLog;
use actors::Runtime;
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::time::Duration;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::header::CONTENT_TYPE;
use warp::http::{HeaderMap, HeaderValue, Method, StatusCode};
use warp::path::FullPath;
use warp::reply::Response;

/// What the routes work with.
pub struct Front {
    /// The profiles and what runs behind them.
    pub runtime: Arc<Runtime>,
    /// Settings that a reload exchanges.
    pub settings: ArcSwap<FrontSettings>,
    /// Where the lines about requests go.
    pub(crate) access: Arc<AccessLog>,
}

/// Settings of the front that a reload exchanges.
#[derive(Clone)]
pub struct FrontSettings {
    /// The largest request body, in bytes.
    pub max_body_bytes: usize,
    /// How long a body may take.
    pub body_timeout: Duration,
    /// How long the answer to a PKIOperation may take.
    pub request_timeout: Duration,
    /// Proxies whose X-Forwarded-For is believed.
    pub trusted_proxies: Vec<Cidr>,
    /// Where MDMs get challenges.
    pub interfaces: Arc<Interfaces>,
}

/// All routes of a listener: SCEP everywhere; `beyond` (admin API and page) on https only.
pub fn routes(
    front: Arc<Front>,
    beyond: Option<BoxedFilter<(Response,)>>,
) -> BoxedFilter<(Response,)> {
    let beyond = beyond.unwrap_or_else(nothing);
    mdm::routes(Arc::new(mdm_context(&front)))
        .or(scep_routes(front))
        .unify()
        .or(warp::ext::get::<Peer>()
            .and_then(only_https)
            .untuple_one()
            .and(beyond))
        .unify()
        .or(warp::any().map(|| {
            let mut response = Response::new("there is nothing at this URL\n".into());
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
            response
        }))
        .unify()
        .boxed()
}

fn mdm_context(front: &Arc<Front>) -> mdm::Context {
    let of_front = Arc::clone(front);
    mdm::Context {
        runtime: Arc::clone(&front.runtime),
        access: Arc::clone(&front.access),
        settings: Box::new(move || {
            let settings = of_front.settings.load();
            mdm::Settings {
                trusted_proxies: settings.trusted_proxies.clone(),
                body_timeout: settings.body_timeout,
                interfaces: Arc::clone(&settings.interfaces),
            }
        }),
    }
}

fn nothing() -> BoxedFilter<(Response,)> {
    warp::any()
        .and_then(|| async { Err(warp::reject::not_found()) })
        .boxed()
}

async fn only_https(peer: Peer) -> Result<(), warp::Rejection> {
    if peer.channel == Channel::Https {
        Ok(())
    } else {
        Err(warp::reject::not_found())
    }
}

fn scep_routes(front: Arc<Front>) -> BoxedFilter<(Response,)> {
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    warp::method()
        .and(warp::path::full())
        .and(query)
        .and(warp::ext::get::<Peer>())
        .and_then(
            |method: Method, path: FullPath, query: String, peer: Peer| async move {
                if scep::is_scep(&method, path.as_str(), &query, peer.channel) {
                    Ok((method, path, query, peer))
                } else {
                    Err(warp::reject::not_found())
                }
            },
        )
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .then(
            move |(method, path, query, peer): Scep, headers: HeaderMap, body| {
                let front = Arc::clone(&front);
                async move {
                    let path = path.as_str().to_owned();
                    scep::answer(
                        front,
                        ScepRequest {
                            method,
                            path,
                            query,
                            headers,
                            peer,
                            body,
                        },
                    )
                    .await
                }
            },
        )
        .boxed()
}

type Scep = (Method, FullPath, String, Peer);
