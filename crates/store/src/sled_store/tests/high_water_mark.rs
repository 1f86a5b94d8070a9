//! What is gone from the end shows.

use std::fs;

use super::*;
use crate::{AuditFault, Error};

fn lenient(dir: &Path) -> SledStore {
    let options = SledOptions {
        lenient: true,
        ..options()
    };
    SledStore::open(dir, &options).unwrap()
}

/// Changes one bit where the database first holds this text.
fn flip(dir: &Path, text: &str) {
    let path = dir.join("db");
    let mut octets = fs::read(&path).unwrap();
    let at = octets
        .windows(text.len())
        .position(|window| window == text.as_bytes());
    octets[at.unwrap()] ^= 1;
    fs::write(path, octets).unwrap();
}

/// Words of which none repeats a part of another: so they are found in the file, compressed or not.
const WORDS: [&str; 9] = [
    "zirconium",
    "feldspar",
    "obsidian",
    "malachite",
    "tourmaline",
    "gypsum",
    "quartz",
    "bismuth",
    "galena",
];

fn message(n: u64) -> Option<String> {
    WORDS.get(n as usize - 1).map(|word| (*word).to_owned())
}

/// A store whose events 1 to 9 were put one after the other; the fifth can be told by its text.
fn nine_events() -> (TempDir, std::path::PathBuf) {
    let (dir, store) = fresh();
    for n in 1..=9 {
        let mut event = plain_event(n);
        event.details.message = message(n);
        put(&store, event);
    }
    drop(store);
    let path = dir.path().join("store");
    (dir, path)
}

#[test]
fn one_altered_bit_in_what_was_written_last_is_no_shorter_chain() {
    let (_dir, path) = nine_events();
    flip(&path, "tourmaline");
    let error = SledStore::open(&path, &options()).err().unwrap();
    assert!(
        matches!(
            error,
            Error::Lost {
                from: 1..=5,
                to: 9,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(error.to_string().contains("events"), "{error}");
    // Looking at it makes it no better.
    let store = lenient(&path);
    let faults = store.audit_verify().unwrap().faults;
    assert!(
        matches!(faults[..], [AuditFault::Removed { from: 1..=5, to: 9 }]),
        "{faults:?}"
    );
    assert!(!store.verify().unwrap().is_good());
    drop(store);
    assert!(SledStore::open(&path, &options()).is_err());
    // What is left can be gone on with, when somebody says so.
    fs::remove_file(path.join("witness")).unwrap();
    let store = open(&path);
    put(&store, plain_event(10));
    assert!(store.audit_verify().unwrap().faults.is_empty());
}

#[test]
fn an_older_note_is_no_fault_and_a_missing_one_is_made() {
    let (dir, store) = fresh();
    put_events(&store, 3);
    let path = dir.path().join("store");
    let older = fs::read(path.join("witness")).unwrap();
    put(&store, plain_event(4));
    drop(store);
    fs::write(path.join("witness"), older).unwrap();
    drop(open(&path));
    // Empty it is, when the first process with a witness was killed while it made it.
    fs::write(path.join("witness"), "").unwrap();
    drop(open(&path));
    fs::remove_file(path.join("witness")).unwrap();
    let store = open(&path);
    assert!(store.audit_verify().unwrap().faults.is_empty());
    assert!(
        fs::read_to_string(path.join("witness"))
            .unwrap()
            .contains("04 ")
    );
}

#[test]
fn a_note_that_cannot_be_read_is_said_to_be() {
    let (_dir, path) = nine_events();
    fs::write(path.join("witness"), "nonsense").unwrap();
    let error = SledStore::open(&path, &options()).err().unwrap();
    assert!(error.to_string().contains("witness"), "{error}");
    let faults = lenient(&path).audit_verify().unwrap().faults;
    assert_eq!(faults, [AuditFault::HighWaterMark]);
}

#[test]
fn a_chain_made_anew_does_not_fit_the_note() {
    let (_dir, path) = nine_events();
    let note = fs::read_to_string(path.join("witness")).unwrap();
    let digest = note.trim_end().rsplit(' ').next().unwrap();
    fs::write(path.join("witness"), note.replace(digest, &"0".repeat(64))).unwrap();
    let faults = lenient(&path).audit_verify().unwrap().faults;
    assert_eq!(faults, [AuditFault::Replaced { id: 9 }]);
}
