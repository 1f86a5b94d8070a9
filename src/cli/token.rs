//! `scepd token`: make, list and revoke the tokens of the admin API.
//!
//! Where a server runs on the data directory, it does the work itself; else the store is opened here.

use chrono::{DateTime, SecondsFormat, Utc};
use clap::{Args, Subcommand, ValueEnum};

use super::Failure;
use super::orders::{carry_out, unexpected};
use super::sources::SourceArgs;
use crate::control::{Answer, Order};

/// Make, list and revoke tokens of the admin API and page
#[derive(Debug, Args)]
pub(super) struct TokenArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a token and print it; it is shown this once and kept as a hash
    Create(#[command(flatten)] Box<CreateArgs>),
    /// List all tokens, with their last use
    List(#[command(flatten)] Box<ListArgs>),
    /// Revoke a token; it is refused from the next request on
    Revoke(#[command(flatten)] Box<RevokeArgs>),
}

#[derive(Debug, Args)]
struct CreateArgs {
    #[command(flatten)]
    sources: SourceArgs,
    /// What the token is called; shown as the actor in audit events
    #[arg(long)]
    name: String,
    /// What it may do
    #[arg(long, value_enum)]
    role: RoleArg,
    /// With --role challenge: the SCEP profile that it is limited to [default: any]
    #[arg(long, value_name = "PATH_ID")]
    profile: Option<String>,
    /// Days until it ends by itself [default: never]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3650))]
    expires_in_days: Option<u32>,
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    sources: SourceArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct RevokeArgs {
    #[command(flatten)]
    sources: SourceArgs,
    /// Id or name of the token
    #[arg(value_name = "ID|NAME")]
    token: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RoleArg {
    /// Everything
    Admin,
    /// Signing in, and nothing that shows or changes devices
    Viewer,
    /// Making, listing and withdrawing challenges for one device
    Challenge,
}

pub(super) fn run(args: TokenArgs) -> Result<(), Failure> {
    super::process::keep_files_private();
    match args.action {
        Action::Create(args) => create(*args),
        Action::List(args) => list(*args),
        Action::Revoke(args) => revoke(*args),
    }
}

fn create(args: CreateArgs) -> Result<(), Failure> {
    let role = match args.role {
        RoleArg::Admin => api::Role::Admin,
        RoleArg::Viewer => api::Role::Viewer,
        RoleArg::Challenge => api::Role::Challenge,
    };
    let order = Order::CreateToken {
        name: args.name,
        role,
        profile: args.profile,
        days: args.expires_in_days,
    };
    let Answer::Created(made) = carry_out(&args.sources, &order)? else {
        return Err(unexpected());
    };
    eprintln!(
        "token `{}` with id {} made; what follows is shown this once:",
        made.token.name, made.token.id
    );
    println!("{}", made.secret);
    Ok(())
}

fn list(args: ListArgs) -> Result<(), Failure> {
    let Answer::Tokens(tokens) = carry_out(&args.sources, &Order::ListTokens)? else {
        return Err(unexpected());
    };
    if args.json {
        let text = serde_json::to_string_pretty(&api::Tokens { tokens })
            .map_err(Failure::while_doing("cannot show the tokens"))?;
        println!("{text}");
        return Ok(());
    }
    let now = Utc::now();
    println!(
        "{:<12}  {:<9}  {:<8}  {:<20}  {:<20}  NAME",
        "ID", "ROLE", "STATE", "CREATED", "LAST USED"
    );
    for token in tokens {
        println!(
            "{:<12}  {:<9}  {:<8}  {:<20}  {:<20}  {}",
            token.id,
            match token.role {
                api::Role::Admin => "admin",
                api::Role::Viewer => "viewer",
                api::Role::Challenge => "challenge",
            },
            state(&token, now),
            time(token.created_at),
            token.last_used_at.map_or_else(|| "never".to_owned(), time),
            token.name,
        );
    }
    Ok(())
}

fn revoke(args: RevokeArgs) -> Result<(), Failure> {
    let order = Order::RevokeToken { token: args.token };
    let Answer::Revoked(token) = carry_out(&args.sources, &order)? else {
        return Err(unexpected());
    };
    println!("token `{}` with id {} is revoked", token.name, token.id);
    Ok(())
}

fn state(token: &api::Token, now: DateTime<Utc>) -> &'static str {
    if token.revoked_at.is_some() {
        "revoked"
    } else if token.expires_at.is_some_and(|end| end <= now) {
        "ended"
    } else {
        "in force"
    }
}

fn time(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Secs, true)
}
