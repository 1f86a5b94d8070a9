//! The README's promise: one command starts a server, the command it prints enrolls a device, and OpenSSL agrees.

use std::path::Path;

use crate::build;
use crate::check::Context;
use crate::check::Done;
use crate::command::Run;
use crate::repo::Repo;
use crate::server::Server;

pub(super) fn check(context: &Context) -> Result<Done, String> {
    let repo = &context.repo;
    let readme = std::fs::read_to_string(repo.path("README.md"))
        .map_err(|error| format!("README.md: {error}"))?;
    let commands = commands(&readme);
    if commands.first() != Some(&"cargo xtask demo") {
        return Err("the first command of README.md is not `cargo xtask demo`".to_owned());
    }
    build::for_checks(repo)?;
    let server = Server::quickstart(repo, "readme", &[])?;
    enroll(repo, &server)?;
    Ok(Done::Passed)
}

/// Run the enroll command as the server printed it, and verify what it brought.
fn enroll(repo: &Repo, server: &Server) -> Result<(), String> {
    let printed = server
        .printed
        .lines()
        .map(str::trim)
        .find(|line| line.contains(" enroll --"));
    let command = printed
        .ok_or_else(|| format!("quickstart printed no enroll command:\n{}", server.printed))?;
    let mut words = command.split_whitespace();
    let out = words
        .find(|word| *word == "--out")
        .and_then(|_| words.next());
    let out = out
        .ok_or_else(|| format!("the printed command has no --out: {command}"))?
        .trim_matches('\'');
    let scratch = server.dir().join("readme");
    std::fs::create_dir_all(&scratch)
        .map_err(|error| format!("cannot make {}: {error}", scratch.display()))?;
    Run::new(repo, "sh")
        .args(["-c", command])
        .dir(&scratch)
        .env("PATH", path_with(repo)?)
        .go()?;
    let certificate = newest_certificate(&scratch.join(out))?;
    let ca = server.fact("/ca_cert")?;
    Run::new(repo, "openssl")
        .args(["verify", "-CAfile", ca])
        .arg(certificate)
        .dir(&scratch)
        .go()
}

/// PATH with the built binary's directory in front.
fn path_with(repo: &Repo) -> Result<std::ffi::OsString, String> {
    let own = repo.binary().parent().map(Path::to_path_buf);
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(own.into_iter().chain(std::env::split_paths(&path)))
        .map_err(|error| error.to_string())
}

/// The device's certificate in the directory that `enroll` wrote.
fn newest_certificate(dir: &Path) -> Result<std::path::PathBuf, String> {
    let entries = std::fs::read_dir(dir)
        .map_err(|error| format!("cannot read {}: {error}", dir.display()))?;
    let mut names: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    names.retain(|path| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("cert"))
    });
    names
        .into_iter()
        .next()
        .ok_or_else(|| format!("{} holds no certificate", dir.display()))
}

/// The commands in the document's `sh` blocks, a line each.
fn commands(text: &str) -> Vec<&str> {
    let mut commands = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match line.trim() {
            "```sh" => inside = true,
            "```" => inside = false,
            command if inside && !command.is_empty() && !command.starts_with('#') => {
                commands.push(command)
            }
            _ => {}
        }
    }
    commands
}

#[cfg(test)]
mod tests {
    use super::commands;

    #[test]
    fn commands_are_taken_out_of_sh_blocks_only() {
        let text = "```sh\n# first\ncargo xtask demo\n```\n```toml\na = 1\n```\n```sh\nb\n```";
        assert_eq!(commands(text), ["cargo xtask demo", "b"]);
    }
}
