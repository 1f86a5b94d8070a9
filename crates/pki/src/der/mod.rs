//! DER by hand, where raw octets or the order of a SET matter: a slicing reader and a few writers.
//!
//! What is signed, echoed or compared is sliced here, so that it stays what was sent. Two extensions, cRLDistributionPoints
//! and authorityInfoAccess, are written with rasn (`extension.rs`).

mod reader;
mod time;
mod writer;

pub use reader::{Reader, Tlv, text};
pub use time::parse_time;
pub use writer::{
    bit_string, boolean, explicit, generalized_time, ia5_string, implicit, integer, integer_u64,
    is_printable, null, octet_string, oid, printable_string, seq, set_in_order, set_of, time, tlv,
    unsigned, utc_time, utf8_string,
};

pub(crate) use writer::{
    length_octets, oid_element, push_header, push_length, push_tlv, tlv_octets,
};

/// Identifier octets.
pub mod tag {
    /// BOOLEAN.
    pub const BOOLEAN: u8 = 0x01;
    /// INTEGER.
    pub const INTEGER: u8 = 0x02;
    /// BIT STRING.
    pub const BIT_STRING: u8 = 0x03;
    /// OCTET STRING.
    pub const OCTET_STRING: u8 = 0x04;
    /// NULL.
    pub const NULL: u8 = 0x05;
    /// OBJECT IDENTIFIER.
    pub const OID: u8 = 0x06;
    /// ENUMERATED.
    pub const ENUMERATED: u8 = 0x0a;
    /// UTF8String.
    pub const UTF8_STRING: u8 = 0x0c;
    /// NumericString.
    pub const NUMERIC_STRING: u8 = 0x12;
    /// PrintableString.
    pub const PRINTABLE_STRING: u8 = 0x13;
    /// TeletexString (T61String).
    pub const T61_STRING: u8 = 0x14;
    /// IA5String.
    pub const IA5_STRING: u8 = 0x16;
    /// UTCTime.
    pub const UTC_TIME: u8 = 0x17;
    /// GeneralizedTime.
    pub const GENERALIZED_TIME: u8 = 0x18;
    /// VisibleString.
    pub const VISIBLE_STRING: u8 = 0x1a;
    /// UniversalString.
    pub const UNIVERSAL_STRING: u8 = 0x1c;
    /// BMPString.
    pub const BMP_STRING: u8 = 0x1e;
    /// SEQUENCE.
    pub const SEQUENCE: u8 = 0x30;
    /// SET.
    pub const SET: u8 = 0x31;

    /// A primitive context-specific tag, `[number]`, number below 31.
    #[must_use]
    pub const fn context(number: u8) -> u8 {
        0x80 | (number & 0x1f)
    }

    /// A constructed context-specific tag, `[number]`, number below 31.
    #[must_use]
    pub const fn context_constructed(number: u8) -> u8 {
        0xa0 | (number & 0x1f)
    }
}

#[cfg(test)]
mod tests;
