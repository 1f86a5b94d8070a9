//! AD CS by both of its ways.

use issuer_fakes::{Fake, Fault, Kind, Operation};

use super::{
    clean, enrolled, fake, files, first_request, is_signed_by, said, until_decided, with_issuer,
};
use crate::device::{Device, refused};
use crate::test_env::{Running, TestEnv};

/// A fake of AD CS and a server before it that speaks to it by `interface`.
async fn adcs(interface: &str, path: &str) -> (Fake, Running) {
    let env = TestEnv::new();
    let fake = fake(Kind::Adcs, &env).await;
    let issuer = adcs_issuer(&env, &fake, interface, path);
    let server = with_issuer(env, "corp", &issuer).start().await;
    (fake, server)
}

/// The issuer before it, whose password is in a file.
pub(super) fn adcs_issuer(env: &TestEnv, fake: &Fake, interface: &str, path: &str) -> String {
    fake.settings(|settings| settings.days = 364);
    let chain = env.file("adcs-chain.pem", fake.chain_pem().as_bytes());
    let [trust, ..] = files(env, fake);
    let password = env.file("adcs-password", b"p4ss of the account");
    format!(
        "type = 'adcs'\nurl = '{}{path}'\nca_bundle_path = '{trust}'\nchain_path = '{}'\n\
         accept_shorter_validity = true\n[adcs]\ninterface = '{interface}'\ntemplate = 'SCEPDevice'\n\
         ra_template = 'SCEPDevice'\nusername = 'FAKE\\svc-scepd'\npassword_file = '{}'",
        fake.url(),
        chain.display(),
        password.display()
    )
}

async fn a_life(interface: &str, path: &str) {
    let (fake, server) = adcs(interface, path).await;
    let device = Device::of(&server, "corp").await;
    assert!(is_signed_by(&fake, &enrolled(&device).await));

    let device = Device::of(&server, "corp").await;
    let name = "0x80094811".to_owned();
    fake.fail(Operation::Issue, Some(1), Fault::Error { name });
    refused(until_decided(&device, &first_request(&device)).await);
    let said = said(&server);
    assert!(
        said.contains("issuer_refused") && said.contains("CERTSRV_E_KEY_LENGTH (0x80094811)"),
        "{said}"
    );
    clean(&fake);
}

#[tokio::test(flavor = "multi_thread")]
async fn by_ces_devices_enroll_and_are_denied() {
    a_life("ces", "/Fake-CA_CES_UsernamePassword/service.svc/CES").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_the_pages_devices_enroll_and_are_denied() {
    a_life("certsrv", "/certsrv").await;
}
