//! The fakes as a program: `cargo xtask issuer-fake KIND` runs one, for rehearsals without the real CA.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that talks to the terminal"
)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use issuer_fakes::{Clock, Fake, Kind, Options};

mod told;

const USAGE: &str = "\
usage: cargo xtask issuer-fake KIND [OPTIONS]

  KIND                         ejbca, adcs, aws-pca or google-cas
  --port N                     the first of three ports after one another (default: any free ones)
  --dir DIR                    where certificates and keys for the configuration are put (default: a folder of its own
                               in the system's folder for temporary files)
";

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.iter().any(|arg| arg == "--help" || arg == "-h") {
        print!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let started = match read(&args) {
        Ok((kind, port, dir)) => start(kind, port, &dir).await,
        Err(problem) => Err(format!("{problem}\n\n{USAGE}")),
    };
    match started {
        Ok(fake) => {
            std::future::pending::<()>().await;
            drop(fake);
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("issuer-fake: {problem}");
            ExitCode::FAILURE
        }
    }
}

async fn start(kind: Kind, port: Option<u16>, dir: &Path) -> Result<Fake, String> {
    let options = Options {
        kind,
        clock: Clock::system(),
        first_port: port,
    };
    let fake = Fake::start(options)
        .await
        .map_err(|error| error.to_string())?;
    let text = told::told(&fake, kind, dir)?;
    print!("{text}");
    Ok(fake)
}

fn read(args: &[String]) -> Result<(Kind, Option<u16>, PathBuf), String> {
    let (mut kind, mut port, mut dir) = (None, None, None);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--port" => {
                let value = value()?;
                port = Some(value.parse().map_err(|_| format!("{value} is no port"))?);
            }
            "--dir" => dir = Some(PathBuf::from(value()?)),
            name => {
                let known = Kind::ALL.into_iter().find(|known| known.name() == name);
                kind = Some(known.ok_or_else(|| format!("there is no kind {name}"))?);
            }
        }
    }
    let kind = kind.ok_or("which kind?")?;
    let dir =
        dir.unwrap_or_else(|| std::env::temp_dir().join(format!("scepd-fake-{}", kind.name())));
    Ok((kind, port, dir))
}
