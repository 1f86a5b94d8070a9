//! The documents and the admin page say of the gates and their labels what the table says.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use challenge::{GATES, Label};
use std::path::Path;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The cells of the table's rows that begin with a number.
fn rows(document: &str) -> Vec<Vec<String>> {
    let of_gates = document.split("\n| # | gate |").nth(1).unwrap();
    of_gates
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells = line.trim_matches('|').split('|');
            cells.map(|cell| cell.trim().to_owned()).collect()
        })
        .collect()
}

#[test]
fn the_documented_gates_are_those_of_the_table() {
    let documented: Vec<_> = rows(&read("docs/scep-intune.md"))
        .into_iter()
        .map(|cells| (cells[0].clone(), cells[1].clone(), cells[3].clone()))
        .collect();
    let table: Vec<_> = GATES
        .iter()
        .map(|gate| {
            let labels: Vec<_> = gate
                .labels
                .iter()
                .map(|label| format!("`{label}`"))
                .collect();
            let labels = match labels.is_empty() {
                true => "(none)".to_owned(),
                false => labels.join(", "),
            };
            (gate.number.to_string(), gate.name.to_owned(), labels)
        })
        .collect();
    assert_eq!(documented, table);
}

#[test]
fn the_page_lists_every_counter_in_the_servers_order() {
    let page = read("web-ui/src/model/counters.ts");
    let labels: Vec<_> = page
        .lines()
        .filter_map(|line| line.split("label: \"").nth(1))
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert_eq!(labels, Label::ALL.map(Label::as_str));
}

#[test]
fn every_label_has_its_place_in_the_troubleshooting() {
    let document = read("docs/scep-intune.md");
    let (_, why) = document
        .split_once("\n## Why was this device refused?")
        .unwrap();
    let (why, _) = why.split_once("\n## ").unwrap();
    for label in Label::ALL {
        assert!(
            label == Label::Success || why.contains(&format!("`{label}`")),
            "{label} is not explained"
        );
    }
}

/// The blocks of Rust in a document of `docs`, each with the file that is named last before it.
fn quotes(document: &str) -> Vec<(String, Vec<String>)> {
    let mut quotes: Vec<(String, Vec<String>)> = Vec::new();
    let (mut file, mut inside) = (String::new(), false);
    for line in document.lines() {
        match (line, inside) {
            ("```rust", _) => {
                quotes.push((file.clone(), Vec::new()));
                inside = true;
            }
            ("```", _) => inside = false,
            (line, true) => quotes.last_mut().unwrap().1.push(line.trim().to_owned()),
            (line, false) => {
                let link = line
                    .rsplit_once("](../")
                    .and_then(|(_, link)| link.split_once(')'));
                if let Some((path, _)) = link {
                    file = path.to_owned();
                }
            }
        }
    }
    quotes
}

#[test]
fn the_code_in_the_guide_stands_in_the_files_that_it_names() {
    let quotes = quotes(&read("docs/extending.md"));
    assert!(quotes.len() >= 8, "{}", quotes.len());
    for (file, lines) in quotes {
        let source = read(&file);
        let mut rest = source.lines().map(str::trim);
        // What is left out stands as three dots.
        for line in lines
            .iter()
            .filter(|line| *line != "..." && !line.is_empty())
        {
            assert!(
                rest.any(|one| one == line),
                "{file} has no line `{line}`, or in another place"
            );
        }
    }
}
