//! The start-up checks, run on what is on disk now.

use api::endpoints::RunScepChecks;
use std::time::Duration;

use api::{CheckFinding, CheckLevel, ChecksReply, ChecksRequest};
use warp::reply::Response;

use super::context::AdminContext;
use super::reply::{self, Problem};
use super::request::Asked;
use crate::auth::Admin;
use crate::checks::{Problem as Found, Severity};
use crate::running::CheckError;

pub(super) async fn run(
    context: &AdminContext,
    _: &Admin,
    asked: &Asked,
) -> Result<Response, Problem> {
    let ChecksRequest { profile } = asked.body_or_default::<RunScepChecks>()?;
    let checked = context.checks.run().await.map_err(|error| match error {
        CheckError::UnderWay => Problem::busy(error.to_string(), Duration::from_secs(2)),
        CheckError::Broken(_) => Problem::fault(error),
    })?;
    let mut findings: Vec<CheckFinding> = checked.problems.iter().map(shown).collect();
    let mut profiles_checked = checked.profiles.len();
    if let Some(wanted) = &profile {
        let in_file = checked.profiles.iter().any(|path_id| path_id == wanted);
        if !in_file && context.runtime().directory.find(wanted).is_none() {
            return Err(Problem::not_found(format!(
                "there is no profile `{wanted}`"
            )));
        }
        findings.retain(|finding| {
            finding
                .profile
                .as_ref()
                .is_none_or(|path_id| path_id == wanted)
        });
        profiles_checked = usize::from(in_file);
    }
    reply::ok::<RunScepChecks>(&ChecksReply {
        ok: findings
            .iter()
            .all(|finding| finding.level != CheckLevel::Error),
        findings,
        profiles_checked,
        generated_at: context.runtime().services.clock.now(),
    })
}

fn shown(problem: &Found) -> CheckFinding {
    let profile = problem.id.clone().filter(|_| problem.section == "profile");
    let setting = match (&problem.id, profile.is_some()) {
        (Some(id), false) => format!("{} {id}: {}", problem.section, problem.setting),
        (None, _) => format!("{}.{}", problem.section, problem.setting),
        (Some(_), true) => problem.setting.to_owned(),
    };
    CheckFinding {
        level: match problem.severity {
            Severity::Failure => CheckLevel::Error,
            Severity::Warning => CheckLevel::Warning,
        },
        profile,
        setting: Some(setting).filter(|_| !problem.setting.is_empty()),
        file: problem.file.as_ref().map(|file| file.display().to_string()),
        message: problem.what.clone(),
        action: problem.remedy.clone(),
    }
}
