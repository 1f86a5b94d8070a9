//! The commented example file, and the proof that it is complete.

/// A TOML text that explains every key and shows its default.
pub const EXAMPLE: &str = include_str!("example.toml");

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use serde_json::{Map, Value};

    use super::super::schema::{self, Node};
    use super::super::{CertificateProfile, Config, Issuer, Profile, Sources, Tenant};
    use super::EXAMPLE;

    /// A section that an example leaves out, such as `#[[tenant]]`, counts as one.
    fn is_setting(line: &str) -> bool {
        line.starts_with("[[")
            || line.split_once(" = ").is_some_and(|(key, _)| {
                !key.is_empty()
                    && key
                        .chars()
                        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            })
    }

    /// The example with every commented setting switched on.
    fn everything() -> String {
        let on = |line: &str| match line.strip_prefix('#') {
            Some(setting) if is_setting(setting) => format!("{setting}\n"),
            _ => format!("{line}\n"),
        };
        EXAMPLE.lines().map(on).collect()
    }

    fn settings(known: &Map<String, Value>, section: &str, into: &mut BTreeSet<String>) {
        for key in known.keys() {
            let dotted = format!("{section}{key}");
            match schema::node(known, key) {
                Some(Node::Section(inner) | Node::Sections(inner)) => {
                    settings(inner, &format!("{dotted}."), into)
                }
                _ => {
                    into.insert(dotted);
                }
            }
        }
    }

    fn written(table: &toml::Table, section: &str, into: &mut BTreeSet<String>) {
        for (key, value) in table {
            let dotted = format!("{section}{key}");
            match value {
                toml::Value::Table(inner) => written(inner, &format!("{dotted}."), into),
                toml::Value::Array(items) if items.iter().any(toml::Value::is_table) => {
                    for item in items {
                        written(item.as_table().unwrap(), &format!("{dotted}."), into);
                    }
                }
                _ => {
                    into.insert(dotted);
                }
            }
        }
    }

    #[test]
    fn it_reads_as_printed_and_with_everything_on() {
        let config = Config::parse(EXAMPLE, "example").unwrap();
        assert_eq!(config.profiles.first().unwrap().path_id, "corp");
        Config::parse(&everything(), "example").unwrap();
    }

    #[test]
    fn it_has_every_key_and_no_other() {
        let (mut known, mut shown) = (BTreeSet::new(), BTreeSet::new());
        settings(schema::root(), "", &mut known);
        written(&toml::from_str(&everything()).unwrap(), "", &mut shown);
        assert_eq!(known, shown);
        assert!(known.len() > 100);
    }

    #[test]
    fn what_it_shows_as_default_is_the_default() {
        let defaults = Config {
            issuers: vec![Issuer::default()],
            certificate_profiles: vec![CertificateProfile::default()],
            tenants: vec![Tenant::default()],
            profiles: vec![Profile::default()],
            ..Config::default()
        };
        let defaults = serde_json::to_value(&defaults).unwrap();
        let mut place: Vec<String> = Vec::new();
        let mut comment = String::new();
        let mut compared = 0;
        for line in EXAMPLE.lines() {
            let left_out = line.strip_prefix('#').filter(|line| line.starts_with("[["));
            if let Some(section) = left_out.unwrap_or(line).strip_prefix('[') {
                place = section
                    .trim_matches(['[', ']'])
                    .split('.')
                    .map(str::to_owned)
                    .collect();
            } else if let Some(text) = line.strip_prefix("# ") {
                comment.push_str(text);
                continue;
            } else if let Some(setting) =
                line.strip_prefix('#').filter(|setting| is_setting(setting))
            {
                assert!(!comment.is_empty(), "no explanation: {line}");
                if !comment.contains("No default") {
                    let (key, value) = setting.split_once(" = ").unwrap();
                    let mut expected = &defaults;
                    for step in place.iter().map(String::as_str).chain([key]) {
                        let inner = expected.get(0).unwrap_or(expected);
                        expected = inner.get(step).unwrap();
                    }
                    let value: Value = serde_json::from_str(value).unwrap();
                    assert_eq!(&value, expected, "{line}");
                    compared += 1;
                }
            }
            comment.clear();
        }
        assert!(compared > 60, "{compared}");
    }

    fn example(name: &str) -> std::path::PathBuf {
        std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("docs/examples")
            .join(name)
    }

    #[test]
    fn the_example_configurations_are_read_without_a_word() {
        for name in ["one-fleet.toml", "many-fleets.toml", "from-certctl.toml"] {
            let sources = Sources {
                file: Some(example(name)),
                ..Sources::default()
            };
            let effective = sources.load().unwrap();
            assert_eq!(effective.notices, [], "{name}");
            for profile in &effective.config.profiles {
                let ids = effective.config.issuers.iter().map(|issuer| &issuer.id);
                assert!(
                    ids.into_iter().any(|id| *id == profile.issuer_id),
                    "{name}: {}",
                    profile.path_id
                );
                let ids = effective
                    .config
                    .certificate_profiles
                    .iter()
                    .map(|profile| &profile.id);
                assert!(
                    ids.into_iter().any(|id| *id == profile.profile_id),
                    "{name}: {}",
                    profile.path_id
                );
            }
        }
    }

    #[test]
    fn variables_of_certctl_and_the_example_beside_them_make_whole_profiles() {
        let variables = std::fs::read_to_string(example("from-certctl.env")).unwrap();
        let variables = variables.lines().filter_map(|line| line.split_once('='));
        let sources = Sources {
            file: Some(example("from-certctl.toml")),
            environment: variables
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            ..Sources::default()
        };
        let effective = sources.load().unwrap();
        assert_eq!(effective.notices.len(), 1, "{:?}", effective.notices);
        let [corp, iot] = effective.config.profiles.as_slice() else {
            unreachable!()
        };
        assert!(
            corp.intune.enabled && corp.challenge_password.is_some() && corp.ra_key_path.is_some()
        );
        assert!(!iot.intune.enabled && iot.challenge_password.is_some());
        for profile in [corp, iot] {
            assert!(
                effective
                    .config
                    .issuers
                    .iter()
                    .any(|issuer| issuer.id == profile.issuer_id)
            );
        }
    }
}
