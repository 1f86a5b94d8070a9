//! The admin page: build, static checks, component tests, and end to end in Chromium.

use serde_json::Value;

use crate::build;
use crate::check::Context;
use crate::check::Done;
use crate::command::Run;
use crate::install;
use crate::repo::Repo;

const NO_PAGE: &str = "this checkout has no admin page (web-ui)";

pub(super) fn build(context: &Context) -> Result<Done, String> {
    if scripts(&context.repo)?.is_none() {
        return Ok(Done::Skipped(NO_PAGE.to_owned()));
    }
    build::page(&context.repo)?;
    Ok(Done::Passed)
}

pub(super) fn checks(context: &Context) -> Result<Done, String> {
    each(context, &["typecheck", "lint", "test"])
}

/// The registry is asked; where it does not answer, nothing was checked and the table says so.
pub(super) fn advisories(context: &Context) -> Result<Done, String> {
    let repo = &context.repo;
    if scripts(repo)?.is_none() {
        return Ok(Done::Skipped(NO_PAGE.to_owned()));
    }
    let (good, text) = Run::new(repo, "npm")
        .args(["audit", "--json"])
        .dir(&repo.path("web-ui"))
        .merged()?;
    if good {
        return Ok(Done::Passed);
    }
    // Without a report there is only an error, and of what.
    if text.contains("\"auditReportVersion\"") {
        println!("{text}");
        return Err("npm reports an advisory (above)".to_owned());
    }
    Ok(Done::Skipped(
        "the npm registry that is set up here answers no questions about advisories".to_owned(),
    ))
}

pub(super) fn browser(context: &Context) -> Result<Done, String> {
    let repo = &context.repo;
    if !scripts(repo)?.is_some_and(|scripts| scripts.iter().any(|name| name == "e2e")) {
        return Ok(Done::Skipped(
            "the admin page has no end-to-end tests (script `e2e` in web-ui)".to_owned(),
        ));
    }
    if let Err(reason) = install::debian(context, &["chromium"], &["chromium"]) {
        return Ok(Done::Skipped(reason));
    }
    build::for_checks(repo)?;
    for script in ["e2e:mock", "e2e"] {
        each(context, &[script])?;
    }
    Ok(Done::Passed)
}

/// Run these scripts of `web-ui/package.json`; all of them must be there.
fn each(context: &Context, wanted: &[&str]) -> Result<Done, String> {
    let repo = &context.repo;
    let Some(scripts) = scripts(repo)? else {
        return Ok(Done::Skipped(NO_PAGE.to_owned()));
    };
    build::packages(repo)?;
    for script in wanted {
        if !scripts.iter().any(|name| name == script) {
            return Err(format!("web-ui/package.json has no script `{script}`"));
        }
        Run::new(repo, "npm")
            .args(["run", "--silent", script])
            .dir(&repo.path("web-ui"))
            .env("CI", "true")
            .env("SCEPD", repo.binary())
            .go()?;
    }
    Ok(Done::Passed)
}

/// The names of the page's scripts; none without a page.
fn scripts(repo: &Repo) -> Result<Option<Vec<String>>, String> {
    let path = repo.path("web-ui/package.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        return Ok(None);
    };
    let manifest: Value =
        serde_json::from_str(&text).map_err(|error| format!("web-ui/package.json: {error}"))?;
    let scripts = manifest.get("scripts").and_then(Value::as_object);
    Ok(Some(
        scripts
            .map(|scripts| scripts.keys().cloned().collect())
            .unwrap_or_default(),
    ))
}
