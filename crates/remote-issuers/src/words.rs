//! Texts from outside, for operators.

/// Characters of a text that are shown.
const SHOWN: usize = 400;

/// One line, control characters escaped, not long.
pub(crate) fn excerpt(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut shown: String = line.chars().take(SHOWN).collect::<String>();
    if line.chars().nth(SHOWN).is_some() {
        shown.push_str("...");
    }
    shown
        .chars()
        .flat_map(|one| match one {
            '"' | '\'' => one.to_string().chars().collect::<Vec<_>>(),
            other => other.escape_debug().collect(),
        })
        .collect()
}

/// A value from outside in quotes.
pub(crate) fn quoted(text: &str) -> String {
    format!("`{}`", excerpt(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_line_and_not_long() {
        assert_eq!(
            excerpt("1 error occurred:\n\t* permission denied\n\n"),
            "1 error occurred: * permission denied"
        );
        assert_eq!(excerpt("a\u{202e}b \"c\""), "a\\u{202e}b \"c\"");
        assert_eq!(excerpt(&"x".repeat(500)).chars().count(), SHOWN + 3);
        assert_eq!(quoted("a b"), "`a b`");
    }
}
