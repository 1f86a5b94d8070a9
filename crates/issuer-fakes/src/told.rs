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
        Kind::AwsPca => aws(dir, fake)?,
        Kind::GoogleCas => google(dir, fake)?,
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

/// The client's certificate and its key as two files.
///
/// # Errors
/// A file cannot be written.
fn identity(dir: &Path, fake: &Fake) -> Result<(), String> {
    let identity = fake.client_identity();
    let at = identity.find("-----BEGIN PRIVATE KEY");
    let (certificate, key) = identity.split_at(at.unwrap_or(identity.len()));
    write(&dir.join("client.pem"), certificate)?;
    write(&dir.join("client.key"), key)
}

fn ejbca(dir: &Path, fake: &Fake) -> Result<String, String> {
    identity(dir, fake)?;
    Ok(format!(
        "  OAuth               {url}/oauth/token   client scepd, secret s3cret-of-the-client

Into scepd.toml:

[[issuer]]
id = \"corp-ca\"
type = \"ejbca\"
url = \"{url}\"
ca_bundle_path = \"{dir}/trust.pem\"
accept_shorter_validity = true

[issuer.ejbca]
ca = \"ManagementCA\"
certificate_profile = \"DEVICE\"
end_entity_profile = \"Devices\"
ra_certificate_profile = \"DEVICE\"
ra_end_entity_profile = \"Devices\"
client_cert_path = \"{dir}/client.pem\"
client_key_path = \"{dir}/client.key\"
",
        url = fake.url(),
        dir = dir.display(),
    ))
}

fn adcs(dir: &Path, fake: &Fake) -> Result<String, String> {
    identity(dir, fake)?;
    write(&dir.join("chain.pem"), &fake.chain_pem())?;
    write(&dir.join("password"), "p4ss of the account")?;
    Ok(format!(
        "  CES, password       {url}/Fake-CA_CES_UsernamePassword/service.svc/CES
  CES, certificate    {url}/Fake-CA_CES_Certificate/service.svc/CES   ({dir}/client.pem and client.key)
  certsrv             {url}/certsrv

Into scepd.toml:

[[issuer]]
id = \"corp-ca\"
type = \"adcs\"
url = \"{url}/Fake-CA_CES_UsernamePassword/service.svc/CES\"
ca_bundle_path = \"{dir}/trust.pem\"
chain_path = \"{dir}/chain.pem\"
accept_shorter_validity = true

[issuer.adcs]
interface = \"ces\"
template = \"SCEPDevice\"
ra_template = \"SCEPDevice\"
username = 'FAKE\\svc-scepd'
password_file = \"{dir}/password\"
",
        url = fake.url(),
        dir = dir.display(),
    ))
}

fn aws(dir: &Path, fake: &Fake) -> Result<String, String> {
    let settings = fake.aws_pca_settings();
    let (id, secret) = settings.credentials;
    write(&dir.join("secret"), &secret)?;
    Ok(format!(
        "  AWS's command line  export AWS_ENDPOINT_URL_ACM_PCA={url} AWS_CA_BUNDLE={dir}/trust.pem AWS_REGION={region}
                      export AWS_ACCESS_KEY_ID={id} AWS_SECRET_ACCESS_KEY={secret}

Into scepd.toml:

[[issuer]]
id = \"corp-ca\"
type = \"aws-pca\"
url = \"{url}\"
ca_bundle_path = \"{dir}/trust.pem\"

[issuer.aws_pca]
ca_arn = \"{ca_arn}\"
crl_url = \"{url}/crl/ca.crl\"
auth = \"keys\"
access_key_id = \"{id}\"
secret_access_key_file = \"{dir}/secret\"
",
        url = fake.url(),
        dir = dir.display(),
        region = settings.region,
        ca_arn = settings.ca_arn,
    ))
}

fn google(dir: &Path, fake: &Fake) -> Result<String, String> {
    let settings = fake.google_cas_settings();
    write(&dir.join("key.json"), &fake.google_key_file())?;
    Ok(format!(
        "  metadata server     {metadata}

Into scepd.toml:

[[issuer]]
id = \"corp-ca\"
type = \"google-cas\"
url = \"{url}\"
ca_bundle_path = \"{dir}/trust.pem\"

[issuer.google_cas]
pool = \"{pool}\"
auth = \"service_account\"
key_file = \"{dir}/key.json\"
",
        metadata = fake.metadata_url(),
        url = fake.url(),
        dir = dir.display(),
        pool = settings.pool,
    ))
}
