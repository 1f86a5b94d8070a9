//! `cargo xtask openapi`: what is made of the admin API's route table and types.

use crate::build;
use crate::command::Run;
use crate::repo::Repo;

/// Writes `api/openapi.yaml`, and the page's types of it.
pub(crate) fn openapi(repo: &Repo) -> Result<(), String> {
    let test = ["test", "-p", "api", "--test", "openapi"];
    Run::cargo(repo, &test)
        .env("SCEPD_WRITE_OPENAPI", "1")
        .go()?;
    build::packages(repo)?;
    for script in ["generate", "format"] {
        Run::new(repo, "npm")
            .args(["run", script])
            .dir(&repo.path("web-ui"))
            .go()?;
    }
    Ok(())
}
