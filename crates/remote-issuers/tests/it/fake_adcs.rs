//! A server on loopback that answers as CES and as the pages of Web Enrollment do, and misbehaves on demand. Written from
//! MS-WSTEP and from what other clients read, not from the client.

use std::collections::VecDeque;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::Utc;
use pki::cms::{Signed, degenerate};
use pki::{Certificate, Csr};

use crate::maker::{Maker, Twist};
use crate::web::{Answer, Asked, Behaviour, Manner, Server};

pub(crate) const USER: &str = "CORP\\scepd";
pub(crate) const PASSWORD: &str = "canary-p<&>w-77";

#[derive(Debug, Clone)]
pub(crate) enum Act {
    Sends(Manner),
    Makes(Twist),
    /// Pending until somebody decides.
    Waits,
    /// HRESULT and words.
    Denies(u32, &'static str),
    /// A fault without a detail: code and subcode.
    Faults(&'static str, &'static str),
    Is(Answer),
}

/// What became of a request.
pub(crate) enum Fate {
    Made(Certificate),
    Waits(Box<Csr>),
    Denied(u32),
}

pub(crate) struct Fake {
    pub(crate) maker: Maker,
    pub(crate) acts: VecDeque<Act>,
    requests: Vec<Fate>,
    /// What was sent last: octets, whether it was a PKCS #7.
    pub(crate) sent: Option<(Vec<u8>, bool)>,
    pub(crate) templates: Vec<String>,
    pub(crate) password: String,
    /// How the pages ask for a login.
    pub(crate) offers: &'static str,
    pub(crate) ca_is_away: bool,
    pub(crate) german: bool,
    renewals: u32,
}

const UNKNOWN: u32 = 0x8009_4004;

impl Fake {
    /// Takes a request: the number, and how the answer is sent.
    fn take(&mut self, octets: Vec<u8>, is_signed: bool, template: String) -> (usize, Manner) {
        let csr = if is_signed {
            Csr::from_der(Signed::parse(&octets).unwrap().content().unwrap()).unwrap()
        } else {
            Csr::from_der(&octets).unwrap()
        };
        self.sent = Some((octets, is_signed));
        let is_ra = template == "ScepRa";
        self.templates.push(template);
        let end = Utc::now() + chrono::Duration::days(365) - chrono::Duration::minutes(10);
        let (mut twist, mut manner) = (Twist::None, Manner::Whole);
        let fate = match self.acts.pop_front() {
            Some(Act::Waits) => Fate::Waits(Box::new(csr)),
            Some(Act::Denies(code, _)) => Fate::Denied(code),
            other => {
                match other {
                    Some(Act::Makes(as_told)) => twist = as_told,
                    Some(Act::Sends(as_told)) => manner = as_told,
                    _ if is_ra => twist = Twist::IsForAnRa,
                    _ => {}
                }
                Fate::Made(self.maker.make(&csr, end, twist))
            }
        };
        self.requests.push(fate);
        (self.requests.len(), manner)
    }

    #[allow(dead_code, reason = "used by the tests of the whole server")]
    pub(crate) fn requests_so_far(&self) -> usize {
        self.requests.len()
    }

    /// A certificate manager decides.
    pub(crate) fn decides(&mut self, number: usize, issues: bool) {
        let end = Utc::now() + chrono::Duration::days(365) - chrono::Duration::minutes(10);
        let Fate::Waits(csr) = &self.requests[number - 1] else {
            panic!("it does not wait")
        };
        let csr = csr.clone();
        self.requests[number - 1] = match issues {
            true => Fate::Made(self.maker.make(&csr, end, Twist::None)),
            false => Fate::Denied(0x8009_4014),
        };
    }

    fn ces(&mut self, asked: &Asked) -> Answer {
        assert_eq!(
            asked.header("content-type"),
            Some("application/soap+xml; charset=utf-8")
        );
        let text = asked.text();
        let document = roxmltree::Document::parse(&text).unwrap();
        let found = |name: &str| {
            let mut nodes = document.descendants();
            let node = nodes.find(|node| node.tag_name().name() == name)?;
            Some(node.text().unwrap_or_default().to_owned())
        };
        assert_eq!(
            found("Action").unwrap(),
            "http://schemas.microsoft.com/windows/pki/2009/01/enrollment/RST/wstep"
        );
        if found("Username").as_deref() != Some(USER) || found("Password").unwrap() != self.password
        {
            return fault(
                "Sender",
                "a:FailedAuthentication",
                "At least one security token in the message could not be validated.",
                None,
            );
        }
        if self.ca_is_away {
            return denied(0x8007_06ba, "The RPC server is unavailable.");
        }
        let kind = found("RequestType").unwrap();
        let number = if kind.ends_with("/QueryTokenStatus") {
            found("RequestID").unwrap().parse().unwrap()
        } else {
            assert!(kind.ends_with("/200512/Issue"), "{kind}");
            match self.acts.front().cloned() {
                Some(Act::Faults(code, subcode)) => {
                    self.acts.pop_front();
                    return fault(code, subcode, "It went wrong.", None);
                }
                Some(Act::Is(answer)) => {
                    self.acts.pop_front();
                    return answer;
                }
                Some(Act::Denies(code, words)) => {
                    self.acts.pop_front();
                    return denied(code, words);
                }
                _ => {}
            }
            let mut nodes = document.descendants();
            let token = nodes
                .find(|node| node.tag_name().name() == "BinarySecurityToken")
                .unwrap();
            let is_signed = token
                .attribute("ValueType")
                .unwrap()
                .ends_with("enrollment#PKCS7");
            assert!(
                token
                    .attribute("EncodingType")
                    .unwrap()
                    .ends_with("#base64binary")
            );
            let octets = STANDARD.decode(token.text().unwrap()).unwrap();
            let (number, manner) = self.take(octets, is_signed, found("Value").unwrap());
            return self.reply(number).sent(manner);
        };
        self.reply(number)
    }

    fn reply(&self, number: usize) -> Answer {
        let fate = number
            .checked_sub(1)
            .and_then(|index| self.requests.get(index));
        let token = match fate {
            None => return denied(UNKNOWN, "The requested property value is empty."),
            Some(Fate::Denied(code)) => return denied(*code, "Denied by Policy Module"),
            Some(Fate::Waits(_)) => "<RequestedSecurityToken><SecurityTokenReference xmlns=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd\"><Reference URI=\"https://ca/CES\"/></SecurityTokenReference></RequestedSecurityToken>".to_owned(),
            Some(Fate::Made(made)) => {
                let leaf = STANDARD.encode(made.der());
                let (first, second) = leaf.split_at(64);
                format!("<RequestedSecurityToken><BinarySecurityToken ValueType=\"#X509v3\" xmlns=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd\">{first}&#xD;\n{second}&#xD;\n</BinarySecurityToken></RequestedSecurityToken>")
            }
        };
        let (words, chain) = match fate {
            Some(Fate::Made(made)) => ("Issued", degenerate(&[made, &self.maker.ca], &[])),
            _ => ("Taken Under Submission", vec![0x30, 0]),
        };
        let body = format!(
            "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"><s:Body>\
             <RequestSecurityTokenResponseCollection xmlns=\"http://docs.oasis-open.org/ws-sx/ws-trust/200512\"><RequestSecurityTokenResponse>\
             <DispositionMessage xml:lang=\"en-US\" xmlns=\"http://schemas.microsoft.com/windows/pki/2009/01/enrollment\">{words}</DispositionMessage>\
             <BinarySecurityToken xmlns=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd\">{}</BinarySecurityToken>{token}\
             <RequestID xmlns=\"http://schemas.microsoft.com/windows/pki/2009/01/enrollment\">{number}</RequestID>\
             </RequestSecurityTokenResponse></RequestSecurityTokenResponseCollection></s:Body></s:Envelope>",
            STANDARD.encode(chain)
        );
        Answer::new(200, "application/soap+xml; charset=utf-8", body)
    }

    fn pages(&mut self, page: &str, asked: &Asked) -> Answer {
        let sent = asked.header("authorization");
        let basic = STANDARD.encode(format!("{USER}:{}", self.password));
        if sent != Some(format!("Basic {basic}").as_str()) || self.offers != "Basic realm=\"ca\"" {
            return html(401, "").with("WWW-Authenticate", self.offers);
        }
        assert!(asked.header("user-agent").unwrap().contains("Mozilla"));
        let query: Vec<(&str, &str)> = asked
            .query()
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .collect();
        let value = |name: &str| {
            query
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| *value)
        };
        match page {
            "certcarc.asp" => html(
                200,
                &format!("<script>var nRenewals={};</script>", self.renewals),
            ),
            "certnew.cer" if value("ReqID") == Some("CACert") => {
                assert_eq!(value("Renewal"), Some(self.renewals.to_string().as_str()));
                cer(&self.maker.ca)
            }
            "certnew.p7b" => Answer::new(
                200,
                "application/x-pkcs7-certificates",
                degenerate(&[&self.maker.ca], &[]),
            ),
            "certcrl.crl" => Answer::new(200, "application/pkix-crl", self.maker.crl()),
            "certnew.cer" => {
                let number: usize = value("ReqID").unwrap().parse().unwrap();
                match number
                    .checked_sub(1)
                    .and_then(|index| self.requests.get(index))
                {
                    Some(Fate::Made(made)) => cer(made),
                    Some(Fate::Waits(_)) => {
                        html(200, "Disposition message:\t\tTaken Under Submission")
                    }
                    Some(Fate::Denied(code)) => html(
                        200,
                        &format!(
                            "Disposition message:\t\tDenied by administrator\n 0x{code:08x} (-1)"
                        ),
                    ),
                    None => html(200, "The requested property value is empty. 0x80094004"),
                }
            }
            "certfnsh.asp" => self.finish(asked),
            _ => html(404, ""),
        }
    }

    fn finish(&mut self, asked: &Asked) -> Answer {
        match self.acts.front().cloned() {
            Some(Act::Is(answer)) => {
                self.acts.pop_front();
                return answer;
            }
            Some(Act::Denies(code, words)) => {
                self.acts.pop_front();
                return html(
                    200,
                    &format!(
                        "<p>Your Request Id is 9. The disposition message is \"{words} 0x{code:08x}, x\".</p>"
                    ),
                );
            }
            _ => {}
        }
        let form = asked.text();
        let field = |name: &str| {
            let mut pairs = form.split('&').filter_map(|pair| pair.split_once('='));
            let (_, value) = pairs.find(|(key, _)| *key == name).unwrap();
            value
                .replace("%0D", "")
                .replace("%0A", "\n")
                .replace("%2B", "+")
                .replace("%2F", "/")
                .replace("%3D", "=")
                .replace("%3A", ":")
        };
        assert_eq!(field("Mode"), "newreq");
        let request: String = field("CertRequest").split_whitespace().collect();
        let attributes = field("CertAttrib");
        let template = attributes
            .trim()
            .strip_prefix("CertificateTemplate:")
            .unwrap()
            .to_owned();
        let octets = STANDARD.decode(request).unwrap();
        let is_signed = Csr::from_der(&octets).is_err();
        let (number, manner) = self.take(octets, is_signed, template);
        let page = match (&self.requests[number - 1], self.german) {
            (Fate::Made(_), _) => format!(
                "<a href=\"certnew.cer?ReqID={number}&Enc=b64\">Download</a> certnew.cer?ReqID={number}&Enc=bin"
            ),
            (_, false) => format!(
                "<b>Certificate Pending</b><p>Your Request Id is {number}.</p><p>in 10 days</p>"
            ),
            (_, true) => {
                format!("<b>Zertifikat steht aus</b><p>Die Anforderungs-ID ist {number}.</p>")
            }
        };
        html(200, &page).sent(manner)
    }
}

pub(crate) fn html(status: u16, body: &str) -> Answer {
    Answer::new(
        status,
        "text/html",
        format!("<html><head></head><body>{body}</body></html>"),
    )
}

fn cer(certificate: &Certificate) -> Answer {
    Answer::new(200, "application/pkix-cert", certificate.der())
}

fn denied(code: u32, words: &str) -> Answer {
    let detail = format!(
        "<s:Detail><CertificateEnrollmentWSDetail xmlns=\"http://schemas.microsoft.com/windows/pki/2009/01/enrollment\">\
         <ErrorCode>{}</ErrorCode><InvalidRequest>true</InvalidRequest></CertificateEnrollmentWSDetail></s:Detail>",
        code.cast_signed()
    );
    fault("Receiver", "", words, Some(&detail))
}

fn fault(code: &str, subcode: &str, words: &str, detail: Option<&str>) -> Answer {
    let subcode = match subcode {
        "" => String::new(),
        subcode => format!("<s:Subcode><s:Value>{subcode}</s:Value></s:Subcode>"),
    };
    let body = format!(
        "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"><s:Body><s:Fault><s:Code><s:Value>s:{code}</s:Value>{subcode}</s:Code>\
         <s:Reason><s:Text xml:lang=\"en-US\">{words}</s:Text></s:Reason>{}</s:Fault></s:Body></s:Envelope>",
        detail.unwrap_or_default()
    );
    Answer::new(500, "application/soap+xml; charset=utf-8", body)
}

impl Behaviour for Fake {
    fn answer(&mut self, asked: &Asked) -> Answer {
        let path = asked.path();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        match path.as_slice() {
            ["Corp_CES_UsernamePassword", "service.svc", "CES"] => self.ces(asked),
            ["certsrv", page] => self.pages(page, asked),
            ["corp.crl"] => Answer::new(200, "application/pkix-crl", self.maker.crl()),
            _ => html(404, ""),
        }
    }
}

pub(crate) async fn fake() -> Server<Fake> {
    Server::start(Fake {
        maker: Maker::new("DC=example, CN=Corp CA"),
        acts: VecDeque::new(),
        requests: Vec::new(),
        sent: None,
        templates: Vec::new(),
        password: PASSWORD.to_owned(),
        offers: "Basic realm=\"ca\"",
        ca_is_away: false,
        german: false,
        renewals: 2,
    })
    .await
}
