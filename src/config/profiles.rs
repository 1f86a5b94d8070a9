//! The `[[profile]]` tables of a TOML tree, found by path id.

use toml::{Table, Value};

use super::overrides::Section;

/// The profiles, taken out of the tree while they are changed.
pub(super) struct Profiles(Vec<Table>);

impl Profiles {
    pub(super) fn take_from(tree: &mut Table) -> Self {
        let Some(Value::Array(items)) = tree.remove("profile") else {
            return Self(Vec::new());
        };
        let tables = items.into_iter().filter_map(|item| match item {
            Value::Table(table) => Some(table),
            _ => None,
        });
        Self(tables.collect())
    }

    pub(super) fn put_into(self, tree: &mut Table) {
        if !self.0.is_empty() {
            tree.insert(
                "profile".to_owned(),
                self.0
                    .into_iter()
                    .map(Value::Table)
                    .collect::<Vec<_>>()
                    .into(),
            );
        }
    }

    pub(super) fn find(&mut self, path_id: &str) -> Option<&mut Table> {
        self.0.iter_mut().find(|profile| id(profile) == path_id)
    }

    /// The profile of that path id, made when there is none.
    pub(super) fn ensure(&mut self, path_id: &str) -> &mut Table {
        let place = self
            .0
            .iter()
            .position(|profile| id(profile) == path_id)
            .unwrap_or_else(|| {
                let path_id = ("path_id".to_owned(), Value::String(path_id.to_owned()));
                self.0.push(Table::from_iter([path_id]));
                self.0.len() - 1
            });
        // In range: found or just pushed.
        &mut self.0[place]
    }

    /// The profile whose name, upper-cased and with `_` for `-`, starts `<NAME>_<KEY>`, and the
    /// key. Of several the longest name that leaves a setting: with the profiles `corp` and
    /// `corp-intune`, `CORP_INTUNE_ENABLED` is `intune.enabled` of `corp`. Where none leaves a
    /// setting, the longest.
    pub(super) fn named_by_variable<'a>(&mut self, rest: &'a str) -> Option<(&mut Table, &'a str)> {
        let settings = super::schema::paths_of_profile();
        let (place, key) = self
            .0
            .iter()
            .enumerate()
            .filter_map(|(place, profile)| {
                let name = id(profile).to_ascii_uppercase().replace('-', "_");
                let key = rest.strip_prefix(&name)?.strip_prefix('_')?;
                (!name.is_empty()).then_some((place, key))
            })
            .min_by_key(|(_, key)| (!settings.contains_key(*key), key.len()))?;
        Some((self.0.get_mut(place)?, key))
    }
}

fn id(profile: &Table) -> &str {
    profile
        .get("path_id")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Sets `key` from a dotted flag, `server.https_listen` or `profile.<path_id>.intune.enabled`
/// (`profile.(root).…` for the root profile).
///
/// # Errors
/// What is wrong with the key or the value.
pub(super) fn set_dotted(tree: &mut Table, key: &str, value: &str) -> Result<(), String> {
    let path: Vec<String> = key.split('.').map(str::to_owned).collect();
    match path.as_slice() {
        [profile, path_id, rest @ ..] if profile == "profile" => {
            let path_id = if path_id == "(root)" { "" } else { path_id };
            known(Section::Profile, rest)?;
            let mut profiles = Profiles::take_from(tree);
            let outcome = match profiles.find(path_id) {
                Some(profile) => Section::Profile.set(profile, rest, value),
                None => Err(format!("there is no profile `{path_id}`")),
            };
            profiles.put_into(tree);
            outcome
        }
        path => {
            known(Section::Whole, path)?;
            Section::Whole.set(tree, path, value)
        }
    }
}

fn known(section: Section, path: &[String]) -> Result<(), String> {
    use super::schema::{self, Node};
    let mut keys = section.known();
    for (depth, key) in path.iter().enumerate() {
        match (schema::node(keys, key), depth + 1 == path.len()) {
            (Some(Node::Setting), true) => return Ok(()),
            (Some(Node::Section(inner)), false) => keys = inner,
            _ => {
                let hint = schema::nearest(keys.keys().map(String::as_str), key)
                    .filter(|nearest| nearest != key)
                    .map(|nearest| format!("; did you mean `{nearest}`?"));
                return Err(format!("unknown key `{key}`{}", hint.unwrap_or_default()));
            }
        }
    }
    Err("a key is missing".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Config;
    use super::*;

    #[test]
    fn flags_reach_sections_and_profiles() {
        let mut tree: Table = toml::from_str("[[profile]]\npath_id='corp'\n[[profile]]\n").unwrap();
        set_dotted(&mut tree, "server.https_listen", "127.0.0.1:0").unwrap();
        set_dotted(&mut tree, "profile.corp.intune.enabled", "true").unwrap();
        set_dotted(&mut tree, "profile.(root).issuer_id", "x").unwrap();
        let config: Config = tree.try_into().unwrap();
        assert_eq!(config.server.https_listen.port(), 0);
        let [corp, root] = config.profiles.as_slice() else {
            unreachable!()
        };
        assert!(corp.intune.enabled);
        assert_eq!(root.issuer_id, "x");
    }

    #[test]
    fn wrong_flags_say_what_is_near() {
        let mut tree = Table::new();
        assert!(
            set_dotted(&mut tree, "server.htps_listen", "x")
                .unwrap_err()
                .contains("did you mean")
        );
        assert!(
            set_dotted(&mut tree, "profile.corp.crypto", "modern")
                .unwrap_err()
                .contains("no profile")
        );
        assert!(set_dotted(&mut tree, "server", "x").is_err());
        assert!(set_dotted(&mut tree, "profile.corp", "x").is_err());
        assert!(set_dotted(&mut tree, "issuer.id", "x").is_err());
        assert!(tree.is_empty());
    }
}
