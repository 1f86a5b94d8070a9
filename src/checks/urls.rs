//! Addresses in settings.

use std::net::IpAddr;

use super::problem::{Findings, Location};

/// The parts of an address that settings are checked for.
pub(super) struct Url<'a> {
    pub(super) scheme: &'a str,
    pub(super) host: &'a str,
}

/// Takes `scheme://host[:port][/...]` apart.
///
/// # Errors
/// What is wrong with it, in words. Never quotes a password.
pub(super) fn parse(text: &str) -> Result<Url<'_>, &'static str> {
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("it has white space in it");
    }
    let (scheme, rest) = text
        .split_once("://")
        .ok_or("it is no whole address: https://host/path")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err("it has a user name in it, which is not used");
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(literal) => {
            let (host, after) = literal
                .split_once(']')
                .ok_or("its IPv6 address has no closing bracket")?;
            (host, after.strip_prefix(':'))
        }
        None => authority
            .split_once(':')
            .map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    if host.is_empty() {
        return Err("it names no host");
    }
    if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return Err("its port is not a number up to 65535");
    }
    Ok(Url { scheme, host })
}

/// Addresses that go into certificates: http or https (CRLs and OCSP are commonly plain http).
pub(super) fn check_public(urls: &[String], location: &Location, findings: &mut Findings) {
    for url in urls {
        let wrong = match parse(url) {
            Ok(Url {
                scheme: "http" | "https",
                ..
            }) => continue,
            Ok(Url {
                scheme: "ldap" | "ldaps",
                ..
            }) => continue,
            Ok(_) => "it is neither http nor https",
            Err(wrong) => wrong,
        };
        findings.fail(
            location,
            format!("`{}`: {wrong}", host_alone(url)),
            "write http://host/path",
        );
    }
}

/// Addresses that this server asks: https, but plain http to this very machine.
pub(super) fn check_asked<'a>(
    url: &'a str,
    location: &Location,
    findings: &mut Findings,
) -> Option<Url<'a>> {
    let wrong = match parse(url) {
        Ok(url) if url.scheme == "https" => return Some(url),
        Ok(_) => "it is not https",
        Err(wrong) => wrong,
    };
    findings.fail(
        location,
        format!("`{}`: {wrong}", host_alone(url)),
        "write https://host/path",
    );
    None
}

/// Whether a host is this machine or a private network's literal address.
pub(super) fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// What can be quoted of an address: user name, path and query may hold secrets.
fn host_alone(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return "...".to_owned();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let rest = if path.is_empty() { "" } else { "/..." };
    let quoted = format!("{scheme}://{host}{rest}");
    quoted.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn what_is_quoted_of_a_bad_address_is_no_secret() {
        let secret = "ftp://user:PASSWORD@h.example/PATH?code=TOKEN#FRAGMENT";
        assert_eq!(host_alone(secret), "ftp://h.example/...");
        assert_eq!(host_alone("SECRET"), "...");
        let mut findings = Findings::default();
        let location = Location::section("x");
        assert!(check_asked(secret, &location, &mut findings).is_none());
        check_public(&[secret.to_owned()], &location, &mut findings);
        let said: String = findings.0.iter().map(ToString::to_string).collect();
        assert!(said.contains("h.example"), "{said}");
        for word in ["user", "PASSWORD", "PATH", "TOKEN", "FRAGMENT"] {
            let quoted = said.replace("it has a user name in it", "");
            assert!(!quoted.contains(word), "{said}");
        }
    }

    #[test]
    fn takes_addresses_apart() {
        for (text, host) in [
            ("https://a.example", "a.example"),
            ("https://a.example:8443/x?y#z", "a.example"),
            ("https://[::1]:443/", "::1"),
            ("https://192.0.2.1?x", "192.0.2.1"),
        ] {
            assert_eq!(
                parse(text)
                    .unwrap_or_else(|wrong| panic!("{text}: {wrong}"))
                    .host,
                host
            );
        }
        for text in [
            "",
            "a.example",
            "https://",
            "https:///x",
            "https://a:99999",
            "https://a b",
            "https://u:p@a",
            "https://[::1",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_password_in_an_address_is_refused_and_not_shown() {
        let mut findings = Findings::default();
        let location = Location::section("admin").at("oidc.jwks_url");
        assert!(check_asked("https://u:canary@h/x", &location, &mut findings).is_none());
        check_public(&["http://u:canary@h".to_owned()], &location, &mut findings);
        let said: String = findings.0.iter().map(ToString::to_string).collect();
        assert!(findings.0.len() == 2 && !said.contains("canary"), "{said}");
    }

    #[test]
    fn only_https_is_asked() {
        let mut findings = Findings::default();
        let location = Location::section("admin").at("oidc.jwks_url");
        assert!(check_asked("http://h/x", &location, &mut findings).is_none());
        assert!(check_asked("https://h/x", &location, &mut findings).is_some());
        assert!(
            is_loopback("127.0.0.1")
                && is_loopback("::1")
                && is_loopback("LOCALHOST")
                && !is_loopback("h")
        );
    }
}
