//! What is sent.

use std::fmt;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use serde::Serialize;

/// One request. What cannot be written (a header with a line break) is found when it is sent.
#[derive(Clone)]
pub struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) fault: Option<&'static str>,
}

impl Request {
    /// Any method.
    #[must_use]
    pub fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: Vec::new(),
            timeout: None,
            fault: None,
        }
    }

    /// GET.
    #[must_use]
    pub fn get(url: Url) -> Self {
        Self::new(Method::GET, url)
    }

    /// POST.
    #[must_use]
    pub fn post(url: Url) -> Self {
        Self::new(Method::POST, url)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        self.with(name, value, false)
    }

    /// Adds a header whose value is a secret: never shown, never kept in HTTP/2's table.
    #[must_use]
    pub fn secret_header(self, name: &str, value: &str) -> Self {
        self.with(name, value, true)
    }

    fn with(mut self, name: &str, value: &str, secret: bool) -> Self {
        match (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_str(value),
        ) {
            (Ok(name), Ok(mut value)) => {
                value.set_sensitive(secret);
                self.headers.append(name, value);
            }
            _ => self.fault = Some("a header has characters that HTTP does not allow"),
        }
        self
    }

    /// A body of JSON, with its content type.
    #[must_use]
    pub fn json<T: Serialize + ?Sized>(mut self, value: &T) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => self.body("application/json", body),
            Err(_) => {
                self.fault = Some("its body cannot be written as JSON");
                self
            }
        }
    }

    /// A body of form fields, with its content type.
    #[must_use]
    pub fn form(mut self, fields: &[(&str, &str)]) -> Self {
        match serde_urlencoded::to_string(fields) {
            Ok(body) => self.body("application/x-www-form-urlencoded", body.into_bytes()),
            Err(_) => {
                self.fault = Some("its body cannot be written as a form");
                self
            }
        }
    }

    /// A body of any octets.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: Vec<u8>) -> Self {
        self.body = body;
        self.with("content-type", content_type, false)
    }

    /// Another limit for this call than the client's.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }
}

/// Addresses, headers and bodies may hold secrets: only the method is shown.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}
