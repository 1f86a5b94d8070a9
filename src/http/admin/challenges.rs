//! Challenges that are made for one device: make, list, withdraw.

use std::time::Duration;

use actors::{ChallengeError, Minter, Status};
use api::endpoints::{CreateChallenge, ListChallenges, WithdrawChallenge};
use store::ChallengeQuery;
use warp::reply::Response;

use super::context::AdminContext;
use super::reply::{self, Problem};
use super::request::{Asked, note};
use crate::auth::ChallengeMaker;
use crate::challenges::{NotMade, make, shown, state_of};

/// How long a profile may take to say how many it refused.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most challenges in a reply.
const MOST: u32 = 1000;

pub(super) async fn create(
    context: &AdminContext,
    maker: &ChallengeMaker,
    asked: &Asked,
) -> Result<Response, Problem> {
    let wanted = asked.body::<CreateChallenge>()?;
    may_use(maker, &wanted.profile)?;
    let wanted = api::NewChallenge {
        note: note(wanted.note)?,
        ..wanted
    };
    let runtime = context.runtime();
    let interface = match asked.cookie() {
        Some(_) if asked.presented().authorization.is_none() => "page",
        _ => "api",
    };
    let challenges = &runtime.services.challenges;
    let by = minter(maker, asked);
    match make(&runtime.directory, challenges, wanted, interface, &by).await {
        Ok(made) => reply::ok::<CreateChallenge>(&made),
        Err(error) => Err(problem(&error)),
    }
}

pub(super) async fn list(
    context: &AdminContext,
    maker: &ChallengeMaker,
    asked: &Asked,
) -> Result<Response, Problem> {
    let query = asked.query::<ListChallenges>()?;
    let profile = match (query.profile, maker.profile()) {
        (Some(wanted), _) => {
            may_use(maker, &wanted)?;
            Some(wanted)
        }
        (None, own) => own.map(str::to_owned),
    };
    if query
        .limit
        .is_some_and(|limit| !(1..=MOST).contains(&limit))
    {
        let words = format!("limit must be 1 to {MOST}");
        return Err(Problem::bad_request(words));
    }
    if query
        .before
        .is_some_and(|before| i64::try_from(before).is_err() || before == 0)
    {
        let words = "before must be what an earlier page gave as next";
        return Err(Problem::bad_request(words));
    }
    let challenges = &context.runtime().services.challenges;
    let found = challenges
        .list(ChallengeQuery {
            profile: profile.clone(),
            state: query.state.map(state_of),
            before: query.before,
            limit: query
                .limit
                .map_or(0, |limit| usize::try_from(limit).unwrap_or(0)),
        })
        .await
        .map_err(|error| failed(&error))?;
    let mut profiles = Vec::new();
    for (path_id, entry) in context.runtime().directory.all().iter() {
        let current = entry.current();
        let Some(rules) = &current.spec.one_time else {
            continue;
        };
        if profile.as_ref().is_some_and(|profile| profile != path_id) {
            continue;
        }
        let counts = challenges.counts(path_id).await;
        let counts = counts.map_err(|error| failed(&error))?;
        let status = tokio::time::timeout(PATIENCE, current.actor.send(Status)).await;
        let refused = match status {
            Ok(Ok(status)) => status.challenges_refused,
            _ => 0,
        };
        profiles.push(api::ChallengeCounts {
            profile: path_id.clone(),
            open: counts.open,
            max_open: u64::from(rules.max_open),
            made: counts.made,
            used: counts.used,
            expired: counts.expired,
            withdrawn: counts.withdrawn,
            refused,
        });
    }
    reply::ok::<ListChallenges>(&api::Challenges {
        challenges: found
            .found
            .iter()
            .map(|record| shown(record, challenges.state(record)))
            .collect(),
        next: found.next,
        profiles,
    })
}

pub(super) async fn withdraw(
    context: &AdminContext,
    maker: &ChallengeMaker,
    asked: &Asked,
) -> Result<Response, Problem> {
    let id = asked.parameter(0)?;
    let challenges = &context.runtime().services.challenges;
    let known = challenges.show(id).await;
    let known = known.map_err(|error| problem(&error.into()))?;
    if maker.profile().is_some_and(|own| own != known.profile) {
        // Whether another profile has one of this id is none of its business.
        return Err(problem(&ChallengeError::Unknown.into()));
    }
    match challenges.withdraw(id, &minter(maker, asked)).await {
        Ok(record) => reply::ok::<WithdrawChallenge>(&shown(&record, challenges.state(&record))),
        Err(error) => Err(problem(&error.into())),
    }
}

fn may_use(maker: &ChallengeMaker, profile: &str) -> Result<(), Problem> {
    match maker.profile() {
        Some(own) if own != profile => Err(Problem::forbidden(format!(
            "this token makes challenges for the profile `{own}` alone"
        ))),
        _ => Ok(()),
    }
}

fn minter(maker: &ChallengeMaker, asked: &Asked) -> Minter {
    Minter {
        name: maker.caller().name.clone(),
        kind: maker.caller().kind.as_str().to_owned(),
        origin: Some(asked.origin.clone()),
    }
}

fn failed(error: &ChallengeError) -> Problem {
    Problem::fault(error)
}

fn problem(error: &NotMade) -> Problem {
    let words = error.to_string();
    match error {
        NotMade::NoProfile(_) => Problem::not_found(words),
        NotMade::Off(_) => Problem::conflict(words),
        NotMade::Challenge(error) => match error {
            ChallengeError::Full { .. } => Problem::too_many(words, Duration::from_secs(60)),
            ChallengeError::TooOften { after, .. } => {
                Problem::too_many(words, Duration::from_secs(*after))
            }
            ChallengeError::Request(_) => Problem::bad_request(words),
            ChallengeError::Unknown => Problem::not_found(words),
            ChallengeError::Ended(_) => Problem::conflict(words),
            ChallengeError::Failed(_) => Problem::busy(words, Duration::from_secs(1)),
        },
    }
}
