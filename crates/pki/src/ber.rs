//! BER in: one linear, budgeted pass to definite lengths and primitive strings (X.690, 8).
//!
//! Elements that hold nothing to rewrite are copied octet for octet, so that what was signed stays what was sent; DER comes
//! out as it went in. Strings under implicit context tags look like any other constructed element here: the reader that
//! knows the type flattens them (see `cms`).

use std::borrow::Cow;

use crate::Error;
use crate::der::{length_octets, push_length, tag};

const WHAT: &str = "BER";
const CONSTRUCTED: u8 = 0x20;

/// What a message may cost to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Levels of nesting; the outermost element is level 1.
    pub max_depth: usize,
    /// Elements in all.
    pub max_elements: usize,
}

impl Default for Limits {
    /// 32 levels, 8192 elements.
    fn default() -> Self {
        Self {
            max_depth: 32,
            max_elements: 8192,
        }
    }
}

/// Rewrites one BER element so that all lengths are definite and all strings primitive.
///
/// # Errors
/// `Malformed` (octets after the element are an error too), `TooDeep`, `TooManyElements`.
pub fn to_der(input: &[u8], limits: &Limits) -> Result<Vec<u8>, Error> {
    normalise(input, limits).map(Cow::into_owned)
}

/// Sees to it that one element keeps to the limits, before anything in it is read.
///
/// # Errors
/// As [`to_der`].
pub fn check(input: &[u8], limits: &Limits) -> Result<(), Error> {
    normalise(input, limits).map(drop)
}

/// As [`to_der`], without a copy where there is nothing to rewrite.
pub(crate) fn normalise<'a>(input: &'a [u8], limits: &Limits) -> Result<Cow<'a, [u8]>, Error> {
    let mut scan = Scan {
        input,
        limits,
        nodes: Vec::new(),
    };
    let end = scan.element(0, input.len(), 1)?;
    if end != input.len() {
        return Err(Error::malformed(WHAT, "there is more than one element"));
    }
    if scan
        .nodes
        .first()
        .is_none_or(|node| node.form == Form::Copied)
    {
        return Ok(Cow::Borrowed(input));
    }
    let mut out = Vec::with_capacity(input.len());
    scan.write(0, &mut out);
    Ok(Cow::Owned(out))
}

/// How an element is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As it came: primitive, or constructed with nothing in it to rewrite.
    Copied,
    /// Its identifier, a new length, its children.
    Rebuilt,
    /// As a primitive string: the contents of its pieces, one after the other.
    Joined,
}

/// One element of the input, in the order of the encoding.
#[derive(Debug)]
struct Node {
    start: usize,
    /// Where its identifier octets end.
    identifier_end: usize,
    /// Where its content begins.
    content: usize,
    /// Just after it, end-of-contents octets included.
    end: usize,
    /// The index of the first node that is not inside it.
    next: usize,
    /// Length of its content when it is written; of all of it when it is copied.
    length: usize,
    form: Form,
}

struct Scan<'a> {
    input: &'a [u8],
    limits: &'a Limits,
    nodes: Vec<Node>,
}

struct Header {
    first: u8,
    /// Where the identifier octets end.
    identifier_end: usize,
    content: usize,
    /// None when it is indefinite.
    length: Option<usize>,
}

impl Scan<'_> {
    /// Scans the element at `start`, which must end at `limit` or before; gives the place just after it.
    fn element(&mut self, start: usize, limit: usize, depth: usize) -> Result<usize, Error> {
        if depth > self.limits.max_depth {
            return Err(Error::TooDeep {
                limit: self.limits.max_depth,
            });
        }
        if self.nodes.len() >= self.limits.max_elements {
            return Err(Error::TooManyElements {
                limit: self.limits.max_elements,
            });
        }
        let header = self.header(start, limit)?;
        let index = self.nodes.len();
        let (identifier_end, content) = (header.identifier_end, header.content);
        let (end, next, length, form) = (content, index + 1, 0, Form::Copied);
        self.nodes.push(Node {
            start,
            identifier_end,
            content,
            end,
            next,
            length,
            form,
        });
        let end = match header.length {
            Some(length) => {
                let end = content.checked_add(length).filter(|end| *end <= limit);
                let end = end.ok_or_else(cut)?;
                if header.first & CONSTRUCTED != 0 {
                    let mut at = content;
                    while at < end {
                        at = self.element(at, end, depth + 1)?;
                    }
                }
                end
            }
            None if header.first & CONSTRUCTED == 0 => {
                return Err(Error::malformed(
                    WHAT,
                    "a primitive element has an indefinite length",
                ));
            }
            None => {
                let mut at = content;
                while self
                    .input
                    .get(at..limit)
                    .is_none_or(|rest| !rest.starts_with(&[0, 0]))
                {
                    at = self.element(at, limit, depth + 1)?;
                }
                at + 2
            }
        };
        self.close(index, &header, end)?;
        Ok(end)
    }

    /// Decides how the element at `index` is written, now that what is in it is known.
    fn close(&mut self, index: usize, header: &Header, end: usize) -> Result<(), Error> {
        let next = self.nodes.len();
        let mut form = if header.length.is_none() {
            Form::Rebuilt
        } else {
            Form::Copied
        };
        let mut length = 0;
        if is_string(header.first) {
            form = Form::Joined;
            length = self.joined_length(index + 1, next, header.first)?;
        } else if header.first & CONSTRUCTED != 0 {
            for child in self.children(index + 1, next) {
                length += self.written_length(child);
                if child.form != Form::Copied {
                    form = Form::Rebuilt;
                }
            }
        }
        if let Some(node) = self.nodes.get_mut(index) {
            (node.end, node.next, node.form) = (end, next, form);
            node.length = if form == Form::Copied {
                end - node.start
            } else {
                length
            };
        }
        Ok(())
    }

    /// The nodes directly inside a node whose inside is `from..to`.
    fn children(&self, from: usize, to: usize) -> impl Iterator<Item = &Node> {
        let mut at = from;
        std::iter::from_fn(move || {
            let node = if at < to { self.nodes.get(at) } else { None };
            at = node.map_or(at, |node| node.next);
            node
        })
    }

    /// Length of the pieces of a string, joined.
    fn joined_length(&self, from: usize, to: usize, string: u8) -> Result<usize, Error> {
        let bits = string & 0x1f == tag::BIT_STRING;
        let mut length = usize::from(bits);
        let last = self.children(from, to).count().saturating_sub(1);
        for (position, piece) in self.children(from, to).enumerate() {
            let first = self.input.get(piece.start).copied().unwrap_or_default();
            // The pieces of a character string are OCTET STRINGs; some write its own type.
            if first & !CONSTRUCTED != string & !CONSTRUCTED
                && (bits || first & !CONSTRUCTED != tag::OCTET_STRING)
            {
                return Err(Error::malformed(
                    WHAT,
                    "a piece of a string is of another type",
                ));
            }
            if bits {
                let octets = self.input.get(piece.content..piece.end).unwrap_or_default();
                let whole = octets
                    .first()
                    .is_some_and(|unused| *unused == 0 || (*unused < 8 && position == last));
                if piece.form != Form::Copied || !whole {
                    return Err(Error::malformed(
                        WHAT,
                        "a piece of a BIT STRING is not whole octets",
                    ));
                }
            }
            length += self.content_length(piece) - usize::from(bits);
        }
        Ok(length)
    }

    fn content_length(&self, node: &Node) -> usize {
        if node.form == Form::Copied {
            node.end - node.content
        } else {
            node.length
        }
    }

    /// Length of all of it, when it is written.
    fn written_length(&self, node: &Node) -> usize {
        match node.form {
            Form::Copied => node.length,
            _ => self.identifier(node).len() + length_octets(node.length) + node.length,
        }
    }

    fn write(&self, index: usize, out: &mut Vec<u8>) {
        let Some(node) = self.nodes.get(index) else {
            return;
        };
        if node.form == Form::Copied {
            out.extend_from_slice(self.input.get(node.start..node.end).unwrap_or_default());
            return;
        }
        let identifier = out.len();
        out.extend_from_slice(self.identifier(node));
        push_length(out, node.length);
        if node.form == Form::Joined {
            if let Some(first) = out.get_mut(identifier) {
                *first &= !CONSTRUCTED;
            }
            self.join(index, out);
            return;
        }
        let mut at = index + 1;
        while at < node.next {
            self.write(at, out);
            at = self.nodes.get(at).map_or(node.next, |child| child.next);
        }
    }

    /// Writes the contents of the pieces of a string.
    fn join(&self, index: usize, out: &mut Vec<u8>) {
        let Some(node) = self.nodes.get(index) else {
            return;
        };
        let bits = self
            .input
            .get(node.start)
            .is_some_and(|first| first & 0x1f == tag::BIT_STRING);
        if bits {
            let last = self.children(index + 1, node.next).last();
            out.push(
                last.and_then(|piece| self.input.get(piece.content))
                    .copied()
                    .unwrap_or_default(),
            );
        }
        let mut at = index + 1;
        while let Some(piece) = self.nodes.get(at).filter(|_| at < node.next) {
            if piece.form == Form::Copied {
                let start = piece.content + usize::from(bits);
                out.extend_from_slice(self.input.get(start..piece.end).unwrap_or_default());
            } else {
                self.join(at, out);
            }
            at = piece.next;
        }
    }

    /// The identifier octets.
    fn identifier(&self, node: &Node) -> &[u8] {
        self.input
            .get(node.start..node.identifier_end)
            .unwrap_or_default()
    }

    fn header(&self, start: usize, limit: usize) -> Result<Header, Error> {
        let octets = self.input.get(start..limit).unwrap_or_default();
        let mut rest = octets.iter().copied();
        let mut next = || rest.next().ok_or_else(cut);
        let first = next()?;
        let mut read = 1;
        if first & 0x1f == 0x1f {
            loop {
                read += 1;
                if next()? & 0x80 == 0 {
                    break;
                }
                if read > 5 {
                    return Err(Error::malformed(WHAT, "a tag number is too large"));
                }
            }
        } else if first == 0 {
            return Err(Error::malformed(
                WHAT,
                "end-of-contents octets stand where no element ends",
            ));
        }
        let identifier_end = start + read;
        let length = next()?;
        read += 1;
        let length = match length {
            0x80 => None,
            short if short < 0x80 => Some(usize::from(short)),
            long => {
                let digits = usize::from(long & 0x7f);
                if digits > 4 {
                    return Err(Error::malformed(WHAT, "a length is too large"));
                }
                read += digits;
                let mut length = 0;
                for _ in 0..digits {
                    length = (length << 8) | usize::from(next()?);
                }
                Some(length)
            }
        };
        Ok(Header {
            first,
            identifier_end,
            content: start + read,
            length,
        })
    }
}

/// True for the constructed form of a universal string type.
fn is_string(first: u8) -> bool {
    first & 0xe0 == CONSTRUCTED
        && matches!(
            first & 0x1f,
            tag::OCTET_STRING | tag::BIT_STRING | tag::UTF8_STRING | 0x12..=0x16 | 0x19..=0x1c | tag::BMP_STRING
        )
}

fn cut() -> Error {
    Error::malformed(WHAT, "an element is cut short")
}

#[cfg(test)]
pub(crate) mod tests;
