//! What a challenge may be bound to, and whether a request is that.

use crate::intune::CsrFacts;
use pki::{Name, SubjectAltNames};
use serde::{Deserialize, Serialize};

/// serialNumber (X.520), in which some clients put the device's.
const SERIAL_NUMBER: &str = "2.5.4.5";
/// Longest text that a refusal quotes, in characters.
const QUOTED: usize = 64;

/// What a challenge is bound to: all of it must hold. Empty = any request of its profile.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Binding {
    /// The whole subject, as RFC 4514 writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// All alternative names and no other: `dns:a.example,email:b@example`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sans: Option<String>,
    /// The device: a common name, a serialNumber in the subject, or any alternative name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The certificate profile that the SCEP profile uses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_profile: Option<String>,
    /// The identifier of a configuration profile, which an MDM puts into the subject: one of its common names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload_identifier: Option<String>,
    /// What does not fit is noted, and not refused.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub observe: bool,
}

impl Binding {
    /// Whether there is anything to hold a request against.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self {
            subject,
            sans,
            device,
            certificate_profile,
            payload_identifier,
            observe: _,
        } = self;
        [
            subject,
            sans,
            device,
            certificate_profile,
            payload_identifier,
        ]
        .iter()
        .all(|one| one.is_none())
    }

    /// Whether subject and alternative names can be read.
    ///
    /// # Errors
    /// Which cannot, in words.
    pub fn check(&self) -> Result<(), String> {
        if let Some(subject) = &self.subject {
            Name::parse(subject).map_err(|error| format!("subject: {error}"))?;
        }
        if let Some(sans) = &self.sans {
            SubjectAltNames::parse(sans).map_err(|error| format!("sans: {error}"))?;
        }
        Ok(())
    }

    /// In what a request is not what the challenge is bound to, in words; `None`: it fits.
    pub(super) fn mismatch(
        &self,
        subject: &Name,
        names: &CsrFacts,
        certificate_profile: &str,
    ) -> Option<String> {
        if let Some(wanted) = &self.certificate_profile
            && wanted != certificate_profile
        {
            return Some(format!(
                "it is for the certificate profile `{}`, and this SCEP profile uses `{certificate_profile}`",
                quoted(wanted)
            ));
        }
        if let Some(wanted) = &self.subject {
            let fits = Name::parse(wanted).is_ok_and(|wanted| wanted.matches(subject));
            if !fits {
                return Some(format!(
                    "it is for the subject `{}`, and the CSR has `{}`",
                    quoted(wanted),
                    quoted(&subject.to_string())
                ));
            }
        }
        if let Some(wanted) = &self.sans {
            let fits =
                SubjectAltNames::parse(wanted).is_ok_and(|wanted| wanted.same_names(&names.sans));
            if !fits {
                return Some(format!(
                    "it is for the alternative names [{}], and the CSR has [{}]",
                    quoted(wanted),
                    quoted(&names.sans.to_string())
                ));
            }
        }
        if let Some(wanted) = &self.device
            && !names_device(wanted, subject, names)
        {
            return Some(format!(
                "it is for the device `{}`, which the CSR does not name",
                quoted(wanted)
            ));
        }
        if let Some(wanted) = &self.payload_identifier
            && !names
                .common_names
                .iter()
                .any(|name| name.eq_ignore_ascii_case(wanted))
        {
            return Some(format!(
                "it is for the configuration profile `{}`, which is none of the CSR's common names",
                quoted(wanted)
            ));
        }
        None
    }
}

fn names_device(device: &str, subject: &Name, names: &CsrFacts) -> bool {
    let same = |name: &str| name.eq_ignore_ascii_case(device);
    let serials = subject
        .attributes()
        .iter()
        .filter(|attribute| attribute.oid == SERIAL_NUMBER)
        .map(|attribute| attribute.value.as_str());
    let sans = [
        &names.sans.dns,
        &names.sans.email,
        &names.sans.upn,
        &names.sans.uri,
    ];
    serials
        .chain(names.common_names.iter().map(String::as_str))
        .chain(sans.into_iter().flatten().map(String::as_str))
        .any(same)
}

fn quoted(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(QUOTED)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().count() > QUOTED {
        shown.push_str("...");
    }
    shown
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn mismatch(binding: &Binding) -> Option<String> {
        let subject = Name::parse("CN=device-7, CN=1F2E, serialNumber=C02XYZ, O=Example").unwrap();
        let names = CsrFacts {
            common_names: vec!["device-7".to_owned(), "1F2E".to_owned()],
            sans: SubjectAltNames::parse("dns:device-7.example.org").unwrap(),
        };
        binding.mismatch(&subject, &names, "device")
    }

    #[test]
    fn what_fits_passes() {
        assert!(Binding::default().is_empty());
        let all = Binding {
            subject: Some("CN=device-7, CN=1F2E, serialNumber=C02XYZ, O=Example".to_owned()),
            sans: Some("dns:device-7.example.org".to_owned()),
            device: Some("c02xyz".to_owned()),
            certificate_profile: Some("device".to_owned()),
            payload_identifier: Some("1f2e".to_owned()),
            observe: false,
        };
        all.check().unwrap();
        assert_eq!(mismatch(&all), None);
        assert_eq!(mismatch(&Binding::default()), None);
        for device in ["device-7", "1f2e", "C02XYZ", "DEVICE-7.example.org"] {
            let one = Binding {
                device: Some(device.to_owned()),
                ..Binding::default()
            };
            assert_eq!(mismatch(&one), None, "{device}");
        }
    }

    #[test]
    fn each_part_is_told_by_name() {
        let text = |text: &str| Some(text.to_owned());
        let none = Binding::default();
        for (binding, words) in [
            (
                Binding {
                    subject: text("CN=device-7"),
                    ..none.clone()
                },
                "subject `CN=device-7`",
            ),
            (
                Binding {
                    sans: text("dns:other.example.org"),
                    ..none.clone()
                },
                "alternative names",
            ),
            (
                Binding {
                    sans: text(""),
                    ..none.clone()
                },
                "alternative names []",
            ),
            (
                Binding {
                    device: text("device"),
                    ..none.clone()
                },
                "device `device`",
            ),
            (
                Binding {
                    certificate_profile: text("user"),
                    ..none.clone()
                },
                "certificate profile `user`",
            ),
            (
                Binding {
                    payload_identifier: text("device-8"),
                    ..none
                },
                "configuration profile `device-8`",
            ),
        ] {
            let said = mismatch(&binding).unwrap();
            assert!(said.contains(words), "{said}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_before_it_is_bound_to() {
        let wrong = Binding {
            sans: Some("nonsense".to_owned()),
            ..Binding::default()
        };
        assert!(wrong.check().unwrap_err().starts_with("sans: "));
    }
}
