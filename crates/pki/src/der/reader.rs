//! The slicing reader: each element is given as octets of the input.

use super::tag;
use crate::{Error, oid};

/// One element: its identifier octet, its content, and the whole of it as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// The identifier octet (class, constructed bit, number below 31).
    pub tag: u8,
    /// The content octets.
    pub content: &'a [u8],
    /// Identifier, length and content as they stand in the input.
    pub raw: &'a [u8],
}

impl<'a> Tlv<'a> {
    /// Reads `input` as exactly one element with nothing after it.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn parse(input: &'a [u8], what: &'static str) -> Result<Self, Error> {
        let mut reader = Reader::new(input, what);
        let element = reader.element()?;
        reader.finish()?;
        Ok(element)
    }

    /// The content as a list of elements.
    #[must_use]
    pub const fn reader(&self, what: &'static str) -> Reader<'a> {
        Reader::new(self.content, what)
    }
}

/// Reads elements one after the other. Lengths must be definite; they need not be the shortest form, so that signed
/// octets from careless encoders can be kept as they came.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    /// A reader over `input`; `what` names the structure in errors.
    #[must_use]
    pub const fn new(input: &'a [u8], what: &'static str) -> Self {
        Self { rest: input, what }
    }

    /// True when nothing is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The octets not read yet.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The identifier octet of the next element.
    #[must_use]
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// An error about the structure that is being read.
    #[must_use]
    pub const fn error(&self, problem: &'static str) -> Error {
        Error::malformed(self.what, problem)
    }

    /// The next element, whatever it is.
    ///
    /// # Errors
    /// `Malformed` when there is none, or it is cut short, or its length is indefinite, or its tag number is above 30.
    pub fn element(&mut self) -> Result<Tlv<'a>, Error> {
        let (&tag, after_tag) = self
            .rest
            .split_first()
            .ok_or_else(|| self.error("an element is missing"))?;
        if tag & 0x1f == 0x1f {
            return Err(self.error("a tag number is above 30"));
        }
        let (length, header) = match after_tag.first().copied() {
            None => return Err(self.error("an element is cut short")),
            Some(short) if short < 0x80 => (usize::from(short), 2),
            Some(0x80) => return Err(self.error("a length is indefinite")),
            Some(long) => {
                let octets = usize::from(long & 0x7f);
                if octets > 4 {
                    return Err(self.error("a length is too large"));
                }
                let digits = after_tag
                    .get(1..=octets)
                    .ok_or_else(|| self.error("an element is cut short"))?;
                (
                    digits
                        .iter()
                        .fold(0, |length, digit| (length << 8) | usize::from(*digit)),
                    2 + octets,
                )
            }
        };
        let end = header
            .checked_add(length)
            .ok_or_else(|| self.error("a length is too large"))?;
        let (raw, rest) = self
            .rest
            .split_at_checked(end)
            .ok_or_else(|| self.error("an element is cut short"))?;
        let content = raw
            .get(header..)
            .ok_or_else(|| self.error("an element is cut short"))?;
        self.rest = rest;
        Ok(Tlv { tag, content, raw })
    }

    /// The next element, which must have this tag.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn expect(&mut self, tag: u8) -> Result<Tlv<'a>, Error> {
        match self.peek() {
            Some(found) if found == tag => self.element(),
            Some(_) => Err(self.error("an element is of another type than it must be")),
            None => Err(self.error("an element is missing")),
        }
    }

    /// The next element if it has this tag.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn optional(&mut self, tag: u8) -> Result<Option<Tlv<'a>>, Error> {
        if self.peek() == Some(tag) {
            self.element().map(Some)
        } else {
            Ok(None)
        }
    }

    /// A reader over the content of the next element, a SEQUENCE.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn sequence(&mut self) -> Result<Self, Error> {
        self.nested(tag::SEQUENCE)
    }

    /// A reader over the content of the next element, which must have this tag.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn nested(&mut self, tag: u8) -> Result<Self, Error> {
        Ok(Self::new(self.expect(tag)?.content, self.what))
    }

    /// The next element, an OBJECT IDENTIFIER, in dotted form.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn oid(&mut self) -> Result<String, Error> {
        oid::to_dotted(self.expect(tag::OID)?.content)
    }

    /// The content octets of the next element, an INTEGER, as sent.
    ///
    /// # Errors
    /// `Malformed`, also when the INTEGER is empty.
    pub fn integer(&mut self) -> Result<&'a [u8], Error> {
        let content = self.expect(tag::INTEGER)?.content;
        if content.is_empty() {
            Err(self.error("an INTEGER is empty"))
        } else {
            Ok(content)
        }
    }

    /// The next element, an INTEGER that is not negative and fits.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn unsigned(&mut self) -> Result<u64, Error> {
        let content = self.integer()?;
        let digits = content.strip_prefix(&[0]).unwrap_or(content);
        if content.first().is_some_and(|first| first & 0x80 != 0) || digits.len() > 8 {
            return Err(self.error("an INTEGER is out of range"));
        }
        Ok(digits
            .iter()
            .fold(0, |value, digit| (value << 8) | u64::from(*digit)))
    }

    /// The octets of the next element, a BIT STRING with no unused bits.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn bit_octets(&mut self) -> Result<&'a [u8], Error> {
        match self.expect(tag::BIT_STRING)?.content.split_first() {
            Some((0, octets)) => Ok(octets),
            _ => Err(self.error("a BIT STRING is not whole octets")),
        }
    }

    /// The next element, a UTCTime or GeneralizedTime.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn time(&mut self) -> Result<chrono::DateTime<chrono::Utc>, Error> {
        super::parse_time(&self.element()?)
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// `Malformed` when something is left.
    pub const fn finish(self) -> Result<(), Error> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.error("there is more than there should be"))
        }
    }
}

/// The text of a string element: PrintableString, UTF8String, IA5String, NumericString, VisibleString, T61String (read as
/// Latin-1), BMPString or UniversalString. None when the tag is no string or the octets are not text in it.
#[must_use]
pub fn text(element: &Tlv<'_>) -> Option<String> {
    match element.tag {
        tag::UTF8_STRING => std::str::from_utf8(element.content).ok().map(str::to_owned),
        // What these may hold beside ASCII is nowhere written; encoders put Latin-1 or UTF-8 there.
        tag::PRINTABLE_STRING
        | tag::IA5_STRING
        | tag::NUMERIC_STRING
        | tag::VISIBLE_STRING
        | tag::T61_STRING => Some(match std::str::from_utf8(element.content) {
            Ok(text) if text.is_ascii() || element.tag != tag::T61_STRING => text.to_owned(),
            _ => element
                .content
                .iter()
                .map(|octet| char::from(*octet))
                .collect(),
        }),
        tag::BMP_STRING => {
            let (pairs, []) = element.content.as_chunks::<2>() else {
                return None;
            };
            char::decode_utf16(pairs.iter().map(|pair| u16::from_be_bytes(*pair)))
                .collect::<Result<_, _>>()
                .ok()
        }
        tag::UNIVERSAL_STRING => {
            let (quads, []) = element.content.as_chunks::<4>() else {
                return None;
            };
            quads
                .iter()
                .map(|quad| char::from_u32(u32::from_be_bytes(*quad)))
                .collect()
        }
        _ => None,
    }
}
