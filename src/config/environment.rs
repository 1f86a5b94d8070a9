//! The environment: `SCEPD_<SECTION>_<KEY>`, `SCEPD_PROFILE_<NAME>_<KEY>`, `SCEPD_TENANT_<ID>_<KEY>`, the flat form for a
//! single profile, and the same variables under the names that certctl gave them.

use std::collections::BTreeMap;

use toml::Table;

use super::overrides::Section;
use super::profiles::Profiles;
use super::{Error, Notice, schema};

const PREFIX: &str = "SCEPD_";
const CERTCTL: &str = "CERTCTL_SCEP_";
/// Settings that make the root profile when given without a profile's name.
const FLAT: [&str; 6] = [
    "CHALLENGE_PASSWORD",
    "CHALLENGE_PASSWORD_FILE",
    "RA_CERT_PATH",
    "RA_KEY_PATH",
    "ISSUER_ID",
    "PROFILE_ID",
];
/// Variables with this prefix that are no settings: those of flags, of tests, and what Kubernetes
/// sets for a service called `scepd`.
const NOT_SETTINGS: [&str; 3] = ["CONFIG", "CHALLENGE", "BIN"];
const KUBERNETES: [&str; 2] = ["SERVICE_", "PORT_"];

/// A variable of the family: its name as given, and its value.
struct Variable {
    given_as: String,
    value: String,
}

/// What reading the environment gathered besides the settings themselves.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) notices: Vec<Notice>,
    pub(super) errors: Vec<Error>,
}

/// Sets what the variables say in `tree`.
pub(super) fn apply(variables: &[(String, String)], tree: &mut Table) -> Gathered {
    let mut gathered = Gathered::default();
    let variables = family(variables, &mut gathered.notices);
    conflicts(&variables, &mut gathered.errors);
    let mut profiles = Profiles::take_from(tree);
    let list = variables.get("PROFILES").map(|list| names(&list.value));
    for name in list.iter().flatten() {
        profiles.ensure(name);
    }
    for (key, variable) in &variables {
        let outcome = match key.as_str() {
            "PROFILES" => Ok(None),
            "ENABLED" => set_whole(tree, &["server", "scep_enabled"], variable).map(|()| None),
            key if FLAT.contains(&key) && list.is_some() => Ok(Some(format!(
                "{} is ignored, because SCEPD_PROFILES names the profiles",
                variable.given_as
            ))),
            key if FLAT.contains(&key) => {
                set_profile(profiles.ensure(""), key, variable).map(|()| None)
            }
            key => match (key.strip_prefix("PROFILE_"), key.strip_prefix("TENANT_")) {
                (Some(rest), _) => set_named_profile(&mut profiles, rest, variable),
                (None, Some(rest)) => set_named_tenant(tree, rest, variable),
                (None, None) => set_section(tree, key, variable),
            },
        };
        match outcome {
            Ok(None) => {}
            Ok(Some(warning)) => gathered.notices.push(Notice::warn(warning)),
            Err(message) => {
                gathered.errors.push(Error::Override {
                    source_name: variable.given_as.clone(),
                    message,
                });
            }
        }
    }
    profiles.put_into(tree);
    gathered
}

/// The variables of our family by their name without prefix. Empty values count as not set.
fn family(variables: &[(String, String)], notices: &mut Vec<Notice>) -> BTreeMap<String, Variable> {
    let mut family = BTreeMap::new();
    let mut from_certctl = 0_usize;
    for (prefix, certctl) in [(CERTCTL, true), (PREFIX, false)] {
        for (name, value) in variables {
            let Some(key) = name
                .strip_prefix(prefix)
                .filter(|_| !value.trim().is_empty())
            else {
                continue;
            };
            let kubernetes =
                key == "PORT" || KUBERNETES.iter().any(|prefix| key.starts_with(prefix));
            if NOT_SETTINGS.contains(&key) || (!certctl && kubernetes) {
                continue;
            }
            from_certctl += usize::from(certctl);
            family.insert(
                key.to_owned(),
                Variable {
                    given_as: name.clone(),
                    value: value.clone(),
                },
            );
        }
    }
    if from_certctl > 0 {
        notices.push(Notice::info(format!(
            "{from_certctl} variables named {CERTCTL}* are read as {PREFIX}*; rename them when it suits you"
        )));
    }
    family
}

/// A secret and its file, both given.
fn conflicts(variables: &BTreeMap<String, Variable>, errors: &mut Vec<Error>) {
    for (key, variable) in variables {
        if let Some(secret) = key
            .strip_suffix("_FILE")
            .and_then(|secret| variables.get(secret))
        {
            errors.push(Error::Override {
                source_name: variable.given_as.clone(),
                message: format!("{} is set as well; keep one of the two", secret.given_as),
            });
        }
    }
}

fn names(list: &str) -> Vec<String> {
    list.split(',')
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| !name.is_empty())
        .collect()
}

fn set_whole(tree: &mut Table, path: &[&str], variable: &Variable) -> Result<(), String> {
    let path: Vec<String> = path.iter().map(|&key| key.to_owned()).collect();
    Section::Whole.set(tree, &path, &variable.value)
}

fn set_profile(profile: &mut Table, key: &str, variable: &Variable) -> Result<(), String> {
    match schema::paths_of_profile().get(key) {
        Some(path) => Section::Profile.set(profile, path, &variable.value),
        None => Err("no such setting of a profile".to_owned()),
    }
}

/// `rest` is `<NAME>_<KEY>`.
fn set_named_profile(
    profiles: &mut Profiles,
    rest: &str,
    variable: &Variable,
) -> Result<Option<String>, String> {
    let Some((profile, key)) = profiles.named_by_variable(rest) else {
        return Ok(Some(format!(
            "{} is ignored: it names no profile that SCEPD_PROFILES or the file has",
            variable.given_as
        )));
    };
    match schema::paths_of_profile().get(key) {
        Some(path) => Section::Profile
            .set(profile, path, &variable.value)
            .map(|()| None),
        None => Ok(Some(unknown(
            variable,
            key,
            schema::paths_of_profile().keys(),
        ))),
    }
}

/// `rest` is `<ID>_<KEY>` of a tenant that the file has, its id upper-cased and with `_` for `-`. Of several the longest id
/// that leaves a setting.
fn set_named_tenant(
    tree: &mut Table,
    rest: &str,
    variable: &Variable,
) -> Result<Option<String>, String> {
    let settings = schema::paths_of_tenant();
    let tenants = tree.get_mut("tenant").and_then(toml::Value::as_array_mut);
    let named = tenants.into_iter().flatten().filter_map(|tenant| {
        let tenant = tenant.as_table_mut()?;
        let id = tenant.get("id")?.as_str()?;
        let id = id.to_ascii_uppercase().replace('-', "_");
        let key = rest.strip_prefix(&id)?.strip_prefix('_')?;
        (!id.is_empty()).then_some((tenant, key))
    });
    let found = named.min_by_key(|(_, key)| (!settings.contains_key(*key), key.len()));
    let Some((tenant, key)) = found else {
        return Ok(Some(format!(
            "{} is ignored: it names no tenant that the file has",
            variable.given_as
        )));
    };
    match settings.get(key) {
        Some(path) => Section::Tenant
            .set(tenant, path, &variable.value)
            .map(|()| None),
        None => Ok(Some(unknown(variable, key, settings.keys()))),
    }
}

fn set_section(tree: &mut Table, key: &str, variable: &Variable) -> Result<Option<String>, String> {
    match schema::paths_of_sections().get(key) {
        Some(path) => Section::Whole
            .set(tree, path, &variable.value)
            .map(|()| None),
        None => Ok(Some(unknown(
            variable,
            key,
            schema::paths_of_sections().keys(),
        ))),
    }
}

fn unknown<'a>(variable: &Variable, key: &str, known: impl Iterator<Item = &'a String>) -> String {
    let given_as = &variable.given_as;
    let nearest = schema::nearest(known.map(String::as_str), key)
        .map(|nearest| {
            format!(
                "; did you mean {}{nearest}?",
                given_as.strip_suffix(key).unwrap_or(PREFIX)
            )
        })
        .unwrap_or_default();
    format!("{given_as} is ignored: no such setting{nearest}")
}

#[cfg(test)]
mod tests;
