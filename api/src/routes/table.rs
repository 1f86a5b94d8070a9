//! The route table. The comment of a row is its heading and description in the OpenAPI document.

use super::{Also, Endpoint, File, Method, Nothing, Permission, Route, Tag, Visitor};
use crate::{
    About, AuditEvent, AuditQuery, AuthCheck, BulkReply, BulkRequest, Certificate,
    CertificateDetail, CertificateQuery, Challenge, ChallengeCreated, ChallengeQuery, Challenges,
    ChecksReply, ChecksRequest, Decision, DecisionReply, DownloadQuery, Envelope, Health,
    IntuneRow, List, NewChallenge, NewToken, PendingRequest, Profile, Readiness, ReleaseReply,
    ReleaseRequest, ReloadTrustReply, ReloadTrustRequest, RequestQuery, RevocationsDecided,
    RevokeReply, RevokeRequest, Session, SignIn, TenantsReply, Timeline, TimelineQuery, Token,
    TokenCreated, Tokens,
};

macro_rules! operations {
    ($(
        $(#[doc = $doc:literal])+
        $variant:ident = $method:ident $path:literal $id:literal, $permission:ident, $tag:ident,
            ($query:ty, $body:ty) -> $status:literal $reply:ty: $done:literal,
            [$($also:ident $(($words:literal))?),*];
    )+) => {
        /// One operation of the API; what a server matches on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Operation {
            $($(#[doc = $doc])+ $variant,)+
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
        pub const ROUTES: &[Route] = &[$(<endpoints::$variant as Endpoint>::ROUTE,)+];

        /// What each operation takes and gives, under its name.
        pub mod endpoints {
            $($(#[doc = $doc])+ #[derive(Clone, Copy, Debug)] pub struct $variant;)+
        }

        $(impl Endpoint for endpoints::$variant {
            const ROUTE: Route = Route {
                method: Method::$method,
                path: $path,
                permission: Permission::$permission,
                operation: Operation::$variant,
                tag: Tag::$tag,
                docs: &[$($doc),+],
                status: $status,
                done: $done,
                also: &[$(Also::$also $(($words))?),*],
            };
            type Query = $query;
            type Body = $body;
            type Reply = $reply;
        })+

        /// Shows a visitor every endpoint, in the order of [`ROUTES`].
        pub fn visit(visitor: &mut impl Visitor) {
            $(visitor.visit::<endpoints::$variant>();)+
        }
    };
}

// Name = method, path, operation id, who may call, part of the API,
//     (query, body) -> status, reply: the reply in words, what else it may answer.
operations! {
    /// Say who is asking
    ///
    /// Answers for any good token or session, whatever its role. Needs no other right.
    CheckAuth = Get "/api/v1/auth/check" "checkAuth", SignedIn, Session,
        (Nothing, Nothing) -> 200 AuthCheck: "The caller is known.", [];
    /// Sign in with a token
    ///
    /// Exchanges a token for a session cookie (`__Host-scepd_session`: HttpOnly, Secure, SameSite=Strict). Any role may
    /// sign in. The token is not kept by the page.
    SignIn = Post "/api/v1/session" "signIn", Public, Session,
        (Nothing, SignIn) -> 200 Session: "Signed in; the cookie is set.", [Unauthenticated, TooMany];
    /// Show the session
    ///
    /// Gives the session of the cookie sent, with its CSRF token. A bearer token has no session and gets 401.
    ShowSession = Get "/api/v1/session" "showSession", SignedIn, Session,
        (Nothing, Nothing) -> 200 Session: "The session.", [];
    /// Sign out
    ///
    /// Ends the session of the cookie sent and clears the cookie.
    SignOut = Delete "/api/v1/session" "signOut", SignedIn, Session,
        (Nothing, Nothing) -> 204 Nothing: "Signed out.", [];
    /// Show version and clock
    ///
    /// For any signed-in caller.
    ShowAbout = Get "/api/v1/about" "showAbout", SignedIn, Server,
        (Nothing, Nothing) -> 200 About: "The server.", [];
    /// Show this document
    ///
    /// Open to anyone.
    ShowOpenApi = Get "/api/v1/openapi.yaml" "showOpenAPI", Public, Server,
        (Nothing, Nothing) -> 200 File: "This document.", [];
    /// List the SCEP profiles
    ///
    /// Every profile with its RA certificate, how devices authenticate, and its Intune state where Intune is on.
    ListScepProfiles = Get "/api/v1/admin/scep/profiles" "listSCEPProfiles", Admin, Scep,
        (Nothing, Nothing) -> 200 Envelope<Profile>: "All profiles, by path id.", [Busy];
    /// List Intune state, one flat row a profile
    ///
    /// For programs outside this project: members, their order and their omissions do not change. A profile with Intune
    /// off has `enabled` false, empty `counters`, and none of the Intune members.
    ListScepIntuneStats = Get "/api/v1/admin/scep/intune/stats" "listSCEPIntuneStats", Admin, Scep,
        (Nothing, Nothing) -> 200 Envelope<IntuneRow>: "All profiles, by path id.", [Busy];
    /// Read a profile's trust anchors again
    ///
    /// Reads the trust-anchor file and swaps the pool in one step: a request sees the old pool or the new one. When the
    /// file is bad the old pool stays in use. An empty body, the JSON string `""`, or an empty `path_id` means the root
    /// profile.
    ReloadScepIntuneTrust = Post "/api/v1/admin/scep/intune/reload-trust" "reloadSCEPIntuneTrust", Admin, Scep,
        (Nothing, ReloadTrustRequest) -> 200 ReloadTrustReply: "The new anchors are in use.",
        [NotFound, ConflictIf("Intune is off on this profile."), Fault("The file is bad; the message names it and says how. The old anchors stay in use.")];
    /// Run the start-up checks now
    ///
    /// Looks at the configuration and files on disk as `scepd check` does and lists every finding. Changes nothing. An
    /// empty body checks all profiles.
    RunScepChecks = Post "/api/v1/admin/scep/checks" "runSCEPChecks", Admin, Scep,
        (Nothing, ChecksRequest) -> 200 ChecksReply: "The checks ran; see `ok` for how they ended.", [NotFound, Busy];
    /// List Intune's tenants
    ///
    /// How each tenant fares whose service is asked about challenges, and the revocations that it asks for.
    ListTenants = Get "/api/v1/admin/intune/tenants" "listTenants", Admin, Scep,
        (Nothing, Nothing) -> 200 TenantsReply: "All tenants, by id.", [Busy];
    /// Release revocations that are held
    ///
    /// Intune wants more certificates of the tenant revoked than its limits allow in a day. They are revoked within a
    /// minute, and Intune is told so.
    ReleaseRevocations = Post "/api/v1/admin/intune/tenants/{id}/revocations/release" "releaseRevocations", Admin, Scep,
        (Nothing, Nothing) -> 200 RevocationsDecided: "Released.", [NotFound, ConflictIf("No revocations of this tenant are held.")];
    /// Refuse revocations that are held
    ///
    /// None of them is revoked, and Intune is told so within a minute.
    RefuseRevocations = Post "/api/v1/admin/intune/tenants/{id}/revocations/refuse" "refuseRevocations", Admin, Scep,
        (Nothing, Nothing) -> 200 RevocationsDecided: "Refused.", [NotFound, ConflictIf("No revocations of this tenant are held.")];
    /// List requests that wait for approval
    ///
    /// Oldest first.
    ListScepRequests = Get "/api/v1/admin/scep/requests" "listSCEPRequests", Admin, Scep,
        (RequestQuery, Nothing) -> 200 List<PendingRequest>: "One page of waiting requests.", [Busy];
    /// Approve a waiting request
    ///
    /// Applies today's policy to the request and issues the certificate before it answers. The device fetches it at its
    /// next poll. When policy refuses, the answer is a 409 that says why, and the request goes on waiting.
    ApproveScepRequest = Post "/api/v1/admin/scep/requests/{id}/approve" "approveSCEPRequest", Admin, Scep,
        (Nothing, Decision) -> 200 DecisionReply: "Approved.",
        [NotFound, ConflictIf("It waits no more, is being decided on, or policy refuses it now; the message says which. Nothing has changed."), Busy];
    /// Deny a waiting request
    ///
    /// The device is refused the next time it asks.
    DenyScepRequest = Post "/api/v1/admin/scep/requests/{id}/deny" "denySCEPRequest", Admin, Scep,
        (Nothing, Decision) -> 200 DecisionReply: "Denied.", [NotFound, Conflict, Busy];
    /// Search issued certificates
    ///
    /// Newest first. Filters are combined with AND.
    ListCertificates = Get "/api/v1/admin/certificates" "listCertificates", Admin, Certificates,
        (CertificateQuery, Nothing) -> 200 List<Certificate>: "One page of certificates.", [];
    /// Show a certificate
    ///
    /// Everything the certificate says, and where it stands.
    ShowCertificate = Get "/api/v1/admin/certificates/{issuer_id}/{serial}" "showCertificate", Admin, Certificates,
        (Nothing, Nothing) -> 200 CertificateDetail: "The certificate.", [NotFound];
    /// Revoke a certificate
    ///
    /// Takes effect at once for renewals, GetCert, OCSP and the published CRL. Cannot be undone, unless the reason is
    /// `certificate_hold`: then the certificate can be released, or revoked for good.
    RevokeCertificate = Post "/api/v1/admin/certificates/{issuer_id}/{serial}/revoke" "revokeCertificate", Admin, Certificates,
        (Nothing, RevokeRequest) -> 200 RevokeReply: "Revoked.",
        [Accepted("The issuer, which is somewhere else, could not be asked. The order is kept, and tried until it is done."), NotFound, Conflict, Busy];
    /// Release a certificate from hold
    ///
    /// Takes back a revocation with the reason `certificate_hold`; the next CRL does not list the certificate.
    ReleaseCertificate = Post "/api/v1/admin/certificates/{issuer_id}/{serial}/release" "releaseCertificate", Admin, Certificates,
        (Nothing, ReleaseRequest) -> 200 ReleaseReply: "Released.", [NotFound, Conflict, Busy];
    /// Revoke or release many certificates
    ///
    /// All that the selection finds, or none, in one step with one audit event and one CRL; at most 50,000. A CA somewhere
    /// else is asked afterwards, certificate by certificate. Without `expected` nothing changes and the reply is a preview. With it, the change is made if there are still as many
    /// certificates as that, and refused with 409 otherwise.
    ChangeCertificates = Post "/api/v1/admin/certificates/bulk" "changeCertificates", Admin, Certificates,
        (Nothing, BulkRequest) -> 200 BulkReply: "What was done, or would be.", [Conflict, Busy];
    /// Download a certificate
    ///
    /// As an attachment named after the serial number.
    DownloadCertificate = Get "/api/v1/admin/certificates/{issuer_id}/{serial}/download" "downloadCertificate", Admin, Certificates,
        (DownloadQuery, Nothing) -> 200 File: "The file.", [NotFound];
    /// Show the story of a device or transaction
    ///
    /// Everything known, stage by stage, oldest first. What is given of `device`, `transaction_id`, `serial` and
    /// `common_name` is combined with AND; without any of them the story is empty.
    ShowTimeline = Get "/api/v1/admin/timeline" "showTimeline", Admin, Certificates,
        (TimelineQuery, Nothing) -> 200 Timeline: "The story; empty when nothing is known.", [];
    /// List audit events
    ///
    /// Newest first. Filters are combined with AND; an absent or empty one does not filter, but for `profile`.
    ListAuditEvents = Get "/api/v1/audit" "listAuditEvents", Admin, Audit,
        (AuditQuery, Nothing) -> 200 List<AuditEvent>: "One page of events.", [];
    /// Make a challenge
    ///
    /// For one device, or as many certificates as `uses` says. The challenge is in the reply and nowhere else. Needs
    /// the admin role, or the challenge role; a token that is limited to a profile makes challenges for its profile.
    /// 429 also when the profile has as many open ones as it may, or the caller had as many made within a minute.
    CreateChallenge = Post "/api/v1/challenges" "createChallenge", Challenge, Challenges,
        (Nothing, NewChallenge) -> 201 ChallengeCreated: "Made.", [NotFound, Conflict, Busy];
    /// List challenges
    ///
    /// Newest first, without their values; each is kept for a week after its end. Needs the admin role, or the
    /// challenge role; a token that is limited to a profile sees those of its profile.
    ListChallenges = Get "/api/v1/challenges" "listChallenges", Challenge, Challenges,
        (ChallengeQuery, Nothing) -> 200 Challenges: "The challenges, and how many each profile has.", [];
    /// Withdraw a challenge
    ///
    /// It is refused from the next request on. One that has ended already is a conflict.
    WithdrawChallenge = Delete "/api/v1/challenges/{id}" "withdrawChallenge", Challenge, Challenges,
        (Nothing, Nothing) -> 200 Challenge: "Withdrawn.", [NotFound, Conflict, Busy];
    /// List tokens
    ///
    /// Newest first, revoked ones too. Secrets are not kept and cannot be shown.
    ListTokens = Get "/api/v1/admin/tokens" "listTokens", Admin, Tokens,
        (Nothing, Nothing) -> 200 Tokens: "All tokens.", [];
    /// Make a token
    ///
    /// The secret is in the reply and nowhere else.
    CreateToken = Post "/api/v1/admin/tokens" "createToken", Admin, Tokens,
        (Nothing, NewToken) -> 201 TokenCreated: "Made.", [Conflict];
    /// Revoke a token
    ///
    /// Ends the token and every session made with it, at once.
    RevokeToken = Delete "/api/v1/admin/tokens/{id}" "revokeToken", Admin, Tokens,
        (Nothing, Nothing) -> 200 Token: "Revoked.", [NotFound, Conflict];
    /// Liveness
    ///
    /// Answers as long as the process serves requests. Open to anyone.
    ShowHealth = Get "/healthz" "showHealth", Public, Server,
        (Nothing, Nothing) -> 200 Health: "Alive.", [];
    /// Readiness
    ///
    /// Whether enrollments are answered. Open to anyone.
    ShowReadiness = Get "/readyz" "showReadiness", Public, Server,
        (Nothing, Nothing) -> 200 Readiness: "Ready.", [NotReady("Not ready.")];
    /// Prometheus metrics
    ///
    /// Open, or behind its own token or listener, as configured.
    ShowMetrics = Get "/metrics" "showMetrics", Metrics, Server,
        (Nothing, Nothing) -> 200 File: "Prometheus text format.", [];
}
