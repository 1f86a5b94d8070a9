//! Letter case set aside, where that cannot be mistaken.

/// `text` with every letter in lower case whose case says nothing, for comparing names.
///
/// A letter is folded only where the way back leads to it again: `Ö` and `ö` are one letter in two cases. The Kelvin
/// sign, the dotted capital I or the long s are not: Unicode makes them a `k`, an `i` or an `S` as well, and a name
/// spelled with them would only look like the one that was meant.
#[must_use]
pub fn fold(text: &str) -> String {
    text.chars().map(fold_char).collect()
}

/// One character, folded as [`fold`] does.
#[must_use]
pub fn fold_char(character: char) -> char {
    if character.is_ascii() {
        return character.to_ascii_lowercase();
    }
    let mut lower = character.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(lower), None) if lower.to_uppercase().eq([character]) => lower,
        _ => character,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_in_two_cases_are_one() {
        for (upper, lower) in [
            ("JOHN@B.EXAMPLE", "john@b.example"),
            ("J\u{d6}RG", "j\u{f6}rg"),
            ("\u{395}\u{39b}", "\u{3b5}\u{3bb}"),
            ("\u{416}", "\u{436}"),
        ] {
            assert_eq!(fold(upper), lower);
            assert_eq!(fold(lower), lower);
        }
    }

    #[test]
    fn what_only_looks_like_a_letter_stays_itself() {
        // Kelvin, Angstrom and Ohm signs, capital I with a dot, dotless i, long s, capital sharp s.
        for alien in [
            '\u{212a}', '\u{212b}', '\u{2126}', '\u{130}', '\u{131}', '\u{17f}', '\u{1e9e}',
        ] {
            assert_eq!(fold_char(alien), alien);
        }
    }

    #[test]
    fn no_other_character_becomes_an_ascii_one() {
        let mistaken = ('\u{80}'..=char::MAX).find(|character| fold_char(*character).is_ascii());
        assert_eq!(mistaken, None);
    }
}
