//! The four forms of a request target (RFC 9112, section 3.2), brought into the one that routes read.

use hyper::Request;
use warp::http::header::{ALLOW, CONTENT_TYPE};
use warp::http::uri::{Parts, Uri};
use warp::http::{HeaderValue, Method, StatusCode};
use warp::reply::Response;

/// The methods that some URL of this server knows.
const METHODS: &str = "GET, HEAD, POST, DELETE, OPTIONS";

/// The same request with a path as its target: the origin form as it came, of the absolute form the path and query.
///
/// # Errors
/// The answer to a target that has no path.
pub(super) fn with_path<B>(mut request: Request<B>) -> Result<Request<B>, Box<Response>> {
    let method = request.method();
    if method == Method::CONNECT {
        return Err(refused("this is no proxy: CONNECT is not possible here"));
    }
    let uri = request.uri();
    let Some(path_and_query) = uri.path_and_query() else {
        return Err(refused(
            "the request names a host and no path; write GET /scep/... HTTP/1.1",
        ));
    };
    if uri.path() == "*" {
        return Err(if method == Method::OPTIONS {
            let mut response = Response::default();
            let methods = HeaderValue::from_static(METHODS);
            response.headers_mut().insert(ALLOW, methods);
            Box::new(response)
        } else {
            refused("* is a request target for OPTIONS alone")
        });
    }
    if !uri.path().starts_with('/') {
        return Err(refused("the request's path does not begin with /"));
    }
    if uri.authority().is_some() {
        let mut parts = Parts::default();
        parts.path_and_query = Some(path_and_query.clone());
        let Ok(uri) = Uri::from_parts(parts) else {
            return Err(refused("the request target cannot be read"));
        };
        *request.uri_mut() = uri;
    }
    Ok(request)
}

fn refused(text: &str) -> Box<Response> {
    let mut response = Response::new(format!("{text}\n").into());
    *response.status_mut() = StatusCode::BAD_REQUEST;
    let plain = HeaderValue::from_static("text/plain");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    Box::new(response)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(method: Method, uri: &str) -> Result<String, u16> {
        let uri: Uri = uri.parse().unwrap();
        let request = Request::builder().method(method).uri(uri);
        with_path(request.body(()).unwrap())
            .map(|request| request.uri().to_string())
            .map_err(|response| response.status().as_u16())
    }

    #[test]
    fn what_has_a_path_keeps_it_and_what_has_none_is_refused() {
        let path = "/scep/corp?operation=GetCACaps";
        for uri in [
            path,
            &format!("http://x{path}"),
            &format!("https://x:1{path}"),
        ] {
            assert_eq!(read(Method::GET, uri).as_deref(), Ok(path), "{uri}");
        }
        assert_eq!(read(Method::GET, "http://x").as_deref(), Ok("/"));
        for (method, uri, status) in [
            (Method::GET, "x:1", 400),
            (Method::CONNECT, "x:1", 400),
            (Method::CONNECT, "/scep", 400),
            (Method::GET, "*", 400),
            (Method::OPTIONS, "*", 200),
        ] {
            assert_eq!(read(method, uri), Err(status), "{uri}");
        }
    }
}
