//! The provisioner over there: what it makes of a token, and what it should be.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use issuer::{CertificatePolicy, Objection};
use serde::Deserialize;
use serde_json::{Value, json};

/// The template that writes a certificate of what scepd's tokens say, and of nothing else.
pub const TEMPLATE: &str = r#"{
{{- if not .Token.scepd }}{{ fail "this provisioner takes tokens of scepd alone" }}{{ end }}
	"subject": {{ toJson .Token.scepd.subject }},
	"extensions": {{ toJson .Token.scepd.extensions }}
}"#;

/// What the template must read.
const READS: [&str; 2] = [".Token.scepd.subject", ".Token.scepd.extensions"];

/// How long step-ca lets certificates live where nobody says otherwise (authority/config).
const USUAL_LONGEST: TimeDelta = TimeDelta::hours(24);

/// A provisioner as `GET /provisioners` shows it, as far as it matters here.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Provisioner {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    key: Option<Key>,
    claims: Option<Claims>,
    options: Option<Options>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Key {
    kid: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Claims {
    #[serde(rename = "maxTLSCertDuration")]
    longest: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Options {
    x509: Option<X509>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct X509 {
    template: String,
    #[serde(rename = "templateFile")]
    template_file: String,
}

impl Provisioner {
    /// Whether it is the one of this name and kind.
    pub(super) fn is(&self, name: &str, kind: &str) -> bool {
        self.name == name && self.kind.eq_ignore_ascii_case(kind)
    }

    /// Whether it takes what the key with this id signs.
    pub(super) fn takes(&self, kid: &str) -> bool {
        self.key.as_ref().is_none_or(|key| key.kid == kid)
    }

    /// Its key's id.
    pub(super) fn kid(&self) -> &str {
        self.key.as_ref().map_or("", |key| key.kid.as_str())
    }

    /// How long its certificates may live, where it says so.
    pub(super) fn longest(&self) -> Option<TimeDelta> {
        let claimed = self.claims.as_ref().and_then(|all| all.longest.as_deref());
        claimed.and_then(duration)
    }

    /// What must be otherwise, whatever is to be signed.
    pub(super) fn findings(&self) -> Vec<Objection> {
        let options = self.options.as_ref().and_then(|all| all.x509.as_ref());
        let (template, file) = options.map_or(("", ""), |x509| {
            (x509.template.as_str(), x509.template_file.as_str())
        });
        let what = match (template.trim(), file) {
            ("", "") => {
                "it has no template, so it makes certificates of the token's names and with usages of its own, not of what was approved"
            }
            // What the file holds cannot be seen from here.
            ("", _) => return Vec::new(),
            (template, _) if reads_the_claim(template) => return Vec::new(),
            _ => "its template does not write what was approved",
        };
        vec![Objection {
            is_fatal: true,
            setting: "",
            what: format!("the provisioner {}: {what}", self.name),
            remedy: "give it the template that `scepd issuer role step-ca` prints".to_owned(),
        }]
    }

    /// What certificates of a policy it does not make, or not each.
    pub(super) fn objections(&self, policy: &CertificatePolicy) -> Vec<Objection> {
        let claimed = self.claims.as_ref().and_then(|all| all.longest.as_deref());
        let longest = self.longest();
        let needed = whole_life(policy);
        let name = &self.name;
        let (is_fatal, what) = match longest {
            Some(longest) if needed > longest => (
                true,
                format!(
                    "certificates live {} with their backdate, and the provisioner {name} makes none that live longer than {}",
                    hours(needed),
                    claimed.unwrap_or_default()
                ),
            ),
            None if needed > USUAL_LONGEST => (
                false,
                format!(
                    "certificates live {} with their backdate, and the provisioner {name} does not say how long they may: step-ca's usual is 24h",
                    hours(needed)
                ),
            ),
            _ => return Vec::new(),
        };
        vec![Objection {
            is_fatal,
            setting: "max_ttl",
            what,
            remedy: format!(
                "set maxTLSCertDuration to {} or more in the provisioner's claims, or shorten max_ttl",
                hours(needed)
            ),
        }]
    }
}

/// How long certificates of a policy live, from their backdated begin.
fn whole_life(policy: &CertificatePolicy) -> TimeDelta {
    policy.max_ttl + policy.backdate
}

/// As Go and step-ca write it, rounded up.
fn hours(span: TimeDelta) -> String {
    let whole = span.num_hours();
    match span == TimeDelta::hours(whole) {
        true => format!("{whole}h"),
        false => format!("{}h", whole.saturating_add(1)),
    }
}

/// A template in JSON, or in base64.
fn reads_the_claim(template: &str) -> bool {
    let decoded;
    let text = match template.starts_with('{') {
        true => template,
        false => {
            let octets = STANDARD.decode(template).unwrap_or_default();
            decoded = String::from_utf8_lossy(&octets).into_owned();
            &decoded
        }
    };
    READS.iter().all(|part| text.contains(part))
}

/// A duration as Go writes it: `8760h5m0s`. Parts smaller than seconds are none of interest.
fn duration(text: &str) -> Option<TimeDelta> {
    let mut seconds: i64 = 0;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = rest.find(|one: char| !one.is_ascii_digit() && one != '.')?;
        let (number, after) = rest.split_at(end);
        let unit_end = after
            .find(|one: char| one.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_end);
        let number: i64 = number.split('.').next()?.parse().ok()?;
        let each = match unit {
            "h" => 3600,
            "m" => 60,
            "s" => 1,
            "ms" | "us" | "\u{b5}s" | "ns" => 0,
            _ => return None,
        };
        seconds = seconds.checked_add(number.checked_mul(each)?)?;
        rest = next;
    }
    TimeDelta::try_seconds(seconds)
}

/// The claims and options of a provisioner that makes exactly what a policy approves, as ca.json has them.
#[must_use]
pub fn recommended(policy: &CertificatePolicy) -> Value {
    let needed = whole_life(policy);
    json!({
        "claims": {
            "maxTLSCertDuration": hours(needed),
            "defaultTLSCertDuration": hours(needed.min(USUAL_LONGEST)),
            "disableRenewal": true,
        },
        "options": {"x509": {"template": TEMPLATE}},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        for (text, seconds) in [
            ("24h0m0s", Some(86_400)),
            ("5m", Some(300)),
            ("8760h", Some(31_536_000)),
            ("1h30m1.5s", Some(5401)),
            ("1500ms", Some(0)),
            ("", Some(0)),
            ("24", None),
            ("1d", None),
            ("h", None),
            ("99999999999999999999h", None),
            ("9223372036854775807h", None),
        ] {
            let read = duration(text).map(|span| span.num_seconds());
            assert_eq!(read, seconds, "{text}");
        }
    }

    #[test]
    fn a_template_is_judged_by_what_it_reads_in_both_writings() {
        assert!(reads_the_claim(TEMPLATE));
        assert!(reads_the_claim(&STANDARD.encode(TEMPLATE)));
        assert!(!reads_the_claim("{\"subject\": {{ toJson .Subject }}}"));
        assert!(!reads_the_claim("%%%"));
    }
}
