//! `scepd challenge`: make, list and withdraw challenges for one device, at the running server.

use chrono::{DateTime, SecondsFormat, Utc};
use clap::{Args, Subcommand, ValueEnum};

use super::Failure;
use super::orders::{carry_out, unexpected};
use super::sources::SourceArgs;
use crate::control::{Answer, Order};

/// Make, list and withdraw challenges for one device
#[derive(Debug, Args)]
pub(super) struct ChallengeArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a challenge and print it; it is shown this once and kept as a digest
    Create(#[command(flatten)] Box<CreateArgs>),
    /// List challenges, newest first, without their values
    List(#[command(flatten)] Box<ListArgs>),
    /// Withdraw a challenge; it is refused from the next request on
    Withdraw(#[command(flatten)] Box<WithdrawArgs>),
}

#[derive(Debug, Args)]
struct CreateArgs {
    #[command(flatten)]
    sources: SourceArgs,
    /// SCEP profile (path id) that it is for; empty for the root profile
    #[arg(long, value_name = "PATH_ID")]
    profile: String,
    /// Seconds for which it is good [default: one_time.lifetime]
    #[arg(long, value_name = "SECONDS")]
    lifetime: Option<u32>,
    /// Certificates that it is good for [default: 1]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=1000))]
    uses: Option<u32>,
    /// Whole subject that the CSR must have, such as "CN=box-4, O=Example"
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,
    /// All alternative names that the CSR must have, such as dns:a.example,email:b@example
    #[arg(long, value_name = "NAMES")]
    sans: Option<String>,
    /// Device that the CSR must name: a common name, a serialNumber or an alternative name
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,
    /// Certificate profile that the SCEP profile must use
    #[arg(long, value_name = "ID")]
    certificate_profile: Option<String>,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Print JSON: the challenge and what is kept of it
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    sources: SourceArgs,
    /// Only those of this SCEP profile
    #[arg(long, value_name = "PATH_ID")]
    profile: Option<String>,
    /// Only those in this state
    #[arg(long, value_enum)]
    state: Option<StateArg>,
    /// How many at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct WithdrawArgs {
    #[command(flatten)]
    sources: SourceArgs,
    /// Id of the challenge, from the list or the audit
    #[arg(value_name = "ID")]
    id: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum StateArg {
    /// It can be used
    Open,
    /// It was used as often as it may be
    Used,
    /// Its time is over
    Expired,
    /// Somebody withdrew it
    Withdrawn,
}

pub(super) fn run(args: ChallengeArgs) -> Result<(), Failure> {
    super::process::keep_files_private();
    match args.action {
        Action::Create(args) => create(*args),
        Action::List(args) => list(*args),
        Action::Withdraw(args) => withdraw(*args),
    }
}

fn create(args: CreateArgs) -> Result<(), Failure> {
    let order = Order::CreateChallenge(api::NewChallenge {
        profile: args.profile,
        lifetime_seconds: args.lifetime,
        uses: args.uses,
        subject: args.subject,
        sans: args.sans,
        device: args.device,
        certificate_profile: args.certificate_profile,
        note: args.note,
    });
    let Answer::ChallengeMade(made) = carry_out(&args.sources, &order)? else {
        return Err(unexpected());
    };
    if args.json {
        return print_json(&made);
    }
    eprintln!(
        "challenge {} made, good until {}; what follows is shown this once:",
        made.details.id,
        time(made.details.expires_at)
    );
    println!("{}", made.challenge);
    Ok(())
}

fn list(args: ListArgs) -> Result<(), Failure> {
    let order = Order::ListChallenges {
        profile: args.profile,
        state: args.state.map(|state| match state {
            StateArg::Open => api::ChallengeState::Open,
            StateArg::Used => api::ChallengeState::Used,
            StateArg::Expired => api::ChallengeState::Expired,
            StateArg::Withdrawn => api::ChallengeState::Withdrawn,
        }),
        limit: args.limit,
    };
    let Answer::Challenges(challenges) = carry_out(&args.sources, &order)? else {
        return Err(unexpected());
    };
    if args.json {
        return print_json(&challenges);
    }
    println!(
        "{:<32}  {:<12}  {:<9}  {:>9}  {:<20}  {:<9}  MADE BY",
        "ID", "PROFILE", "STATE", "USED", "EXPIRES", "INTERFACE"
    );
    for challenge in challenges {
        println!(
            "{:<32}  {:<12}  {:<9}  {:>9}  {:<20}  {:<9}  {}",
            challenge.id,
            if challenge.profile.is_empty() {
                "(root)"
            } else {
                &challenge.profile
            },
            match challenge.state {
                api::ChallengeState::Open => "open",
                api::ChallengeState::Used => "used",
                api::ChallengeState::Expired => "expired",
                api::ChallengeState::Withdrawn => "withdrawn",
            },
            format!("{} of {}", challenge.used, challenge.uses),
            time(challenge.expires_at),
            challenge.interface,
            challenge.created_by.escape_debug(),
        );
    }
    Ok(())
}

fn withdraw(args: WithdrawArgs) -> Result<(), Failure> {
    let order = Order::WithdrawChallenge { id: args.id };
    let Answer::ChallengeWithdrawn(challenge) = carry_out(&args.sources, &order)? else {
        return Err(unexpected());
    };
    println!("challenge {} is withdrawn", challenge.id);
    Ok(())
}

fn print_json<T: serde::Serialize>(value: &T) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(Failure::while_doing("cannot show the challenge"))?;
    println!("{text}");
    Ok(())
}

fn time(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Secs, true)
}
