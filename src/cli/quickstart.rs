//! `scepd quickstart`: a server with everything made for it, and how to use it.

use std::net::IpAddr;
use std::path::PathBuf;

use chrono::Utc;
use clap::Args;

use super::Failure;
use crate::quickstart::{self, CaKind, Listening, Options};
use crate::server::{self, Addresses, Sockets};

/// Make a CA, certificates, challenges and settings in a directory, serve from it, and print how to enroll.
///
/// Run again in the same directory it goes on with the same keys and data.
#[derive(Debug, Args)]
pub(super) struct QuickstartArgs {
    /// Directory for everything
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Address to listen on, both ports: 127.0.0.1 for this machine alone [default: all of this machine, later as before]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<IpAddr>,
    /// Port of https: SCEP, admin API and page; 0 = any free one [default: 8443, later as before]
    #[arg(long, value_name = "PORT")]
    https_port: Option<u16>,
    /// Port of plain http: SCEP only; 0 = any free one [default: 8080, later as before]
    #[arg(long, value_name = "PORT")]
    http_port: Option<u16>,
    /// Port of CRLs, CA certificates and OCSP; 0 = any free one [default: 8081, or any free one where another port is given;
    /// later as before]
    #[arg(long, value_name = "PORT")]
    publish_port: Option<u16>,
    /// Kind of CA key when the CA is made [default: rsa]
    #[arg(long, value_enum)]
    ca: Option<CaKind>,
}

pub(super) fn run(args: QuickstartArgs) -> Result<(), Failure> {
    let options = Options {
        dir: args.dir,
        listen: args.listen,
        https_port: args.https_port,
        http_port: args.http_port,
        publish_port: args.publish_port,
        ca: args.ca,
    };
    // Before anything is made: the first token is put into the store then.
    super::process::keep_files_private();
    let made =
        quickstart::make(&options, Utc::now()).map_err(|error| Failure::new(error.to_string()))?;
    let announce = |addresses: Addresses| {
        let listening = Listening {
            https: addresses.https,
            http: addresses.http,
            publish: addresses.publish,
        };
        if let Err(error) = made.announce(listening, &mut std::io::stdout().lock()) {
            tracing::error!("{error}");
        }
    };
    super::process::keep_memory_private();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::while_doing("the async runtime cannot be started"))?;
    let ended = runtime.block_on(server::serve(
        made.sources().clone(),
        Sockets::default(),
        announce,
    ));
    super::process::end(runtime);
    ended.map_err(|error| Failure::new(error.to_string()))
}
