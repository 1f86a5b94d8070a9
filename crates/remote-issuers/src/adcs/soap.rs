//! Messages of WS-Trust as CES speaks it (MS-WSTEP, section 3.1.4).

use crate::words::excerpt;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use roxmltree::{Document, Node, ParsingOptions};
use zeroize::Zeroizing;

const SOAP: &str = "http://www.w3.org/2003/05/soap-envelope";
const TRUST: &str = "http://docs.oasis-open.org/ws-sx/ws-trust/200512";
const SECURITY: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
const ENROLLMENT: &str = "http://schemas.microsoft.com/windows/pki/2009/01/enrollment";
const X509: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#X509v3";

/// Most elements and texts of an answer.
const MOST_NODES: u32 = 1000;

/// What is asked.
pub(super) enum Question<'a> {
    /// To have a certificate made.
    Issue {
        /// The PKCS #10, or the PKCS #7 around it.
        request: &'a [u8],
        is_signed: bool,
        template: &'a str,
    },
    /// What became of a request.
    Status {
        /// Its number.
        number: u64,
    },
}

/// Writes a question. `id` makes the message one of its own.
pub(super) fn write(
    to: &str,
    id: [u8; 16],
    login: Option<(&str, &str)>,
    question: &Question<'_>,
) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(8192));
    text.push_str(&format!(
        "<s:Envelope xmlns:s=\"{SOAP}\" xmlns:a=\"http://www.w3.org/2005/08/addressing\"><s:Header>\
         <a:Action s:mustUnderstand=\"1\">{ENROLLMENT}/RST/wstep</a:Action>\
         <a:MessageID>urn:uuid:{}</a:MessageID>\
         <a:ReplyTo><a:Address>http://www.w3.org/2005/08/addressing/anonymous</a:Address></a:ReplyTo>\
         <a:To s:mustUnderstand=\"1\">{}</a:To>",
        uuid(id),
        escaped(to).as_str()
    ));
    if let Some((user, password)) = login {
        text.push_str(&format!(
            "<wsse:Security s:mustUnderstand=\"1\" xmlns:wsse=\"{SECURITY}\"><wsse:UsernameToken><wsse:Username>"
        ));
        text.push_str(&escaped(user));
        text.push_str("</wsse:Username><wsse:Password Type=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText\">");
        text.push_str(&escaped(password));
        text.push_str("</wsse:Password></wsse:UsernameToken></wsse:Security>");
    }
    text.push_str(&format!(
        "</s:Header><s:Body><RequestSecurityToken PreferredLanguage=\"en-US\" xmlns=\"{TRUST}\"><TokenType>{X509}</TokenType>"
    ));
    match question {
        Question::Issue {
            request,
            is_signed,
            template,
        } => {
            let form = if *is_signed { "PKCS7" } else { "PKCS10" };
            text.push_str(&format!(
                "<RequestType>{TRUST}/Issue</RequestType>\
                 <wsse:BinarySecurityToken ValueType=\"{ENROLLMENT}#{form}\" EncodingType=\"{SECURITY}#base64binary\" wsu:Id=\"\" \
                 xmlns:wsse=\"{SECURITY}\" xmlns:wsu=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd\">{}</wsse:BinarySecurityToken>\
                 <AdditionalContext xmlns=\"http://schemas.xmlsoap.org/ws/2006/12/authorization\">\
                 <ContextItem Name=\"CertificateTemplate\"><Value>{}</Value></ContextItem></AdditionalContext>",
                STANDARD.encode(request),
                escaped(template).as_str()
            ));
        }
        Question::Status { number } => text.push_str(&format!(
            "<RequestType>{ENROLLMENT}/QueryTokenStatus</RequestType><RequestID xmlns=\"{ENROLLMENT}\">{number}</RequestID>"
        )),
    }
    text.push_str("</RequestSecurityToken></s:Body></s:Envelope>");
    text
}

fn uuid(id: [u8; 16]) -> String {
    let digits = hex::encode(id);
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    let (a, b, c, d, e) = (
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32),
    );
    format!("{a}-{b}-{c}-{d}-{e}")
}

fn escaped(text: &str) -> Zeroizing<String> {
    let mut escaped = Zeroizing::new(String::with_capacity(text.len() + 16));
    for one in text.chars() {
        match one {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// It was issued: the certificate, and the PKCS #7 with its chain.
    Issued {
        certificate: Vec<u8>,
        chain: Option<Vec<u8>>,
    },
    /// It waits under this number.
    Waits { number: u64 },
    /// It is not made.
    Fault(Fault),
}

/// A SOAP fault with the detail of MS-WSTEP, section 3.1.4.1.3.1.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fault {
    /// The codes without their prefixes, the outer one first.
    pub(super) codes: Vec<String>,
    /// The reason, for people.
    pub(super) reason: String,
    /// The HRESULT.
    pub(super) error: Option<u32>,
    /// The request is of no use as it stands.
    pub(super) is_invalid: bool,
}

/// Reads an answer.
///
/// # Errors
/// In words: it is none.
pub(super) fn read(text: &str) -> Result<Reply, String> {
    let options = ParsingOptions {
        nodes_limit: MOST_NODES,
        ..ParsingOptions::default()
    };
    let document = Document::parse_with_options(text, options)
        .map_err(|error| format!("it is not XML as it is spoken here ({error})"))?;
    let envelope = document.root_element();
    let body = child(envelope, SOAP, "Body").ok_or("it is no SOAP 1.2 message")?;
    if let Some(fault) = child(body, SOAP, "Fault") {
        return Ok(Reply::Fault(read_fault(fault)));
    }
    let response = child(body, TRUST, "RequestSecurityTokenResponseCollection")
        .and_then(|all| child(all, TRUST, "RequestSecurityTokenResponse"))
        .ok_or("it holds no answer to the request")?;
    let token = |below: Node<'_, '_>| {
        let token = child(below, SECURITY, "BinarySecurityToken")?;
        decoded(&content(token))
    };
    let requested = child(response, TRUST, "RequestedSecurityToken");
    if let Some(certificate) = requested.and_then(token) {
        return Ok(Reply::Issued {
            certificate,
            chain: token(response),
        });
    }
    let number = child(response, ENROLLMENT, "RequestID")
        .and_then(|id| content(id).trim().parse().ok())
        .ok_or("it holds neither a certificate nor the number of a request")?;
    Ok(Reply::Waits { number })
}

fn read_fault(fault: Node<'_, '_>) -> Fault {
    let mut codes = Vec::new();
    let mut code = child(fault, SOAP, "Code");
    while let Some(here) = code {
        if let Some(value) = child(here, SOAP, "Value") {
            let text = content(value);
            let name = text.trim();
            codes.push(name.rsplit(':').next().unwrap_or_default().to_owned());
        }
        code = child(here, SOAP, "Subcode");
    }
    let reason = child(fault, SOAP, "Reason")
        .and_then(|reason| child(reason, SOAP, "Text"))
        .map(|text| excerpt(&content(text)));
    let detail = child(fault, SOAP, "Detail")
        .and_then(|detail| child(detail, ENROLLMENT, "CertificateEnrollmentWSDetail"));
    let of_detail = |name: &str| {
        let node = child(detail?, ENROLLMENT, name)?;
        Some(content(node).trim().to_owned())
    };
    Fault {
        codes,
        reason: reason.unwrap_or_default(),
        error: of_detail("ErrorCode").and_then(|text| hresult(&text)),
        is_invalid: of_detail("InvalidRequest").is_some_and(|text| text == "true" || text == "1"),
    }
}

/// A signed decimal, as xs:int has it.
fn hresult(text: &str) -> Option<u32> {
    let number: i64 = text.parse().ok()?;
    let signed = i32::try_from(number).ok().map(i32::cast_unsigned);
    signed.or_else(|| u32::try_from(number).ok())
}

fn child<'a, 'input>(
    node: Node<'a, 'input>,
    namespace: &str,
    name: &str,
) -> Option<Node<'a, 'input>> {
    node.children()
        .find(|child| child.has_tag_name((namespace, name)))
}

fn content(node: Node<'_, '_>) -> String {
    node.descendants()
        .filter(Node::is_text)
        .filter_map(|text| text.text())
        .collect()
}

/// Base64 over several lines, each of which may end with a carriage return.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let text: String = text.split_whitespace().collect();
    STANDARD
        .decode(text)
        .ok()
        .filter(|octets| !octets.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_xml_whatever_the_names_hold() {
        let request = [0x30, 0x00];
        let question = Question::Issue {
            request: &request,
            is_signed: false,
            template: "A<b>&\"c\"",
        };
        let text = write(
            "https://ca/x?a=1&b=2",
            [7; 16],
            Some(("DOM\\user", "p<&>\"w")),
            &question,
        );
        let document = Document::parse(&text).unwrap();
        let texts = |name: &str| -> Vec<String> {
            document
                .descendants()
                .filter(|node| node.tag_name().name() == name)
                .map(content)
                .collect()
        };
        assert_eq!(texts("To"), ["https://ca/x?a=1&b=2"]);
        assert_eq!(texts("Username"), ["DOM\\user"]);
        assert_eq!(texts("Password"), ["p<&>\"w"]);
        assert_eq!(texts("Value"), ["A<b>&\"c\""]);
        assert_eq!(texts("BinarySecurityToken"), ["MAA="]);
        assert_eq!(
            texts("MessageID"),
            ["urn:uuid:07070707-0707-0707-0707-070707070707"]
        );
        let without = write(
            "https://ca",
            [7; 16],
            None,
            &Question::Status { number: 12 },
        );
        assert!(!without.contains("Security xmlns") && without.contains(">12</RequestID>"));
    }

    #[test]
    fn answers_that_are_none_are_told() {
        for (text, why) in [
            ("", "not XML"),
            ("<html><body>x</body></html>", "no SOAP 1.2 message"),
            ("<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>", "not XML"),
            (
                "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"><s:Body/></s:Envelope>",
                "no answer",
            ),
        ] {
            let said = read(text).unwrap_err();
            assert!(said.contains(why), "{text}: {said}");
        }
        let many = format!("<a>{}</a>", "<b/>".repeat(2000));
        assert!(read(&many).unwrap_err().contains("not XML"));
    }

    #[test]
    fn codes_are_signed_or_not() {
        assert_eq!(hresult("-2146875377"), Some(0x8009_480f));
        assert_eq!(hresult("2148091919"), Some(0x8009_480f));
        assert_eq!(hresult("99999999999"), None);
        assert_eq!(hresult("x"), None);
    }
}
