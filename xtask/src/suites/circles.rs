//! Files that import each other in a circle, and what `docs/architecture.md` says of an enrollment's path.
//!
//! Inside one folder of a crate a circle may be one idea in several files; across folders, or among the files at a crate's
//! root, it means that data and what is done with it are in one place.

use std::collections::{BTreeMap, BTreeSet};

use crate::repo::Repo;

/// The crates, by where their sources are.
const SOURCES: [&str; 10] = [
    "crates/pki/src/",
    "crates/scep/src/",
    "crates/challenge/src/",
    "crates/issuer/src/",
    "crates/ocsp/src/",
    "crates/store/src/",
    "actors/src/",
    "api/src/",
    "src/",
    "xtask/src/",
];

/// The most files that the path of an enrollment may have in the document.
const LONGEST_PATH: usize = 10;

type Module = Vec<String>;

pub(super) fn faults(repo: &Repo, files: &[String]) -> Vec<String> {
    let mut faults = Vec::new();
    for source in SOURCES {
        let mut modules = BTreeMap::new();
        for file in files.iter().filter(|file| file.starts_with(source)) {
            if let (Some(module), Ok(text)) = (
                module_of(source, file),
                std::fs::read_to_string(repo.path(file)),
            ) {
                modules.insert(module, code_of(&text));
            }
        }
        for circle in circles(&imports(&modules)) {
            if in_one_folder(&circle) {
                continue;
            }
            let names: Vec<String> = circle.iter().map(|module| module.join("::")).collect();
            faults.push(format!(
                "{source}: these files import each other in a circle: {}",
                names.join(", ")
            ));
        }
    }
    match std::fs::read_to_string(repo.path("docs/architecture.md")) {
        Ok(text) => faults.extend(path_faults(repo, &text)),
        Err(error) => faults.push(format!("docs/architecture.md: {error}")),
    }
    faults
}

/// The files of an enrollment's path: those that exist, and not too many.
fn path_faults(repo: &Repo, text: &str) -> Vec<String> {
    let path = enrollment_path(text);
    let mut faults: Vec<String> = path
        .iter()
        .filter(|file| !repo.path(file).is_file())
        .map(|file| format!("docs/architecture.md: {file} of an enrollment's path is no file"))
        .collect();
    if path.is_empty() || path.len() > LONGEST_PATH {
        faults.push(format!(
            "docs/architecture.md: an enrollment's path has {} files; 1 to {LONGEST_PATH} can be followed",
            path.len()
        ));
    }
    faults
}

/// The first link of each numbered line under "One enrollment, file by file".
fn enrollment_path(text: &str) -> Vec<&str> {
    let Some((_, section)) = text.split_once("\n## One enrollment, file by file\n") else {
        return Vec::new();
    };
    let section = section.split("\n## ").next().unwrap_or_default();
    section
        .lines()
        .filter(|line| line.starts_with(|c: char| c.is_ascii_digit()))
        .filter_map(|line| line.split("](../").nth(1)?.split(')').next())
        .collect()
}

/// `actors/src/journal/inbox.rs` is `journal::inbox`. Tests are no modules.
fn module_of(source: &str, file: &str) -> Option<Module> {
    let path = file.strip_prefix(source)?.strip_suffix(".rs")?;
    let mut module: Module = path.split('/').map(str::to_owned).collect();
    if module.iter().any(|part| part == "tests") {
        return None;
    }
    if module.last().is_some_and(|last| {
        last == "mod" || (module.len() == 1 && (last == "lib" || last == "main"))
    }) {
        module.pop();
    }
    Some(module)
}

/// The code without comments and without the tests at its end.
fn code_of(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    code.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

/// Who imports whom, with names followed through `pub use` to where they are made.
fn imports(modules: &BTreeMap<Module, String>) -> BTreeMap<Module, BTreeSet<Module>> {
    let mut uses: BTreeMap<&Module, Vec<(Module, bool)>> = BTreeMap::new();
    let mut shown: BTreeMap<(Module, String), Module> = BTreeMap::new();
    for (module, code) in modules {
        for (path, public) in paths(code) {
            let Some(full) = absolute(modules, module, &path) else {
                continue;
            };
            if public && let Some(name) = full.last() {
                shown.insert((module.clone(), name.clone()), full.clone());
            }
            uses.entry(module).or_default().push((full, public));
        }
        for child in children_named(modules, module, code) {
            uses.entry(module).or_default().push((child, false));
        }
    }
    let mut graph = BTreeMap::new();
    for module in modules.keys() {
        let mut to = BTreeSet::new();
        for (full, public) in uses.get(module).into_iter().flatten() {
            // A module that shows what its own children make does not use it.
            if *public && full.starts_with(module) && full.len() > module.len() {
                continue;
            }
            if let Some(target) = home(modules, &shown, full, 0)
                && target != *module
            {
                to.insert(target);
            }
        }
        graph.insert(module.clone(), to);
    }
    graph
}

/// The children that a module's code names in paths of their own (`child::f`), beside `use`.
fn children_named(modules: &BTreeMap<Module, String>, module: &Module, code: &str) -> Vec<Module> {
    let is_child = |other: &&Module| other.len() == module.len() + 1 && other.starts_with(module);
    let is_named = |child: &&Module| {
        let start = format!("{}::", child.last().map_or("", String::as_str));
        code.lines()
            .filter(|line| !line.contains("use "))
            .any(|line| {
                line.match_indices(&start).any(|(position, _)| {
                    let before = line.get(..position).and_then(|text| text.chars().last());
                    !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
                })
            })
    };
    let children = modules.keys().filter(is_child);
    children.filter(is_named).cloned().collect()
}

/// A path as a list from the crate's root on; `None` for what is another crate's.
fn absolute(modules: &BTreeMap<Module, String>, module: &Module, path: &str) -> Option<Module> {
    let mut parts: Module = path
        .split("::")
        .map(|part| part.trim().to_owned())
        .collect();
    let mut base = module.clone();
    match parts.first().map(String::as_str) {
        Some("crate") => {
            base.clear();
            parts.remove(0);
        }
        Some("self") => {
            parts.remove(0);
        }
        Some("super") => {
            while parts.first().is_some_and(|part| part == "super") {
                base.pop();
                parts.remove(0);
            }
        }
        Some(first) => {
            let mut child = base.clone();
            child.push(first.to_owned());
            modules.get(&child)?;
        }
        None => return None,
    }
    base.extend(parts);
    Some(base)
}

/// The module in which what a path names is made.
fn home(
    modules: &BTreeMap<Module, String>,
    shown: &BTreeMap<(Module, String), Module>,
    full: &Module,
    depth: usize,
) -> Option<Module> {
    for length in (0..=full.len()).rev() {
        let (module, rest) = full.split_at(length);
        let module = module.to_vec();
        if !modules.contains_key(&module) {
            continue;
        }
        if let Some(first) = rest.first()
            && depth < 8
            && let Some(target) = shown.get(&(module.clone(), first.clone()))
        {
            let mut target = target.clone();
            target.extend(rest.iter().skip(1).cloned());
            if target != *full {
                return home(modules, shown, &target, depth + 1);
            }
        }
        return Some(module);
    }
    None
}

/// Every path that the code names, and whether it is shown to others.
fn paths(code: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    let mut rest = String::with_capacity(code.len());
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        let trimmed = line.trim_start();
        let public = trimmed.starts_with("pub use ")
            || (trimmed.starts_with("pub(") && trimmed.contains(") use "));
        if !public && !trimmed.starts_with("use ") {
            rest.push_str(line);
            rest.push('\n');
            continue;
        }
        let mut statement = trimmed.to_owned();
        while !statement.contains(';')
            && let Some(next) = lines.next()
        {
            statement.push_str(next.trim());
        }
        let tree = statement.split_once("use ").map_or("", |(_, tree)| tree);
        let tree = tree.split(';').next().unwrap_or_default();
        found.extend(expanded(tree).into_iter().map(|path| (path, public)));
    }
    for start in ["crate::", "super::"] {
        for (position, _) in rest.match_indices(start) {
            let before = rest.get(..position).and_then(|text| text.chars().last());
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let path: String = rest
                .get(position..)
                .unwrap_or_default()
                .chars()
                .take_while(|c| c.is_alphanumeric() || matches!(c, '_' | ':'))
                .collect();
            let path = path.trim_end_matches(':');
            if path.contains("::") {
                found.push((path.to_owned(), false));
            }
        }
    }
    found
}

/// `a::{b, c::{d, e}}` is `a::b`, `a::c::d`, `a::c::e`.
fn expanded(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((head, body)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default();
        return vec![path.trim().trim_end_matches("::self").to_owned()];
    };
    let body = body.rsplit_once('}').map_or(body, |(body, _)| body);
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for (position, character) in body.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(body.get(start..position).unwrap_or_default());
                start = position + 1;
            }
            _ => {}
        }
    }
    parts.push(body.get(start..).unwrap_or_default());
    parts
        .into_iter()
        .filter(|part| !part.trim().is_empty())
        .flat_map(expanded)
        .map(|path| match path.as_str() {
            "self" => head.trim().trim_end_matches("::").to_owned(),
            _ => format!("{}{path}", head.trim()),
        })
        .collect()
}

/// Whether all files of a circle are in one folder below the crate's root.
fn in_one_folder(circle: &BTreeSet<Module>) -> bool {
    let mut folders = circle.iter().map(|module| module.first());
    let first = folders.next().flatten();
    first.is_some() && folders.all(|folder| folder == first) && circle.iter().any(|m| m.len() > 1)
}

/// The sets of modules that reach each other.
fn circles(graph: &BTreeMap<Module, BTreeSet<Module>>) -> Vec<BTreeSet<Module>> {
    let reach: BTreeMap<&Module, BTreeSet<&Module>> = graph
        .keys()
        .map(|module| (module, reached(graph, module)))
        .collect();
    let mut found: Vec<BTreeSet<Module>> = Vec::new();
    for (module, reached) in &reach {
        if found.iter().any(|circle| circle.contains(*module)) {
            continue;
        }
        let circle: BTreeSet<Module> = reached
            .iter()
            .filter(|other| {
                reach
                    .get(**other)
                    .is_some_and(|reached| reached.contains(module))
            })
            .map(|other| (*other).clone())
            .collect();
        if circle.len() > 1 {
            found.push(circle);
        }
    }
    found
}

/// Everything that a module imports, directly or not.
fn reached<'a>(
    graph: &'a BTreeMap<Module, BTreeSet<Module>>,
    from: &'a Module,
) -> BTreeSet<&'a Module> {
    let mut seen = BTreeSet::new();
    let mut open: Vec<&Module> = graph.get(from).into_iter().flatten().collect();
    while let Some(module) = open.pop() {
        if seen.insert(module) {
            open.extend(graph.get(module).into_iter().flatten());
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crate_of(files: &[(&str, &str)]) -> BTreeMap<Module, String> {
        let mut modules = BTreeMap::new();
        for (file, code) in files {
            if let Some(module) = module_of("src/", file) {
                modules.insert(module, code_of(code));
            }
        }
        modules
    }

    #[test]
    fn a_circle_is_found_through_what_others_show() {
        let modules = crate_of(&[
            ("src/lib.rs", "mod a; mod b; mod c;\npub use a::A;\n"),
            (
                "src/a.rs",
                "use crate::b::{self, inner::B};\npub struct A;\n",
            ),
            ("src/b/mod.rs", "mod inner;\npub use inner::B;\n"),
            ("src/b/inner.rs", "use crate::A;\n// use crate::c::C;\n"),
            (
                "src/c.rs",
                "use crate::A;\n#[cfg(test)]\nmod tests {\n use crate::b;\n}\n",
            ),
        ]);
        let found = circles(&imports(&modules));
        assert_eq!(found.len(), 1, "{found:?}");
        let names: Vec<String> = found
            .iter()
            .flatten()
            .map(|module| module.join("::"))
            .collect();
        assert!(names.contains(&"a".to_owned()) && names.contains(&"b::inner".to_owned()));
        assert!(!in_one_folder(&found[0]));
    }

    #[test]
    fn a_parent_that_names_its_child_uses_it() {
        let modules = crate_of(&[
            ("src/lib.rs", "mod a; mod b;\n"),
            ("src/a/mod.rs", "mod inner;\nfn go() { inner::go() }\n"),
            ("src/a/inner.rs", "pub(super) fn go() { crate::b::go() }\n"),
            ("src/b.rs", "use crate::a::go;\n"),
        ]);
        let found = circles(&imports(&modules));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(!in_one_folder(&found[0]));
    }

    #[test]
    fn inside_one_folder_a_circle_may_be() {
        let modules = crate_of(&[
            ("src/lib.rs", "mod a;"),
            ("src/a/mod.rs", "mod one;\nmod two;\n"),
            ("src/a/one.rs", "use super::two::Two;\n"),
            ("src/a/two.rs", "fn two() -> crate::a::one::One {}\n"),
        ]);
        let found = circles(&imports(&modules));
        assert_eq!(found.len(), 1);
        assert!(in_one_folder(&found[0]));
    }

    #[test]
    fn a_tree_of_imports_is_taken_apart() {
        assert_eq!(
            expanded("crate::a::{self, b::{C, D as E}, f}"),
            [
                "crate::a",
                "crate::a::b::C",
                "crate::a::b::D",
                "crate::a::f"
            ]
        );
    }

    #[test]
    fn the_path_is_read_from_the_numbered_lines() {
        let text = "# x\n## One enrollment, file by file\nwords\n1. [a](../src/a.rs) and [b](../b.rs)\n   more\n2. [c](../src/c.rs)\n\n## Next\n3. [d](../d.rs)\n";
        assert_eq!(enrollment_path(text), ["src/a.rs", "src/c.rs"]);
    }

    /// The sources as they are, so that `cargo test` finds a circle too.
    #[test]
    fn no_circle_reaches_across_folders() -> Result<(), String> {
        let repo = Repo::locate()?;
        let files = super::super::layering::tracked(&repo)?;
        let faults = faults(&repo, &files);
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        Ok(())
    }
}
