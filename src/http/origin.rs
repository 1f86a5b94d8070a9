//! Where a request came from, for limits, logs and the audit.

use super::Peer;
use crate::config::Cidr;
use actors::Origin;
use std::net::IpAddr;
use warp::http::header::USER_AGENT;
use warp::http::{HeaderMap, HeaderName, HeaderValue};
use warp::reply::Response;

/// The header with the id that log and reply share.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// A User-Agent longer than this says nothing more.
const USER_AGENT_LENGTH: usize = 200;

/// A fresh id that replies, logs and audit events of one request share: 16 hex digits.
#[must_use]
pub fn request_id() -> String {
    // An id is for finding things again; without randomness zeros do as well.
    hex::encode(pki::random::<8>().unwrap_or_default())
}

/// The reply with the request's id in its header.
pub(super) fn tagged(mut response: Response, request_id: &str) -> Response {
    if let Ok(id) = HeaderValue::try_from(request_id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// The origin of a request: behind a trusted proxy, the address that the proxy names.
pub(super) fn origin(peer: &Peer, headers: &HeaderMap, trusted: &[Cidr]) -> Origin {
    let user_agent = headers
        .get(USER_AGENT)
        .and_then(|value| value.to_str().ok())
        .map(|text| text.chars().take(USER_AGENT_LENGTH).collect());
    Origin {
        source: source(peer.address.ip(), headers, trusted),
        user_agent,
        request_id: request_id(),
    }
}

/// Walks X-Forwarded-For from its end for as long as the hop is one of ours.
fn source(peer: IpAddr, headers: &HeaderMap, trusted: &[Cidr]) -> IpAddr {
    let mut source = peer.to_canonical();
    let is_trusted = |address: IpAddr| trusted.iter().any(|cidr| cidr.contains(address));
    let hops: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    for hop in hops.into_iter().rev() {
        if !is_trusted(source) {
            break;
        }
        let Ok(address) = hop.parse::<IpAddr>() else {
            break;
        };
        source = address.to_canonical();
    }
    source
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn seen(peer: &str, forwarded: &str, trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", forwarded.parse().unwrap());
        let trusted: Vec<Cidr> = trusted.iter().map(|cidr| cidr.parse().unwrap()).collect();
        source(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        assert_eq!(seen("192.0.2.9", "203.0.113.5", &[]), "192.0.2.9");
        assert_eq!(
            seen("10.0.0.1", "203.0.113.5", &["10.0.0.0/8"]),
            "203.0.113.5"
        );
        // What the client itself wrote stands further left and is not reached.
        assert_eq!(
            seen("10.0.0.1", "1.2.3.4, 203.0.113.5", &["10.0.0.0/8"]),
            "203.0.113.5"
        );
        assert_eq!(
            seen("10.0.0.1", "203.0.113.5, 10.0.0.2", &["10.0.0.0/8"]),
            "203.0.113.5"
        );
        assert_eq!(seen("10.0.0.1", "nonsense", &["10.0.0.0/8"]), "10.0.0.1");
        assert_eq!(
            seen("::ffff:10.0.0.1", "203.0.113.5", &["10.0.0.0/8"]),
            "203.0.113.5"
        );
    }
}
