//! Managed identities: Azure gives this machine its tokens, without a secret.
//!
//! Three sources are known: IMDS of a virtual machine, the endpoint of App Service and its kin, and the agent of Azure Arc.

use crate::clock::Clock;
use crate::error::{ServiceError, Step};
use outbound::{Client, Request, Response, Url};
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

/// How often IMDS is asked.
const TRIES: u32 = 4;

/// The most octets of Arc's key file.
const LONGEST_KEY: u64 = 4096;

/// Where a managed identity's tokens come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The instance metadata service of a virtual machine.
    Imds {
        /// Its address.
        endpoint: Url,
    },
    /// App Service, Functions, Container Apps.
    AppService {
        /// `IDENTITY_ENDPOINT`.
        endpoint: Url,
        /// `IDENTITY_HEADER`.
        header: Zeroizing<String>,
    },
    /// A server that Azure Arc manages.
    Arc {
        /// The agent's address.
        endpoint: Url,
        /// Where the agent puts its keys.
        keys: PathBuf,
    },
}

/// A managed identity.
#[derive(Clone)]
pub struct ManagedIdentity {
    /// Where its tokens come from.
    pub source: Source,
    /// The client id of one that the operator assigned; `None` = the machine's own.
    pub client_id: Option<String>,
}

/// The environment has what no managed identity can use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is no address that can be asked for a managed identity's tokens")]
pub struct EnvironmentError {
    /// The variable.
    pub name: &'static str,
}

impl ManagedIdentity {
    /// From what Azure puts into the environment, looked at in the order of its own libraries.
    ///
    /// # Errors
    /// [`EnvironmentError`]
    pub fn from_environment(
        client_id: Option<String>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, EnvironmentError> {
        let read = |name: &'static str, text: &str| {
            Url::parse(text).map_err(|_| EnvironmentError { name })
        };
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let endpoint = set("IDENTITY_ENDPOINT");
        let source = match (endpoint, set("IDENTITY_HEADER"), set("IMDS_ENDPOINT")) {
            (Some(endpoint), Some(header), _) => Source::AppService {
                endpoint: read("IDENTITY_ENDPOINT", &endpoint)?,
                header: Zeroizing::new(header),
            },
            (Some(endpoint), None, Some(_)) => Source::Arc {
                endpoint: read("IDENTITY_ENDPOINT", &endpoint)?,
                keys: PathBuf::from("/var/opt/azcmagent/tokens"),
            },
            _ if Path::new("/opt/azcmagent/bin/himds").exists() => Source::Arc {
                endpoint: read(
                    "IDENTITY_ENDPOINT",
                    "http://127.0.0.1:40342/metadata/identity/oauth2/token",
                )?,
                keys: PathBuf::from("/var/opt/azcmagent/tokens"),
            },
            _ => {
                let host = set("AZURE_POD_IDENTITY_AUTHORITY_HOST")
                    .unwrap_or_else(|| "http://169.254.169.254".to_owned());
                let text = format!(
                    "{}/metadata/identity/oauth2/token",
                    host.trim_end_matches('/')
                );
                Source::Imds {
                    endpoint: read("AZURE_POD_IDENTITY_AUTHORITY_HOST", &text)?,
                }
            }
        };
        Ok(Self { source, client_id })
    }

    /// Asks for a token. `direct` goes through no proxy: the sources are on this machine, or next to it.
    pub(crate) async fn ask(
        &self,
        direct: &Client,
        clock: &dyn Clock,
        resource: &str,
        id: &str,
    ) -> Result<Response, ServiceError> {
        match &self.source {
            Source::AppService { endpoint, header } => {
                let url = self.url(endpoint, "2019-08-01", resource);
                let request = Request::get(url).secret_header("x-identity-header", header);
                send(direct, request, id).await
            }
            Source::Imds { endpoint } => {
                let url = self.url(endpoint, "2018-02-01", resource);
                let mut tries = 0;
                loop {
                    tries += 1;
                    let request = Request::get(url.clone()).header("metadata", "true");
                    let answer = send(direct, request, id).await;
                    let busy = matches!(
                        answer.as_ref().map(Response::status),
                        Ok(404 | 410 | 429 | 500..)
                    );
                    if !busy || tries >= TRIES {
                        return answer;
                    }
                    clock.wait(Duration::from_secs(1)).await;
                }
            }
            Source::Arc { endpoint, keys } => {
                let url = self.url(endpoint, "2020-06-01", resource);
                let request = Request::get(url.clone()).header("metadata", "true");
                let asked = send(direct, request, id).await?;
                if asked.status() != 401 {
                    return Ok(asked);
                }
                let realm = asked.header("www-authenticate").and_then(realm);
                let key = key(realm, keys).await?;
                let authorization = Zeroizing::new(format!("Basic {}", key.as_str()));
                let request = Request::get(url)
                    .header("metadata", "true")
                    .secret_header("authorization", &authorization);
                send(direct, request, id).await
            }
        }
    }

    fn url(&self, endpoint: &Url, version: &str, resource: &str) -> Url {
        let mut url = endpoint.clone();
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("api-version", version);
            query.append_pair("resource", resource);
            if let Some(client_id) = &self.client_id {
                query.append_pair("client_id", client_id);
            }
        }
        url
    }
}

async fn send(client: &Client, request: Request, id: &str) -> Result<Response, ServiceError> {
    let answer = client.send(request).await;
    answer.map_err(|error| {
        ServiceError::of_call(Step::Token, &error, id)
            .lasting("look whether this machine has a managed identity at all")
    })
}

/// The file that Arc's agent names in its challenge.
fn realm(header: &str) -> Option<&str> {
    let (scheme, rest) = header.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let value = rest.trim().strip_prefix("realm=")?;
    Some(value.trim().trim_matches('"'))
}

/// Reads the key of Arc's agent, from its own folder alone.
async fn key(realm: Option<&str>, keys: &Path) -> Result<Zeroizing<String>, ServiceError> {
    let wrong = |why: &str| {
        ServiceError::new(Step::Token, format!("the agent of Azure Arc {why}"))
            .lasting("look at the agent (azcmagent show); this process must be in the group himds")
    };
    let Some(path) = realm.map(PathBuf::from) else {
        return Err(wrong("named no key file"));
    };
    let is_key = path.extension().is_some_and(|extension| extension == "key");
    if path.parent() != Some(keys) || !is_key {
        return Err(wrong("named a key file outside its own folder"));
    }
    let read = tokio::task::spawn_blocking(move || {
        use std::io::Read;
        let mut text = Zeroizing::new(String::new());
        let file = std::fs::File::open(path)?;
        let octets = file.take(LONGEST_KEY + 1).read_to_string(&mut text)?;
        Ok::<_, std::io::Error>((text, octets))
    });
    match read.await {
        Ok(Ok((_, octets))) if octets as u64 > LONGEST_KEY => {
            Err(wrong("has a key file that is too long"))
        }
        Ok(Ok((text, _))) => Ok(text),
        Ok(Err(error)) => Err(wrong(&format!(
            "has a key file that cannot be read: {}",
            error.kind()
        ))),
        Err(_) => Err(wrong("has a key file that cannot be read")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn chosen(pairs: &[(&str, &str)]) -> Source {
        let variable = |name: &str| {
            let found = pairs.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        ManagedIdentity::from_environment(None, variable)
            .unwrap()
            .source
    }

    #[test]
    fn the_environment_says_which_source_it_is() {
        let endpoint = ("IDENTITY_ENDPOINT", "http://127.0.0.1:41/msi/token");
        assert!(matches!(
            chosen(&[endpoint, ("IDENTITY_HEADER", "h")]),
            Source::AppService { .. }
        ));
        assert!(matches!(
            chosen(&[endpoint, ("IMDS_ENDPOINT", "http://127.0.0.1:40342")]),
            Source::Arc { .. }
        ));
        let Source::Imds { endpoint } = chosen(&[]) else {
            return;
        };
        assert_eq!(
            endpoint.as_str(),
            "http://169.254.169.254/metadata/identity/oauth2/token"
        );
    }

    #[test]
    fn the_key_file_is_named_in_the_challenge() {
        assert_eq!(
            realm("Basic realm=/var/opt/azcmagent/tokens/a.key"),
            Some("/var/opt/azcmagent/tokens/a.key")
        );
        assert_eq!(realm("Bearer realm=/x"), None);
    }

    #[tokio::test]
    async fn a_key_is_read_in_its_own_folder_alone() {
        let folder = tempfile::tempdir().unwrap();
        let good = folder.path().join("a.key");
        std::fs::write(&good, "secret").unwrap();
        let read = key(good.to_str(), folder.path()).await.unwrap();
        assert_eq!(read.as_str(), "secret");
        let long = folder.path().join("b.key");
        std::fs::write(&long, "x".repeat(5000)).unwrap();
        let other = folder.path().join("a.txt");
        std::fs::write(&other, "secret").unwrap();
        let above = folder.path().join("../a.key");
        for bad in [
            Some("/etc/passwd"),
            None,
            long.to_str(),
            other.to_str(),
            above.to_str(),
        ] {
            assert!(key(bad, folder.path()).await.is_err(), "{bad:?}");
        }
    }
}
