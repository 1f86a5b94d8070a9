//! For every schema of the document: its Rust type, shown by a value that has everything and one
//! that has nothing it can do without.

use api::*;
use chrono::{DateTime, TimeZone, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::node::Node;

/// Reads a node as the type and writes it again.
pub(crate) type Round = fn(&Node) -> Result<Node, String>;

pub(crate) enum Shape {
    Object { full: Node, least: Node },
    Enumeration(Vec<Node>),
    Map,
}

pub(crate) struct Sample {
    pub(crate) schema: &'static str,
    pub(crate) shape: Shape,
    pub(crate) round: Round,
}

fn round<T: Serialize + DeserializeOwned>(node: &Node) -> Result<Node, String> {
    let text = serde_json::to_string(node).map_err(|e| e.to_string())?;
    let value: T = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    Ok(Node::of(&value))
}

fn object<T: Serialize + DeserializeOwned>(schema: &'static str, full: T, least: T) -> Sample {
    Sample {
        schema,
        shape: Shape::Object {
            full: Node::of(&full),
            least: Node::of(&least),
        },
        round: round::<T>,
    }
}

/// A type without optional members.
fn whole<T: Serialize + DeserializeOwned>(schema: &'static str, value: T) -> Sample {
    let node = Node::of(&value);
    Sample {
        schema,
        shape: Shape::Object {
            full: node.clone(),
            least: node,
        },
        round: round::<T>,
    }
}

fn enumeration<T: Serialize + DeserializeOwned>(schema: &'static str, all: &[T]) -> Sample {
    Sample {
        schema,
        shape: Shape::Enumeration(all.iter().map(Node::of).collect()),
        round: round::<T>,
    }
}

fn t() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 23, 12, 44, 40).unwrap()
}

fn s() -> String {
    "x".to_owned()
}

fn one<T>(data: T) -> List<T> {
    List {
        data: vec![data],
        total: 1,
        page: 1,
        per_page: 50,
    }
}

fn anchor(subject: &str) -> TrustAnchor {
    TrustAnchor {
        subject: subject.to_owned(),
        not_before: t(),
        not_after: t(),
        days_to_expiry: 1,
        expired: false,
    }
}

fn counters() -> Counters {
    [("success".to_owned(), 1)].into()
}

fn section(full: bool) -> IntuneSection {
    let some = |text: &str| if full { text.to_owned() } else { String::new() };
    IntuneSection {
        trust_anchor_path: some("x"),
        trust_anchors: if full { vec![anchor("x")] } else { Vec::new() },
        audience: some("x"),
        challenge_validity_ns: i64::from(full),
        clock_skew_tolerance_ns: i64::from(full),
        rate_limit_disabled: true,
        replay_cache_size: 1,
        counters: counters(),
    }
}

fn profile(full: bool) -> Profile {
    let some = |text: &str| if full { text.to_owned() } else { String::new() };
    Profile {
        path_id: s(),
        issuer_id: s(),
        challenge_password_set: true,
        ra_cert_subject: some("x"),
        ra_cert_not_before: t(),
        ra_cert_not_after: t(),
        ra_cert_days_to_expiry: 1,
        ra_cert_expired: false,
        mtls_enabled: true,
        mtls_trust_bundle_path: some("x"),
        generated_at: t(),
        intune: full.then(|| section(true)),
    }
}

fn request(full: bool) -> PendingRequest {
    PendingRequest {
        id: s(),
        profile: s(),
        issuer_id: s(),
        transaction_id: s(),
        subject: s(),
        common_name: s(),
        sans: if full { s() } else { String::new() },
        public_key: s(),
        renewal: true,
        device: full.then(s),
        source_ip: full.then(s),
        requested_at: t(),
        expires_at: full.then(t),
    }
}

fn certificate(full: bool) -> Certificate {
    Certificate {
        issuer_id: s(),
        serial: s(),
        profile: s(),
        common_name: s(),
        sans: if full { s() } else { String::new() },
        not_before: t(),
        not_after: t(),
        days_to_expiry: 1,
        issued_at: t(),
        status: CertificateStatus::Valid,
        transaction_id: full.then(s),
        device: full.then(s),
        revoked_at: full.then(t),
        revocation_reason: full.then_some(RevocationReason::Superseded),
    }
}

fn extension(full: bool) -> Extension {
    Extension {
        oid: s(),
        name: full.then(s),
        critical: true,
    }
}

fn claim() -> Claim {
    Claim {
        iss: Some(s()),
        sub: Some(s()),
        aud: Some(s()),
        iat: Some(1),
        exp: Some(1),
        nonce: Some(s()),
        device_name: Some(s()),
        san_dns: vec![s()],
        san_rfc822: vec![s()],
        san_upn: vec![s()],
    }
}

fn csr_names() -> CsrNames {
    CsrNames {
        device_name: vec![s()],
        san_dns: vec![s()],
        san_rfc822: vec![s()],
        san_upn: vec![s()],
        san_ip: vec![s()],
        san_uri: vec![s()],
        san_other: vec![s()],
    }
}

fn details() -> AuditDetails {
    AuditDetails {
        outcome: Some(Outcome::Failure),
        reason: Some(s()),
        message: Some(s()),
        profile: Some(s()),
        issuer_id: Some(s()),
        serial: Some(s()),
        common_name: Some(s()),
        sans: Some(s()),
        transaction_id: Some(s()),
        source_ip: Some(s()),
        user_agent: Some(s()),
        device: Some(s()),
        claim_issuer: Some(s()),
        claim: Some(claim()),
        csr: Some(csr_names()),
        note: Some(s()),
        request_id: Some(s()),
        extra: Default::default(),
    }
}

fn event() -> AuditEvent {
    AuditEvent {
        id: 1,
        timestamp: t(),
        actor: s(),
        actor_type: s(),
        action: s(),
        resource_type: s(),
        resource_id: s(),
        details: details(),
    }
}

fn entry(full: bool) -> TimelineEntry {
    TimelineEntry {
        timestamp: t(),
        stage: Stage::Issued,
        outcome: full.then_some(Outcome::Success),
        message: s(),
        profile: s(),
        serial: full.then(s),
        transaction_id: full.then(s),
        event: full.then(event),
    }
}

fn token(full: bool) -> Token {
    Token {
        id: s(),
        name: s(),
        role: Role::Admin,
        profile: full.then(s),
        created_at: t(),
        expires_at: full.then(t),
        last_used_at: full.then(t),
        revoked_at: full.then(t),
    }
}

fn challenge(full: bool) -> Challenge {
    Challenge {
        id: s(),
        profile: s(),
        state: ChallengeState::Open,
        interface: s(),
        created_by: s(),
        created_at: t(),
        expires_at: t(),
        uses: 1,
        used: 0,
        last_used_at: full.then(t),
        withdrawn_at: full.then(t),
        bound_to: full.then(s),
    }
}

fn challenge_counts() -> ChallengeCounts {
    ChallengeCounts {
        profile: s(),
        open: 1,
        max_open: 2,
        made: 3,
        used: 4,
        expired: 5,
        withdrawn: 6,
        refused: 7,
    }
}

fn challenges(full: bool) -> Challenges {
    Challenges {
        challenges: vec![challenge(true)],
        next: full.then_some(1),
        profiles: vec![challenge_counts()],
    }
}

fn new_challenge(full: bool) -> NewChallenge {
    NewChallenge {
        profile: s(),
        lifetime_seconds: full.then_some(1),
        uses: full.then_some(1),
        subject: full.then(s),
        sans: full.then(s),
        device: full.then(s),
        certificate_profile: full.then(s),
        note: full.then(s),
    }
}

fn finding(full: bool) -> CheckFinding {
    CheckFinding {
        level: CheckLevel::Error,
        profile: full.then(s),
        setting: full.then(s),
        file: full.then(s),
        message: s(),
        action: s(),
    }
}

fn readiness_check(full: bool) -> ReadinessCheck {
    ReadinessCheck {
        name: s(),
        ok: true,
        message: if full { s() } else { String::new() },
    }
}

fn session() -> Session {
    Session {
        user: s(),
        admin: true,
        actor_type: s(),
        csrf_token: s(),
        expires_at: t(),
    }
}

fn row(full: bool) -> IntuneRow {
    if full {
        IntuneRow::on(s(), s(), section(true), t())
    } else {
        IntuneRow::off(s(), s(), t())
    }
}

fn envelope<T>(entry: T) -> Envelope<T> {
    Envelope {
        profiles: vec![entry],
        profile_count: 1,
        generated_at: t(),
    }
}

/// Every schema of the document, in its order.
pub(crate) fn all() -> Vec<Sample> {
    let error = ErrorReply {
        error: s(),
        request_id: s(),
    };
    let about = About {
        name: s(),
        version: s(),
        openssl: s(),
        started_at: t(),
        now: t(),
    };
    let readiness = Readiness {
        ready: true,
        checks: vec![readiness_check(true)],
    };
    let checks = ChecksReply {
        ok: true,
        findings: vec![finding(true)],
        profiles_checked: 1,
        generated_at: t(),
    };
    let decision = DecisionReply {
        id: s(),
        state: RequestState::Denied,
        decided_by: s(),
        decided_at: t(),
    };
    let detail = CertificateDetail {
        certificate: certificate(true),
        subject: s(),
        issuer: s(),
        public_key: s(),
        key_usage: vec![s()],
        ext_key_usage: vec![s()],
        extensions: vec![extension(true)],
        sha256_fingerprint: s(),
        pem: s(),
    };
    let revoke_reply = RevokeReply {
        revoked: true,
        waits: Some(s()),
        issuer_id: s(),
        serial: s(),
        reason: RevocationReason::Unspecified,
        revoked_at: t(),
    };
    let selection = |all: bool| CertificateSelection {
        issuer_id: all.then(s),
        profile: all.then(s),
        device: all.then(s),
        q: all.then(s),
        issued_since: all.then(t),
        issued_before: all.then(t),
        revoked_at: all.then(t),
        serials: if all { vec![s()] } else { Vec::new() },
    };
    let bulk = |all: bool| BulkRequest {
        action: BulkAction::Revoke,
        selection: selection(all),
        reason: all.then_some(RevocationReason::Superseded),
        note: all.then(s),
        expected: all.then_some(3),
    };
    let bulk_reply = |all: bool| BulkReply {
        done: all,
        count: 1,
        profiles: vec![ProfileCount {
            profile: s(),
            count: 1,
        }],
        newest: vec![certificate(true)],
        at: all.then(t),
    };
    let release_reply = ReleaseReply {
        released: true,
        issuer_id: s(),
        serial: s(),
        released_at: t(),
    };
    let timeline = Timeline {
        entries: vec![entry(true)],
        certificates: vec![certificate(true)],
        truncated: false,
        generated_at: t(),
    };
    let new_token = |full: bool| NewToken {
        name: s(),
        role: Role::Viewer,
        profile: full.then(s),
        expires_in_days: full.then_some(1),
    };
    let created = TokenCreated {
        secret: s(),
        token: token(true),
    };
    let reload = ReloadTrustReply {
        reloaded: true,
        path_id: s(),
        reloaded_at: t(),
    };
    vec![
        whole("Error", error),
        whole(
            "AuthCheck",
            AuthCheck::authenticated(s(), true, "APIKey".into()),
        ),
        whole("SignIn", SignIn { token: s() }),
        whole("Session", session()),
        whole("About", about),
        whole("Health", Health { status: s() }),
        whole("Readiness", readiness),
        object(
            "ReadinessCheck",
            readiness_check(true),
            readiness_check(false),
        ),
        whole("ProfileList", envelope(profile(true))),
        object("Profile", profile(true), profile(false)),
        object("IntuneSection", section(true), section(false)),
        object("TrustAnchor", anchor("x"), anchor("")),
        Sample {
            schema: "Counters",
            shape: Shape::Map,
            round: round::<Counters>,
        },
        whole("IntuneStats", envelope(row(true))),
        object("IntuneRow", row(true), row(false)),
        optional("ReloadTrustRequest", ReloadTrustRequest { path_id: s() }),
        whole("ReloadTrustReply", reload),
        optional("ChecksRequest", ChecksRequest { profile: Some(s()) }),
        whole("ChecksReply", checks),
        enumeration("CheckLevel", &[CheckLevel::Error, CheckLevel::Warning]),
        object("CheckFinding", finding(true), finding(false)),
        whole("PendingRequestList", one(request(true))),
        object("PendingRequest", request(true), request(false)),
        optional("Decision", Decision { note: Some(s()) }),
        enumeration(
            "RequestState",
            &[RequestState::Approved, RequestState::Denied],
        ),
        whole("DecisionReply", decision),
        enumeration(
            "CertificateStatus",
            &[
                CertificateStatus::Valid,
                CertificateStatus::Expired,
                CertificateStatus::Revoked,
            ],
        ),
        whole("CertificateList", one(certificate(true))),
        object("Certificate", certificate(true), certificate(false)),
        whole("CertificateDetail", detail),
        object("Extension", extension(true), extension(false)),
        enumeration(
            "RevocationReason",
            &[
                RevocationReason::Unspecified,
                RevocationReason::KeyCompromise,
                RevocationReason::CaCompromise,
                RevocationReason::AffiliationChanged,
                RevocationReason::Superseded,
                RevocationReason::CessationOfOperation,
                RevocationReason::PrivilegeWithdrawn,
                RevocationReason::CertificateHold,
            ],
        ),
        optional("ReleaseRequest", ReleaseRequest { note: Some(s()) }),
        whole("ReleaseReply", release_reply),
        enumeration("BulkAction", &[BulkAction::Revoke, BulkAction::Release]),
        optional("CertificateSelection", selection(true)),
        object("BulkRequest", bulk(true), bulk(false)),
        whole(
            "ProfileCount",
            ProfileCount {
                profile: s(),
                count: 1,
            },
        ),
        object("BulkReply", bulk_reply(true), bulk_reply(false)),
        optional(
            "RevokeRequest",
            RevokeRequest {
                reason: RevocationReason::Superseded,
                note: Some(s()),
            },
        ),
        whole("RevokeReply", revoke_reply),
        whole("Timeline", timeline),
        enumeration(
            "Stage",
            &[
                Stage::Refused,
                Stage::Pending,
                Stage::Asked,
                Stage::Approved,
                Stage::Denied,
                Stage::Lapsed,
                Stage::Issued,
                Stage::Renewed,
                Stage::Revoked,
                Stage::Expires,
                Stage::Other,
            ],
        ),
        object("TimelineEntry", entry(true), entry(false)),
        enumeration(
            "Outcome",
            &[Outcome::Success, Outcome::Failure, Outcome::Pending],
        ),
        whole("AuditEventList", one(event())),
        whole("AuditEvent", event()),
        object("AuditDetails", details(), AuditDetails::default()),
        object("Claim", claim(), Claim::default()),
        object("CsrNames", csr_names(), CsrNames::default()),
        enumeration(
            "ChallengeState",
            &[
                ChallengeState::Open,
                ChallengeState::Used,
                ChallengeState::Expired,
                ChallengeState::Withdrawn,
            ],
        ),
        object("Challenges", challenges(true), challenges(false)),
        object("Challenge", challenge(true), challenge(false)),
        whole("ChallengeCounts", challenge_counts()),
        object("NewChallenge", new_challenge(true), new_challenge(false)),
        whole(
            "ChallengeCreated",
            ChallengeCreated {
                challenge: s(),
                details: challenge(true),
            },
        ),
        enumeration("Role", &[Role::Admin, Role::Viewer, Role::Challenge]),
        whole(
            "Tokens",
            Tokens {
                tokens: vec![token(true)],
            },
        ),
        object("Token", token(true), token(false)),
        object("NewToken", new_token(true), new_token(false)),
        whole("TokenCreated", created),
    ]
}

/// A request body that may also be `{}`.
fn optional<T: Serialize + DeserializeOwned>(schema: &'static str, full: T) -> Sample {
    let nothing = Node::Map(Vec::new());
    round::<T>(&nothing).unwrap();
    Sample {
        schema,
        shape: Shape::Object {
            full: Node::of(&full),
            least: nothing,
        },
        round: round::<T>,
    }
}
