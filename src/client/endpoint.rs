//! The URL of a SCEP server, taken apart once.

use std::fmt;
use std::str::FromStr;

use hyper::Uri;

use super::Error;

/// A SCEP server's address. `Display` gives the URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    secure: bool,
    host: String,
    port: u16,
    path: String,
}

impl Endpoint {
    /// Whether it is https.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The host without the brackets of an IPv6 address.
    pub fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The value of the Host header.
    pub fn authority(&self) -> String {
        let usual = if self.secure { 443 } else { 80 };
        if self.port == usual {
            self.host.clone()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The URL of a request target.
    pub fn url(&self, target: &str) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}{target}", self.authority())
    }

    /// The request target of an operation; `message` is already escaped.
    pub fn target(&self, operation: &str, message: Option<&str>) -> String {
        match message {
            Some(message) => format!("{}?operation={operation}&message={message}", self.path),
            None => format!("{}?operation={operation}", self.path),
        }
    }
}

impl FromStr for Endpoint {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self, Error> {
        let bad = |why: &str| Error::Url {
            url: url.to_owned(),
            why: why.to_owned(),
        };
        // Without a scheme, what stands before a port's colon would be taken for one.
        if !url.contains("://") {
            return Err(bad("it must begin with https:// or http://"));
        }
        let uri: Uri = url.parse().map_err(|e| bad(&format!("{e}")))?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(bad("it must begin with https:// or http://")),
        };
        let authority = uri.authority().ok_or_else(|| bad("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(bad("a user name in it is not supported"));
        }
        if uri.query().is_some() {
            return Err(bad("leave out the query, from the question mark on"));
        }
        let host = authority.host().to_owned();
        if host.is_empty() {
            return Err(bad("it names no host"));
        }
        let port = authority
            .port_u16()
            .unwrap_or(if secure { 443 } else { 80 });
        Ok(Endpoint {
            secure,
            host,
            port,
            path: uri.path().to_owned(),
        })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url(&self.path))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let e: Endpoint = "https://scep.example.com/scep/corp".parse().unwrap();
        assert!(e.is_secure());
        assert_eq!((e.host(), e.port()), ("scep.example.com", 443));
        assert_eq!(e.authority(), "scep.example.com");
        assert_eq!(
            e.target("GetCACaps", None),
            "/scep/corp?operation=GetCACaps"
        );
        assert_eq!(
            e.target("PKIOperation", Some("a%2B")),
            "/scep/corp?operation=PKIOperation&message=a%2B"
        );
        assert_eq!(e.to_string(), "https://scep.example.com/scep/corp");

        let e: Endpoint = "http://[::1]:8080/scep".parse().unwrap();
        assert_eq!(
            (e.host(), e.port(), e.authority().as_str()),
            ("::1", 8080, "[::1]:8080")
        );
    }

    #[test]
    fn what_cannot_be_used_is_said() {
        for (url, part) in [
            ("ftp://h/scep", "begin with"),
            ("/scep", "begin with"),
            (
                "localhost:11000/scep/corp",
                "begin with https:// or http://",
            ),
            ("scep.example.com/scep", "begin with"),
            ("https://u:p@h/scep", "user name"),
            ("https://h/scep?operation=GetCACert", "query"),
            ("https://h h/", "invalid"),
        ] {
            let error = url.parse::<Endpoint>().unwrap_err().to_string();
            assert!(error.contains(part), "{url}: {error}");
        }
    }
}
