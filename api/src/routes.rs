//! The route table: every method and path, who may call it, and which operation answers.

use std::fmt;

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

macro_rules! operations {
    ($($(#[$doc:meta])* $variant:ident = $method:ident $path:literal, $permission:ident, $id:literal;)+) => {
        /// One operation of the API; what a server matches on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Operation {
            $($(#[$doc])* $variant,)+
        }

        impl Operation {
            /// The operation id in the OpenAPI document.
            pub const fn id(self) -> &'static str {
                match self {
                    $(Self::$variant => $id,)+
                }
            }
        }

        /// Every route.
        pub const ROUTES: &[Route] = &[
            $(Route {
                method: Method::$method,
                path: $path,
                permission: Permission::$permission,
                operation: Operation::$variant,
            },)+
        ];
    };
}

operations! {
    /// Says who is asking.
    CheckAuth = Get "/api/v1/auth/check", SignedIn, "checkAuth";
    /// Exchanges a token for a session cookie. Public: the token is in the body.
    SignIn = Post "/api/v1/session", Public, "signIn";
    /// The session and its CSRF token; 401 without a session cookie.
    ShowSession = Get "/api/v1/session", SignedIn, "showSession";
    /// Ends the session.
    SignOut = Delete "/api/v1/session", SignedIn, "signOut";
    /// Version and clock.
    ShowAbout = Get "/api/v1/about", SignedIn, "showAbout";
    /// This document.
    ShowOpenApi = Get "/api/v1/openapi.yaml", Public, "showOpenAPI";
    /// All SCEP profiles.
    ListScepProfiles = Get "/api/v1/admin/scep/profiles", Admin, "listSCEPProfiles";
    /// All SCEP profiles as flat Intune rows.
    ListScepIntuneStats = Get "/api/v1/admin/scep/intune/stats", Admin, "listSCEPIntuneStats";
    /// Reads a profile's trust anchors again.
    ReloadScepIntuneTrust = Post "/api/v1/admin/scep/intune/reload-trust", Admin, "reloadSCEPIntuneTrust";
    /// Runs the start-up checks.
    RunScepChecks = Post "/api/v1/admin/scep/checks", Admin, "runSCEPChecks";
    /// Requests that wait for approval.
    ListScepRequests = Get "/api/v1/admin/scep/requests", Admin, "listSCEPRequests";
    /// Approves one.
    ApproveScepRequest = Post "/api/v1/admin/scep/requests/{id}/approve", Admin, "approveSCEPRequest";
    /// Denies one.
    DenyScepRequest = Post "/api/v1/admin/scep/requests/{id}/deny", Admin, "denySCEPRequest";
    /// Searches issued certificates.
    ListCertificates = Get "/api/v1/admin/certificates", Admin, "listCertificates";
    /// Shows one.
    ShowCertificate = Get "/api/v1/admin/certificates/{issuer_id}/{serial}", Admin, "showCertificate";
    /// Revokes one.
    RevokeCertificate = Post "/api/v1/admin/certificates/{issuer_id}/{serial}/revoke", Admin, "revokeCertificate";
    /// Releases one from hold.
    ReleaseCertificate = Post "/api/v1/admin/certificates/{issuer_id}/{serial}/release", Admin, "releaseCertificate";
    /// Revokes or releases many.
    ChangeCertificates = Post "/api/v1/admin/certificates/bulk", Admin, "changeCertificates";
    /// Downloads one.
    DownloadCertificate = Get "/api/v1/admin/certificates/{issuer_id}/{serial}/download", Admin, "downloadCertificate";
    /// The story of a device or transaction.
    ShowTimeline = Get "/api/v1/admin/timeline", Admin, "showTimeline";
    /// Audit events.
    ListAuditEvents = Get "/api/v1/audit", Admin, "listAuditEvents";
    /// Makes a challenge for one device.
    CreateChallenge = Post "/api/v1/challenges", Challenge, "createChallenge";
    /// Challenges that were made for one device.
    ListChallenges = Get "/api/v1/challenges", Challenge, "listChallenges";
    /// Withdraws one.
    WithdrawChallenge = Delete "/api/v1/challenges/{id}", Challenge, "withdrawChallenge";
    /// All tokens.
    ListTokens = Get "/api/v1/admin/tokens", Admin, "listTokens";
    /// Makes a token.
    CreateToken = Post "/api/v1/admin/tokens", Admin, "createToken";
    /// Revokes a token.
    RevokeToken = Delete "/api/v1/admin/tokens/{id}", Admin, "revokeToken";
    /// Liveness.
    ShowHealth = Get "/healthz", Public, "showHealth";
    /// Readiness.
    ShowReadiness = Get "/readyz", Public, "showReadiness";
    /// Prometheus metrics.
    ShowMetrics = Get "/metrics", Metrics, "showMetrics";
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
