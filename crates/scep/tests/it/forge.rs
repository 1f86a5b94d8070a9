//! Messages that no honest client makes, and some that only unusual ones do.

use openssl::rsa::{Padding, Rsa};
use openssl::symm::{Cipher, Crypter, Mode};
use pki::der::{self, tag};
use pki::{Certificate, Digest, Name, PrivateKey, SignatureScheme, oid};

use crate::test_env::WORLD;

/// A SignedData put together by hand.
#[derive(Clone)]
pub struct Forge<'a> {
    pub content: Option<Vec<u8>>,
    /// What messageDigest and contentType say they are; the content itself when not set.
    pub digested: Option<Vec<u8>>,
    pub content_type: &'a str,
    /// What the signed attribute says that it is.
    pub signed_type: &'a str,
    /// Issuer and serial number of the signer, where they are not those of its certificate.
    pub signer_id: Option<Vec<u8>>,
    pub certificates: Vec<&'a Certificate>,
    pub signer: (&'a Certificate, &'a PrivateKey),
    pub by_key_id: bool,
    pub digest: Digest,
    pub digest_oid: &'a str,
    pub scheme: SignatureScheme,
    /// DER of the signature AlgorithmIdentifier; rsaEncryption when not set.
    pub scheme_der: Option<Vec<u8>>,
    /// (identifier, values); contentType and messageDigest are added unless `bare`.
    pub attributes: Vec<(&'a str, Vec<Vec<u8>>)>,
    pub bare: bool,
    pub sorted: bool,
    pub signers: usize,
    pub break_signature: bool,
}

impl<'a> Forge<'a> {
    /// A PKCSReq of the device around this content, right in every way.
    pub fn new(content: Option<Vec<u8>>) -> Forge<'a> {
        let device = &WORLD.device;
        Forge {
            content,
            digested: None,
            content_type: oid::DATA,
            signed_type: oid::DATA,
            signer_id: None,
            certificates: vec![&device.certificate],
            signer: (&device.certificate, &device.key),
            by_key_id: false,
            digest: Digest::Sha256,
            digest_oid: oid::SHA256,
            scheme: SignatureScheme::RsaPkcs1(Digest::Sha256),
            scheme_der: None,
            attributes: vec![
                (oid::SCEP_MESSAGE_TYPE, vec![der::printable_string("19")]),
                (
                    oid::SCEP_TRANSACTION_ID,
                    vec![der::printable_string("transaction-1")],
                ),
                (oid::SCEP_SENDER_NONCE, vec![der::octet_string(&[7; 16])]),
            ],
            bare: false,
            sorted: true,
            signers: 1,
            break_signature: false,
        }
    }

    /// Sets or replaces the values of an attribute; no values drop it.
    pub fn attribute(mut self, oid: &'a str, values: Vec<Vec<u8>>) -> Self {
        self.attributes.retain(|(known, _)| *known != oid);
        if !values.is_empty() {
            self.attributes.push((oid, values));
        }
        self
    }

    pub fn build(&self) -> Vec<u8> {
        let digested = self
            .digested
            .clone()
            .or(self.content.clone())
            .unwrap_or_default();
        let mut attributes: Vec<Vec<u8>> = self
            .attributes
            .iter()
            .map(|(oid, values)| {
                let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
                der::seq(&[&der::oid(oid).unwrap(), &der::set_in_order(&values)])
            })
            .collect();
        if !self.bare {
            let one = |oid: &str, value: &[u8]| {
                der::seq(&[&der::oid(oid).unwrap(), &der::set_in_order(&[value])])
            };
            attributes.push(one(oid::CONTENT_TYPE, &der::oid(self.signed_type).unwrap()));
            attributes.push(one(
                oid::MESSAGE_DIGEST,
                &der::octet_string(&self.digest.hash(&digested)),
            ));
        }
        let set = der::set_of(attributes.clone());
        let (certificate, key) = self.signer;
        let mut signature = key.sign(&self.scheme, &set).unwrap();
        if self.break_signature {
            signature[20] ^= 1;
        }
        let list = match self.sorted {
            true => set,
            false => {
                attributes.sort_unstable();
                attributes.reverse();
                let parts: Vec<&[u8]> = attributes.iter().map(Vec::as_slice).collect();
                der::set_in_order(&parts)
            }
        };
        let mut list = list;
        list[0] = tag::context_constructed(0);
        let id = match self.by_key_id {
            true => der::implicit(
                0,
                false,
                certificate
                    .ski()
                    .unwrap_or(&certificate.public_key().key_id()),
            ),
            false => self
                .signer_id
                .clone()
                .unwrap_or_else(|| issuer_and_serial(certificate.issuer(), certificate)),
        };
        let digest = algorithm(self.digest_oid, &der::null());
        let scheme = self
            .scheme_der
            .clone()
            .unwrap_or_else(|| algorithm(oid::RSA_ENCRYPTION, &der::null()));
        let signer = der::seq(&[
            &der::integer_u64(1),
            &id,
            &digest,
            &list,
            &scheme,
            &der::octet_string(&signature),
        ]);
        let signers: Vec<&[u8]> = (0..self.signers).map(|_| signer.as_slice()).collect();
        let content = match &self.content {
            Some(content) => der::explicit(0, &der::octet_string(content)),
            None => Vec::new(),
        };
        let certificates: Vec<u8> = self
            .certificates
            .iter()
            .flat_map(|c| c.der().to_vec())
            .collect();
        let signed = der::seq(&[
            &der::integer_u64(1),
            &der::set_in_order(&[&digest]),
            &der::seq(&[&der::oid(self.content_type).unwrap(), &content]),
            &der::implicit(0, true, &certificates),
            &der::set_in_order(&signers),
        ]);
        der::seq(&[
            &der::oid(oid::SIGNED_DATA).unwrap(),
            &der::explicit(0, &signed),
        ])
    }
}

/// The serial number of a certificate under this issuer.
pub fn issuer_and_serial(issuer: &Name, of: &Certificate) -> Vec<u8> {
    der::seq(&[issuer.der(), &der::integer(of.serial().as_bytes())])
}

/// An EnvelopedData put together by hand.
#[derive(Clone)]
pub struct Envelope {
    pub recipient: Certificate,
    /// The recipient's issuer, where it is not that of its certificate.
    pub issuer: Option<Name>,
    pub content_type: &'static str,
    pub encrypted_key: Vec<u8>,
    pub transport: &'static str,
    pub cipher: &'static str,
    pub iv: Vec<u8>,
    pub encrypted: Vec<u8>,
}

pub const CONTENT_KEY: [u8; 16] = [0x31; 16];
pub const IV: [u8; 16] = [0x52; 16];

impl Envelope {
    /// AES-128, PKCS #1 v1.5, to the RA: right in every way.
    pub fn new(content: &[u8]) -> Envelope {
        Envelope {
            recipient: WORLD.ra.certificate.clone(),
            issuer: None,
            content_type: oid::DATA,
            encrypted_key: wrap(&CONTENT_KEY, Padding::PKCS1),
            transport: oid::RSA_ENCRYPTION,
            cipher: oid::AES128_CBC,
            iv: IV.to_vec(),
            encrypted: cbc(&padded(content, 16)),
        }
    }

    pub fn build(&self) -> Vec<u8> {
        let recipient = der::seq(&[
            &der::integer_u64(0),
            &issuer_and_serial(
                self.issuer.as_ref().unwrap_or(self.recipient.issuer()),
                &self.recipient,
            ),
            &algorithm(self.transport, &der::null()),
            &der::octet_string(&self.encrypted_key),
        ]);
        let info = der::seq(&[
            &der::oid(self.content_type).unwrap(),
            &algorithm(self.cipher, &der::octet_string(&self.iv)),
            &der::implicit(0, false, &self.encrypted),
        ]);
        let enveloped = der::seq(&[
            &der::integer_u64(0),
            &der::set_in_order(&[&recipient]),
            &info,
        ]);
        der::seq(&[
            &der::oid(oid::ENVELOPED_DATA).unwrap(),
            &der::explicit(0, &enveloped),
        ])
    }
}

pub fn algorithm(oid: &str, parameters: &[u8]) -> Vec<u8> {
    der::seq(&[&der::oid(oid).unwrap(), parameters])
}

/// Encrypts to the RA's key, with any padding that OpenSSL knows.
pub fn wrap(octets: &[u8], padding: Padding) -> Vec<u8> {
    let key = Rsa::public_key_from_der(WORLD.ra.certificate.public_key().spki_der()).unwrap();
    let mut out = vec![0; key.size() as usize];
    let length = key.public_encrypt(octets, &mut out, padding).unwrap();
    out.truncate(length);
    out
}

/// PKCS #7 padding.
pub fn padded(content: &[u8], block: usize) -> Vec<u8> {
    let fill = block - content.len() % block;
    let mut out = content.to_vec();
    out.extend(std::iter::repeat_n(fill as u8, fill));
    out
}

/// AES-128-CBC of whole blocks under the fixed key and IV.
pub fn cbc(blocks: &[u8]) -> Vec<u8> {
    let mut crypter = Crypter::new(
        Cipher::aes_128_cbc(),
        Mode::Encrypt,
        &CONTENT_KEY,
        Some(&IV),
    )
    .unwrap();
    crypter.pad(false);
    let mut out = vec![0; blocks.len() + 16];
    let mut length = crypter.update(blocks, &mut out).unwrap();
    length += crypter.finalize(&mut out[length..]).unwrap();
    out.truncate(length);
    out
}

/// Rewrites DER as BER with indefinite lengths, and OCTET STRINGs of more than `piece` octets as constructed ones.
pub fn indefinite(input: &[u8], piece: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut reader = der::Reader::new(input, "test");
    while !reader.is_empty() {
        let element = reader.element().unwrap();
        if element.tag & 0x20 != 0 {
            out.extend([element.tag, 0x80]);
            out.extend(indefinite(element.content, piece));
            out.extend([0, 0]);
        } else if element.tag == tag::OCTET_STRING && element.content.len() > piece {
            out.extend([0x24, 0x80]);
            for chunk in element.content.chunks(piece) {
                out.extend(der::octet_string(chunk));
            }
            out.extend([0, 0]);
        } else {
            out.extend(element.raw);
        }
    }
    out
}
