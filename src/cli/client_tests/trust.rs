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
    // A pinned CA says nothing about who answers by TLS.
    let (_, words) = complaint(enroll(&server, &dir, &[]));
    assert!(words.contains("--ca-file"), "{words}");
    assert!(words.contains("--insecure-tls"), "{words}");
    enroll(&server, &dir, &["--insecure-tls"]).unwrap();
    let pin = server.ca_fingerprint();
    enroll(
        &server,
        &dir,
        &["--ca-fingerprint", &pin, "--ca-file", &root],
    )
    .unwrap();
    let root_print = hex::encode(server.root().fingerprint()).to_uppercase();
    enroll(
        &server,
        &dir,
        &["--ca-fingerprint", &root_print, "--ca-file", &root],
    )
    .unwrap();

    let stranger = Responder::start(Behaviour::default());
    let strange = write("stranger.pem", stranger.root());
    let (_, words) = complaint(enroll(&server, &dir, &["--ca-file", &strange]));
    assert!(words.contains("--ca-file"), "{words}");
    let (_, words) = complaint(enroll(
        &server,
        &dir,
        &[
            "--ca-fingerprint",
            &stranger.ca_fingerprint(),
            "--insecure-tls",
        ],
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
fn a_request_that_waits_remembers_how_tls_was_verified() {
    let server = Responder::start(Behaviour {
        tls: true,
        pending: 1,
        ..Behaviour::default()
    });
    let dir = TempDir::new().unwrap();
    let root = dir.path().join("root.pem");
    std::fs::write(&root, server.root().to_pem()).unwrap();
    let file = root.display().to_string();
    let (code, words) = complaint(enroll(&server, &dir, &["--ca-file", &file]));
    assert_eq!(code, crate::cli::outcome::PENDING, "{words}");
    // What is kept is what the file held then.
    std::fs::remove_file(root).unwrap();
    let out = dir.path().display().to_string();
    type_in(&["poll", "--out", &out]).unwrap();

    let dir = TempDir::new().unwrap();
    let (code, words) = complaint(enroll(&server, &dir, &["--insecure-tls"]));
    assert_eq!(code, crate::cli::outcome::PENDING, "{words}");
    // As a file of an earlier version: nothing is known of TLS, so it is verified.
    let file = dir.path().join("pending.json");
    let mut kept: serde_json::Value = serde_json::from_slice(&read(&dir, "pending.json")).unwrap();
    assert_eq!(kept["tls"], "unchecked");
    for name in ["tls", "sans", "previous"] {
        kept.as_object_mut().unwrap().remove(name).unwrap();
    }
    std::fs::write(&file, kept.to_string()).unwrap();
    let out = dir.path().display().to_string();
    let (_, words) = complaint(type_in(&["poll", "--out", &out]));
    assert!(words.contains("--insecure-tls"), "{words}");
    type_in(&["poll", "--out", &out, "--insecure-tls"]).unwrap();
}

#[test]
fn a_device_is_no_ra() {
    for usages in [
        &[pki::oid::EKU_CLIENT_AUTH][..],
        &[pki::oid::EKU_SERVER_AUTH],
        &[pki::oid::EKU_ANY],
        &["1.3.6.1.4.1.311.20.2.2"],
    ] {
        let server = Responder::start(Behaviour {
            ra_usages: usages,
            ..Behaviour::default()
        });
        let dir = TempDir::new().unwrap();
        let (code, words) = complaint(enroll(&server, &dir, &[]));
        assert_eq!(code, 1, "{words}");
        assert!(words.contains("the server's RA is not believed"), "{words}");
        assert!(words.contains(usages[0]), "{words}");
        assert_eq!(server.challenges(), Vec::<Option<String>>::new());
        let url = server.url();
        let probe = ["probe", &url, "--challenge", "s3cret"];
        let (_, words) = complaint(type_in(&probe));
        assert!(words.contains("is not believed"), "{words}");
        assert_eq!(server.challenges(), Vec::<Option<String>>::new());
        enroll(&server, &dir, &["--insecure"]).unwrap();
    }
}

#[test]
fn an_ra_that_says_so_is_one_whatever_else_it_is() {
    for usages in [
        &["1.3.6.1.4.1.311.20.2.1"][..],
        &[pki::oid::EKU_CLIENT_AUTH, "1.3.6.1.4.1.311.20.2.1"],
        &["1.3.6.1.5.5.7.3.28"],
    ] {
        let server = Responder::start(Behaviour {
            ra_usages: usages,
            ..Behaviour::default()
        });
        enroll(&server, &TempDir::new().unwrap(), &[]).unwrap();
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
