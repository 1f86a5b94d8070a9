//! PEM blocks (RFC 7468, and the older ones with headers).

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use crate::Error;

const WHAT: &str = "PEM";
const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";

/// Padding may be missing: some tools cut it off.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// One block. Its body is decoded when it is asked for, so that blocks of no interest need not be good.
pub(crate) struct Block<'a> {
    /// `CERTIFICATE`, `PRIVATE KEY`, ...
    pub(crate) label: &'a str,
    body: &'a str,
}

impl Block<'_> {
    /// True when the block says that it is encrypted.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.label.starts_with("ENCRYPTED") || self.body.contains("ENCRYPTED")
    }

    /// The octets in it.
    pub(crate) fn decode(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        let mut text = Zeroizing::new(String::with_capacity(self.body.len()));
        for line in self.body.lines().filter(|line| !line.contains(':')) {
            text.extend(line.chars().filter(|character| !character.is_whitespace()));
        }
        match BASE64.decode(text.as_bytes()) {
            Ok(octets) if !octets.is_empty() => Ok(Zeroizing::new(octets)),
            Ok(_) => Err(Error::malformed(WHAT, "a block is empty")),
            Err(_) => Err(Error::malformed(WHAT, "a block is not base64")),
        }
    }
}

/// The blocks in `bytes`, in order. Text around them is ignored.
///
/// # Errors
/// `Malformed` when a block begins and does not end, as in a file that is being written.
pub(crate) fn blocks(bytes: &[u8]) -> Result<Vec<Block<'_>>, Error> {
    let mut blocks = Vec::new();
    let mut rest = bytes;
    while let Some(start) = find(rest, BEGIN.as_bytes()) {
        let after = rest.get(start + BEGIN.len()..).unwrap_or_default();
        let unfinished = Error::malformed(WHAT, "a block is cut short");
        let label_end = find(after, DASHES.as_bytes()).ok_or_else(|| unfinished.clone())?;
        let label = after
            .get(..label_end)
            .and_then(|label| std::str::from_utf8(label).ok());
        let label = label
            .filter(|label| !label.contains(['\n', '\r']))
            .ok_or_else(|| unfinished.clone())?;
        let body = after.get(label_end + DASHES.len()..).unwrap_or_default();
        let end_line = format!("-----END {label}{DASHES}");
        let body_end = find(body, end_line.as_bytes()).ok_or(unfinished)?;
        rest = body.get(body_end + end_line.len()..).unwrap_or_default();
        let body = body
            .get(..body_end)
            .and_then(|body| std::str::from_utf8(body).ok());
        let body = body.ok_or(Error::malformed(WHAT, "a block is not base64"))?;
        blocks.push(Block { label, body });
    }
    Ok(blocks)
}

/// Writes one block, 64 characters a line.
pub(crate) fn encode(label: &str, der: &[u8]) -> String {
    // It may be a private key: nothing is left behind in memory, so the text is wiped and the result never grows.
    let text = Zeroizing::new(base64::engine::general_purpose::STANDARD.encode(der));
    let mut pem = String::with_capacity(text.len() + text.len() / 64 + 2 * label.len() + 40);
    for part in [BEGIN, label, DASHES, "\n"] {
        pem.push_str(part);
    }
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str("-----END ");
    pem.push_str(label);
    pem.push_str(DASHES);
    pem.push('\n');
    pem
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_octets_survive_the_round_trip(octets in proptest::collection::vec(any::<u8>(), 1..500)) {
            let pem = encode("X", &octets);
            prop_assert!(pem.lines().all(|line| line.len() <= 64));
            prop_assert_eq!(&*blocks(pem.as_bytes()).unwrap()[0].decode().unwrap(), &octets);
        }

        #[test]
        fn arbitrary_text_never_panics(text in "(-----BEGIN [A-Z ]{0,3}-----|-----END [A-Z ]{0,3}-----|\\PC{0,8}|\n|:){0,8}") {
            if let Ok(blocks) = blocks(text.as_bytes()) {
                for block in blocks {
                    let _ = (block.decode(), block.is_encrypted());
                }
            }
        }
    }

    #[test]
    fn blocks_are_found_among_text_and_survive_the_round_trip() {
        let octets: Vec<u8> = (0..=255).collect();
        let file = format!(
            "subject=x\r\n{}{}",
            encode("EC PARAMETERS", &[5, 0]),
            encode("CERTIFICATE", &octets)
        )
        .replace('\n', "\r\n");
        let blocks = blocks(file.as_bytes()).unwrap();
        assert_eq!(
            blocks.iter().map(|block| block.label).collect::<Vec<_>>(),
            ["EC PARAMETERS", "CERTIFICATE"]
        );
        assert_eq!(*blocks[1].decode().unwrap(), octets);
    }

    #[test]
    fn a_block_cut_short_is_an_error() {
        let whole = encode("CERTIFICATE", &[1; 100]);
        for length in BEGIN.len()..whole.len() - 1 {
            assert!(blocks(&whole.as_bytes()[..length]).is_err(), "{length}");
        }
        assert!(blocks(b"nothing here").unwrap().is_empty());
        assert!(
            whole.capacity() >= whole.len() && encode("PRIVATE KEY", &[1; 4000]).capacity() < 6000
        );
        let headers = whole.replace("-----\n", "-----\nProc-Type: 4,ENCRYPTED\n\n");
        assert!(blocks(headers.as_bytes()).unwrap()[0].is_encrypted());
    }
}
