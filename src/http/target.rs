//! Which profile a URL means, in all the spellings that clients use.

/// The longest path id; longer ones cannot be configured.
const MAX_PATH_ID: usize = 64;

/// Suffixes that clients put after a profile's path, in any letter case as IIS takes them; they mean nothing.
/// The longer spelling of the same ending stands first.
const SUFFIXES: [&str; 4] = [
    "/cgi-bin/pkiclient.exe",
    "/pkiclient.exe",
    "/certsrv/mscep/mscep.dll",
    "/certsrv/mscep",
];

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target<'a> {
    /// The profile; empty for the root profile.
    pub(super) path_id: &'a str,
    /// Whether the path is one of the mTLS listener's.
    pub(super) mtls: bool,
}

/// Reads a request path. `None`: not a SCEP path at all.
#[must_use]
pub(super) fn target(path: &str) -> Option<Target<'_>> {
    let path = without_suffixes(path);
    // A bare NDES or Cisco path is the root profile's.
    if path.is_empty() {
        return None;
    }
    let (rest, mtls) = if let Some(rest) = strip_room(path, "/scep-mtls") {
        (rest, true)
    } else if let Some(rest) = strip_room(path, "/scep") {
        (rest, false)
    } else {
        return None;
    };
    let path_id = rest.strip_prefix('/').unwrap_or(rest);
    (path_id.is_empty() || is_path_id(path_id)).then_some(Target { path_id, mtls })
}

/// The profile that a path which names none may have meant: its first part after the room's.
#[must_use]
pub(super) fn meant(path: &str) -> Option<&str> {
    let path = without_suffixes(path);
    let rest = strip_room(path, "/scep-mtls").or_else(|| strip_room(path, "/scep"));
    let named = match rest {
        Some(rest) => rest.split('/').nth(1),
        None => path.rsplit('/').next(),
    };
    named.filter(|name| !name.is_empty() && name.len() <= MAX_PATH_ID)
}

/// Whether a path is one of the bare spellings that mean the root profile.
#[must_use]
pub(super) fn is_bare(path: &str) -> bool {
    path.len() > 1 && without_suffixes(path).is_empty()
}

/// `[a-z0-9-]+`, no hyphen at either end.
#[must_use]
pub fn is_path_id(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MAX_PATH_ID
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn strip_room<'a>(path: &'a str, room: &str) -> Option<&'a str> {
    let (head, rest) = path.split_at_checked(room.len())?;
    (head.eq_ignore_ascii_case(room) && (rest.is_empty() || rest.starts_with('/'))).then_some(rest)
}

fn without_suffixes(mut path: &str) -> &str {
    loop {
        let before = path;
        path = path.strip_suffix('/').unwrap_or(path);
        for suffix in SUFFIXES {
            path = without_suffix(path, suffix);
        }
        if path == before {
            return path;
        }
    }
}

fn without_suffix<'a>(path: &'a str, suffix: &str) -> &'a str {
    let at = path.len().checked_sub(suffix.len());
    match at.and_then(|at| path.split_at_checked(at)) {
        Some((before, end)) if end.eq_ignore_ascii_case(suffix) => before,
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path_id(path: &str) -> Option<&str> {
        target(path).map(|target| target.path_id)
    }

    #[test]
    fn every_spelling_of_a_profile() {
        for path in [
            "/scep/corp",
            "/scep/corp/",
            "/scep/corp/pkiclient.exe",
            "/scep/corp/pkiclient.exe/",
            "/scep/corp/cgi-bin/pkiclient.exe",
            "/scep/corp/certsrv/mscep/mscep.dll",
            "/scep/corp/certsrv/mscep/mscep.dll/pkiclient.exe",
            "/scep/corp/certsrv/mscep/",
            "/scep/corp/CertSrv/mscep/mscep.dll",
            "/scep/corp/CERTSRV/MSCEP/MSCEP.DLL/PKIClient.EXE",
            "/SCEP/corp/certsrv/mscep",
        ] {
            assert_eq!(path_id(path), Some("corp"), "{path}");
        }
        for path in [
            "/scep",
            "/scep/",
            "/scep/pkiclient.exe",
            "/scep/certsrv/mscep/mscep.dll",
        ] {
            assert_eq!(path_id(path), Some(""), "{path}");
        }
        let mtls = Target {
            path_id: "corp",
            mtls: true,
        };
        assert_eq!(target("/scep-mtls/corp/pkiclient.exe"), Some(mtls));
    }

    #[test]
    fn bare_paths_are_the_root_profile() {
        assert!(is_bare("/cgi-bin/pkiclient.exe"));
        assert!(is_bare("/certsrv/mscep/mscep.dll"));
        assert!(is_bare("/certsrv/mscep/mscep.dll/pkiclient.exe"));
        assert!(is_bare("/certsrv/mscep"));
        assert!(is_bare("/certsrv/mscep/"));
        assert!(is_bare("/CertSrv/mscep/mscep.dll"));
        assert!(!is_bare("/certsrv"));
        assert!(!is_bare("/certsrv/mscep_admin/"));
        assert!(!is_bare("/\u{e9}certsrv/mscep"));
        assert!(!is_bare("/"));
        assert!(!is_bare("/scep"));
    }

    #[test]
    fn what_may_have_been_meant() {
        for (path, name) in [
            ("/scep/Corp", Some("Corp")),
            ("/scep/corp/x", Some("corp")),
            ("/secp/corp", Some("corp")),
            ("/corp/pkiclient.exe", Some("corp")),
            ("/", None),
        ] {
            assert_eq!(meant(path), name, "{path}");
        }
    }

    #[test]
    fn what_is_no_profile() {
        for path in [
            "",
            "/",
            "/scepter",
            "/api/v1",
            "/scep/-a",
            "/scep/a-",
            "/scep/A",
            "/scep/a/b",
        ] {
            assert_eq!(target(path), None, "{path}");
        }
    }
}
