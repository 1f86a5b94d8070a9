//! A server on loopback that answers as AWS Private CA does, and as those that give keys, and misbehaves on demand. Written from the
//! model of the service, not from the client.

use std::collections::{BTreeMap, VecDeque};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use pki::{Certificate, Csr, Name, RevocationReason, Serial, SubjectAltNames};
use serde_json::{Value, json};

use crate::maker::{Maker, Twist, unarmoured};
use crate::web::{Answer, Asked, Behaviour, Manner, Server};

pub(crate) const ARN: &str = "arn:aws:acm-pca:eu-central-1:123456789012:certificate-authority/11111111-2222-3333-4444-555555555555";

#[derive(Debug, Clone)]
pub(crate) enum Act {
    Sends(Manner),
    Makes(Twist),
    /// Fetched so often in vain.
    Works(u32),
    Says(u16, &'static str, &'static str),
    Is(Answer),
}

pub(crate) struct Fake {
    pub(crate) maker: Maker,
    pub(crate) acts: VecDeque<Act>,
    /// By ARN: the certificate, and how often it is not ready yet.
    orders: BTreeMap<String, (Certificate, u32)>,
    /// ARNs by idempotency token.
    tokens: BTreeMap<String, String>,
    pub(crate) ordered: Vec<Value>,
    pub(crate) status: &'static str,
    pub(crate) mode: &'static str,
    /// Access keys that are taken; `None` = each.
    pub(crate) keys: Option<Vec<String>>,
    /// The last authorization.
    pub(crate) authorization: String,
    pub(crate) session: Option<String>,
    pub(crate) given: u32,
    pub(crate) keys_end: DateTime<Utc>,
    pub(crate) may_describe: bool,
}

fn named(status: u16, name: &str, words: &str) -> Answer {
    let body = json!({"__type": format!("com.amazonaws.acmpca#{name}"), "message": words});
    Answer::new(status, "application/x-amz-json-1.1", body.to_string())
}

fn ok(body: &Value) -> Answer {
    Answer::new(200, "application/x-amz-json-1.1", body.to_string())
}

impl Fake {
    fn issue(&mut self, body: &Value) -> Answer {
        self.ordered.push(body.clone());
        assert!(
            body["TemplateArn"]
                .as_str()
                .unwrap()
                .ends_with("BlankEndEntityCertificate_APIPassthrough/V1")
        );
        assert_eq!(body["SigningAlgorithm"], "SHA256WITHECDSA");
        let act = self.acts.pop_front();
        match act {
            Some(Act::Says(status, name, words)) => return named(status, name, words),
            Some(Act::Is(answer)) => return answer,
            _ => {}
        }
        let token = body["IdempotencyToken"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let arn = match self.tokens.get(&token) {
            Some(arn) if !token.is_empty() => arn.clone(),
            _ => self.make(body, act.as_ref()),
        };
        self.tokens.insert(token, arn.clone());
        let manner = match act {
            Some(Act::Sends(manner)) => manner,
            _ => Manner::Whole,
        };
        ok(&json!({"CertificateArn": arn})).sent(manner)
    }

    fn make(&mut self, body: &Value, act: Option<&Act>) -> String {
        let pem = STANDARD.decode(body["Csr"].as_str().unwrap()).unwrap();
        let csr = Csr::from_der(&unarmoured(std::str::from_utf8(&pem).unwrap())).unwrap();
        let fields = &body["ApiPassthrough"];
        let attributes = fields["Subject"]["CustomAttributes"].as_array().unwrap();
        let subject: Vec<String> = attributes
            .iter()
            .map(|one| {
                let oid = one["ObjectIdentifier"].as_str().unwrap();
                format!("{oid}={}", one["Value"].as_str().unwrap())
            })
            .collect();
        let subject = Name::parse(&subject.join(", ")).unwrap();
        let mut sans = SubjectAltNames::default();
        let names = fields["Extensions"]["SubjectAlternativeNames"].as_array();
        for name in names.into_iter().flatten() {
            let (kind, value) = name.as_object().unwrap().iter().next().unwrap();
            let text = || value.as_str().unwrap().to_owned();
            match kind.as_str() {
                "DnsName" => sans.dns.push(text()),
                "Rfc822Name" => sans.email.push(text()),
                "UniformResourceIdentifier" => sans.uri.push(text()),
                "IpAddress" => sans.ip.push(text().parse().unwrap()),
                "OtherName" => sans.upn.push(value["Value"].as_str().unwrap().to_owned()),
                other => panic!("{other}"),
            }
        }
        let usages = &fields["Extensions"]["KeyUsage"];
        assert_eq!(
            *usages,
            json!({"DigitalSignature": true, "KeyEncipherment": true})
        );
        let is_ra = fields["Extensions"]["ExtendedKeyUsage"][0]["ExtendedKeyUsageObjectIdentifier"]
            .is_string();
        let twist = match act {
            Some(Act::Makes(twist)) => *twist,
            _ if is_ra => Twist::IsForAnRa,
            _ => Twist::None,
        };
        let end = DateTime::from_timestamp(body["Validity"]["Value"].as_i64().unwrap(), 0).unwrap();
        let made = self.maker.make_as(&csr, &subject, &sans, end, twist);
        let arn = format!("{ARN}/certificate/{}", made.serial().to_hex());
        let waits = match act {
            Some(Act::Works(times)) => *times,
            _ => 0,
        };
        self.orders.insert(arn.clone(), (made, waits));
        arn
    }

    fn fetch(&mut self, body: &Value) -> Answer {
        let arn = body["CertificateArn"].as_str().unwrap();
        match self.orders.get_mut(arn) {
            None => named(
                400,
                "ResourceNotFoundException",
                "Could not find the certificate",
            ),
            Some((_, waits)) if *waits > 0 => {
                *waits -= 1;
                named(
                    400,
                    "RequestInProgressException",
                    "The certificate is not ready.",
                )
            }
            Some((made, _)) => ok(&json!({
                "Certificate": made.to_pem(),
                "CertificateChain": self.maker.ca.to_pem(),
            })),
        }
    }

    fn revoke(&mut self, body: &Value) -> Answer {
        let text = body["CertificateSerial"].as_str().unwrap();
        assert!(text.contains(':'), "{text}");
        assert_eq!(body["RevocationReason"], "KEY_COMPROMISE");
        let serial = Serial::from_hex(text).unwrap();
        if !self
            .maker
            .made
            .iter()
            .any(|one| one.serial().same_number(&serial))
        {
            return named(400, "InvalidRequestException", "No such certificate");
        }
        if self
            .maker
            .revoked
            .iter()
            .any(|(one, _)| one.same_number(&serial))
        {
            return named(400, "RequestAlreadyProcessedException", "It is revoked");
        }
        self.maker
            .revoked
            .push((serial, RevocationReason::KeyCompromise));
        Answer::new(200, "application/x-amz-json-1.1", "")
    }

    /// Keys that are taken from now on.
    fn give(&mut self) -> (String, String, String) {
        self.given += 1;
        let id = format!("ASIA{}", self.given);
        self.keys.get_or_insert_default().push(id.clone());
        (
            id,
            "canary-secret".to_owned(),
            format!("canary-session-{}", self.given),
        )
    }

    fn written(&mut self) -> Answer {
        let (id, secret, token) = self.give();
        ok(&json!({
            "Code": "Success", "AccessKeyId": id, "SecretAccessKey": secret, "Token": token,
            "Expiration": self.keys_end.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        }))
    }
}

impl Behaviour for Fake {
    fn answer(&mut self, asked: &Asked) -> Answer {
        match (asked.method.as_str(), asked.target.as_str()) {
            ("PUT", "/latest/api/token") => {
                assert_eq!(
                    asked.header("x-aws-ec2-metadata-token-ttl-seconds"),
                    Some("21600")
                );
                return Answer::new(200, "text/plain", "canary-metadata-token");
            }
            ("GET", "/latest/meta-data/iam/security-credentials/") => {
                assert_eq!(
                    asked.header("x-aws-ec2-metadata-token"),
                    Some("canary-metadata-token")
                );
                return Answer::new(200, "text/plain", "scepd-role\n");
            }
            ("GET", "/latest/meta-data/iam/security-credentials/scepd-role") => {
                return self.written();
            }
            ("GET", "/v1/credentials") => {
                assert_eq!(
                    asked.header("authorization"),
                    Some("canary-container-token")
                );
                return self.written();
            }
            ("POST", "/sts") => {
                let form = asked.text();
                if !form.contains("WebIdentityToken=canary-web-identity") {
                    return Answer::new(
                        400,
                        "text/xml",
                        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>InvalidIdentityToken</Code><Message>No OpenIDConnect provider found</Message></Error></ErrorResponse>",
                    );
                }
                assert!(form.contains("Action=AssumeRoleWithWebIdentity"), "{form}");
                let (id, secret, token) = self.give();
                let end = self
                    .keys_end
                    .to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
                return Answer::new(
                    200,
                    "text/xml",
                    format!(
                        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>{id}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{token}</SessionToken><Expiration>{end}</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
                    ),
                );
            }
            ("GET", "/corp.crl") => {
                return Answer::new(200, "application/pkix-crl", self.maker.crl());
            }
            _ => {}
        }
        assert_eq!(
            (asked.method.as_str(), asked.target.as_str()),
            ("POST", "/")
        );
        self.authorization = asked.header("authorization").unwrap().to_owned();
        self.session = asked.header("x-amz-security-token").map(str::to_owned);
        let taken = |id: &String| self.authorization.contains(&format!("Credential={id}/"));
        if self
            .keys
            .as_ref()
            .is_some_and(|keys| !keys.iter().any(taken))
        {
            return named(
                400,
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
            );
        }
        let body = asked.json();
        assert_eq!(body["CertificateAuthorityArn"], ARN);
        let target = asked.header("x-amz-target").unwrap();
        match target.strip_prefix("ACMPrivateCA.").unwrap() {
            "DescribeCertificateAuthority" if !self.may_describe => {
                named(400, "AccessDeniedException", "not authorized")
            }
            "DescribeCertificateAuthority" => ok(
                &json!({"CertificateAuthority": {"Arn": ARN, "Status": self.status, "UsageMode": self.mode}}),
            ),
            "GetCertificateAuthorityCertificate" => {
                ok(&json!({"Certificate": self.maker.ca.to_pem()}))
            }
            "IssueCertificate" => self.issue(&body),
            "GetCertificate" => self.fetch(&body),
            "RevokeCertificate" => self.revoke(&body),
            other => panic!("{other}"),
        }
    }
}

pub(crate) async fn fake() -> Server<Fake> {
    Server::start(Fake {
        maker: Maker::new("O=Example, CN=Corp CA"),
        acts: VecDeque::new(),
        orders: BTreeMap::new(),
        tokens: BTreeMap::new(),
        ordered: Vec::new(),
        status: "ACTIVE",
        mode: "GENERAL_PURPOSE",
        keys: None,
        authorization: String::new(),
        session: None,
        given: 0,
        keys_end: Utc::now() + chrono::Duration::hours(1),
        may_describe: true,
    })
    .await
}
