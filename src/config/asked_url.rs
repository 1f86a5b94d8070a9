//! An address that this server asks. A user name and password in it are refused by the start-up
//! checks; until then they must not be shown either.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use super::SHOWN;

/// An address as it was written. Shown with `<set>` in the place of a user name and password.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct AskedUrl(String);

impl AskedUrl {
    /// Takes the text as it is.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AskedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self
            .0
            .find("://")
            .map_or(0, |colon| colon.saturating_add(3));
        let (scheme, rest) = self.0.split_at(start);
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        match authority.rsplit_once('@') {
            Some((_, host)) => write!(f, "{scheme}{SHOWN}@{host}{path}"),
            None => f.write_str(&self.0),
        }
    }
}

impl fmt::Debug for AskedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for AskedUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        for (text, shown) in [
            ("https://u:canary@h/x", "https://<set>@h/x"),
            ("https://canary@h", "https://<set>@h"),
            ("u:canary@h", "<set>@h"),
            ("https://u:c@nary@h?a@b", "https://<set>@h?a@b"),
            ("https://h/x@y", "https://h/x@y"),
        ] {
            assert_eq!(AskedUrl::new(text).to_string(), shown);
            assert_eq!(AskedUrl::new(text).as_str(), text);
        }
    }
}
