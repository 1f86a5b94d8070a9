//! Patterns that names are held against.

use std::fmt;

/// A pattern over a whole name: `*` stands for any run of characters (an empty one too, and over dots and
/// slashes), `?` for exactly one; everything else for itself, in upper or lower case alike.
///
/// `*.example.com` matches `a.example.com` and `a.b.example.com`, not `example.com`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    folded: Vec<char>,
}

impl Pattern {
    /// Takes any text: every text is a pattern.
    #[must_use]
    pub fn new(text: &str) -> Pattern {
        Pattern {
            text: text.to_owned(),
            folded: fold(text),
        }
    }

    /// Whether the whole of `name` matches. Takes time proportional to the two lengths' product at worst.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let name = fold(name);
        let (mut at_name, mut at_pattern) = (0, 0);
        // Where to go on when a literal fails: after the last star, with one character more given to it.
        let mut last_star: Option<(usize, usize)> = None;
        while let Some(&have) = name.get(at_name) {
            match self.folded.get(at_pattern) {
                Some('*') => {
                    last_star = Some((at_pattern, at_name));
                    at_pattern += 1;
                }
                Some(&want) if want == '?' || want == have => {
                    at_name += 1;
                    at_pattern += 1;
                }
                _ => match last_star {
                    Some((star, taken)) => {
                        last_star = Some((star, taken + 1));
                        at_pattern = star + 1;
                        at_name = taken + 1;
                    }
                    None => return false,
                },
            }
        }
        self.folded.iter().skip(at_pattern).all(|&rest| rest == '*')
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn fold(text: &str) -> Vec<char> {
    text.chars().map(pki::fold_char).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn whole_names_match_by_star_and_question_mark() {
        let table = [
            ("*", "", true),
            ("*", "anything.at/all", true),
            ("", "", true),
            ("", "a", false),
            ("*.example.com", "a.example.com", true),
            ("*.example.com", "A.B.EXAMPLE.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", "a.example.com.evil", false),
            ("dev-??", "dev-01", true),
            ("dev-??", "dev-001", false),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXcXb", false),
            ("**a", "ba", true),
        ];
        for (pattern, name, expected) in table {
            assert_eq!(
                Pattern::new(pattern).matches(name),
                expected,
                "{pattern} on {name}"
            );
        }
    }

    #[test]
    fn many_stars_over_a_long_name_end_soon() {
        let pattern = Pattern::new(&"a*".repeat(200));
        assert!(!pattern.matches(&format!("b{}", "a".repeat(10_000))));
        assert!(!Pattern::new(&format!("{}b", "*a".repeat(200))).matches(&"a".repeat(10_000)));
    }

    proptest! {
        #[test]
        fn a_text_without_stars_matches_itself_alone(text in "[a-z.]{0,12}", other in "[a-z.]{0,12}") {
            prop_assert!(Pattern::new(&text).matches(&text.to_uppercase()));
            prop_assert_eq!(Pattern::new(&text).matches(&other), text == other);
        }

        #[test]
        fn a_star_stands_for_any_run(head in "[a-z]{0,6}", run in ".{0,20}", tail in "[a-z]{0,6}") {
            let joined = format!("{head}{run}{tail}");
            let pattern = format!("{head}*{tail}");
            prop_assert!(Pattern::new(&pattern).matches(&joined));
        }
    }
}
