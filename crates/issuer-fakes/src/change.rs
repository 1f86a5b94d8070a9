//! Each way in which a certificate can differ from what was asked for.

use serde::{Deserialize, Serialize};

use crate::certificate::{
    AUTHORITY_KEY_ID, BASIC_CONSTRAINTS, Draft, EXTENDED_KEY_USAGE, KEY_USAGE, SID, UPN,
    directory_name, general_name, ip_name, other_text, sid_value,
};
use crate::csr::SUBJECT_ALT_NAME;
use crate::der;
use crate::name::{Attribute, Name};

/// One difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// Another public key.
    AnotherKey,
    /// Another commonName, or one where there was none.
    AnotherCommonName,
    /// The commonName in upper case, or in lower case if it was that already.
    CommonNameCase,
    /// An organization that nobody asked for.
    AddedRdn,
    /// The last attribute of the subject is missing.
    DroppedRdn,
    /// No subject at all.
    EmptySubject,
    /// A DNS name that nobody asked for.
    AddedDns,
    /// An e-mail address that nobody asked for.
    AddedEmail,
    /// A URI that nobody asked for.
    AddedUri,
    /// An IP address that nobody asked for.
    AddedIp,
    /// A user principal name that nobody asked for.
    AddedUpn,
    /// A directory name that nobody asked for.
    AddedDirectoryName,
    /// The first alternative name is missing.
    DroppedSan,
    /// No alternative names at all.
    NoSans,
    /// serverAuth, or codeSigning where that was there.
    AddedEku,
    /// anyExtendedKeyUsage.
    AddedAnyEku,
    /// The first extended key usage is missing.
    DroppedEku,
    /// No extended key usage at all, which means any.
    NoEku,
    /// keyCertSign.
    AddedKeyUsage,
    /// The lowest bit of keyUsage is missing.
    DroppedKeyUsage,
    /// No keyUsage at all, which means any.
    NoKeyUsage,
    /// A CA.
    CaTrue,
    /// A CA that may sign certificates.
    SigningCa,
    /// Half of its life.
    Clipped,
    /// A year longer.
    Prolonged,
    /// Valid from tomorrow.
    LaterNotBefore,
    /// Valid since ten years ago.
    EarlierNotBefore,
    /// Another issuer's name.
    AnotherIssuer,
    /// The right issuer's name, and another key's signature.
    AnotherSigner,
    /// authorityKeyIdentifier of another key.
    AnotherAuthorityKey,
    /// Microsoft's extension with the SID of a domain's administrator.
    AddedSid,
    /// A URI with that SID among the alternative names.
    AddedSidUri,
    /// A critical extension that nobody knows.
    CriticalExtension,
    /// Serial number zero.
    SerialZero,
    /// A serial number below zero.
    SerialNegative,
    /// A serial number of 21 octets.
    SerialLong,
    /// The serial number of the certificate before.
    SerialRepeated,
    /// No certificate at all in its place.
    Garbage,
}

/// Every difference.
pub const CHANGES: [Change; 38] = [
    Change::AnotherKey,
    Change::AnotherCommonName,
    Change::CommonNameCase,
    Change::AddedRdn,
    Change::DroppedRdn,
    Change::EmptySubject,
    Change::AddedDns,
    Change::AddedEmail,
    Change::AddedUri,
    Change::AddedIp,
    Change::AddedUpn,
    Change::AddedDirectoryName,
    Change::DroppedSan,
    Change::NoSans,
    Change::AddedEku,
    Change::AddedAnyEku,
    Change::DroppedEku,
    Change::NoEku,
    Change::AddedKeyUsage,
    Change::DroppedKeyUsage,
    Change::NoKeyUsage,
    Change::CaTrue,
    Change::SigningCa,
    Change::Clipped,
    Change::Prolonged,
    Change::LaterNotBefore,
    Change::EarlierNotBefore,
    Change::AnotherIssuer,
    Change::AnotherSigner,
    Change::AnotherAuthorityKey,
    Change::AddedSid,
    Change::AddedSidUri,
    Change::CriticalExtension,
    Change::SerialZero,
    Change::SerialNegative,
    Change::SerialLong,
    Change::SerialRepeated,
    Change::Garbage,
];

const COMMON_NAME: &str = "2.5.4.3";
const SERVER_AUTH: &str = "1.3.6.1.5.5.7.3.1";
const CODE_SIGNING: &str = "1.3.6.1.5.5.7.3.3";
const DAY: i64 = 86_400;
const ADMINISTRATOR: &str = "S-1-5-21-1004336348-1177238915-682003330-500";

impl Change {
    /// Changes a certificate before it is signed. `before`: the serial number of the one before.
    pub(crate) fn apply(self, draft: &mut Draft, other_key: &[u8], before: &[u8]) {
        match self {
            Self::AnotherKey => draft.key = other_key.to_vec(),
            Self::AnotherCommonName
            | Self::CommonNameCase
            | Self::AddedRdn
            | Self::DroppedRdn
            | Self::EmptySubject => self.subject(&mut draft.subject),
            Self::AddedDns
            | Self::AddedEmail
            | Self::AddedUri
            | Self::AddedIp
            | Self::AddedUpn
            | Self::AddedDirectoryName
            | Self::AddedSidUri
            | Self::DroppedSan => self.alternative_names(draft),
            Self::NoSans => draft.remove(SUBJECT_ALT_NAME),
            Self::AddedEku | Self::AddedAnyEku | Self::DroppedEku => self.usages(draft),
            Self::NoEku => draft.remove(EXTENDED_KEY_USAGE),
            Self::AddedKeyUsage => draft.set_key_usage(draft.key_usage() | 0x0400),
            Self::DroppedKeyUsage => {
                let bits = draft.key_usage();
                draft.set_key_usage(bits & bits.wrapping_sub(1));
            }
            Self::NoKeyUsage => draft.remove(KEY_USAGE),
            Self::CaTrue => draft.set_ca(true),
            Self::SigningCa => {
                draft.set_ca(true);
                draft.set_key_usage(draft.key_usage() | 0x0600);
            }
            Self::Clipped => {
                draft.not_after -= (draft.not_after - draft.not_before) / 2;
            }
            Self::Prolonged => draft.not_after += 365 * DAY,
            Self::LaterNotBefore => draft.not_before += DAY,
            Self::EarlierNotBefore => draft.not_before -= 3650 * DAY,
            Self::AnotherIssuer => draft.issuer = Some(Name::of(&[("CN", "Another CA")])),
            Self::AnotherSigner => draft.forged = true,
            Self::AnotherAuthorityKey => {
                let id = der::element(0x80, &[0x5a; 20]);
                draft.put(AUTHORITY_KEY_ID, false, der::sequence(&[&id]));
            }
            Self::AddedSid => draft.put(SID, false, sid_value(ADMINISTRATOR)),
            Self::CriticalExtension => draft.put("1.3.6.1.4.1.99999.1", true, der::number(1)),
            Self::SerialZero => draft.serial = vec![0],
            Self::SerialNegative => draft.serial = vec![0x85, 0x01, 0x02, 0x03],
            Self::SerialLong => draft.serial = vec![0x11; 21],
            Self::SerialRepeated => draft.serial = before.to_vec(),
            Self::Garbage => draft.garbage = true,
        }
        if draft.extension(BASIC_CONSTRAINTS).is_none() && self == Self::CaTrue {
            draft.set_ca(true);
        }
    }

    fn subject(self, subject: &mut Name) {
        match self {
            Self::EmptySubject => subject.0.clear(),
            Self::DroppedRdn => {
                subject.0.pop();
            }
            Self::AddedRdn => {
                let added = Attribute::new("2.5.4.10", "Nobody asked");
                subject.0.push(vec![added]);
            }
            _ => {
                let attributes = &mut subject.0.iter_mut().flatten();
                let known = attributes.find(|attribute| attribute.oid == COMMON_NAME);
                let Some(known) = known else {
                    subject
                        .0
                        .push(vec![Attribute::new(COMMON_NAME, "somebody else")]);
                    return;
                };
                let old = known.value();
                let new = match self {
                    Self::CommonNameCase if old != old.to_uppercase() => old.to_uppercase(),
                    Self::CommonNameCase => old.to_lowercase(),
                    _ => "somebody else".to_owned(),
                };
                *known = Attribute::new(COMMON_NAME, &new);
            }
        }
    }

    fn alternative_names(self, draft: &mut Draft) {
        let mut names = draft.alternative_names();
        match self {
            Self::AddedDns => names.push(general_name(2, "nobody-asked.example.org")),
            Self::AddedEmail => names.push(general_name(1, "nobody-asked@example.org")),
            Self::AddedUri => names.push(general_name(6, "https://nobody-asked.example.org/")),
            Self::AddedIp => names.push(ip_name(&[192, 0, 2, 66])),
            Self::AddedUpn => names.push(other_text(UPN, "administrator@example.org")),
            Self::AddedDirectoryName => {
                names.push(directory_name(&Name::of(&[("CN", "nobody asked")])));
            }
            Self::AddedSidUri => {
                let uri = format!("tag:microsoft.com,2022-09-14:sid:{ADMINISTRATOR}");
                names.push(general_name(6, &uri));
            }
            _ => {
                if !names.is_empty() {
                    names.remove(0);
                }
            }
        }
        draft.set_alternative_names(&names);
    }

    fn usages(self, draft: &mut Draft) {
        let mut usages = draft.usages();
        match self {
            Self::AddedAnyEku => usages.push("2.5.29.37.0".to_owned()),
            Self::AddedEku if usages.iter().any(|usage| usage == SERVER_AUTH) => {
                usages.push(CODE_SIGNING.to_owned());
            }
            Self::AddedEku => usages.push(SERVER_AUTH.to_owned()),
            _ => {
                if !usages.is_empty() {
                    usages.remove(0);
                }
            }
        }
        draft.set_usages(&usages);
    }
}
