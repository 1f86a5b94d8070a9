//! The fake as a program: `cargo xtask intune-fake` runs it, for rehearsals without a tenant.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that talks to the terminal"
)]

use std::path::PathBuf;
use std::process::ExitCode;

use intune_fake::{Clock, Fake, Options, Tenant};

const USAGE: &str = "\
usage: cargo xtask intune-fake [OPTIONS]

  --port N                     the first of six ports after one another (default: any free ones)
  --tenant NAME                a tenant NAME.onmicrosoft.com; several times for several (default: contoso)
  --certificate FILE           a certificate (PEM, RSA) registered on the app of each tenant
  --tls-cert FILE --tls-key FILE
                               https in the place of http
  --arc-dir DIR                where the fake of Azure Arc puts its keys
";

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.iter().any(|arg| arg == "--help" || arg == "-h") {
        print!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let started = match options(&args) {
        Ok(options) => Fake::start(options)
            .await
            .map_err(|error| error.to_string()),
        Err(problem) => Err(format!("{problem}\n\n{USAGE}")),
    };
    match started {
        Ok(fake) => {
            print!("{}", told(&fake));
            std::future::pending().await
        }
        Err(problem) => {
            eprintln!("intune-fake: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn options(args: &[String]) -> Result<Options, String> {
    let mut options = Options::new(Clock::system());
    let (mut names, mut certificates) = (Vec::new(), Vec::new());
    let (mut chain, mut key) = (None, None);
    let mut args = args.iter();
    while let Some(name) = args.next() {
        let value = args.next().ok_or_else(|| format!("{name} needs a value"))?;
        let read = || std::fs::read_to_string(value).map_err(|error| format!("{value}: {error}"));
        match name.as_str() {
            "--port" => {
                let port = value.parse().map_err(|_| format!("{value} is no port"))?;
                options.first_port = Some(port);
            }
            "--tenant" => names.push(value.as_str()),
            "--certificate" => certificates.push(read()?),
            "--tls-cert" => chain = Some(read()?),
            "--tls-key" => key = Some(read()?),
            "--arc-dir" => options.arc_dir = Some(PathBuf::from(value)),
            _ => return Err(format!("there is no option {name}")),
        }
    }
    options.tls = match (chain, key) {
        (Some(chain), Some(key)) => Some((chain, key)),
        (None, None) => None,
        _ => return Err("--tls-cert and --tls-key belong together".to_owned()),
    };
    if names.is_empty() {
        names.push("contoso");
    }
    options.tenants = names
        .into_iter()
        .map(|name| Tenant {
            certificates: certificates.clone(),
            ..Tenant::named(name)
        })
        .collect();
    Ok(options)
}

/// Where everything is, what belongs into the configuration, and what to type first.
fn told(fake: &Fake) -> String {
    let urls = fake.urls();
    let control = format!("{}/__control", urls.intune);
    let mut text = format!(
        "A fake of Entra, Graph and Intune is running until Ctrl-C. It is for rehearsals: nothing of it is Microsoft's.

  Entra (authority)   {}
  Graph               {}
  Intune              {}
  managed identity    {}   IDENTITY_HEADER={}
  proxy               {}
  control             {control}

Into scepd.toml:

",
        urls.entra,
        urls.graph,
        urls.intune,
        urls.metadata,
        fake.identity_header(),
        urls.proxy,
    );
    for tenant in fake.tenants() {
        text.push_str(&snippet(&tenant, &urls));
    }
    text.push_str(&format!(
        "
A challenge, as Intune gives it to a device:

  curl -s {control}/challenges -d '{{\"device\":\"11111111-2222-3333-4444-555555555555\"}}'

The calls so far, and what in them no program should send:

  curl -s {control}/calls
  curl -s {control}/problems
"
    ));
    text
}

fn snippet(tenant: &Tenant, urls: &intune_fake::Urls) -> String {
    let name = tenant.domain.split('.').next().unwrap_or_default();
    let secret = tenant.secrets.first().map_or("", |secret| &secret.value);
    format!(
        "[[tenant]]
id = \"{name}\"
tenant = \"{}\"
client_id = \"{}\"
client_secret = \"{secret}\"
authority_url = \"{}\"
graph_url = \"{}\"
intune_resource = \"https://api.manage.microsoft.com/\"
allowed_hosts = [\"127.0.0.1\"]

# in each profile that takes challenges of this tenant
[profile.intune_cloud]
tenants = [\"{name}\"]
",
        tenant.id, tenant.client_id, urls.entra, urls.graph
    )
}
