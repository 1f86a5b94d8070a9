//! What a CSR asks for, as far as a challenge can speak of it.

use pki::{Csr, SubjectAltNames};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// commonName (X.520).
const COMMON_NAME: &str = "2.5.4.3";

/// The names in a CSR. Serialises under the claims' names (`device_name`, `san_dns`, ...), each a
/// list and empty ones left out, so that claim and CSR can be laid side by side.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CsrFacts {
    /// Every common name of the subject, in the order of the encoding.
    pub common_names: Vec<String>,
    /// Every subject alternative name.
    pub sans: SubjectAltNames,
}

impl CsrFacts {
    /// Takes the names out of a CSR.
    #[must_use]
    pub fn from_csr(csr: &Csr) -> Self {
        let common_names = csr
            .subject()
            .attributes()
            .iter()
            .filter(|attribute| attribute.oid == COMMON_NAME)
            .map(|attribute| attribute.value.clone())
            .collect();
        Self {
            common_names,
            sans: csr.sans().clone(),
        }
    }
}

impl Serialize for CsrFacts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ip: Vec<String> = self.sans.ip.iter().map(ToString::to_string).collect();
        let rows = [
            ("device_name", &self.common_names),
            ("san_dns", &self.sans.dns),
            ("san_rfc822", &self.sans.email),
            ("san_upn", &self.sans.upn),
            ("san_uri", &self.sans.uri),
            ("san_ip", &ip),
            ("san_other", &self.sans.other),
        ];
        let mut map = serializer.serialize_map(None)?;
        for (name, values) in rows {
            if !values.is_empty() {
                map.serialize_entry(name, values)?;
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn serialises_under_the_claims_names() {
        let facts = CsrFacts {
            common_names: vec!["a".into()],
            sans: SubjectAltNames {
                upn: vec!["u@x".into()],
                ip: vec!["10.0.0.1".parse().unwrap()],
                ..SubjectAltNames::default()
            },
        };
        assert_eq!(
            serde_json::to_string(&facts).unwrap(),
            r#"{"device_name":["a"],"san_upn":["u@x"],"san_ip":["10.0.0.1"]}"#
        );
    }
}
