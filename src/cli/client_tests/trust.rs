//! Which servers are believed, and which are not even reached.

use super::*;

#[test]
fn who_is_believed() {
    let server = Responder::start(Behaviour {
        tls: true,
        ..Behaviour::default()
    });
    let dir = TempDir::new().unwrap();
    let write = |name: &str, certificate: &Certificate| {
        let path = dir.path().join(name);
        std::fs::write(&path, certificate.to_pem()).unwrap();
        path.display().to_string()
    };
    let root = write("root.pem", server.root());
    enroll(&server, &dir, &["--ca-file", &root]).unwrap();
    enroll(&server, &dir, &["--insecure"]).unwrap();
    enroll(&server, &dir, &[]).unwrap();
    let root_print = hex::encode(server.root().fingerprint()).to_uppercase();
    enroll(&server, &dir, &["--ca-fingerprint", &root_print]).unwrap();

    let stranger = Responder::start(Behaviour::default());
    let strange = write("stranger.pem", stranger.root());
    let (_, words) = complaint(enroll(&server, &dir, &["--ca-file", &strange]));
    assert!(words.contains("--ca-file"), "{words}");
    let (_, words) = complaint(enroll(
        &server,
        &dir,
        &["--ca-fingerprint", &stranger.ca_fingerprint()],
    ));
    assert!(words.contains("not the expected one"), "{words}");
    // Over plain http the file has to vouch for the CA.
    enroll(&stranger, &dir, &["--ca-file", &strange]).unwrap();
    let (_, words) = complaint(enroll(&stranger, &dir, &["--ca-file", &root]));
    assert!(words.contains("not the expected one"), "{words}");
}

#[test]
fn a_server_that_leaves_out_its_root_is_believed_by_what_is_known_of_its_ca() {
    let server = Responder::start(Behaviour {
        no_root: true,
        pending: 1,
        ..Behaviour::default()
    });
    for (flag, known) in [
        ("--ca-file", Some(server.root())),
        ("--ca-file", Some(server.ca())),
        ("--ca-fingerprint", None),
    ] {
        let dir = TempDir::new().unwrap();
        let value = match known {
            Some(certificate) => {
                let path = dir.path().join("known.pem");
                std::fs::write(&path, certificate.to_pem()).unwrap();
                path.display().to_string()
            }
            None => server.ca_fingerprint(),
        };
        let (code, words) = complaint(enroll(&server, &dir, &[flag, &value]));
        assert_eq!(code, crate::cli::outcome::PENDING, "{flag}: {words}");
        let out = dir.path().display().to_string();
        type_in(&["poll", "--out", &out]).unwrap();
        assert_eq!(certificate(&dir).public_key(), key(&dir).public_key());
    }
}

#[test]
fn an_impostor_is_not_believed() {
    let server = Responder::start(Behaviour {
        impostor: true,
        ..Behaviour::default()
    });
    let dir = TempDir::new().unwrap();
    let (_, words) = complaint(enroll(&server, &dir, &[]));
    assert!(words.contains("signer"), "{words}");
    assert!(!dir.path().join("cert.pem").exists());
}

#[test]
fn the_wrong_scheme_is_said() {
    for (tls, right, wrong, said) in [
        (true, "https:", "http:", "begins with https://"),
        (false, "http:", "https:", "does not speak TLS"),
    ] {
        let server = Responder::start(Behaviour {
            tls,
            ..Behaviour::default()
        });
        let url = server.url().replacen(right, wrong, 1);
        let (_, words) = complaint(type_in(&["probe", &url, "--insecure"]));
        assert!(words.contains(said), "{words}");
    }
}

#[test]
fn connecting_takes_no_longer_than_asked() {
    // It takes connections, and says nothing in them.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/scep", silent.local_addr().unwrap());
    let (_, words) = complaint(type_in(&["probe", &url, "--insecure", "--timeout", "1"]));
    assert!(words.contains("no answer within 1 seconds"), "{words}");
}
