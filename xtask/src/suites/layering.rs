//! Rules that no compiler keeps: which crate may know which, no circles of imports, short files, links that
//! lead somewhere.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::circles;
use crate::check::Context;
use crate::check::Done;
use crate::command::Run;
use crate::repo::Repo;

/// A crate, the crates it may know, and the outside crates it must not know. `docs/architecture.md` says why.
type Arrow = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

const PURE: &[&str] = &[
    "actix", "hyper", "reqwest", "rustls", "sled", "tokio", "warp",
];
const ARROWS: &[Arrow] = &[
    ("pki", &[], PURE),
    ("scep", &["pki"], PURE),
    ("challenge", &["pki"], PURE),
    ("issuer", &["pki"], PURE),
    ("ocsp", &["pki"], PURE),
    (
        "store",
        &["pki"],
        &["actix", "hyper", "reqwest", "rustls", "tokio", "warp"],
    ),
    (
        "outbound",
        &["pki"],
        &["actix", "hyper", "openssl", "ring", "sled", "warp"],
    ),
    (
        "remote-issuers",
        &["issuer", "outbound", "pki", "scep"],
        &[
            "actix", "hyper", "openssl", "reqwest", "ring", "rustls", "sled", "warp",
        ],
    ),
    (
        "intune-cloud",
        &["pki", "challenge", "outbound"],
        &[
            "actix", "hyper", "openssl", "reqwest", "ring", "rustls", "sled", "warp",
        ],
    ),
    (
        "api",
        &[],
        &[
            "actix", "hyper", "openssl", "reqwest", "rustls", "sled", "tokio", "warp",
        ],
    ),
    (
        "actors",
        &["pki", "scep", "challenge", "issuer", "store"],
        &[
            "hyper", "openssl", "reqwest", "rustls", "sled", "toml", "warp",
        ],
    ),
    (
        "scepd",
        &[
            "actors",
            "api",
            "challenge",
            "intune-cloud",
            "issuer",
            "ocsp",
            "outbound",
            "pki",
            "remote-issuers",
            "scep",
            "store",
        ],
        &["openssl", "ring", "sled"],
    ),
    (
        "scepd-fuzz",
        &["pki", "scep", "challenge", "ocsp"],
        &["actix", "tokio", "warp"],
    ),
    // A judge of what the others send shares no code with them.
    (
        "intune-fake",
        &[],
        &["actix", "openssl", "reqwest", "sled", "warp"],
    ),
    (
        "issuer-fakes",
        &[],
        &["actix", "openssl", "reqwest", "sled", "warp"],
    ),
    ("xtask", &[], &["tokio", "warp"]),
];

/// A file is one idea; beyond this it is two.
const LONGEST: usize = 500;

pub(super) fn check(context: &Context) -> Result<Done, String> {
    let repo = &context.repo;
    let mut faults = arrows(repo)?;
    let files = tracked(repo)?;
    faults.extend(circles::faults(repo, &files));
    for file in &files {
        let Ok(text) = std::fs::read_to_string(repo.path(file)) else {
            continue;
        };
        let lines = text.lines().count();
        if is_source(file) && lines > LONGEST {
            faults.push(format!(
                "{file} has {lines} lines; split it before {LONGEST}"
            ));
        }
        if file.ends_with(".md") {
            faults.extend(dead_links(repo, file, &text));
        }
    }
    for fault in &faults {
        println!("{fault}");
    }
    match faults.as_slice() {
        [] => Ok(Done::Passed),
        [one] => Err(one.clone()),
        [first, more @ ..] => Err(format!("{first} (and {} more, above)", more.len())),
    }
}

/// Dependencies between crates that point the wrong way.
fn arrows(repo: &Repo) -> Result<Vec<String>, String> {
    let text = Run::cargo(
        repo,
        &["metadata", "--no-deps", "--locked", "--format-version", "1"],
    )
    .output()?;
    let metadata: Value =
        serde_json::from_str(&text).map_err(|error| format!("cargo metadata: {error}"))?;
    let packages = metadata
        .get("packages")
        .and_then(Value::as_array)
        .ok_or("cargo metadata lists no packages")?;
    let crates: BTreeMap<&str, Vec<&str>> = packages.iter().filter_map(layer).collect();
    let mut faults = Vec::new();
    for (name, dependencies) in &crates {
        let Some((_, may, must_not)) = ARROWS.iter().find(|(layer, ..)| layer == name) else {
            faults.push(format!(
                "the crate {name} stands nowhere in the list of arrows (xtask/src/suites/layering.rs)"
            ));
            continue;
        };
        for dependency in dependencies {
            let wrong = if crates.contains_key(dependency) {
                !may.contains(dependency)
            } else {
                must_not.contains(dependency)
            };
            if wrong {
                faults.push(format!("{name} must not know {dependency}"));
            }
        }
    }
    Ok(faults)
}

/// A package and what it depends on outside its tests.
fn layer(package: &Value) -> Option<(&str, Vec<&str>)> {
    let name = package.get("name")?.as_str()?;
    let dependencies = package.get("dependencies")?.as_array()?;
    let known = dependencies
        .iter()
        .filter(|dependency| dependency.get("kind").is_none_or(Value::is_null))
        .filter_map(|dependency| dependency.get("name")?.as_str())
        .collect();
    Some((name, known))
}

pub(super) fn tracked(repo: &Repo) -> Result<Vec<String>, String> {
    let list = Run::new(repo, "git").args(["ls-files"]).output()?;
    Ok(list.lines().map(str::to_owned).collect())
}

fn is_source(file: &str) -> bool {
    let tests = [
        "tests/",
        "/tests.rs",
        "/fixtures/",
        "web-ui/src/api/schema.ts",
    ];
    let source = [".rs", ".ts", ".tsx"]
        .iter()
        .any(|ending| file.ends_with(ending));
    source && !tests.iter().any(|part| file.contains(part))
}

/// Relative links of a document that lead nowhere.
fn dead_links(repo: &Repo, file: &str, text: &str) -> Vec<String> {
    let parent = Path::new(file).parent().unwrap_or(Path::new(""));
    links(text)
        .into_iter()
        .filter(|link| {
            !link.contains("://") && !link.starts_with('#') && !link.starts_with("mailto:")
        })
        .filter(|link| {
            let path = link.split('#').next().unwrap_or(link);
            !repo.root().join(parent).join(path).exists()
        })
        .map(|link| format!("{file}: the link to {link} leads nowhere"))
        .collect()
}

/// The targets of `[text](target)` outside code fences.
fn links(text: &str) -> Vec<&str> {
    let mut links = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        for part in line.split("](").skip(1) {
            if let Some((target, _)) = part.split_once(')') {
                links.push(target.split_whitespace().next().unwrap_or_default());
            }
        }
    }
    links
}

#[cfg(test)]
mod tests {
    use super::{is_source, links};

    #[test]
    fn links_outside_fences_are_found() {
        let text = "see [a](docs/a.md#x) and [b](b.md \"title\")\n```\n[c](c.md)\n```\n![d](d.png)";
        assert_eq!(links(text), ["docs/a.md#x", "b.md", "d.png"]);
    }

    #[test]
    fn tests_may_be_long() {
        assert!(is_source("crates/pki/src/lib.rs") && is_source("web-ui/src/App.tsx"));
        assert!(
            !is_source("tests/it/main.rs")
                && !is_source("crates/pki/tests/a.rs")
                && !is_source("README.md")
        );
    }
}
