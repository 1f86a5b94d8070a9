//! A reader of DER, of this crate's own: what judges a program must not share its parser.

/// One element: its identifier octet, its content, and the whole of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
    pub(crate) whole: &'a [u8],
}

pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const INTEGER: u8 = 0x02;

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
            0x0c | 0x12 | 0x13 | 0x16 => String::from_utf8_lossy(self.content).into_owned(),
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

/// A constructed element of indefinite length (BER).
pub(crate) fn indefinite(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut octets = vec![tag, 0x80];
    octets.extend_from_slice(content);
    octets.extend_from_slice(&[0, 0]);
    octets
}

#[cfg(test)]
mod tests {
    use super::{Element, SEQUENCE, element};

    #[test]
    fn what_is_written_is_read() {
        for length in [0, 1, 127, 128, 255, 256, 70_000] {
            let octets = element(SEQUENCE, &vec![7; length]);
            let read = Element::only(&octets, SEQUENCE).unwrap();
            assert_eq!(read.content.len(), length);
        }
    }

    #[test]
    fn lengths_in_a_longer_form_are_refused() {
        assert!(Element::first(&[0x30, 0x81, 0x01, 0x00]).is_none());
        assert!(Element::first(&[0x30, 0x80, 0x00, 0x00]).is_none());
        assert!(Element::first(&[0x30, 0x02, 0x00]).is_none());
    }

    #[test]
    fn identifiers_have_dots() {
        let octets = element(6, &hex::decode("2a864886f70d010907").unwrap());
        let read = Element::only(&octets, 6).unwrap();
        assert_eq!(read.identifier().unwrap(), "1.2.840.113549.1.9.7");
    }
}
