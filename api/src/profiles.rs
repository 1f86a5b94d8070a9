//! SCEP profiles: the profile card, the flat Intune row, and the trust-anchor reload.
//!
//! [`IntuneRow`] is read by programs outside this project: members, order and omissions are fixed.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{ArrayBuilder, KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Enrollment outcomes by label. A sorted map, so keys are written alphabetically; empty where
/// Intune is off.
pub type Counters = BTreeMap<String, u64>;

/// Reply of the two profile lists: `T` is [`Profile`] or [`IntuneRow`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope<T> {
    /// One entry a profile, in path id order; `[]` when there is none.
    pub profiles: Vec<T>,
    /// How many entries `profiles` has.
    pub profile_count: usize,
    /// When the server put this together.
    #[serde(with = "crate::time")]
    pub generated_at: DateTime<Utc>,
}

/// What an [`Envelope`] may hold.
pub trait Enveloped: ToSchema {
    /// What the OpenAPI document calls the reply.
    const REPLY: &'static str;
    /// What the reply is, in words.
    const WORDS: &'static str;
    /// What each entry is, in words.
    const ENTRY: &'static str;
}

impl Enveloped for Profile {
    const REPLY: &'static str = "ProfileList";
    const WORDS: &'static str = "All SCEP profiles.";
    const ENTRY: &'static str = "One entry a profile, in path id order.";
}

impl Enveloped for IntuneRow {
    const REPLY: &'static str = "IntuneStats";
    const WORDS: &'static str = "Intune state of all SCEP profiles.";
    const ENTRY: &'static str = "One row a profile, in path id order.";
}

impl<T: Enveloped> PartialSchema for Envelope<T> {
    fn schema() -> RefOr<Schema> {
        let entries = ArrayBuilder::new()
            .items(Ref::from_schema_name(T::name()))
            .description(Some(T::ENTRY));
        let count = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(0_u64))
            .description(Some("How many entries `profiles` has."));
        let generated_at = ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .description(Some("When the server put this together."));
        ObjectBuilder::new()
            .description(Some(T::WORDS))
            .property("profiles", entries)
            .property("profile_count", count)
            .property("generated_at", generated_at)
            .required("profiles")
            .required("profile_count")
            .required("generated_at")
            .into()
    }
}

impl<T: Enveloped> ToSchema for Envelope<T> {
    fn name() -> Cow<'static, str> {
        T::REPLY.into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
}

/// One SCEP profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Profile {
    /// The last part of the profile's URL; empty for the profile at `/scep` itself. Always present.
    pub path_id: String,
    /// The issuer that signs for this profile.
    pub issuer_id: String,
    /// How that issuer is, where it is somewhere else. Omitted for a CA of this server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<IssuerSection>,
    /// Whether a static challenge password is configured. The value is never shown.
    pub challenge_password_set: bool,
    /// Common name of the RA certificate. Omitted when it has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ra_cert_subject: String,
    /// Start of the RA certificate's validity.
    #[serde(with = "crate::time")]
    pub ra_cert_not_before: DateTime<Utc>,
    /// End of the RA certificate's validity.
    #[serde(with = "crate::time")]
    pub ra_cert_not_after: DateTime<Utc>,
    /// Whole days left, rounded down; negative once expired.
    pub ra_cert_days_to_expiry: i64,
    /// Whether the RA certificate's validity is over.
    pub ra_cert_expired: bool,
    /// Whether `/scep-mtls/<path_id>` is served.
    pub mtls_enabled: bool,
    /// File with the client CAs of the mTLS endpoint. Omitted when empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mtls_trust_bundle_path: String,
    /// When this state was read.
    #[serde(with = "crate::time")]
    pub generated_at: DateTime<Utc>,
    /// Intune state of signed challenges. Omitted when they are off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intune: Option<IntuneSection>,
    /// Ids of the tenants whose service is asked about challenges. Omitted when there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub intune_tenants: Vec<String>,
}

/// An issuer somewhere else, as of the last call to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IssuerSection {
    /// The kind, as `[[issuer]] type` has it.
    pub kind: String,
    /// Whether it did what it was asked at least once since the server started.
    pub reached: bool,
    /// Whole seconds since it last did; since the server started where it never did.
    pub silent_for_seconds: u64,
    /// Why the last call failed. Omitted when it did not. Devices wait (PENDING) as long as it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// How many enrollments of this profile wait for it now, whether it answers or not. Those of other profiles that have the
    /// same issuer are counted there.
    pub waiting: u64,
    /// Whether it can be asked to revoke.
    pub revokes: bool,
}

/// The Intune part of a profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IntuneSection {
    /// File with the connector's certificates. Omitted when empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub trust_anchor_path: String,
    /// The certificates in use now. Omitted when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trust_anchors: Vec<TrustAnchor>,
    /// Expected `aud` claim. Omitted when none is demanded.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub audience: String,
    /// Longest age of a challenge in nanoseconds. Omitted when zero (no limit of its own).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub challenge_validity_ns: i64,
    /// Allowed difference between the clocks in nanoseconds. Omitted when zero.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub clock_skew_tolerance_ns: i64,
    /// Whether the limit on enrollments per device and 24 hours is off.
    pub rate_limit_disabled: bool,
    /// Challenges remembered so that none is used twice.
    pub replay_cache_size: u64,
    /// Outcomes by label, all eleven.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub counters: Counters,
}

/// Intune state of one profile, flat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IntuneRow {
    /// As in `Profile`.
    pub path_id: String,
    /// As in `Profile`.
    pub issuer_id: String,
    /// Whether Intune is on for this profile.
    pub enabled: bool,
    /// As in `IntuneSection`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub trust_anchor_path: String,
    /// As in `IntuneSection`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trust_anchors: Vec<TrustAnchor>,
    /// As in `IntuneSection`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub audience: String,
    /// As in `IntuneSection`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub challenge_validity_ns: i64,
    /// As in `IntuneSection`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub clock_skew_tolerance_ns: i64,
    /// As in `IntuneSection`; false where Intune is off.
    pub rate_limit_disabled: bool,
    /// As in `IntuneSection`; 0 where Intune is off.
    pub replay_cache_size: u64,
    /// As in `IntuneSection`; empty where Intune is off.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub counters: Counters,
    /// When this state was read.
    #[serde(with = "crate::time")]
    pub generated_at: DateTime<Utc>,
}

impl IntuneRow {
    /// The row of a profile with Intune off.
    pub fn off(path_id: String, issuer_id: String, generated_at: DateTime<Utc>) -> Self {
        Self {
            path_id,
            issuer_id,
            enabled: false,
            trust_anchor_path: String::new(),
            trust_anchors: Vec::new(),
            audience: String::new(),
            challenge_validity_ns: 0,
            clock_skew_tolerance_ns: 0,
            rate_limit_disabled: false,
            replay_cache_size: 0,
            counters: Counters::new(),
            generated_at,
        }
    }

    /// The row of a profile with Intune on.
    pub fn on(
        path_id: String,
        issuer_id: String,
        section: IntuneSection,
        generated_at: DateTime<Utc>,
    ) -> Self {
        Self {
            path_id,
            issuer_id,
            enabled: true,
            trust_anchor_path: section.trust_anchor_path,
            trust_anchors: section.trust_anchors,
            audience: section.audience,
            challenge_validity_ns: section.challenge_validity_ns,
            clock_skew_tolerance_ns: section.clock_skew_tolerance_ns,
            rate_limit_disabled: section.rate_limit_disabled,
            replay_cache_size: section.replay_cache_size,
            counters: section.counters,
            generated_at,
        }
    }
}

/// A certificate that challenges may be signed with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrustAnchor {
    /// Its common name. Omitted when it has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// Start of its validity.
    #[serde(with = "crate::time")]
    pub not_before: DateTime<Utc>,
    /// End of its validity.
    #[serde(with = "crate::time")]
    pub not_after: DateTime<Utc>,
    /// Whole days left, rounded down; negative once expired.
    pub days_to_expiry: i64,
    /// Whether its validity is over.
    pub expired: bool,
}

/// Whose trust anchors to read again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReloadTrustRequest {
    /// The profile; empty or absent is the root profile.
    #[serde(default)]
    #[schema(default = "")]
    pub path_id: String,
}

/// A reload that worked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReloadTrustReply {
    /// Always true: a failure is an error reply.
    #[schema(schema_with = crate::constant::yes)]
    pub reloaded: bool,
    /// The profile whose anchors were read again.
    pub path_id: String,
    /// When the new anchors came into use.
    #[serde(with = "crate::time")]
    pub reloaded_at: DateTime<Utc>,
}

/// Whole days from `now` to `not_after`, rounded down (negative when past), as every
/// `days_to_expiry` is counted.
pub fn days_to_expiry(not_after: DateTime<Utc>, now: DateTime<Utc>) -> i64 {
    (not_after.timestamp())
        .saturating_sub(now.timestamp())
        .div_euclid(86_400)
}

fn is_zero(value: &i64) -> bool {
    *value == 0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use chrono::TimeZone;

    fn at(day: u32) -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 11, day, 0, 0, 0).unwrap()
    }

    #[test]
    fn a_row_with_intune_off_has_just_these_members() {
        let row = IntuneRow::off("iot".into(), "local".into(), at(23));
        assert_eq!(
            serde_json::to_string(&row).unwrap(),
            r#"{"path_id":"iot","issuer_id":"local","enabled":false,"rate_limit_disabled":false,"replay_cache_size":0,"counters":{},"generated_at":"2026-11-23T00:00:00Z"}"#
        );
    }

    #[test]
    fn a_row_with_intune_on_has_these_members_in_this_order() {
        let section = IntuneSection {
            trust_anchor_path: "/etc/scepd/connector.pem".into(),
            trust_anchors: vec![TrustAnchor {
                subject: "Connector".into(),
                not_before: at(1),
                not_after: at(30),
                days_to_expiry: 7,
                expired: false,
            }],
            audience: "https://scep.example/scep/corp".into(),
            challenge_validity_ns: 3_600_000_000_000,
            clock_skew_tolerance_ns: 60_000_000_000,
            rate_limit_disabled: false,
            replay_cache_size: 12,
            counters: [("success", 3), ("expired", 1), ("claim_mismatch", 0)]
                .map(|(label, n)| (label.to_owned(), n))
                .into(),
        };
        let row = IntuneRow::on("corp".into(), "local".into(), section, at(23));
        assert_eq!(
            serde_json::to_string(&row).unwrap(),
            concat!(
                r#"{"path_id":"corp","issuer_id":"local","enabled":true,"trust_anchor_path":"/etc/scepd/connector.pem","#,
                r#""trust_anchors":[{"subject":"Connector","not_before":"2026-11-01T00:00:00Z","not_after":"2026-11-30T00:00:00Z","days_to_expiry":7,"expired":false}],"#,
                r#""audience":"https://scep.example/scep/corp","challenge_validity_ns":3600000000000,"clock_skew_tolerance_ns":60000000000,"#,
                r#""rate_limit_disabled":false,"replay_cache_size":12,"counters":{"claim_mismatch":0,"expired":1,"success":3},"generated_at":"2026-11-23T00:00:00Z"}"#
            )
        );
    }

    #[test]
    fn a_profile_without_intune_or_mtls_omits_what_is_empty() {
        let profile = Profile {
            path_id: String::new(),
            issuer_id: "local".into(),
            issuer: None,
            challenge_password_set: true,
            ra_cert_subject: "scepd RA".into(),
            ra_cert_not_before: at(1),
            ra_cert_not_after: at(24),
            ra_cert_days_to_expiry: 1,
            ra_cert_expired: false,
            mtls_enabled: false,
            mtls_trust_bundle_path: String::new(),
            generated_at: at(23),
            intune: None,
            intune_tenants: Vec::new(),
        };
        assert_eq!(
            serde_json::to_string(&profile).unwrap(),
            concat!(
                r#"{"path_id":"","issuer_id":"local","challenge_password_set":true,"ra_cert_subject":"scepd RA","#,
                r#""ra_cert_not_before":"2026-11-01T00:00:00Z","ra_cert_not_after":"2026-11-24T00:00:00Z","#,
                r#""ra_cert_days_to_expiry":1,"ra_cert_expired":false,"mtls_enabled":false,"generated_at":"2026-11-23T00:00:00Z"}"#
            )
        );
    }

    #[test]
    fn days_are_floored() {
        let end = at(23);
        let left = |seconds| days_to_expiry(end, end - chrono::Duration::seconds(seconds));
        assert_eq!(
            [left(86_400), left(86_399), left(0), left(-1), left(-86_401)],
            [1, 0, 0, -1, -2]
        );
    }
}
