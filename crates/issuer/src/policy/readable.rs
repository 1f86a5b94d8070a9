//! Names that say what they are to whoever reads them: no placeholders that nobody filled in, nothing invisible.

use std::fmt::Write as _;

use pki::{Certificate, Name, NameAttribute, SubjectAltNames};

use crate::approved::{PolicyRefusal, Rule};

/// Letters in the name of a placeholder, at least.
const SHORTEST_PLACEHOLDER: usize = 2;

/// Whether names may be what nobody means to write. A renewal keeps the names that its certificate has, whatever stands
/// here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReadableRules {
    /// Names that look like a variable of a device management that was never replaced: `{{DeviceName}}`,
    /// `%HardwareUUID%`, `$UDID`, `${name}`.
    pub allow_placeholders: bool,
    /// Characters that change the direction of writing or have no width, separators of lines and paragraphs, and blanks
    /// at the ends.
    pub allow_invisible: bool,
}

impl ReadableRules {
    /// Refuses a subject with a value that cannot be meant; not one that `previous` has already.
    pub(super) fn check_subject(
        &self,
        subject: &Name,
        previous: Option<&Certificate>,
    ) -> Result<(), PolicyRefusal> {
        let known = previous.map_or(&[][..], |certificate| certificate.subject().attributes());
        subject
            .attributes()
            .iter()
            .filter(|attribute| !known.contains(attribute))
            .try_for_each(|attribute| self.check_attribute(attribute))
    }

    fn check_attribute(&self, attribute: &NameAttribute) -> Result<(), PolicyRefusal> {
        let what = format!("the subject's {}", Name::short_name(&attribute.oid));
        self.check(&what, &attribute.value, false)
            .map_err(|reason| PolicyRefusal::new(Rule::Subject, reason))
    }

    /// The same for alternative names.
    pub(super) fn check_sans(
        &self,
        sans: &SubjectAltNames,
        previous: Option<&Certificate>,
    ) -> Result<(), PolicyRefusal> {
        let none = SubjectAltNames::default();
        let known = previous.map_or(&none, Certificate::sans);
        for (kind, names, known) in [
            ("DNS", &sans.dns, &known.dns),
            ("e-mail", &sans.email, &known.email),
            ("UPN", &sans.upn, &known.upn),
            ("URI", &sans.uri, &known.uri),
        ] {
            for name in names.iter().filter(|name| !known.contains(name)) {
                self.check(&format!("the {kind} name"), name, kind == "URI")
                    .map_err(|reason| PolicyRefusal::new(Rule::SubjectAltName, reason))?;
            }
        }
        Ok(())
    }

    fn check(&self, what: &str, value: &str, is_uri: bool) -> Result<(), String> {
        if !self.allow_placeholders && holds_placeholder(value, is_uri) {
            return Err(format!(
                "{what} {} holds a placeholder that nobody filled in: set it where the device's profile is made, or \
                 allow such names by allow_placeholders",
                quoted(value)
            ));
        }
        if self.allow_invisible {
            return Ok(());
        }
        if let Some(hidden) = value.chars().find(|character| is_invisible(*character)) {
            return Err(format!(
                "{what} {} holds the character {}, which has no width or changes the direction of writing: leave it \
                 out, or allow it by allow_invisible_characters",
                quoted(value),
                hidden.escape_unicode()
            ));
        }
        if value.trim() != value {
            return Err(format!(
                "{what} {} begins or ends with a blank: leave it out, or allow it by allow_invisible_characters",
                quoted(value)
            ));
        }
        Ok(())
    }
}

/// Whether a text holds a variable as device managements write them: `{{name}}`, `${name}`, `{name}`, `%name%`, `$NAME`,
/// `<name>`, `[[name]]`, `$(name)`.
/// `%` and `$` have a meaning of their own in URIs.
fn holds_placeholder(text: &str, is_uri: bool) -> bool {
    let braces = text.match_indices('{').any(|(at, _)| {
        let (before, behind) = around(text, at);
        let Some((inside, _)) = behind.split_once('}') else {
            return false;
        };
        let doubled = before.ends_with(['{', '$']);
        (doubled && !inside.trim().is_empty())
            || (inside.len() >= SHORTEST_PLACEHOLDER
                && inside
                    .bytes()
                    .all(|octet| octet.is_ascii_alphabetic() || octet == b'_'))
    });
    let enclosed = [("<", ">"), ("[[", "]]"), ("$(", ")")];
    let enclosed = enclosed.iter().any(|(opening, closing)| {
        text.split(opening).skip(1).any(|rest| {
            rest.split_once(closing)
                .is_some_and(|(inside, _)| is_variable(inside.trim()))
        })
    });
    braces
        || enclosed
        || (!(is_uri && is_percent_encoded(text)) && holds_percent_variable(text))
        || holds_dollar_variable(text, is_uri)
}

/// What stands before and behind the one-octet character at an index.
fn around(text: &str, at: usize) -> (&str, &str) {
    (
        text.get(..at).unwrap_or_default(),
        text.get(at + 1..).unwrap_or_default(),
    )
}

/// Whether every `%` stands before two hexadecimal digits (RFC 3986, 2.1).
fn is_percent_encoded(text: &str) -> bool {
    text.split('%').skip(1).all(|rest| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

fn holds_percent_variable(text: &str) -> bool {
    let pieces: Vec<&str> = text.split('%').collect();
    let inside = pieces.len().saturating_sub(2);
    pieces
        .iter()
        .skip(1)
        .take(inside)
        .any(|piece| is_variable(piece))
}

/// A `$` that no letter or digit stands before, and a word behind it; in a URI a word in capitals.
fn holds_dollar_variable(text: &str, is_uri: bool) -> bool {
    text.match_indices('$').any(|(at, _)| {
        let (before, behind) = around(text, at);
        let word = behind
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.')
            .next()
            .unwrap_or_default();
        !before.ends_with(char::is_alphanumeric)
            && is_variable(word)
            && !(is_uri && word.bytes().any(|octet| octet.is_ascii_lowercase()))
    })
}

/// A word such as `DeviceName`, `serial_number` or `user.name`.
fn is_variable(word: &str) -> bool {
    word.len() >= SHORTEST_PLACEHOLDER
        && word.starts_with(|first: char| first.is_ascii_alphabetic())
        && word
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || octet == b'_' || octet == b'.')
}

/// Characters that show nothing of themselves and deceive who reads: without width, or changing the direction of writing;
/// and the separators of lines and paragraphs.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}

/// Text from outside for a sentence: in backquotes, cut at 100 characters, with control, direction and invisible
/// characters written as escapes.
pub(crate) fn quoted(text: &str) -> String {
    quoted_up_to(text, 100)
}

/// The same, cut at another length in characters.
pub(super) fn quoted_up_to(text: &str, longest: usize) -> String {
    let mut out = String::from("`");
    for character in text.chars().take(longest) {
        if character.is_control() || is_invisible(character) || character == '`' {
            let _ = write!(out, "{}", character.escape_unicode());
        } else {
            out.push(character);
        }
    }
    if text.chars().nth(longest).is_some() {
        out.push_str("...");
    }
    out.push('`');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn placeholders_are_told_from_names() {
        for placeholder in [
            "{{DeviceName}}",
            "host-{{ SerialNumber }}",
            "%HardwareUUID%",
            "%serialnumber%.example.com",
            "$UDID",
            "dev-$SERIALNUMBER",
            "$DEVICE_UDID$",
            "$user.username",
            "${device.name}",
            "{DeviceUid}",
            "<DeviceName>",
            "[[SerialNumber]]",
            "host-$(hostname)",
        ] {
            assert!(holds_placeholder(placeholder, false), "{placeholder}");
        }
        for name in [
            "laptop-1",
            "PC-01$",
            "PC-01$@corp.example",
            "A$AP",
            "100% cotton",
            "50% off, 20% more",
            "{3F2504E0-4F89-11D3-9A0C-0305E82C3301}",
            "cost $5",
            "a<b>c",
            "[1]",
            "<3",
            "{}",
            "{{}}",
            "%%",
            "$",
        ] {
            assert!(!holds_placeholder(name, false), "{name}");
        }
    }

    #[test]
    fn uris_have_percent_and_dollar_signs_of_their_own() {
        for uri in [
            "https://h/%C3%A4%C3%B6",
            "https://h/x?$filter=a",
            "urn:a%20b",
        ] {
            assert!(!holds_placeholder(uri, true), "{uri}");
        }
        for uri in [
            "IntuneDeviceId://{{DeviceId}}",
            "https://h/%SerialNumber%",
            "urn:x:$UDID",
        ] {
            assert!(holds_placeholder(uri, true), "{uri}");
        }
    }

    #[test]
    fn quoted_text_is_harmless() {
        assert_eq!(quoted("a\u{202e}b\n"), "`a\\u{202e}b\\u{a}`");
        assert_eq!(quoted_up_to("abc", 2), "`ab...`");
    }

    proptest! {
        #[test]
        fn any_text_is_looked_at(text in "\\PC{0,20}|[{}%$a1._]{0,12}", is_uri: bool) {
            let _ = holds_placeholder(&text, is_uri);
        }
    }
}
