//! Where a request came from, for limits, logs and the audit.

use super::Peer;
use crate::config::Cidr;
use actors::Origin;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Once;
use warp::http::header::USER_AGENT;
use warp::http::{HeaderMap, HeaderName, HeaderValue};
use warp::reply::Response;

/// The header with the id that log and reply share.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// A User-Agent longer than this says nothing more.
const USER_AGENT_LENGTH: usize = 200;
/// How much of a hop that cannot be read is logged, in characters.
const HOP_LENGTH: usize = 64;

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
pub(super) fn source(peer: IpAddr, headers: &HeaderMap, trusted: &[Cidr]) -> IpAddr {
    let mut source = peer.to_canonical();
    let is_trusted = |address: IpAddr| trusted.iter().any(|cidr| cidr.contains(address));
    // Octets, not text: what a client wrote further left must not make the proxy's own hop unreadable.
    let hops: Vec<&[u8]> = headers
        .get_all("x-forwarded-for")
        .iter()
        .flat_map(|value| value.as_bytes().split(|&octet| octet == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|hop| !hop.is_empty())
        .collect();
    for hop in hops.into_iter().rev() {
        if !is_trusted(source) {
            break;
        }
        let Some(address) = address(hop) else {
            warn_once(source, hop);
            break;
        };
        source = address.to_canonical();
    }
    source
}

/// The address of a hop. Proxies write it plain, with a port, an IPv6 one also in brackets, and in quotes.
fn address(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop).ok()?;
    let hop = hop
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(hop)
        .trim();
    let bracketed = || {
        let inside = hop.strip_prefix('[')?.strip_suffix(']')?;
        inside.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
    };
    let with_port = || hop.parse::<SocketAddr>().ok().map(|address| address.ip());
    hop.parse().ok().or_else(with_port).or_else(bracketed)
}

/// Once: the proxy writes the same with every request, and the log is to stay readable.
fn warn_once(proxy: IpAddr, hop: &[u8]) {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        let hop = String::from_utf8_lossy(hop);
        let hop: String = hop.chars().take(HOP_LENGTH).collect();
        tracing::warn!(%proxy, ?hop, "what a trusted proxy wrote in X-Forwarded-For is no address; its requests count as its own");
    });
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

    #[test]
    fn proxies_write_addresses_in_several_ways() {
        for (forwarded, source) in [
            ("203.0.113.5:49152", "203.0.113.5"),
            ("\"203.0.113.5:49152\"", "203.0.113.5"),
            ("\"203.0.113.5\"", "203.0.113.5"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("\"[2001:db8::1]:443\"", "2001:db8::1"),
            ("[::ffff:203.0.113.5]:443", "203.0.113.5"),
            ("203.0.113.5,", "203.0.113.5"),
            ("203.0.113.5, ,", "203.0.113.5"),
            ("1.2.3.4:5, 203.0.113.5:6, 10.0.0.2:7", "203.0.113.5"),
        ] {
            assert_eq!(
                seen("10.0.0.1", forwarded, &["10.0.0.0/8"]),
                source,
                "{forwarded}"
            );
        }
        for forwarded in [
            "",
            ",",
            "unknown",
            "[203.0.113.5]",
            "[2001:db8::1",
            "\"",
            "203.0.113.5:port",
        ] {
            assert_eq!(
                seen("10.0.0.1", forwarded, &["10.0.0.0/8"]),
                "10.0.0.1",
                "{forwarded}"
            );
        }
    }

    #[test]
    fn a_client_cannot_make_the_proxys_hop_unreadable() {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_bytes(b"\xff, 203.0.113.5").unwrap();
        headers.insert("x-forwarded-for", value);
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let seen = source("10.0.0.1".parse().unwrap(), &headers, &trusted);
        assert_eq!(seen.to_string(), "203.0.113.5");
    }
}
