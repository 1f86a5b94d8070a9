//! The admin token of a first server: made once, its secret in a file for its owner.

use std::path::Path;
use std::sync::Arc;

use actors::{Clock, SystemClock};
use chrono::{DateTime, Utc};
use store::{Change, ClockReading, Store, TokenRole};
use zeroize::Zeroizing;

use super::place::{self, Readers};
use super::{Error, facts};
use crate::auth::secret::Digest;
use crate::auth::tokens::{self, By, Wanted};
use crate::checks;
use crate::config::Config;

pub(super) const FILE: &str = "admin-token";
const NAME: &str = "quickstart";

/// Makes a token when there is none, or when the store does not know the one in the file. It
/// fails where another server has the store open.
pub(super) fn ensure(dir: &Path, config: &Config, now: DateTime<Utc>) -> Result<(), Error> {
    place::directory(&config.server.data_dir)?;
    let store = checks::open_store(config).map_err(|problem| Error::Store(problem.to_string()))?;
    // Who waits for this file must not see that of an earlier run, and nobody runs now.
    place::remove(&dir.join(facts::FILE))?;
    let file = dir.join(FILE);
    if file.exists() && is_known(&store, &place::read(&file)?, now) {
        return Ok(());
    }
    let secret = make(&store, now)?;
    place::write(
        &file,
        format!("{}\n", secret.as_str()).as_bytes(),
        Readers::Owner,
    )
}

fn is_known(store: &Arc<dyn Store>, text: &str, now: DateTime<Utc>) -> bool {
    let token = store.token_by_hash(Digest::of(text.trim()).octets());
    token.is_some_and(|token| token.role == TokenRole::Admin && token.usable_at(now))
}

/// A new token, in the place of an earlier one whose secret is lost.
fn make(store: &Arc<dyn Store>, now: DateTime<Utc>) -> Result<Zeroizing<String>, Error> {
    let by = By {
        name: NAME.to_owned(),
        kind: "CLI",
        request_id: None,
    };
    let mut known = store.tokens();
    let mut changes: Vec<Change> = Vec::new();
    if let Ok((lost, revoked)) = tokens::revoke(NAME, &known, &by, now) {
        known.retain(|token| token.id != lost.id);
        changes.push(revoked);
    }
    let wanted = Wanted {
        name: NAME.to_owned(),
        role: TokenRole::Admin,
        profile: None,
        days: None,
    };
    let minted =
        tokens::mint(&wanted, &known, &by, now).map_err(|error| Error::Token(error.to_string()))?;
    changes.push(minted.change);
    let clocks = ClockReading {
        wall: now,
        monotonic: SystemClock.instant(),
    };
    let committed = store
        .commit(&changes, store.time(clocks))
        .map_err(|error| Error::Token(error.to_string()))?;
    if committed.iter().any(Result::is_err) {
        return Err(Error::Token("the store refused it".to_owned()));
    }
    Ok(Zeroizing::new(minted.secret.expose().to_owned()))
}
