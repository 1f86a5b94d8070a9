//! `[issuer.aws_pca]`: where the keys come from by which calls are signed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use outbound::{Client, Options, Trust, Url, endpoint};
use remote_issuers::Credential;
use remote_issuers::aws_pca::{Place, Source};
use zeroize::Zeroizing;

use super::reading::{Reading, of_file};
use crate::checks::problem::Findings;
use crate::config::issuer_kinds::aws_pca::AwsAuth;

/// Hosts of the endpoints of containers that are asked over plain http: ECS, EKS's pod identity.
const CONTAINERS: [&str; 3] = ["169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"];

/// What names keys, before anything is read.
enum Named {
    Keys {
        id: String,
        secret: Credential,
        session: Option<Credential>,
    },
    Profile {
        file: PathBuf,
        profile: String,
    },
    WebIdentity {
        role: String,
        token_file: PathBuf,
    },
    Container {
        url: String,
        token: Option<Credential>,
    },
    Instance {
        url: String,
    },
}

/// Where the keys come from, by the section or the environment.
pub(super) fn source(
    reading: &Reading<'_>,
    options: &Options,
    place: &Place,
    findings: &mut Findings,
) -> Option<Source> {
    let named = match reading.settings.aws_pca.auth {
        AwsAuth::Chain => {
            let variable = |name: &str| std::env::var(name).ok();
            of_environment(variable, Path::is_file)
        }
        _ => of_settings(reading, findings)?,
    };
    made(named, reading, options, place, findings)
}

/// Keys that the settings name.
fn of_settings(reading: &Reading<'_>, findings: &mut Findings) -> Option<Named> {
    let aws = &reading.settings.aws_pca;
    let file = |path: &Option<PathBuf>, at, findings: &mut Findings| {
        if path.is_none() {
            findings.fail(&reading.at(at), "it is not set", "name the file");
        }
        path.clone()
    };
    let named = match aws.auth {
        AwsAuth::Keys => {
            let id = reading.needed(&aws.access_key_id, "aws_pca.access_key_id", findings);
            let secret = reading.secret(
                ("aws_pca.secret_access_key", &aws.secret_access_key),
                (
                    "aws_pca.secret_access_key_file",
                    &aws.secret_access_key_file,
                ),
                findings,
            );
            Named::Keys {
                id: id?,
                secret: secret?,
                session: None,
            }
        }
        AwsAuth::Profile => Named::Profile {
            file: file(&aws.credentials_file, "aws_pca.credentials_file", findings)?,
            profile: aws.profile.clone(),
        },
        AwsAuth::WebIdentity => {
            let at = "aws_pca.web_identity_token_file";
            let token_file = file(&aws.web_identity_token_file, at, findings);
            let role = reading.needed(&aws.role_arn, "aws_pca.role_arn", findings);
            Named::WebIdentity {
                role: role?,
                token_file: token_file?,
            }
        }
        AwsAuth::Container => {
            let url = aws
                .container_url
                .as_ref()
                .map(|url| url.as_str().to_owned());
            Named::Container {
                url: reading.needed(&url, "aws_pca.container_url", findings)?,
                token: aws.container_token_file.clone().map(of_file),
            }
        }
        AwsAuth::Instance | AwsAuth::Chain => Named::Instance {
            url: aws.metadata_url.as_str().to_owned(),
        },
    };
    Some(named)
}

/// Keys as AWS's own programs look for them; what is there first is taken.
fn of_environment(
    variable: impl Fn(&str) -> Option<String>,
    is_file: impl Fn(&Path) -> bool,
) -> Named {
    let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
    let secret = |name: &str| variable(name).map(fixed);
    if let (Some(id), Some(secret_key)) = (
        variable("AWS_ACCESS_KEY_ID"),
        secret("AWS_SECRET_ACCESS_KEY"),
    ) {
        return Named::Keys {
            id,
            secret: secret_key,
            session: secret("AWS_SESSION_TOKEN"),
        };
    }
    if let (Some(role), Some(token_file)) = (
        variable("AWS_ROLE_ARN"),
        variable("AWS_WEB_IDENTITY_TOKEN_FILE"),
    ) {
        return Named::WebIdentity {
            role,
            token_file: token_file.into(),
        };
    }
    let usual = || Some(Path::new(&variable("HOME")?).join(".aws/credentials"));
    let file = match variable("AWS_SHARED_CREDENTIALS_FILE") {
        Some(file) => Some(file.into()),
        None => usual().filter(|file| is_file(file)),
    };
    if let Some(file) = file {
        return Named::Profile {
            file,
            profile: variable("AWS_PROFILE").unwrap_or_else(|| "default".to_owned()),
        };
    }
    let url = variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
        .map(|path| format!("http://169.254.170.2{path}"))
        .or_else(|| variable("AWS_CONTAINER_CREDENTIALS_FULL_URI"));
    if let Some(url) = url {
        let file = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
        return Named::Container {
            url,
            token: file
                .map(|file| of_file(file.into()))
                .or_else(|| secret("AWS_CONTAINER_AUTHORIZATION_TOKEN")),
        };
    }
    Named::Instance {
        url: variable("AWS_EC2_METADATA_SERVICE_ENDPOINT")
            .unwrap_or_else(|| "http://169.254.169.254".to_owned()),
    }
}

/// A credential that stays as it is.
fn fixed(text: String) -> Credential {
    let text = Zeroizing::new(text);
    Arc::new(move || Ok(text.clone()))
}

/// Holds what is named against what may be, and says how it is reached.
fn made(
    named: Named,
    reading: &Reading<'_>,
    options: &Options,
    place: &Place,
    findings: &mut Findings,
) -> Option<Source> {
    let is_chain = reading.settings.aws_pca.auth == AwsAuth::Chain;
    // Where a setting stands, or, of a variable, the setting by which it counts.
    let at = |setting| reading.at(if is_chain { "aws_pca.auth" } else { setting });
    match named {
        Named::Keys {
            id,
            secret,
            session,
        } => Some(Source::Keys {
            access_key_id: id,
            secret_access_key: secret,
            session_token: session,
        }),
        Named::Profile { file, profile } => {
            let location = at("aws_pca.credentials_file");
            reading.files.read_secret(&file, &location, findings)?;
            Some(Source::Profile {
                file: of_file(file),
                profile,
            })
        }
        Named::WebIdentity { role, token_file } => {
            // It may belong to root and be for the pod to read.
            let location = at("aws_pca.web_identity_token_file");
            reading.files.read(&token_file, &location, findings)?;
            let location = reading.at("aws_pca.sts_url");
            let set = reading.settings.aws_pca.sts_url.as_ref();
            let set = set.map(|url| url.as_str().to_owned());
            let Some(url) = set.or_else(|| place.address("sts")) else {
                findings.fail(
                    &location,
                    "it is not set, and the address of this partition is not known",
                    "write the https address of the security token service",
                );
                return None;
            };
            let sts = endpoint(&url)
                .inspect_err(|error| findings.fail(&location, error.to_string(), "correct it"));
            // A pinned certificate is that of AWS Private CA.
            let trust = match &options.trust {
                Trust::Fingerprint(_) => Trust::System,
                trust => trust.clone(),
            };
            let options = Options {
                trust,
                ..options.clone()
            };
            let client = Client::new(options)
                .inspect_err(|error| findings.fail(&location, error.to_string(), "correct it"));
            Some(Source::WebIdentity {
                client: client.ok()?,
                sts: sts.ok()?,
                role_arn: role,
                token: of_file(token_file),
            })
        }
        Named::Container { url, token } => {
            let location = at("aws_pca.container_url");
            let of_containers = |url: &Url| {
                url.scheme() == "http"
                    && url
                        .host_str()
                        .is_some_and(|host| CONTAINERS.contains(&host))
            };
            let url = match Url::parse(&url) {
                Ok(url) if of_containers(&url) => Ok(url),
                _ => endpoint(&url),
            };
            let url = url.inspect_err(|error| {
                findings.fail(
                    &location,
                    error.to_string(),
                    "write https://, or http:// to a loopback address or one of ECS and EKS (169.254.170.2, 169.254.170.23)",
                );
            });
            Some(Source::Container {
                client: direct(options, &location, findings)?,
                url: url.ok()?,
                token,
            })
        }
        Named::Instance { url } => {
            let location = at("aws_pca.metadata_url");
            let url = Url::parse(&url)
                .ok()
                .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
            if url.is_none() {
                findings.fail(&location, "it is no URL", "write http://host");
            }
            Some(Source::Instance {
                client: direct(options, &location, findings)?,
                url: url?,
            })
        }
    }
}

/// Reaches what is on this machine or beside it: without the proxy.
fn direct(
    options: &Options,
    location: &crate::checks::problem::Location,
    findings: &mut Findings,
) -> Option<Client> {
    let client = Client::new(Options {
        timeout: options.timeout,
        ..Options::new(Trust::System)
    });
    client
        .inspect_err(|error| findings.fail(location, error.to_string(), "see to the system"))
        .ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    /// What is found with these variables, where `.aws/credentials` of the home directory is a file.
    fn found(variables: &[(&str, &str)]) -> Named {
        let variable = |name: &str| {
            let known = variables.iter().find(|(known, _)| *known == name);
            known.map(|(_, value)| (*value).to_owned())
        };
        of_environment(variable, |file| {
            file == Path::new("/home/a/.aws/credentials")
        })
    }

    const KEYS: [(&str, &str); 3] = [
        ("AWS_ACCESS_KEY_ID", "AKIA1"),
        ("AWS_SECRET_ACCESS_KEY", "s1"),
        ("AWS_SESSION_TOKEN", "t1"),
    ];
    const POD: [(&str, &str); 2] = [
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/scepd"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/run/token"),
    ];
    const HOME: [(&str, &str); 1] = [("HOME", "/home/a")];
    const ECS: [(&str, &str); 1] = [("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/c")];

    #[test]
    fn what_is_first_in_the_chain_is_taken() {
        let all = [&KEYS[..], &POD, &HOME, &ECS].concat();
        let Named::Keys {
            id,
            secret,
            session,
        } = found(&all)
        else {
            panic!("keys come first")
        };
        assert_eq!((id.as_str(), secret().unwrap().as_str()), ("AKIA1", "s1"));
        assert_eq!(session.unwrap()().unwrap().as_str(), "t1");
        let Named::WebIdentity { role, token_file } = found(&all[3..]) else {
            panic!("then a web identity")
        };
        assert_eq!(
            (role.as_str(), token_file.to_str()),
            (POD[0].1, Some("/run/token"))
        );
        let Named::Profile { file, profile } = found(&all[5..]) else {
            panic!("then a file")
        };
        assert_eq!(file.to_str(), Some("/home/a/.aws/credentials"));
        assert_eq!(profile, "default");
        let Named::Container { url, token } = found(&ECS) else {
            panic!("then a container")
        };
        assert!(url == "http://169.254.170.2/v2/c" && token.is_none());
        let Named::Instance { url } = found(&[]) else {
            panic!("then the instance")
        };
        assert_eq!(url, "http://169.254.169.254");
    }

    #[test]
    fn variables_of_the_chain_say_more() {
        let file = [
            ("AWS_SHARED_CREDENTIALS_FILE", "/etc/aws"),
            ("AWS_PROFILE", "pki"),
        ];
        let Named::Profile { file, profile } = found(&file) else {
            panic!("a file is named")
        };
        assert_eq!((file.to_str(), profile.as_str()), (Some("/etc/aws"), "pki"));
        let eks = [
            ("HOME", "/home/nobody"),
            ("AWS_ACCESS_KEY_ID", ""),
            ("AWS_SECRET_ACCESS_KEY", "s"),
            (
                "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                "http://169.254.170.23/v1/credentials",
            ),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "t2"),
        ];
        let Named::Container { url, token } = found(&eks) else {
            panic!("a container is named")
        };
        assert_eq!(url, "http://169.254.170.23/v1/credentials");
        assert_eq!(token.unwrap()().unwrap().as_str(), "t2");
        let other = [(
            "AWS_EC2_METADATA_SERVICE_ENDPOINT",
            "http://[fd00:ec2::254]",
        )];
        assert!(matches!(found(&other), Named::Instance { url } if url == other[0].1));
    }
}
