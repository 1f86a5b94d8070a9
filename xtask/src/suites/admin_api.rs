//! The admin API against its own description: schemathesis makes requests out of `api/openapi.yaml`, valid and broken
//! ones, and compares every answer with what the document says.

use std::fs;

use crate::build;
use crate::check::Context;
use crate::check::Done;
use crate::command::Run;
use crate::install;
use crate::server::Server;

/// Seconds for all of it.
const SECONDS: &str = "120";

pub(super) fn check(context: &Context) -> Result<Done, String> {
    let repo = &context.repo;
    let python = match install::python(
        context,
        "schemathesis",
        "xtask/requirements/schemathesis.txt",
    ) {
        Ok(python) => python,
        Err(reason) => return Ok(Done::Skipped(reason)),
    };
    build::for_checks(repo)?;
    // Requests without a token are part of it; their number is no attack here.
    let server = Server::quickstart(repo, "admin-api", &[("SCEPD_ADMIN_BAD_TOKEN_LIMIT", "0")])?;
    let token_file = server.fact("/admin_token_file")?;
    let token = fs::read_to_string(token_file).map_err(|error| format!("{token_file}: {error}"))?;
    Run::new(repo, python.with_file_name("schemathesis"))
        .args(["run"])
        .arg(repo.path("api/openapi.yaml"))
        .args(["--url", server.fact("/https_url")?])
        .args(["--tls-verify", server.fact("/ca_cert")?])
        .secret(
            "--header",
            &format!("Authorization: Bearer {}", token.trim()),
        )
        .args([
            "--phases",
            "examples,coverage,fuzzing",
            "--max-examples",
            "25",
            "--seed",
            "1",
        ])
        .args([
            "--max-time",
            SECONDS,
            "--request-timeout",
            "20",
            "--continue-on-failure",
            "--no-color",
        ])
        .dir(&repo.scratch("schemathesis")?)
        .go()?;
    Ok(Done::Passed)
}
