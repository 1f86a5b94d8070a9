//! The keys by which calls are signed, and where they come from.

use super::again;
use crate::words::excerpt;
use crate::{Clock, Credential, read};
use chrono::{DateTime, TimeDelta, Utc};
use issuer::IssueError;
use outbound::{Client, Method, Request, Response, Url};
use serde::Deserialize;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

/// How long before their end keys are exchanged.
const EARLY: TimeDelta = TimeDelta::minutes(5);

/// How long the metadata service's own token lives, in seconds.
const METADATA_TOKEN: &str = "21600";

/// Where keys come from.
#[derive(Clone)]
pub enum Source {
    /// Keys of a user.
    Keys {
        /// The access key's id.
        access_key_id: String,
        /// The secret.
        secret_access_key: Credential,
        /// The session's token, where the keys are of a session.
        session_token: Option<Credential>,
    },
    /// A credentials file, as AWS's command line has it: read anew when it is needed.
    Profile {
        /// The file's content.
        file: Credential,
        /// The profile in it.
        profile: String,
    },
    /// A role, for the token of a pod or another workload (AssumeRoleWithWebIdentity).
    WebIdentity {
        /// Reaches the security token service.
        client: Client,
        /// Its address.
        sts: Url,
        /// The role.
        role_arn: String,
        /// The token.
        token: Credential,
    },
    /// The endpoint of a container (ECS, or EKS's pod identity).
    Container {
        /// Reaches it.
        client: Client,
        /// Its address.
        url: Url,
        /// What it asks for.
        token: Option<Credential>,
    },
    /// The metadata service of an instance (IMDSv2).
    Instance {
        /// Reaches it.
        client: Client,
        /// Its address.
        url: Url,
    },
}

/// Keys.
#[derive(Clone)]
pub(super) struct Keys {
    pub(super) access_key_id: String,
    pub(super) secret_access_key: Zeroizing<String>,
    pub(super) session_token: Option<Zeroizing<String>>,
    /// When they end; `None` = nobody says.
    pub(super) ends: Option<DateTime<Utc>>,
}

/// The keys in use.
pub(super) struct Keyring {
    source: Source,
    clock: Clock,
    held: Mutex<Option<Keys>>,
}

/// Keys as the endpoints of containers and instances write them.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Written {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
    expiration: Option<DateTime<Utc>>,
}

impl From<Written> for Keys {
    fn from(written: Written) -> Self {
        Self {
            access_key_id: written.access_key_id,
            secret_access_key: Zeroizing::new(written.secret_access_key),
            session_token: written.token.map(Zeroizing::new),
            ends: written.expiration,
        }
    }
}

impl Keyring {
    pub(super) fn new(source: Source, clock: Clock) -> Self {
        Self {
            source,
            clock,
            held: Mutex::new(None),
        }
    }

    /// Keys that are valid, as far as is known. Those that near their end are exchanged; where that fails they do to their end.
    pub(super) async fn keys(&self) -> Result<Keys, IssueError> {
        let mut held = self.held.lock().await;
        let now = (self.clock)();
        let ends_after =
            |keys: &&Keys, early: TimeDelta| keys.ends.is_none_or(|end| end - early > now);
        if let Some(keys) = held.as_ref().filter(|keys| ends_after(keys, EARLY)) {
            return Ok(keys.clone());
        }
        match self.source.fetch().await {
            Ok(keys) => {
                *held = Some(keys.clone());
                Ok(keys)
            }
            Err(why) => held
                .as_ref()
                .filter(|keys| ends_after(keys, TimeDelta::zero()))
                .cloned()
                .ok_or_else(|| again(&format!("there are no credentials: {why}"))),
        }
    }

    /// Says that keys were not taken: the next call fetches others.
    pub(super) async fn refused(&self, keys: &Keys) {
        let mut held = self.held.lock().await;
        held.take_if(|known| known.access_key_id == keys.access_key_id);
    }
}

impl Source {
    async fn fetch(&self) -> Result<Keys, String> {
        match self {
            Self::Keys {
                access_key_id,
                secret_access_key,
                session_token,
            } => Ok(Keys {
                access_key_id: access_key_id.clone(),
                secret_access_key: read(secret_access_key).await?,
                session_token: match session_token {
                    None => None,
                    Some(token) => Some(read(token).await?),
                },
                ends: None,
            }),
            Self::Profile { file, profile } => of_profile(&read(file).await?, profile),
            Self::WebIdentity {
                client,
                sts,
                role_arn,
                token,
            } => {
                let token = read(token).await?;
                let form = [
                    ("Action", "AssumeRoleWithWebIdentity"),
                    ("Version", "2011-06-15"),
                    ("RoleArn", role_arn.as_str()),
                    ("RoleSessionName", "scepd"),
                    ("WebIdentityToken", token.as_str()),
                ];
                let response = ask(client, Request::post(sts.clone()).form(&form)).await?;
                of_sts(&response)
            }
            Self::Container { client, url, token } => {
                let mut request = Request::get(url.clone());
                if let Some(token) = token {
                    request = request.secret_header("authorization", &read(token).await?);
                }
                written(&ask(client, request).await?)
            }
            Self::Instance { client, url } => of_instance(client, url).await,
        }
    }
}

async fn of_instance(client: &Client, url: &Url) -> Result<Keys, String> {
    let at = |path: &str| {
        url.join(path)
            .map_err(|_| "its address takes no path".to_owned())
    };
    let request = Request::new(Method::PUT, at("/latest/api/token")?)
        .header("x-aws-ec2-metadata-token-ttl-seconds", METADATA_TOKEN);
    let token = ask(client, request).await?;
    let token = Zeroizing::new(String::from_utf8_lossy(token.body()).trim().to_owned());
    let get = |path: &str| -> Result<Request, String> {
        Ok(Request::get(at(path)?).secret_header("x-aws-ec2-metadata-token", &token))
    };
    let place = "/latest/meta-data/iam/security-credentials/";
    let roles = ask(client, get(place)?).await?;
    let roles = String::from_utf8_lossy(roles.body()).into_owned();
    let role = roles.lines().next().map(str::trim).unwrap_or_default();
    let is_plain = |one: char| one.is_ascii_alphanumeric() || "+=,.@_-".contains(one);
    if role.is_empty() || !role.chars().all(is_plain) {
        return Err("the instance has no role".to_owned());
    }
    written(&ask(client, get(&format!("{place}{role}"))?).await?)
}

async fn ask(client: &Client, request: Request) -> Result<Response, String> {
    let response = client.send(request).await;
    let response = response.map_err(|error| format!("the endpoint that gives them: {error}"))?;
    if response.is_success() {
        return Ok(response);
    }
    let said = fault_of_sts(&response).unwrap_or_default();
    Err(format!(
        "the endpoint that gives them answered with status {}{said}",
        response.status()
    ))
}

fn written(response: &Response) -> Result<Keys, String> {
    response
        .json::<Written>()
        .map(Keys::from)
        .map_err(|what| format!("the answer of the endpoint that gives them: {what}"))
}

/// The texts of elements, by name, wherever they stand.
fn texts(response: &Response, names: &[&str]) -> Option<Vec<Zeroizing<String>>> {
    let text = std::str::from_utf8(response.body()).ok()?;
    let options = roxmltree::ParsingOptions {
        nodes_limit: 500,
        ..roxmltree::ParsingOptions::default()
    };
    let document = roxmltree::Document::parse_with_options(text, options).ok()?;
    let of = |name: &&str| {
        let mut nodes = document.descendants();
        let node = nodes.find(|node| node.tag_name().name() == *name)?;
        Some(Zeroizing::new(node.text()?.trim().to_owned()))
    };
    names.iter().map(of).collect()
}

fn of_sts(response: &Response) -> Result<Keys, String> {
    let names = [
        "AccessKeyId",
        "SecretAccessKey",
        "SessionToken",
        "Expiration",
    ];
    let found = texts(response, &names).unwrap_or_default();
    let [id, secret, token, end] = found.as_slice() else {
        return Err("the security token service gave none".to_owned());
    };
    Ok(Keys {
        access_key_id: id.as_str().to_owned(),
        secret_access_key: secret.clone(),
        session_token: Some(token.clone()),
        ends: end.parse().ok(),
    })
}

fn fault_of_sts(response: &Response) -> Option<String> {
    let found = texts(response, &["Code", "Message"])?;
    let words: Vec<String> = found.iter().map(|text| excerpt(text)).collect();
    Some(format!(": {}", words.join(": ")))
}

/// A section of a credentials file.
fn of_profile(file: &str, profile: &str) -> Result<Keys, String> {
    let mut is_in = false;
    let (mut id, mut secret, mut token) = (None, None, None);
    for line in file.lines().map(str::trim) {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            let name = name.trim();
            is_in = name == profile || name.strip_prefix("profile ") == Some(profile);
            continue;
        }
        let Some((key, value)) = line.split_once('=').filter(|_| is_in) else {
            continue;
        };
        let value = Zeroizing::new(value.trim().to_owned());
        match key.trim() {
            "aws_access_key_id" => id = Some(value.as_str().to_owned()),
            "aws_secret_access_key" => secret = Some(value),
            "aws_session_token" => token = Some(value),
            _ => {}
        }
    }
    match (id, secret) {
        (Some(access_key_id), Some(secret_access_key)) => Ok(Keys {
            access_key_id,
            secret_access_key,
            session_token: token,
            ends: None,
        }),
        _ => Err(format!(
            "the credentials file has no profile {} with aws_access_key_id and aws_secret_access_key",
            crate::words::quoted(profile)
        )),
    }
}

/// Keys are never shown.
impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys")
            .field("ends", &self.ends)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credentials_file_is_read_by_its_profiles() {
        let file = "[default]\naws_access_key_id = A1\naws_secret_access_key=s1\n\n[profile pki]\n# x\naws_access_key_id=A2\naws_secret_access_key = s=2\naws_session_token = t2\n[other]\naws_access_key_id=A3\n";
        let keys = of_profile(file, "default").unwrap();
        assert_eq!(
            (keys.access_key_id.as_str(), keys.secret_access_key.as_str()),
            ("A1", "s1")
        );
        assert!(keys.session_token.is_none());
        let keys = of_profile(file, "pki").unwrap();
        assert_eq!(keys.secret_access_key.as_str(), "s=2");
        assert_eq!(keys.session_token.unwrap().as_str(), "t2");
        let said = of_profile(file, "other").unwrap_err();
        assert!(said.contains("`other`") && !said.contains("A3"), "{said}");
    }
}
