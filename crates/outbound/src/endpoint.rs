//! Which addresses may be asked.

use std::net::IpAddr;

use reqwest::Url;

/// Why an address is not taken. The words never repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// It cannot be read as a URL.
    #[error("it is no URL; write it as https://host/path")]
    NoUrl,
    /// Not https, and not http to this machine.
    #[error("it must begin with https:// (http:// is for a loopback address alone)")]
    NotHttps,
    /// No host.
    #[error("it names no host")]
    NoHost,
    /// A user name or password in it.
    #[error("it must not carry a user name or password; there are settings for them")]
    UserInfo,
    /// A fragment in it.
    #[error("it must not carry a fragment (#...)")]
    Fragment,
}

/// Reads an address: https, or http to a loopback address, without user information and fragment.
///
/// # Errors
/// [`EndpointError`], in words for whoever wrote the setting.
pub fn endpoint(text: &str) -> Result<Url, EndpointError> {
    let url = Url::parse(text.trim()).map_err(|_| EndpointError::NoUrl)?;
    let host = url.host_str().filter(|host| !host.is_empty());
    let host = host.ok_or(EndpointError::NoHost)?;
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(host) => {}
        _ => return Err(EndpointError::NotHttps),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(EndpointError::UserInfo);
    }
    if url.fragment().is_some() {
        return Err(EndpointError::Fragment);
    }
    Ok(url)
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost"
        || bare
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_and_loopback_are_taken() {
        for good in [
            "https://ca.example.org",
            "https://ca.example.org:8443/v1/?a=b",
            "http://127.0.0.1:8200/v1",
            "http://[::1]:8200",
            "http://localhost:1",
        ] {
            assert!(endpoint(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn everything_else_is_refused_by_name() {
        for (bad, why) in [
            ("", EndpointError::NoUrl),
            ("ca.example.org/v1", EndpointError::NoUrl),
            ("http://ca.example.org", EndpointError::NotHttps),
            ("http://127.0.0.1.example.org", EndpointError::NotHttps),
            ("http://10.0.0.1", EndpointError::NotHttps),
            ("ftp://127.0.0.1/", EndpointError::NotHttps),
            ("file:///etc/passwd", EndpointError::NoHost),
            ("https://user@ca.example.org", EndpointError::UserInfo),
            ("https://:secret@ca.example.org", EndpointError::UserInfo),
            ("https://ca.example.org/#top", EndpointError::Fragment),
        ] {
            assert_eq!(endpoint(bad), Err(why), "{bad}");
        }
    }
}
