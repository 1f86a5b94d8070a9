//! The known keys, read off the structs themselves: a configuration with one of everything,
//! serialized, is the tree of all keys.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::{
    CertificateProfile, ChallengePassword, Config, Intune, IntuneTenant, Issuer, Profile, Tenant,
};

/// A tree of keys: a section is a map, a list of sections an array with one map, a setting anything else.
static TREE: LazyLock<Map<String, Value>> = LazyLock::new(|| {
    let one_of_everything = Config {
        issuers: vec![Issuer::default()],
        certificate_profiles: vec![CertificateProfile::default()],
        tenants: vec![Tenant::default()],
        profiles: vec![Profile {
            challenge_passwords: vec![ChallengePassword::default()],
            intune: Intune {
                tenant: vec![IntuneTenant::default()],
                ..Intune::default()
            },
            ..Profile::default()
        }],
        ..Config::default()
    };
    match serde_json::to_value(one_of_everything) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
});

/// The keys of the whole configuration.
pub(super) fn root() -> &'static Map<String, Value> {
    &TREE
}

/// The keys of one `[[profile]]`.
pub(super) fn profile() -> &'static Map<String, Value> {
    static NONE: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
    match node(root(), "profile") {
        Some(Node::Sections(map)) => map,
        _ => &NONE,
    }
}

/// The keys of one `[[tenant]]`.
pub(super) fn tenant() -> &'static Map<String, Value> {
    static NONE: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
    match node(root(), "tenant") {
        Some(Node::Sections(map)) => map,
        _ => &NONE,
    }
}

/// Paths of settings by their name in the environment (`INTUNE_ENABLED`).
type Paths = BTreeMap<String, Vec<String>>;

/// Settings of a profile by their name after `SCEPD_PROFILE_<NAME>_`.
pub(super) fn paths_of_profile() -> &'static Paths {
    static PATHS: LazyLock<Paths> = LazyLock::new(|| {
        let mut paths = Paths::new();
        collect(profile(), &[], &mut paths);
        paths.remove("PATH_ID");
        paths
    });
    &PATHS
}

/// Settings of a tenant by their name after `SCEPD_TENANT_<NAME>_`.
pub(super) fn paths_of_tenant() -> &'static Paths {
    static PATHS: LazyLock<Paths> = LazyLock::new(|| {
        let mut paths = Paths::new();
        collect(tenant(), &[], &mut paths);
        paths.remove("ID");
        paths
    });
    &PATHS
}

/// Settings outside the lists by their name after `SCEPD_`.
pub(super) fn paths_of_sections() -> &'static Paths {
    static PATHS: LazyLock<Paths> = LazyLock::new(|| {
        let mut paths = Paths::new();
        collect(root(), &[], &mut paths);
        paths
    });
    &PATHS
}

fn collect(section: &Map<String, Value>, above: &[String], paths: &mut Paths) {
    for key in section.keys() {
        let path: Vec<String> = above.iter().chain([key]).cloned().collect();
        match node(section, key) {
            Some(Node::Section(inner)) => collect(inner, &path, paths),
            Some(Node::Setting) => {
                paths.insert(path.join("_").to_ascii_uppercase(), path);
            }
            _ => {}
        }
    }
}

/// What a key leads to.
pub(super) enum Node<'a> {
    /// A section of its own.
    Section(&'a Map<String, Value>),
    /// A list of sections.
    Sections(&'a Map<String, Value>),
    /// A setting.
    Setting,
}

/// Looks a key up in a section.
pub(super) fn node<'a>(section: &'a Map<String, Value>, key: &str) -> Option<Node<'a>> {
    Some(match section.get(key)? {
        Value::Object(map) => Node::Section(map),
        Value::Array(items) => match items.first() {
            Some(Value::Object(map)) => Node::Sections(map),
            _ => Node::Setting,
        },
        _ => Node::Setting,
    })
}

/// The key of a section that is nearest to a wrong one, when any is near.
pub(crate) fn nearest<'a>(keys: impl IntoIterator<Item = &'a str>, wrong: &str) -> Option<String> {
    keys.into_iter()
        .map(|key| {
            (
                strsim::jaro_winkler(&wrong.to_ascii_lowercase(), &key.to_ascii_lowercase()),
                key,
            )
        })
        .filter(|(likeness, _)| *likeness >= 0.7)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, key)| key.to_owned())
}
