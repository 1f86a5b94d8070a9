//! `scepd poll`: what became of a request that was pending.

use std::path::PathBuf;

use clap::Args;
use pki::{Name, SubjectAltNames};

use super::Failure;
use super::errand::{AnswerArgs, Errand};
use super::server_args::{ServerArgs, block_on, failure};
use crate::client::folder::read_key;
use crate::client::{Asked, Dialect, Error, Folder, Method, Request};

/// Ask what became of a request that is pending.
///
/// Server, transaction and keys are those that `enroll` or `renew` kept in the directory, and so is what was asked for. Exit code 3 means that the
/// request still waits.
#[derive(Debug, Args)]
pub(super) struct PollArgs {
    /// The directory of the request.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Another address of the same server.
    #[arg(long)]
    url: Option<String>,
    #[command(flatten)]
    answer: AnswerArgs,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) fn run(args: PollArgs) -> Result<(), Failure> {
    block_on(poll(args))
}

async fn poll(args: PollArgs) -> Result<(), Failure> {
    let folder = Folder::open(&args.out).map_err(failure)?;
    let (mut pending, device) = folder.pending().map_err(failure)?;
    if let Some(url) = args.url {
        pending.url = url;
    }
    // The CA was found trustworthy when the request was made: now it has to be the same.
    let server = args.server.meet_again(&pending).await?;
    let mut dialect = Dialect::choose(&server.capabilities, pending.legacy).map_err(failure)?;
    if pending.by_get {
        dialect.method = Method::Get;
    }
    let key = read_key(&folder.file(&pending.key)).map_err(failure)?;
    let asked = Asked {
        subject: Name::parse(&pending.subject)
            .map_err(Error::from)
            .map_err(failure)?,
        sans: pending
            .sans
            .as_deref()
            .map(SubjectAltNames::parse)
            .transpose()
            .map_err(Error::from)
            .map_err(failure)?,
        previous: pending.previous,
        sha1: pending.legacy,
    };
    let request = Request::Poll {
        subject: asked.subject.clone(),
        key: key.public_key().clone(),
    };
    let errand = Errand {
        server,
        dialect,
        request: request.clone(),
        poll: request,
        asked,
        device,
        pending,
        folder,
        answer: args.answer,
    };
    errand.run().await
}
