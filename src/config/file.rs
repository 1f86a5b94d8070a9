//! A TOML text to a [`Config`].

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::schema::{self, Node};
use super::{Config, Error, Errors};

pub(super) fn parse(text: &str, file: &str) -> Result<Config, Errors> {
    let source = Source { text, file };
    let tree = DeTable::parse(text).map_err(|error| source.invalid(&error))?;
    let mut unknown = Vec::new();
    source.find_unknown(tree.get_ref(), schema::root(), "", &mut unknown);
    if !unknown.is_empty() {
        return Err(Errors(unknown));
    }
    toml::from_str(text).map_err(|error| source.invalid(&error).into())
}

struct Source<'a> {
    text: &'a str,
    file: &'a str,
}

impl Source<'_> {
    fn line(&self, offset: usize) -> usize {
        self.text
            .bytes()
            .take(offset)
            .filter(|byte| *byte == b'\n')
            .count()
            + 1
    }

    /// Only the message is taken: the error's own display quotes the line, which may hold a secret.
    fn invalid(&self, error: &toml::de::Error) -> Error {
        Error::Invalid {
            file: self.file.to_owned(),
            line: self.line(error.span().map_or(0, |span| span.start)),
            message: error.message().to_owned(),
        }
    }

    fn find_unknown(
        &self,
        table: &DeTable<'_>,
        known: &Map<String, Value>,
        section: &str,
        unknown: &mut Vec<Error>,
    ) {
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let dotted = if section.is_empty() {
                name.to_owned()
            } else {
                format!("{section}.{name}")
            };
            match (schema::node(known, name), value.get_ref()) {
                (None, _) => unknown.push(self.unknown(key, known, dotted)),
                (Some(Node::Section(known)), DeValue::Table(table)) => {
                    self.find_unknown(table, known, &dotted, unknown);
                }
                (Some(Node::Sections(known)), DeValue::Array(items)) => {
                    for item in items {
                        if let DeValue::Table(table) = item.get_ref() {
                            self.find_unknown(table, known, &dotted, unknown);
                        }
                    }
                }
                // A setting, or a section of the wrong type, which deserializing refuses.
                _ => {}
            }
        }
    }

    fn unknown<K: AsRef<str>>(
        &self,
        key: &Spanned<K>,
        known: &Map<String, Value>,
        dotted: String,
    ) -> Error {
        Error::UnknownKey {
            file: self.file.to_owned(),
            line: self.line(key.span().start),
            key: dotted,
            nearest: schema::nearest(known.keys().map(String::as_str), key.get_ref().as_ref()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn messages(text: &str) -> String {
        parse(text, "scepd.toml").unwrap_err().to_string()
    }

    #[test]
    fn an_empty_file_is_all_defaults() {
        assert_eq!(parse("", "scepd.toml").unwrap(), Config::default());
    }

    #[test]
    fn reads_nested_sections_of_the_right_profile() {
        let config = parse(
            "[[profile]]\npath_id='a'\n[profile.intune]\nenabled=true\nchallenge_validity='5m'\n\
             [[profile]]\npath_id='b'\n[profile.mtls]\nenabled=true\n",
            "scepd.toml",
        )
        .unwrap();
        let [a, b] = config.profiles.as_slice() else {
            unreachable!()
        };
        assert!(a.intune.enabled && !a.mtls.enabled);
        assert_eq!(a.intune.challenge_validity, super::super::Span::minutes(5));
        assert!(b.mtls.enabled && !b.intune.enabled);
    }

    #[test]
    fn all_unknown_keys_are_named_with_line_and_nearest() {
        let text = "[server]\nhttps_listn = '0.0.0.0:1'\n\n[[profile]]\npath_id = 'a'\n\
                    chalenge_password = 'canary-71'\n[profile.intune]\naudiance = 'x'\n[stroe]\n";
        let error = parse(text, "scepd.toml").unwrap_err();
        let lines: Vec<String> = error.0.iter().map(ToString::to_string).collect();
        assert_eq!(lines.len(), 4);
        assert!(
            lines.contains(
                &"scepd.toml:2: unknown key `server.https_listn`; did you mean `https_listen`?"
                    .to_owned()
            )
        );
        assert!(lines.contains(&"scepd.toml:6: unknown key `profile.chalenge_password`; did you mean `challenge_password`?".to_owned()));
        assert!(
            lines.contains(
                &"scepd.toml:8: unknown key `profile.intune.audiance`; did you mean `audience`?"
                    .to_owned()
            )
        );
        assert!(
            lines.contains(&"scepd.toml:9: unknown key `stroe`; did you mean `store`?".to_owned())
        );
        assert!(!error.to_string().contains("canary"));
    }

    #[test]
    fn a_key_near_nothing_has_no_suggestion() {
        assert_eq!(
            messages("[log]\nzzz = 1\n"),
            "scepd.toml:2: unknown key `log.zzz`"
        );
    }

    #[test]
    fn wrong_values_are_named_with_their_line() {
        let message = messages("[server]\n\nheader_timeout = '5 parsecs'\n");
        assert!(
            message.starts_with("scepd.toml:3: ") && message.contains("not a duration"),
            "{message}"
        );
        let message = messages("[log]\nformat = 'xml'\n");
        assert!(
            message.starts_with("scepd.toml:2: ") && message.contains("text"),
            "{message}"
        );
        let message = messages("[server\n");
        assert!(message.starts_with("scepd.toml:1: "), "{message}");
    }

    #[test]
    fn no_error_quotes_a_secret() {
        for text in [
            "[[profile]]\nchallenge_password = \"canary-71\n",
            "[[profile]]\nchallenge_password = canary-71\n",
            "[[profile]]\nchallenge_password = ['canary-71']\n",
            "[[profile]]\nchallenge_password = 'canary-71' 'canary-71'\n",
            "[[profile]]\nchallenge_password = 'canary-71'\nchallenge_password = 'canary-71'\n",
            "[profile]\nchallenge_password = 'canary-71'\n",
        ] {
            let message = messages(text);
            assert!(!message.contains("canary"), "{message}");
        }
    }
}
