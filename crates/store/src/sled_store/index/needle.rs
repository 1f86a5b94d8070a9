use memchr::memmem::Finder;

use super::text::{Field, folded, is_mark, piece};

/// Something that a row's text must hold.
pub(in crate::sled_store) struct Needle {
    finder: Finder<'static>,
    /// Whether the piece must end where the needle does.
    whole: bool,
}

impl Needle {
    /// Anywhere within a piece. `None` for an empty text, which every row holds.
    pub(in crate::sled_store) fn part(text: &str) -> Option<Self> {
        let folded = folded(text);
        if folded.is_empty() {
            return None;
        }
        Some(Self {
            finder: Finder::new(folded.as_bytes()).into_owned(),
            whole: false,
        })
    }

    /// A whole piece.
    pub(in crate::sled_store) fn whole(field: Field, text: &str) -> Self {
        let mut octets = vec![field as u8];
        octets.extend_from_slice(piece(field, text).as_bytes());
        Self {
            finder: Finder::new(&octets).into_owned(),
            whole: true,
        }
    }

    /// Where it first is in the text, from `from` on.
    pub(super) fn find(&self, text: &[u8], mut from: usize) -> Option<usize> {
        let length = self.finder.needle().len();
        loop {
            let at = from + self.finder.find(text.get(from..)?)?;
            let ends = !self.whole || text.get(at + length).is_none_or(|&next| is_mark(next));
            if ends {
                return Some(at);
            }
            from = at + length;
        }
    }
}
