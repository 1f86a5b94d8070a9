//! The routes: every method and path, who may call it, what it takes and gives, and which operation answers. The table
//! itself is in `table`.

mod table;

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

pub use table::{Operation, ROUTES, endpoints, visit};

/// HTTP methods that the API uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Changes or makes something.
    Post,
    /// Ends something.
    Delete,
}

impl Method {
    /// The method as it stands on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }

    /// Whether a request under a session cookie needs the CSRF header.
    pub const fn changes(self) -> bool {
        !matches!(self, Self::Get)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Anyone who reaches the listener.
    Public,
    /// Anyone unless a metrics token is configured; then that token, or an admin.
    Metrics,
    /// Anyone with a good token or session, whatever the role. Without: 401.
    SignedIn,
    /// The admin role. Without it: 403; without a token: 401.
    Admin,
    /// The admin role, or the challenge role for the profile that its token is limited to. Without: 403; without a token: 401.
    Challenge,
}

/// A part of the API, as the OpenAPI document divides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// Who is asking, and the page's session.
    Session,
    /// Profiles, Intune state, checks, and requests that wait for an operator.
    Scep,
    /// Issued certificates and the stories of devices.
    Certificates,
    /// What happened, who did it, and why it was refused.
    Audit,
    /// Challenges that are made for one device.
    Challenges,
    /// Tokens for this API.
    Tokens,
    /// Version, health and metrics.
    Server,
}

/// What an operation may answer besides its reply and what follows from the rest of its row (400 where it takes something,
/// 401, 403 and 429 where it asks who calls).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Also {
    /// 202: it is done later; the operation's own reply says what it waits for.
    Accepted(&'static str),
    /// 401.
    Unauthenticated,
    /// 404: there is no such thing.
    NotFound,
    /// 409: it is not in a state for this.
    Conflict,
    /// 409, in words of its own.
    ConflictIf(&'static str),
    /// 429.
    TooMany,
    /// 500 whose reason the caller is told.
    Fault(&'static str),
    /// 503 with `Retry-After`.
    Busy,
    /// 503 with the operation's own reply.
    NotReady(&'static str),
}

/// What one operation takes and gives: handlers read and answer through it, so that they do as the document says.
pub trait Endpoint {
    /// Its row.
    const ROUTE: Route;
    /// Its query; [`Nothing`] when it has none.
    type Query: DeserializeOwned + IntoParams;
    /// Its JSON body; [`Nothing`] when it takes none. One of which `{}` is an example may be left out.
    type Body: Serialize + DeserializeOwned + ToSchema;
    /// Its JSON reply; [`Nothing`] or [`File`] when it has none.
    type Reply: Serialize + DeserializeOwned + ToSchema;
}

/// No query, no body, no reply.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, IntoParams,
)]
pub struct Nothing {}

/// A reply that is no JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct File {}

/// What looks at every [`Endpoint`].
pub trait Visitor {
    /// Looks at one.
    fn visit<E: Endpoint>(&mut self);
}

/// One row of [`ROUTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, with parameters as `{name}`.
    pub path: &'static str,
    /// Who may call it.
    pub permission: Permission,
    /// What answers.
    pub operation: Operation,
    /// The part of the API it belongs to.
    pub tag: Tag,
    /// What it does: its heading, an empty line, and more, line by line.
    pub docs: &'static [&'static str],
    /// The status of its reply.
    pub status: u16,
    /// Its reply in words.
    pub done: &'static str,
    /// What else it may answer.
    pub also: &'static [Also],
}

/// What [`lookup`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup<'p> {
    /// The route, and the path's parameters in order, as they stand in the URL.
    Found(&'static Route, Vec<&'p str>),
    /// The path exists with these methods only: 405, and they go into `Allow`.
    MethodNotAllowed(Vec<Method>),
    /// No such path: 404.
    NotFound,
}

/// Finds the route for a method and a path (without query).
pub fn lookup<'p>(method: &str, path: &'p str) -> Lookup<'p> {
    let mut allowed = Vec::new();
    for route in ROUTES {
        if let Some(parameters) = parameters(route.path, path) {
            if route.method.as_str() == method {
                return Lookup::Found(route, parameters);
            }
            allowed.push(route.method);
        }
    }
    if allowed.is_empty() {
        Lookup::NotFound
    } else {
        Lookup::MethodNotAllowed(allowed)
    }
}

/// The parameters of `path` when it fits `pattern`. A parameter is never empty.
fn parameters<'p>(pattern: &str, path: &'p str) -> Option<Vec<&'p str>> {
    let mut found = Vec::new();
    let mut parts = path.split('/');
    for expected in pattern.split('/') {
        let part = parts.next()?;
        if expected.starts_with('{') {
            if part.is_empty() {
                return None;
            }
            found.push(part);
        } else if part != expected {
            return None;
        }
    }
    parts.next().is_none().then_some(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]

    use super::*;

    #[test]
    fn a_path_with_parameters_is_found() {
        match lookup("POST", "/api/v1/admin/certificates/local/00af/revoke") {
            Lookup::Found(route, parameters) => {
                assert_eq!(route.operation, Operation::RevokeCertificate);
                assert_eq!(route.permission, Permission::Admin);
                assert_eq!(parameters, ["local", "00af"]);
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn another_method_is_told_which_are_allowed() {
        assert_eq!(
            lookup("PUT", "/api/v1/session"),
            Lookup::MethodNotAllowed(vec![Method::Post, Method::Get, Method::Delete])
        );
        assert_eq!(
            lookup("GET", "/api/v1/admin/scep/intune/reload-trust"),
            Lookup::MethodNotAllowed(vec![Method::Post])
        );
    }

    #[test]
    fn what_fits_no_route_is_not_found() {
        for path in [
            "/api/v1/admin/certificates/local//revoke",
            "/api/v1/admin/certificates/local",
            "/api/v1/audit/",
            "/api/v1",
            "",
        ] {
            assert_eq!(lookup("GET", path), Lookup::NotFound, "{path}");
        }
    }

    #[test]
    fn everything_under_admin_and_the_audit_needs_the_admin_role() {
        for route in ROUTES {
            let admin = route.path.starts_with("/api/v1/admin/") || route.path == "/api/v1/audit";
            assert_eq!(
                route.permission == Permission::Admin,
                admin,
                "{}",
                route.path
            );
        }
    }
}
