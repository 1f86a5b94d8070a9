//! The admin API, health and metrics.
//!
//! [`routes`] takes what the table in the `api` crate knows, and everything else under `/api`; what is left is the
//! page's. A request is read (`request`), its caller found out, and the one operation called that the table names.
//! Handlers of admin routes take an [`Admin`](crate::auth::Admin), which only a caller with that role has.
//!
//! | module | answers |
//! |---|---|
//! | `context` | what handlers work with: the running server, as far as they are concerned |
//! | `dispatch` | which operation, and whether the caller may |
//! | `request`, `reply` | query, body and path parameters in; JSON and errors out |
//! | `session`, `tokens` | signing in; tokens |
//! | `profiles`, `checks` | SCEP profiles, Intune state, trust reload, start-up checks |
//! | `tenants` | Intune's tenants, and revocations that are held |
//! | `audit`, `certificates`, `serials`, `pending`, `timeline` | what happened, what was issued, what waits |
//! | `challenges` | challenges that are made for one device |
//! | `probes` | about, health, readiness, metrics |

mod audit;
mod bulk;
mod certificates;
mod challenges;
mod checks;
mod context;
mod dispatch;
mod pending;
mod probes;
mod profiles;
mod reply;
mod request;
mod serials;
mod session;
mod tenants;
mod timeline;
mod tokens;

use std::sync::Arc;

use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::{HeaderMap, Method};
use warp::path::FullPath;
use warp::reply::Response;

use super::Peer;
pub use context::AdminContext;

use request::Arrived;

/// The admin API with health and metrics, for the https listener.
pub fn routes(context: Arc<AdminContext>) -> BoxedFilter<(Response,)> {
    filter(context, dispatch::is_ours)
}

/// Health, readiness and metrics alone, for a listener of their own.
pub fn probe_routes(context: Arc<AdminContext>) -> BoxedFilter<(Response,)> {
    filter(context, |path| {
        matches!(path, "/healthz" | "/readyz" | "/metrics")
    })
    .or(warp::any().map(reply::nothing_here))
    .unify()
    .boxed()
}

fn filter(context: Arc<AdminContext>, ours: fn(&str) -> bool) -> BoxedFilter<(Response,)> {
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    warp::path::full()
        .and_then(move |path: FullPath| async move {
            if ours(path.as_str()) {
                Ok(path)
            } else {
                Err(warp::reject::not_found())
            }
        })
        .and(warp::method())
        .and(query)
        .and(warp::header::headers_cloned())
        .and(warp::ext::get::<Peer>())
        .and(warp::body::stream())
        .then(
            move |path: FullPath,
                  method: Method,
                  query: String,
                  headers: HeaderMap,
                  peer: Peer,
                  body| {
                let context = Arc::clone(&context);
                async move {
                    let arrived = Arrived {
                        method,
                        path: path.as_str().to_owned(),
                        query,
                        headers,
                        peer,
                    };
                    dispatch::answer(context, arrived, body).await
                }
            },
        )
        .boxed()
}
