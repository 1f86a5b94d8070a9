//! Which profile a URL means, in all the spellings that clients use.

/// The longest path id; longer ones cannot be configured.
const MAX_PATH_ID: usize = 64;

/// Suffixes that clients put after a profile's path; they mean nothing.
/// The longer spelling of the same ending stands first.
const SUFFIXES: [&str; 3] = [
    "/cgi-bin/pkiclient.exe",
    "/pkiclient.exe",
    "/certsrv/mscep/mscep.dll",
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
    let rest = path.strip_prefix(room)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

fn without_suffixes(mut path: &str) -> &str {
    loop {
        let before = path;
        path = path.strip_suffix('/').unwrap_or(path);
        for suffix in SUFFIXES {
            path = path.strip_suffix(suffix).unwrap_or(path);
        }
        if path == before {
            return path;
        }
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
        assert!(!is_bare("/"));
        assert!(!is_bare("/scep"));
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
