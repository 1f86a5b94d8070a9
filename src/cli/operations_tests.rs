//! `docs/operations.md` explains every line that is logged at warn and above.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

fn sources(directory: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// The last text of each `tracing::warn!` and `tracing::error!`, up to its first placeholder.
fn messages(source: &str) -> Vec<String> {
    let mut messages = Vec::new();
    for opening in ["tracing::warn!(", "tracing::error!("] {
        for (at, _) in source.match_indices(opening) {
            let call = source.get(at..).unwrap();
            let call = call.split(");").next().unwrap();
            if let Some(text) = call.rsplit('"').nth(1) {
                // A text over several lines goes on where the next one begins.
                let text: String = text.split("\\\n").map(str::trim_start).collect();
                messages.push(text.split('{').next().unwrap().trim().to_owned());
            }
        }
    }
    messages
}

#[test]
fn every_line_at_warn_and_above_is_explained() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("docs/operations.md")).unwrap();
    let mut files = Vec::new();
    for room in ["src", "actors/src", "crates"] {
        sources(&root.join(room), &mut files);
    }
    let (mut found, mut missing) = (0, Vec::new());
    for file in files {
        if file.ends_with("operations_tests.rs") {
            continue;
        }
        for message in messages(&fs::read_to_string(&file).unwrap()) {
            found += 1;
            if !message.is_empty() && !text.contains(&message) {
                missing.push(format!("{}: {message}", file.display()));
            }
        }
    }
    assert!(found > 20, "{found}");
    assert!(
        missing.is_empty(),
        "explain them in docs/operations.md:\n{}",
        missing.join("\n")
    );
}

#[test]
fn settings_that_it_names_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("docs/operations.md")).unwrap();
    for setting in [
        "max_connections",
        "compute_threads",
        "compute_queue",
        "data_dir",
        "metrics_listen",
        "drain_timeout",
        "ra_overlap",
        "ra_previous_cert_path",
        "ra_previous_key_path",
        "next_ca_cert_path",
        "next_chain_path",
        "previous_ca_cert_paths",
        "challenge_validity",
        "jwks_url",
        "keys_file",
        "retention",
        "fail_open",
    ] {
        assert!(text.contains(setting), "{setting}");
        assert!(
            crate::config::EXAMPLE.contains(&format!("{setting} = ")),
            "{setting}"
        );
    }
}
