//! A pair is whole and its own wherever a run is killed, and the next one finishes what was started.

use std::sync::LazyLock;

use chrono::Utc;
use pki::{KeyKind, Name};
use scep::client::self_signed;
use tempfile::TempDir;

use super::durable::end_at;
use super::*;

struct Made {
    key: PrivateKey,
    issued: Issued,
}

static OLD: LazyLock<Made> = LazyLock::new(made);
static NEW: LazyLock<Made> = LazyLock::new(made);

fn made() -> Made {
    let key = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
    let subject = Name::parse("CN=laptop-17").unwrap();
    let certificate = self_signed(&subject, &key, Utc::now()).unwrap();
    let issued = Issued {
        chain: vec![certificate.clone()],
        certificate,
        findings: Vec::new(),
    };
    Made { key, issued }
}

fn pending(transaction: &str, key: &str) -> Pending {
    Pending {
        url: "https://scep.example.com/scep".to_owned(),
        transaction_id: transaction.to_owned(),
        subject: "CN=laptop-17".to_owned(),
        sans: None,
        previous: None,
        ca_fingerprint: "ab".repeat(32),
        tls: ServerTrust::System,
        by_get: false,
        legacy: false,
        key: PathBuf::from(key),
    }
}

fn open(dir: &TempDir) -> Folder {
    Folder::open(dir.path()).unwrap()
}

/// A directory as this version leaves it.
fn enrolled() -> TempDir {
    let dir = TempDir::new().unwrap();
    let folder = open(&dir);
    folder.write_key(&OLD.key).unwrap();
    let first = pending("first", KEY);
    folder.write_issued(&OLD.issued, &first).unwrap();
    dir
}

/// A directory of an earlier version: four files.
fn flat() -> TempDir {
    let dir = TempDir::new().unwrap();
    let pem = OLD.issued.certificate.to_pem();
    let key = OLD.key.to_pkcs8_pem().unwrap();
    for (name, content) in [
        (KEY, key.as_bytes()),
        (CERT, pem.as_bytes()),
        ("chain.pem", pem.as_bytes()),
        ("ca.pem", pem.as_bytes()),
    ] {
        fs::write(dir.path().join(name), content).unwrap();
    }
    dir
}

/// The certificate in force; panics where a file is not whole, or the key is not its own.
fn in_force(dir: &TempDir) -> Certificate {
    pair(dir, "")
}

fn pair(dir: &TempDir, suffix: &str) -> Certificate {
    let file = |name: &str| dir.path().join(format!("{name}{suffix}"));
    let certificate = read_certificate(&file(CERT)).unwrap();
    let key = read_key(&file(KEY)).unwrap();
    assert_eq!(certificate.public_key(), key.public_key());
    certificate
}

/// Runs `work` and kills it at each of its steps in turn, each time in a directory that `make` makes; what is then there
/// is handed to `look`. After that comes the next call, which is killed at each of its steps too.
fn killed_everywhere(
    make: impl Fn() -> TempDir,
    work: impl Fn(&Folder) -> Result<(), Error>,
    look: impl Fn(&TempDir),
) -> usize {
    for steps in 0.. {
        let dir = make();
        let folder = open(&dir);
        end_at(Some(steps));
        let done = work(&folder);
        end_at(None);
        drop(folder);
        look(&dir);
        for more in 0.. {
            end_at(Some(more));
            let opened = Folder::open(dir.path()).map(drop);
            end_at(None);
            look(&dir);
            if opened.is_ok() {
                break;
            }
        }
        if done.is_ok() {
            return steps;
        }
    }
    unreachable!()
}

fn renew_killed(make: fn() -> TempDir) {
    let with_next_key = || {
        let dir = make();
        let folder = open(&dir);
        folder.write_next_key(&NEW.key).unwrap();
        let device = Device {
            certificate: OLD.issued.certificate.clone(),
            key: OLD.key.clone(),
        };
        let second = pending("second", NEXT_KEY);
        folder.write_pending(&second, &device).unwrap();
        dir
    };
    let work = |folder: &Folder| {
        let second = pending("second", NEXT_KEY);
        folder.write_issued(&NEW.issued, &second).map(drop)
    };
    let steps = killed_everywhere(with_next_key, work, |dir| {
        let now = in_force(dir);
        assert!(now == OLD.issued.certificate || now == NEW.issued.certificate);
    });
    assert!(steps > 20, "{steps} steps");

    // What the next call finds: the new pair and nothing left of the way there, or the old one and a request to poll for.
    let mut seen = [false; 2];
    for killed_at in 0..=steps {
        let dir = with_next_key();
        let folder = open(&dir);
        end_at(Some(killed_at));
        let _ = work(&folder);
        end_at(None);
        drop(folder);
        let folder = open(&dir);
        let is_new = in_force(&dir) == NEW.issued.certificate;
        seen[usize::from(is_new)] = true;
        assert_eq!(folder.waiting().unwrap().is_none(), is_new);
        assert_eq!(folder.file(NEXT_KEY).exists(), !is_new);
        if !is_new {
            folder.pending().unwrap();
            work(&folder).unwrap();
        }
        assert_eq!(in_force(&dir), NEW.issued.certificate);
        assert_eq!(pair(&dir, ".previous"), OLD.issued.certificate);
        let pairs = fs::read_dir(dir.path().join("pairs")).unwrap();
        assert_eq!(pairs.count(), 4, "two pairs and two links");
    }
    assert_eq!(seen, [true, true]);
}

#[test]
fn a_renewal_that_is_killed_leaves_the_old_pair_or_the_new_one() {
    renew_killed(enrolled);
}

#[test]
fn files_of_an_earlier_version_are_kept_as_the_previous_pair() {
    renew_killed(flat);
}

#[test]
fn a_first_certificate_that_is_killed_comes_at_the_next_call_or_not_at_all() {
    let with_key = || {
        let dir = TempDir::new().unwrap();
        open(&dir).write_key(&NEW.key).unwrap();
        dir
    };
    let work = |folder: &Folder| {
        let first = pending("first", KEY);
        folder.write_issued(&NEW.issued, &first).map(drop)
    };
    killed_everywhere(with_key, work, |dir| {
        assert!(read_key(&dir.path().join(KEY)).is_ok());
        if dir.path().join(CERT).exists() {
            assert_eq!(in_force(dir), NEW.issued.certificate);
        }
    });
    let dir = with_key();
    work(&open(&dir)).unwrap();
    assert_eq!(in_force(&dir), NEW.issued.certificate);
    assert!(!dir.path().join("cert.pem.previous").exists());
}

#[test]
fn a_key_is_whole_or_not_there() {
    let steps = killed_everywhere(
        || TempDir::new().unwrap(),
        |folder| folder.write_key(&NEW.key),
        |dir| {
            let path = dir.path().join(KEY);
            assert!(!path.exists() || read_key(&path).is_ok());
        },
    );
    assert!(steps >= 4, "{steps} steps");
}

#[test]
fn a_request_that_waits_is_kept_with_all_it_needs_or_not_at_all() {
    let device = Device {
        certificate: OLD.issued.certificate.clone(),
        key: OLD.key.clone(),
    };
    let whole = |dir: &TempDir| {
        // The lock is free: nobody else has the directory.
        let folder = open(dir);
        if folder.waiting().unwrap().is_some() {
            folder.pending().unwrap();
        }
    };
    let waits = |folder: &Folder| folder.write_pending(&pending("first", KEY), &device);
    killed_everywhere(enrolled_elsewhere, waits, whole);
    let waiting = || {
        let dir = enrolled_elsewhere();
        waits(&open(&dir)).unwrap();
        dir
    };
    killed_everywhere(waiting, Folder::forget_pending, whole);
}

/// A directory with a pair that has come by another transaction.
fn enrolled_elsewhere() -> TempDir {
    let dir = TempDir::new().unwrap();
    let folder = open(&dir);
    folder.write_key(&OLD.key).unwrap();
    let other = pending("other", KEY);
    folder.write_issued(&OLD.issued, &other).unwrap();
    dir
}

#[test]
fn two_commands_do_not_work_in_one_directory() {
    let dir = TempDir::new().unwrap();
    let first = open(&dir);
    let words = Folder::open(dir.path()).unwrap_err().to_string();
    assert!(words.contains("another scepd command"), "{words}");
    drop(first);
    open(&dir);
}

#[test]
fn files_put_there_by_hand_stay_until_the_next_certificate() {
    let dir = enrolled();
    let mine = made();
    let key = mine.key.to_pkcs8_pem().unwrap();
    let pem = mine.issued.certificate.to_pem();
    for (name, content) in [(KEY, key.as_bytes()), (CERT, pem.as_bytes())] {
        let beside = dir.path().join("by-hand");
        fs::write(&beside, content).unwrap();
        fs::rename(&beside, dir.path().join(name)).unwrap();
    }
    let folder = open(&dir);
    assert_eq!(in_force(&dir), mine.issued.certificate);
    folder.write_next_key(&NEW.key).unwrap();
    let second = pending("second", NEXT_KEY);
    folder.write_issued(&NEW.issued, &second).unwrap();
    assert_eq!(in_force(&dir), NEW.issued.certificate);
    assert_eq!(pair(&dir, ".previous"), mine.issued.certificate);
}
