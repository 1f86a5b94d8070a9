//! An address that this server asks. A user name and password in it are refused by the start-up
//! checks; until then they must not be shown either. What stands in the query may be a token, and is never shown.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use super::SHOWN;

/// An address as it was written. Shown with `<set>` in the place of a user name and password, and of the values in the
/// query.
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
        let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (path, query) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
        match authority.rsplit_once('@') {
            Some((_, host)) => write!(f, "{scheme}{SHOWN}@{host}{path}")?,
            None => write!(f, "{scheme}{authority}{path}")?,
        }
        shown_query(f, query)
    }
}

/// The names in a query, and a fragment's beginning; the values may be secrets.
fn shown_query(f: &mut fmt::Formatter<'_>, query: &str) -> fmt::Result {
    for (number, part) in query.split(['?', '&', '#']).enumerate() {
        if number == 0 {
            continue;
        }
        f.write_str(if number == 1 { "?" } else { "&" })?;
        match part.split_once('=') {
            Some((name, value)) if !value.is_empty() => write!(f, "{name}={SHOWN}")?,
            Some(_) => f.write_str(part)?,
            // A token may stand there without a name.
            None if part.is_empty() => {}
            None => f.write_str(SHOWN)?,
        }
    }
    Ok(())
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
            ("https://u:c@nary@h?a@b", "https://<set>@h?<set>"),
            ("https://h/x?code=canary", "https://h/x?code=<set>"),
            (
                "https://h/x?v=1&code=canary&empty=#canary",
                "https://h/x?v=<set>&code=<set>&empty=&<set>",
            ),
            ("https://h?canary", "https://h?<set>"),
            ("https://h/x@y", "https://h/x@y"),
        ] {
            assert_eq!(AskedUrl::new(text).to_string(), shown);
            assert_eq!(AskedUrl::new(text).as_str(), text);
        }
    }
}
