//! What no device may have: the CA's or the RA's key, the CA's name, a key that anybody can break, a name that nobody meant.

use openssl::bn::{BigNum, BigNumContext};
use pki::der::{self, tag};
use pki::{Csr, KeyKind, Name, PrivateKey, SubjectAltNames, oid};
use scep::FailInfo;
use scep::client::Content;

use crate::device::{Device, refused};
use crate::fleet::device_key;
use crate::test_env::{CHALLENGE, TestEnv};

/// Asks for a certificate; the refusal.
async fn refusal(device: &Device, csr: &Csr) -> (FailInfo, String) {
    refused(device.post(&device.request(Content::PkcsReq(csr))).await)
}

fn csr(subject: &str, sans: &str, key: &PrivateKey) -> Csr {
    let sans = SubjectAltNames::parse(sans).unwrap();
    Csr::build(
        &Name::parse(subject).unwrap(),
        &sans,
        Some(CHALLENGE),
        &[],
        key,
    )
    .unwrap()
}

/// A CSR whose RSA modulus is a prime, signed well: the private exponent is no secret.
fn of_a_prime_modulus() -> Csr {
    let modulus = BigNum::get_rfc3526_prime_2048().unwrap();
    let mut context = BigNumContext::new().unwrap();
    let exponent = BigNum::from_u32(65_537).unwrap();
    let mut order = modulus.to_owned().unwrap();
    order.sub_word(1).unwrap();
    let mut private = BigNum::new().unwrap();
    private
        .mod_inverse(&exponent, &order, &mut context)
        .unwrap();

    let algorithm = |oid| der::seq(&[&der::oid(oid).unwrap(), &der::null()]);
    let numbers = der::seq(&[
        &der::unsigned(&modulus.to_vec()),
        &der::unsigned(&exponent.to_vec()),
    ]);
    let challenge = der::seq(&[
        &der::oid(oid::CHALLENGE_PASSWORD).unwrap(),
        &der::set_of(vec![der::utf8_string(CHALLENGE)]),
    ]);
    let info = der::seq(&[
        &der::integer_u64(0),
        Name::parse("CN=box-4").unwrap().der(),
        &der::seq(&[
            &algorithm(oid::RSA_ENCRYPTION),
            &der::bit_string(0, &numbers),
        ]),
        &der::tlv(tag::context_constructed(0), &challenge),
    ]);
    let digest = der::seq(&[
        &algorithm(oid::SHA256),
        &der::octet_string(&pki::sha256(&info)),
    ]);
    let mut block = vec![0xff; 256];
    block[..2].copy_from_slice(&[0, 1]);
    let at = block.len() - digest.len();
    block[at - 1] = 0;
    block[at..].copy_from_slice(&digest);
    let block = BigNum::from_slice(&block).unwrap();
    let mut signature = BigNum::new().unwrap();
    signature
        .mod_exp(&block, &private, &modulus, &mut context)
        .unwrap();
    let signature = signature.to_vec_padded(256).unwrap();
    Csr::from_der(&der::seq(&[
        &info,
        &algorithm(oid::SHA256_WITH_RSA),
        &der::bit_string(0, &signature),
    ]))
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_device_may_have_is_refused_by_name() {
    let server = TestEnv::new().profile("corp", "").start().await;
    let device = Device::at(server.http("corp"), server.client(), device_key()).await;
    let key = &device.key;
    for (csr, fail_info, words) in [
        (
            csr("CN=box-4", "", &server.env.ca_key),
            FailInfo::BadAlg,
            "the key of a CA itself",
        ),
        (
            csr("O=EXAMPLE, CN=test ca", "", key),
            FailInfo::BadRequest,
            "is that of a CA",
        ),
        (of_a_prime_modulus(), FailInfo::BadAlg, "prime number"),
        (
            csr("CN=box-4", "dns:10.0.0.1", key),
            FailInfo::BadRequest,
            "`10.0.0.1` is an IP address",
        ),
        (
            csr("CN={{DeviceName}}", "", key),
            FailInfo::BadRequest,
            "`{{DeviceName}}` holds a placeholder that nobody filled in",
        ),
        (
            csr("CN=box\\E2\\80\\AE4", "", key),
            FailInfo::BadRequest,
            "direction of writing",
        ),
        (
            csr("CN=box-4", "uri:javascript:alert(1)", key),
            FailInfo::BadRequest,
            "scheme",
        ),
    ] {
        let (got, text) = refusal(&device, &csr).await;
        assert_eq!(got, fail_info, "{text}");
        assert!(text.contains(words), "{words}: {text}");
    }
    device.enroll().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ras_own_key_is_for_no_device() {
    let env = TestEnv::new();
    let ra_key = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
    env.renew_ra(&ra_key);
    let settings = format!(
        "ra = 'files'\nra_cert_path = '{0}/ra.pem'\nra_key_path = '{0}/ra.key'",
        env.dir().display()
    );
    let server = env.profile("corp", &settings).start().await;
    let device = Device::at(server.http("corp"), server.client(), device_key()).await;
    let (fail_info, text) = refusal(&device, &csr("CN=box-4", "", &ra_key)).await;
    assert_eq!(fail_info, FailInfo::BadAlg, "{text}");
    assert!(text.contains("the key of the RA itself"), "{text}");
    server.stop().await;
}
