//! Text of unknown origin in messages for operators.

/// Text of unknown origin for a log line: quoted, escaped, not long.
pub(crate) fn quoted(text: &str) -> String {
    const LONGEST: usize = 100;
    match text.char_indices().nth(LONGEST) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}...", text.get(..end).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strange_text_is_quoted_and_cut() {
        assert_eq!(quoted("a\r\nb\u{202e}"), r#""a\r\nb\u{202e}""#);
        assert_eq!(quoted(&"é".repeat(1000)).chars().count(), 105);
    }
}
