//! The admin API: request and reply types, the route table with permissions, and the OpenAPI document.
//!
//! * [`routes`]: every method and path, the permission it needs and its operation. A server matches
//!   exhaustively on [`Operation`], so a route that nobody answers does not compile.
//! * one module of types per subject: [`auth`], [`profiles`] (the card and the flat Intune row),
//!   [`audit`], [`certificates`], [`requests`], [`timeline`], [`checks`], [`challenges`], [`tokens`], [`about`].
//! * [`OPENAPI`]: the document that describes all of it, made of the table and the types: their comments are its
//!   descriptions. After a change of either, `cargo xtask openapi` writes it anew; a test fails until then.
//! * [`endpoints`]: what each operation takes and gives, as types. A handler that gives something else does not compile.
//!
//! JSON is snake_case; members stand in the order of the Rust fields; times are RFC 3339 in UTC
//! (see [`time`]). What is empty is left out where a field's documentation says so, never `null`.

pub mod about;
pub mod audit;
pub mod auth;
pub mod certificates;
pub mod challenges;
pub mod checks;
mod constant;
pub mod error;
pub mod list;
pub mod profiles;
pub mod requests;
pub mod routes;
pub mod tenants;
pub mod time;
pub mod timeline;
pub mod tokens;
mod whole_number;

pub use about::{About, Health, Readiness, ReadinessCheck};
pub use audit::{AuditDetails, AuditEvent, AuditQuery, Claim, CsrNames, Outcome};
pub use auth::{AuthCheck, CSRF_HEADER, SESSION_COOKIE, Session, SignIn};
pub use certificates::{
    BulkAction, BulkReply, BulkRequest, Certificate, CertificateDetail, CertificateQuery,
    CertificateSelection, CertificateStatus, DownloadFormat, DownloadQuery, Extension, MAX_SERIALS,
    ProfileCount, ReleaseReply, ReleaseRequest, RevocationReason, RevokeReply, RevokeRequest,
};
pub use challenges::{
    Challenge, ChallengeCounts, ChallengeCreated, ChallengeQuery, ChallengeState, Challenges,
    NewChallenge,
};
pub use checks::{CheckFinding, CheckLevel, ChecksReply, ChecksRequest};
pub use error::ErrorReply;
pub use list::{DEFAULT_PER_PAGE, List, MAX_PER_PAGE, Row};
pub use profiles::{
    Counters, Envelope, IntuneRow, IntuneSection, IssuerSection, Profile, ReloadTrustReply,
    ReloadTrustRequest, TrustAnchor,
};
pub use requests::{Decision, DecisionReply, PendingRequest, RequestQuery, RequestState};
pub use routes::{
    Also, Endpoint, File, Lookup, Method, Nothing, Operation, Permission, ROUTES, Route, Tag,
    Visitor, endpoints, lookup, visit,
};
pub use tenants::{
    HeldRevocation, RevocationsDecided, TenantHour, TenantRevocations, TenantStatus, TenantSweep,
    TenantTrouble, TenantsReply,
};
pub use timeline::{Stage, Timeline, TimelineEntry, TimelineQuery};
pub use tokens::{NewToken, Role, Token, TokenCreated, Tokens};

/// The OpenAPI 3.1 document, served at `/api/v1/openapi.yaml`.
pub const OPENAPI: &str = include_str!("../openapi.yaml");
