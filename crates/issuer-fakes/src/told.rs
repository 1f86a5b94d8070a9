//! What the program says when it starts: where everything is, what a configuration needs, what to type first.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use issuer_fakes::{Fake, Kind};

/// Puts files for the configuration into `dir` and says all of it.
///
/// # Errors
/// A file cannot be written.
pub(crate) fn told(fake: &Fake, kind: Kind, dir: &Path) -> Result<String, String> {
    let problem = |error: std::io::Error| format!("{}: {error}", dir.display());
    fs::create_dir_all(dir).map_err(problem)?;
    write(&dir.join("trust.pem"), fake.trust())?;
    let url = fake.url();
    let configuration = match kind {
        Kind::Ejbca => ejbca(dir, fake)?,
        Kind::Adcs => adcs(dir, fake)?,
        _ => String::new(),
    };
    let name = kind.name();
    Ok(format!(
        "A fake of {name} is running until Ctrl-C. It is for rehearsals: its CA is nobody's.

  service             {url}
  trust               {dir}/trust.pem
  control             {url}/__control
{configuration}
The calls so far, what in them no program should send, and what was issued:

  curl -s --cacert {dir}/trust.pem {url}/__control/calls
  curl -s --cacert {dir}/trust.pem {url}/__control/problems
  curl -s --cacert {dir}/trust.pem {url}/__control/issued

The next certificate has another key than it should have:

  curl -s --cacert {dir}/trust.pem {url}/__control/rules \\
    -d '{{\"operation\":\"issue\",\"times\":1,\"fault\":{{\"kind\":\"certificate\",\"change\":\"anotherKey\"}}}}'
",
        dir = dir.display(),
    ))
}

/// Writes a file that its owner alone can read.
///
/// # Errors
/// It cannot be written.
fn write(path: &Path, content: &str) -> Result<(), String> {
    let problem = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(path).map_err(problem)?;
    file.write_all(content.as_bytes()).map_err(problem)
}

fn ejbca(dir: &Path, fake: &Fake) -> Result<String, String> {
    write(&dir.join("client.pem"), fake.client_identity())?;
    Ok(format!(
        "  CA                  ManagementCA
  certificate profile DEVICE
  end entity profile  Devices
  client identity     {dir}/client.pem   (certificate and key of an administrator)
  OAuth               {url}/oauth/token   client scepd, secret s3cret-of-the-client
",
        url = fake.url(),
        dir = dir.display(),
    ))
}

fn adcs(dir: &Path, fake: &Fake) -> Result<String, String> {
    write(&dir.join("client.pem"), fake.client_identity())?;
    Ok(format!(
        "  CES, password       {url}/Fake-CA_CES_UsernamePassword/service.svc/CES
  CES, certificate    {url}/Fake-CA_CES_Certificate/service.svc/CES
  certsrv             {url}/certsrv/
  template            SCEPDevice
  account             FAKE\\svc-scepd, password: p4ss of the account
  client identity     {dir}/client.pem   (certificate and key, mapped to the account)
",
        url = fake.url(),
        dir = dir.display(),
    ))
}
