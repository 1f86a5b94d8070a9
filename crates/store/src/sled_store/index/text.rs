/// What a piece of a row's text is. Its number is the octet that the piece begins with; text
/// itself holds no octets this low, so a search cannot run over from one piece into the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(in crate::sled_store) enum Field {
    Device = 1,
    Serial = 2,
    CommonName = 3,
    TransactionId = 4,
    Other = 5,
}

/// The octet at the end of every row's text.
const END: u8 = 0;

/// The longest piece that is searchable, in octets; of longer ones only the beginning is.
const PIECE_MAX: usize = 256;

/// Whether this octet separates pieces.
pub(super) const fn is_mark(octet: u8) -> bool {
    octet < 0x20
}

/// The text as it is compared: lower case, without control characters.
pub(super) fn folded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    fold(text, &mut out);
    out
}

fn fold(text: &str, out: &mut String) {
    out.clear();
    if text.is_ascii() {
        out.push_str(text);
        out.make_ascii_lowercase();
    } else {
        out.extend(text.chars().flat_map(char::to_lowercase));
    }
    if out.contains(char::is_control) {
        *out = out.replace(char::is_control, " ");
    }
}

/// What of a text becomes a piece of this kind. A serial number's leading zeros make no difference.
pub(super) fn piece(field: Field, text: &str) -> String {
    let mut piece = String::with_capacity(text.len());
    put_piece(field, text, &mut piece);
    piece
}

fn put_piece(field: Field, text: &str, piece: &mut String) {
    fold(text, piece);
    if field == Field::Serial {
        piece.retain(|character| character != ':');
        let zeros = piece.len() - piece.trim_start_matches('0').len();
        piece.drain(..zeros);
    }
    let mut end = piece.len().min(PIECE_MAX);
    while !piece.is_char_boundary(end) {
        end -= 1;
    }
    piece.truncate(end);
}

/// Makes rows' texts one after the other, in memory that it keeps.
#[derive(Default)]
pub(in crate::sled_store) struct TextBuilder {
    row: Vec<u8>,
    piece: String,
}

impl TextBuilder {
    pub(in crate::sled_store) fn begin(&mut self) -> &mut Self {
        self.row.clear();
        self
    }

    /// Adds a piece. An empty one is left out; so is an [`Field::Other`] that is a piece already.
    pub(in crate::sled_store) fn add(&mut self, field: Field, text: &str) -> &mut Self {
        put_piece(field, text, &mut self.piece);
        let piece = &self.piece;
        let known = field == Field::Other
            && self
                .row
                .split(|&octet| is_mark(octet))
                .any(|known| known == piece.as_bytes());
        if !piece.is_empty() && !known {
            self.row.push(field as u8);
            self.row.extend_from_slice(piece.as_bytes());
        }
        self
    }

    /// As [`add`](Self::add), for what may be absent.
    pub(in crate::sled_store) fn maybe(&mut self, field: Field, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.add(field, text),
            None => self,
        }
    }

    /// The row's text.
    pub(in crate::sled_store) fn end(&mut self) -> &[u8] {
        self.row.push(END);
        &self.row
    }
}
