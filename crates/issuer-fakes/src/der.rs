//! DER read and written, by this crate's own code: what judges a program must not share its parser.

use crate::clock::formatted;

/// One element: its identifier octet, its content, and the whole of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
    pub(crate) whole: &'a [u8],
}

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(crate) const UTF8_STRING: u8 = 0x0c;
pub(crate) const PRINTABLE_STRING: u8 = 0x13;
pub(crate) const IA5_STRING: u8 = 0x16;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

impl<'a> Element<'a> {
    /// The first element of `input` and what follows it. Lengths must be definite and in their shortest form.
    pub(crate) fn first(input: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (&tag, rest) = input.split_first()?;
        let (&short, rest) = rest.split_first()?;
        let (length, rest) = if short < 0x80 {
            (usize::from(short), rest)
        } else {
            let count = usize::from(short & 0x7f);
            let (octets, rest) = rest.split_at_checked(count)?;
            let shortest = octets.first().is_some_and(|first| *first != 0) && count <= 4;
            let length = octets
                .iter()
                .fold(0_usize, |length, octet| (length << 8) | usize::from(*octet));
            (shortest && length >= 0x80).then_some((length, rest))?
        };
        let (content, after) = rest.split_at_checked(length)?;
        let whole = input.get(..input.len().checked_sub(after.len())?)?;
        Some((
            Self {
                tag,
                content,
                whole,
            },
            after,
        ))
    }

    /// `input` as exactly one element with this tag.
    pub(crate) fn only(input: &'a [u8], tag: u8) -> Option<Self> {
        let (element, rest) = Self::first(input)?;
        (rest.is_empty() && element.tag == tag).then_some(element)
    }

    /// The elements inside.
    pub(crate) fn children(&self) -> Option<Vec<Element<'a>>> {
        let mut rest = self.content;
        let mut children = Vec::new();
        while !rest.is_empty() {
            let (child, after) = Element::first(rest)?;
            children.push(child);
            rest = after;
        }
        Some(children)
    }

    /// The content of a BIT STRING without unused bits.
    pub(crate) fn bits(&self) -> Option<&'a [u8]> {
        let (unused, bits) = self.content.split_first()?;
        (self.tag == BIT_STRING && *unused == 0).then_some(bits)
    }

    /// An OBJECT IDENTIFIER with dots.
    pub(crate) fn identifier(&self) -> Option<String> {
        if self.tag != OBJECT_IDENTIFIER {
            return None;
        }
        let mut arcs: Vec<u64> = Vec::new();
        let mut arc = 0_u64;
        for octet in self.content {
            arc = arc.checked_mul(128)?.checked_add(u64::from(octet & 0x7f))?;
            if octet & 0x80 == 0 {
                if arcs.is_empty() {
                    let first = (arc / 40).min(2);
                    arcs.push(first);
                    arc -= first * 40;
                }
                arcs.push(arc);
                arc = 0;
            }
        }
        let arcs: Vec<String> = arcs.iter().map(u64::to_string).collect();
        Some(arcs.join("."))
    }

    /// The characters of any of ASN.1's string types.
    pub(crate) fn text(&self) -> String {
        match self.tag {
            // BMPString
            0x1e => {
                let (units, _) = self.content.as_chunks::<2>();
                let units: Vec<u16> = units.iter().map(|unit| u16::from_be_bytes(*unit)).collect();
                String::from_utf16_lossy(&units)
            }
            // UTF8String, NumericString, PrintableString, IA5String
            UTF8_STRING | 0x12 | PRINTABLE_STRING | IA5_STRING => {
                String::from_utf8_lossy(self.content).into_owned()
            }
            // TeletexString and others: octet for octet
            _ => self
                .content
                .iter()
                .map(|octet| char::from(*octet))
                .collect(),
        }
    }
}

/// An element with this identifier octet and content.
pub(crate) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut octets = vec![tag];
    let length = content.len();
    if length < 0x80 {
        octets.push(u8::try_from(length).unwrap_or_default());
    } else {
        let bytes = length.to_be_bytes();
        let zeros = bytes.iter().take_while(|octet| **octet == 0).count();
        let bytes = bytes.get(zeros..).unwrap_or_default();
        octets.push(0x80 | u8::try_from(bytes.len()).unwrap_or_default());
        octets.extend_from_slice(bytes);
    }
    octets.extend_from_slice(content);
    octets
}

/// A SEQUENCE of these elements.
pub(crate) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    element(SEQUENCE, &parts.concat())
}

/// A SET of these elements, in the order of DER (X.690, section 11.6).
pub(crate) fn set(parts: &[&[u8]]) -> Vec<u8> {
    let mut parts = parts.to_vec();
    parts.sort_unstable();
    element(SET, &parts.concat())
}

/// `[number] EXPLICIT`, constructed.
pub(crate) fn tagged(number: u8, content: &[u8]) -> Vec<u8> {
    element(0xa0 | number, content)
}

/// An INTEGER from octets of its magnitude, as they are.
pub(crate) fn integer(octets: &[u8]) -> Vec<u8> {
    element(INTEGER, octets)
}

/// A small INTEGER that is not negative.
pub(crate) fn number(value: u64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let zeros = bytes.iter().take_while(|octet| **octet == 0).count().min(7);
    let bytes = bytes.get(zeros..).unwrap_or_default();
    match bytes.first() {
        Some(first) if *first >= 0x80 => integer(&[&[0], bytes].concat()),
        _ => integer(bytes),
    }
}

/// A BIT STRING without unused bits.
pub(crate) fn bit_string(octets: &[u8]) -> Vec<u8> {
    element(BIT_STRING, &[&[0], octets].concat())
}

/// Named bits, the first of them the highest of the first octet, without zeros at the end (X.690, section 11.2.2).
pub(crate) fn named_bits(bits: u16) -> Vec<u8> {
    let octets = bits.to_be_bytes();
    let used = if octets[1] == 0 { 1 } else { 2 };
    let last = octets[used - 1];
    let unused = u8::try_from(last.trailing_zeros().min(7)).unwrap_or_default();
    let mut content = vec![if bits == 0 { 0 } else { unused }];
    if bits != 0 {
        content.extend_from_slice(octets.get(..used).unwrap_or_default());
    }
    element(BIT_STRING, &content)
}

/// An OCTET STRING.
pub(crate) fn octet_string(octets: &[u8]) -> Vec<u8> {
    element(OCTET_STRING, octets)
}

/// An OBJECT IDENTIFIER from its form with dots; an empty one when that is none.
pub(crate) fn oid(dotted: &str) -> Vec<u8> {
    let arcs: Vec<u64> = dotted
        .split('.')
        .filter_map(|arc| arc.parse().ok())
        .collect();
    let mut content = Vec::new();
    if let [first, second, rest @ ..] = arcs.as_slice() {
        for arc in std::iter::once(&(first * 40 + second)).chain(rest) {
            let mut octets = vec![u8::try_from(arc & 0x7f).unwrap_or_default()];
            let mut left = arc >> 7;
            while left > 0 {
                octets.push(u8::try_from(left & 0x7f).unwrap_or_default() | 0x80);
                left >>= 7;
            }
            content.extend(octets.into_iter().rev());
        }
    }
    element(OBJECT_IDENTIFIER, &content)
}

/// UTCTime until 2049, GeneralizedTime after it (RFC 5280, section 4.1.2.5).
pub(crate) fn time(seconds: i64) -> Vec<u8> {
    let year: i32 = formatted(seconds, "%Y").parse().unwrap_or_default();
    if (1950..2050).contains(&year) {
        element(0x17, formatted(seconds, "%y%m%d%H%M%SZ").as_bytes())
    } else {
        element(0x18, formatted(seconds, "%Y%m%d%H%M%SZ").as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::{Element, SEQUENCE, element, named_bits, number, oid, time};

    #[test]
    fn what_is_written_is_read() {
        for length in [0, 1, 127, 128, 255, 256, 70_000] {
            let octets = element(SEQUENCE, &vec![7; length]);
            let read = Element::only(&octets, SEQUENCE).unwrap();
            assert_eq!(read.content.len(), length);
        }
        for dotted in ["1.2.840.113549.1.9.7", "2.5.29.17", "1.3.6.1.4.1.311.25.2"] {
            let octets = oid(dotted);
            let read = Element::only(&octets, 6).unwrap();
            assert_eq!(read.identifier().unwrap(), dotted);
        }
    }

    #[test]
    fn numbers_bits_and_times_are_as_short_as_der_wants_them() {
        assert_eq!(number(0), [2, 1, 0]);
        assert_eq!(number(128), [2, 2, 0, 128]);
        // digitalSignature and keyEncipherment; decipherOnly alone
        assert_eq!(named_bits(0xa000), [3, 2, 5, 0xa0]);
        assert_eq!(named_bits(0x0080), [3, 3, 7, 0, 0x80]);
        assert_eq!(named_bits(0), [3, 1, 0]);
        assert_eq!(&time(1_796_047_200)[2..], b"261130140000Z");
        assert_eq!(&time(4_102_444_800 - 1_577_836_800)[..2], [0x18, 15]);
    }

    #[test]
    fn lengths_in_a_longer_form_are_refused() {
        assert!(Element::first(&[0x30, 0x81, 0x01, 0x00]).is_none());
        assert!(Element::first(&[0x30, 0x80, 0x00, 0x00]).is_none());
        assert!(Element::first(&[0x30, 0x02, 0x00]).is_none());
    }
}
