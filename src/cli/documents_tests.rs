//! Every `scepd` command that the documents show is one that the command line takes.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use clap::Parser;
use clap::error::ErrorKind;

use super::Cli;

/// What stands before a command that is run as somebody else.
const RUNNERS: [&str; 3] = ["runuser", "sudo", "systemd-run"];

/// The words of each simple command of a shell text, without redirections. What is in `$(...)` is
/// one word, and its own commands are not looked at.
fn commands(text: &str) -> Vec<Vec<String>> {
    let text = text.replace("\\\n", " ");
    let (mut all, mut words, mut word) = (Vec::new(), Vec::new(), String::new());
    let mut quote = None;
    let mut depth = 0_usize;
    let mut started = false;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let quoted = quote.is_some() || depth > 0;
        match letter {
            '(' if word.ends_with('$') || depth > 0 => depth += 1,
            ')' if depth > 0 => depth -= 1,
            '\'' | '"' if depth == 0 && quote == Some(letter) => {
                quote = None;
                continue;
            }
            '\'' | '"' if !quoted => {
                quote = Some(letter);
                started = true;
                continue;
            }
            '#' if !quoted && word.is_empty() => {
                while letters.next_if(|letter| *letter != '\n').is_some() {}
                continue;
            }
            _ if quoted => {}
            ' ' | '\n' | ';' | '|' | '&' => {
                if started || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                    started = false;
                }
                if letter != ' ' && !words.is_empty() {
                    all.push(std::mem::take(&mut words));
                }
                continue;
            }
            _ => {}
        }
        word.push(letter);
    }
    if started || !word.is_empty() {
        words.push(word);
    }
    all.push(words);
    all.into_iter().map(without_redirections).collect()
}

fn without_redirections(words: Vec<String>) -> Vec<String> {
    let mut kept = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let operator = word.trim_start_matches(|letter: char| letter.is_ascii_digit());
        match operator.strip_prefix(['<', '>']) {
            Some("" | ">") => drop(words.next()),
            Some(_) => {}
            None => kept.push(word),
        }
    }
    kept
}

/// The command line of scepd in a simple command, if it is one.
fn of_scepd(words: &[String]) -> Option<&[String]> {
    let is_scepd =
        |word: &String| word == "scepd" || (word.ends_with("/scepd") && !word.contains('='));
    let first = words.iter().position(|word| !is_assignment(word))?;
    let words = words.get(first..)?;
    let at = if RUNNERS.contains(&words.first()?.as_str()) {
        // Before it stand the runner's own options, which may name the user `scepd`.
        match words.iter().position(|word| word == "--") {
            Some(end) => end + 1,
            None => words.iter().rposition(is_scepd)?,
        }
    } else {
        0
    };
    words.get(at).filter(|word| is_scepd(word))?;
    words.get(at..)
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty()
            && name
                .chars()
                .all(|letter| letter.is_ascii_uppercase() || letter == '_')
    })
}

/// A document's shell blocks and indented blocks, and what it has in backquotes elsewhere.
fn shell_and_mentions(text: &str) -> (String, Vec<String>) {
    let (mut shell, mut prose) = (String::new(), String::new());
    let mut block: Option<&str> = None;
    for line in text.lines() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            block = block.is_none().then_some(language.trim());
        } else if block == Some("sh") || (block.is_none() && line.starts_with("    ")) {
            shell.push_str(line.trim_start());
            shell.push('\n');
        } else if block.is_none() {
            prose.push_str(line);
            prose.push('\n');
        }
    }
    let mentions = prose.split('`').skip(1).step_by(2);
    (shell, mentions.map(str::to_owned).collect())
}

/// Why a command line is refused. A mention in a sentence may leave out what is needed.
fn refusal(words: &[String], mention: bool) -> Option<String> {
    let error = Cli::try_parse_from(words).err()?;
    let taken = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => true,
        ErrorKind::MissingRequiredArgument
        | ErrorKind::MissingSubcommand
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => mention,
        _ => false,
    };
    (!taken).then(|| format!("{}: {error}", words.join(" ")))
}

#[test]
fn every_command_in_the_documents_is_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![root.join("README.md")];
    for entry in fs::read_dir(root.join("docs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "md") {
            files.push(path);
        }
    }
    let (mut shown, mut wrong) = (0, Vec::new());
    for file in files {
        let (shell, mentions) = shell_and_mentions(&fs::read_to_string(&file).unwrap());
        let mut look = |text: &str, mention| {
            for words in commands(text) {
                let Some(words) = of_scepd(&words) else {
                    continue;
                };
                shown += 1;
                if let Some(refusal) = refusal(words, mention) {
                    wrong.push(format!("{}: {refusal}", file.display()));
                }
            }
        };
        look(&shell, false);
        for mention in mentions {
            look(&mention, true);
        }
    }
    assert!(shown > 30, "{shown}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn shell_texts_are_taken_apart() {
    let text = "runuser -u scepd -- scepd store backup /b/scepd-$(date +%F).store # why\n\
                A_B=c target/release/scepd bench --challenge \"$(cat 'a b')\" \\\n  --n 'x y' > out; ls scepd";
    let all = commands(text);
    let lines: Vec<Vec<&str>> = all
        .iter()
        .filter_map(|words| of_scepd(words))
        .map(|words| words.iter().map(String::as_str).collect())
        .collect();
    assert_eq!(
        lines,
        [
            vec!["scepd", "store", "backup", "/b/scepd-$(date +%F).store"],
            vec![
                "target/release/scepd",
                "bench",
                "--challenge",
                "$(cat 'a b')",
                "--n",
                "x y"
            ],
        ]
    );
}
