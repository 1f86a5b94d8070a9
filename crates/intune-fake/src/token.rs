//! Access tokens: JWTs in form, known by their text alone.

use std::collections::HashMap;

use serde_json::json;

use crate::fault::Fault;
use crate::message::{Answer, Request};
use crate::text::{base64url_of, guid, random, random_octets};
use crate::world::{Tenant, Urls, World};

/// For which of the two APIs a token is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resource {
    Graph,
    Intune,
}

const GRAPHS: [&str; 4] = [
    "https://graph.microsoft.com",
    "https://graph.microsoft.us",
    "https://dod-graph.microsoft.us",
    "https://microsoftgraph.chinacloudapi.cn",
];
const INTUNES: [&str; 3] = [
    "https://api.manage.microsoft.com",
    "https://api.manage.microsoft.us",
    // Nobody documents this one.
    "https://api.manage.microsoftonline.cn",
];

impl Resource {
    /// The API that a `resource` or the front of a scope names.
    pub(crate) fn of(name: &str, urls: &Urls) -> Option<Self> {
        let name = name.trim_end_matches('/');
        if GRAPHS.contains(&name) || name == urls.graph {
            Some(Self::Graph)
        } else if INTUNES.contains(&name) || name == urls.intune {
            Some(Self::Intune)
        } else {
            None
        }
    }

    fn has(self, role: &str) -> bool {
        (role == "scep_challenge_provider") == (self == Self::Intune)
    }
}

/// A token that was issued.
#[derive(Debug, Clone)]
struct Token {
    tenant: String,
    resource: Resource,
    roles: Vec<String>,
    expires: i64,
}

/// All tokens that were issued, and the key of foreign ones.
pub(crate) struct Tokens {
    issued: HashMap<String, Token>,
    pub(crate) foreign: ring::hmac::Key,
}

impl Default for Tokens {
    fn default() -> Self {
        Self {
            issued: HashMap::new(),
            foreign: ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &random::<32>()),
        }
    }
}

/// A fresh token and its life in seconds.
pub(crate) struct Fresh {
    pub(crate) text: String,
    pub(crate) life: i64,
}

impl Tokens {
    /// A token of an app for a resource, spoiled as the faults have it.
    pub(crate) fn issue(
        &mut self,
        tenant: &Tenant,
        (resource, audience): (Resource, &str),
        mut life: i64,
        faults: &[Fault],
        now: i64,
    ) -> Fresh {
        let mut roles: Vec<String> = tenant
            .roles
            .iter()
            .filter(|role| resource.has(role))
            .cloned()
            .collect();
        let mut dead = false;
        for fault in faults {
            match fault {
                Fault::RolelessToken => roles.clear(),
                Fault::TokenLife { seconds } => life = *seconds,
                Fault::DeadToken => dead = true,
                _ => {}
            }
        }
        let expires = now.saturating_add(life);
        let mut claims = json!({
            "aud": audience,
            "iss": format!("https://sts.windows.net/{}/", tenant.id),
            "iat": now,
            "nbf": now,
            "exp": expires,
            "appid": tenant.client_id,
            "idtyp": "app",
            "oid": guid(),
            "tid": tenant.id,
            "uti": guid(),
            "ver": "1.0",
        });
        if !roles.is_empty()
            && let Some(members) = claims.as_object_mut()
        {
            members.insert("roles".to_owned(), json!(roles));
        }
        let header = json!({"typ": "JWT", "alg": "RS256", "kid": "fake", "x5t": "fake"});
        let text = format!(
            "{}.{}.{}",
            base64url_of(header.to_string().as_bytes()),
            base64url_of(claims.to_string().as_bytes()),
            base64url_of(&random_octets(256))
        );
        if !dead {
            let token = Token {
                tenant: tenant.id.clone(),
                resource,
                roles,
                expires,
            };
            self.issued.insert(text.clone(), token);
        }
        Fresh { text, life }
    }
}

/// The tenant of a request's bearer token, if it is good for the resource and has one of the roles.
///
/// # Errors
/// The answer to one without: 401, or 403 where only the role is missing.
pub(crate) fn judge(
    world: &World,
    request: &Request,
    resource: Resource,
    roles: &[&str],
    now: i64,
) -> Result<String, Answer> {
    let refused = |why: &str| Answer::error(401, "InvalidAuthenticationToken", why);
    let Some(header) = request.header("authorization") else {
        return Err(refused("Access token is empty.").problem("no Authorization header"));
    };
    let Some(text) = header.strip_prefix("Bearer ") else {
        return Err(refused("not a bearer token").problem("Authorization is not `Bearer ...`"));
    };
    let Some(token) = world.tokens.issued.get(text) else {
        return Err(refused(
            "Access token validation failure. Invalid signature.",
        ));
    };
    if token.expires <= now {
        return Err(
            refused("Lifetime validation failed, the token is expired.").of_tenant(&token.tenant)
        );
    }
    if token.resource != resource {
        return Err(
            refused("Access token validation failure. Invalid audience.")
                .of_tenant(&token.tenant)
                .problem("the token is for another resource"),
        );
    }
    if !roles
        .iter()
        .any(|role| token.roles.iter().any(|known| known == role))
    {
        let answer = Answer::error(
            403,
            "Authorization_RequestDenied",
            "Insufficient privileges to complete the operation.",
        );
        return Err(answer.of_tenant(&token.tenant));
    }
    Ok(token.tenant.clone())
}
