//! An OIDC provider's keys over https.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, Url, redirect};

use super::oidc::{KeySource, KeysFuture};

/// How long the provider may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The largest JWK set that is read, in bytes.
const LARGEST: usize = 1024 * 1024;

/// Fetches a JWK set from one URL: https, or http to this machine. No redirects.
pub struct JwksUrl {
    client: Client,
    url: Url,
}

impl JwksUrl {
    /// A source at `url`.
    ///
    /// # Errors
    /// Why it cannot be used, in words.
    pub fn new(url: &str) -> Result<Self, String> {
        let url = Url::parse(url).map_err(|error| format!("`{url}` is no URL: {error}"))?;
        // reqwest panics where no provider is installed; a second installation changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .timeout(PATIENCE)
            .redirect(redirect::Policy::none())
            .https_only(url.scheme() != "http")
            .build()
            .map_err(|error| format!("no https client can be made: {error}"))?;
        Ok(Self { client, url })
    }
}

impl KeySource for JwksUrl {
    fn address(&self) -> String {
        self.url.to_string()
    }

    fn fetch(&self) -> KeysFuture {
        let asked = self.client.get(self.url.clone()).send();
        let host = Arc::new(self.url.host_str().unwrap_or_default().to_owned());
        Box::pin(async move {
            let failed =
                |error: reqwest::Error| format!("{host} does not answer: {}", error.without_url());
            let mut response = asked.await.map_err(failed)?;
            if !response.status().is_success() {
                return Err(format!(
                    "{host} answers with status {}",
                    response.status().as_u16()
                ));
            }
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(failed)? {
                if body.len().saturating_add(chunk.len()) > LARGEST {
                    return Err(format!("{host} sends more than {LARGEST} bytes"));
                }
                body.extend_from_slice(&chunk);
            }
            Ok(body)
        })
    }
}
