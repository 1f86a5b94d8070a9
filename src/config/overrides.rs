//! Setting one key of a TOML tree from a text, as the environment and flags do.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Known};
use toml::{Table, Value};

use super::schema::{self, Node};
use super::{Config, Profile, Tenant};

/// The path of a setting below the whole configuration or below one profile.
pub(super) type Path<'a> = &'a [String];

/// What a section deserializes to: only used to try values.
#[derive(Clone, Copy)]
pub(super) enum Section {
    Whole,
    Profile,
    Tenant,
}

impl Section {
    /// Sets `path` below `table` to the first reading of `text` that fits the setting: a text, a
    /// whole number, a truth value, a list separated by commas.
    ///
    /// # Errors
    /// Why the text does not fit. Never quotes a secret.
    pub(super) fn set(self, table: &mut Table, path: Path<'_>, text: &str) -> Result<(), String> {
        let mut first_reason = None;
        for value in readings(text) {
            match self.try_alone(path, value.clone()) {
                Ok(()) => {
                    put(table, path, Some(value));
                    if let Some(counterpart) = self.counterpart(path) {
                        put(table, &counterpart, None);
                    }
                    return Ok(());
                }
                Err(reason) => first_reason = first_reason.or(Some(reason)),
            }
        }
        Err(first_reason.unwrap_or_else(|| "the value does not fit".to_owned()))
    }

    /// Deserializes a configuration that holds this value only.
    fn try_alone(self, path: Path<'_>, value: Value) -> Result<(), String> {
        let mut alone = Table::new();
        put(&mut alone, path, Some(value));
        match self {
            Self::Whole => fits::<Config>(alone),
            Self::Profile => fits::<Profile>(alone),
            Self::Tenant => fits::<Tenant>(alone),
        }
    }

    pub(super) fn known(self) -> &'static Map<String, Known> {
        match self {
            Self::Whole => schema::root(),
            Self::Profile => schema::profile(),
            Self::Tenant => schema::tenant(),
        }
    }

    /// `x_file` for the secret `x` and the other way round: setting one takes the other away.
    pub(super) fn counterpart(self, path: Path<'_>) -> Option<Vec<String>> {
        let (last, sections) = path.split_last()?;
        let mut known = self.known();
        for section in sections {
            known = match schema::node(known, section)? {
                Node::Section(map) => map,
                _ => return None,
            };
        }
        let other = match last.strip_suffix("_file") {
            Some(secret) => secret.to_owned(),
            None => format!("{last}_file"),
        };
        known
            .contains_key(&other)
            .then(|| sections.iter().cloned().chain([other]).collect())
    }
}

fn fits<T: DeserializeOwned>(alone: Table) -> Result<(), String> {
    alone
        .try_into::<T>()
        .map(drop)
        .map_err(|error| error.message().to_owned())
}

fn readings(text: &str) -> Vec<Value> {
    let mut readings = vec![Value::String(text.to_owned())];
    let trimmed = text.trim();
    if let Ok(number) = trimmed.parse::<i64>() {
        readings.push(Value::Integer(number));
    }
    match trimmed.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => readings.push(Value::Boolean(true)),
        "false" | "0" | "no" | "off" => readings.push(Value::Boolean(false)),
        _ => {}
    }
    let items = trimmed
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty());
    readings.push(
        items
            .map(|item| Value::String(item.to_owned()))
            .collect::<Vec<_>>()
            .into(),
    );
    readings
}

fn put(table: &mut Table, path: Path<'_>, value: Option<Value>) {
    match path {
        [] => {}
        [key] => match value {
            Some(value) => {
                table.insert(key.clone(), value);
            }
            None => {
                table.remove(key);
            }
        },
        [section, rest @ ..] => {
            let inner = table
                .entry(section.clone())
                .or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn set(path: &str, text: &str) -> Result<Config, String> {
        let mut table = Table::new();
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        Section::Whole.set(&mut table, &path, text)?;
        Ok(table.try_into().unwrap())
    }

    #[test]
    fn a_text_is_read_as_its_setting_needs_it() {
        assert_eq!(
            set("server.compute_threads", "4")
                .unwrap()
                .server
                .compute_threads,
            4
        );
        assert!(
            !set("server.scep_enabled", "false")
                .unwrap()
                .server
                .scep_enabled
        );
        assert!(!set("server.scep_enabled", "0").unwrap().server.scep_enabled);
        assert_eq!(
            set("admin.oidc.audience", "12")
                .unwrap()
                .admin
                .oidc
                .audience
                .as_deref(),
            Some("12")
        );
        assert_eq!(
            set("server.trusted_proxies", "10.0.0.0/8, ::1")
                .unwrap()
                .server
                .trusted_proxies
                .len(),
            2
        );
        assert_eq!(
            set("admin.oidc.admin_roles", "a")
                .unwrap()
                .admin
                .oidc
                .admin_roles,
            ["a"]
        );
        assert_eq!(
            set("server.http_listen", "off").unwrap().server.http_listen,
            None
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(
            set("server.scep_enabled", "maybe")
                .unwrap_err()
                .contains("bool")
        );
        assert!(
            set("server.header_timeout", "soon")
                .unwrap_err()
                .contains("not a duration")
        );
        assert!(
            set("server.http_listen", "8080")
                .unwrap_err()
                .contains("not an address")
        );
        assert!(set("store.cache_bytes", "-1").is_err());
    }

    #[test]
    fn a_secret_and_its_file_take_each_others_place() {
        let mut table: Table = toml::from_str("[admin]\nmetrics_token_file = '/a'").unwrap();
        Section::Whole
            .set(
                &mut table,
                &["admin".to_owned(), "metrics_token".to_owned()],
                "canary",
            )
            .unwrap();
        let config: Config = table.try_into().unwrap();
        assert!(config.admin.metrics_token.is_some() && config.admin.metrics_token_file.is_none());
        assert_eq!(
            Section::Profile.counterpart(&["challenge_password".to_owned()]),
            Some(vec!["challenge_password_file".to_owned()])
        );
        assert_eq!(
            Section::Profile.counterpart(&["ra_cert_path".to_owned()]),
            None
        );
    }
}
