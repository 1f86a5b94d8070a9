//! Envelopes as CES sends them.

use super::words::{Code, denied, signed};
use super::xml::{ADDRESSING, SECURITY, SOAP, TRUST, WSTEP};
use crate::cms;
use crate::der;
use crate::message::Answer;
use crate::text::{base64_lines, base64_of};

const MEDIA: &str = "application/soap+xml; charset=utf-8";

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}

fn envelope(status: u16, action: &str, relates_to: &str, body: &str) -> Answer {
    let relates_to = if relates_to.is_empty() {
        String::new()
    } else {
        format!("<a:RelatesTo>{}</a:RelatesTo>", escaped(relates_to))
    };
    let text = format!(
        "<s:Envelope xmlns:s=\"{SOAP}\" xmlns:a=\"{ADDRESSING}\"><s:Header><a:Action s:mustUnderstand=\"1\">{action}</a:Action>{relates_to}</s:Header><s:Body xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\">{body}</s:Body></s:Envelope>"
    );
    Answer::of(status, MEDIA, text)
}

/// A fault of WCF itself.
pub(super) fn wcf(space: &str, subcode: &str, words: &str, relates_to: &str) -> Answer {
    let body = format!(
        "<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value xmlns:q=\"{space}\">q:{subcode}</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang=\"en-US\">{}</s:Text></s:Reason></s:Fault>",
        escaped(words)
    );
    let action = "http://www.w3.org/2005/08/addressing/soap/fault";
    envelope(500, action, relates_to, &body)
}

/// The fault of whoever shows no login that is known.
pub(super) fn nobody(relates_to: &str) -> Answer {
    let words = "At least one security token in the message could not be validated.";
    wcf(SECURITY, "FailedAuthentication", words, relates_to)
}

/// The fault of a request that is denied or failed: CertificateEnrollmentWSDetail.
pub(super) fn fault(code: &Code, id: Option<u64>, relates_to: &str) -> Answer {
    let (_, _, invalid, words) = code;
    let words = match id {
        Some(_) => denied(code),
        None => (*words).to_owned(),
    };
    let id = id.map(|id| format!("<RequestID>{id}</RequestID>"));
    let body = format!(
        "<s:Fault><s:Code><s:Value>s:Receiver</s:Value></s:Code><s:Reason><s:Text xml:lang=\"en-US\">{}</s:Text></s:Reason><s:Detail><CertificateEnrollmentWSDetail xmlns=\"{WSTEP}\"><BinaryResponse xsi:nil=\"true\"></BinaryResponse><ErrorCode>{}</ErrorCode><InvalidRequest>{invalid}</InvalidRequest>{}</CertificateEnrollmentWSDetail></s:Detail></s:Fault>",
        escaped(&words),
        signed(code),
        id.unwrap_or_else(|| "<RequestID xsi:nil=\"true\"></RequestID>".to_owned()),
    );
    let action = format!("{WSTEP}/RequestSecurityTokenCertificateEnrollmentWSDetailFault");
    envelope(500, &action, relates_to, &body)
}

/// A CMC full response (RFC 5272, section 3.2.2) with this status: 0 success, 3 pending.
fn cmc(status: u64, words: &str, id: u64, certificates: &[&[u8]]) -> Vec<u8> {
    let pending = if status == 3 {
        let token = der::octet_string(id.to_string().as_bytes());
        let at = der::element(0x18, b"20261130140000Z");
        der::sequence(&[&token, &at])
    } else {
        Vec::new()
    };
    let info = der::sequence(&[
        &der::number(status),
        &der::sequence(&[&der::number(1)]),
        &der::element(der::UTF8_STRING, words.as_bytes()),
        &pending,
    ]);
    let control = der::sequence(&[
        &der::number(1),
        &der::oid("1.3.6.1.5.5.7.7.1"),
        &der::set(&[&info]),
    ]);
    let body = der::sequence(&[
        &der::sequence(&[&control]),
        &der::sequence(&[]),
        &der::sequence(&[]),
    ]);
    let content = der::sequence(&[
        &der::oid("1.3.6.1.5.5.7.12.3"),
        &der::tagged(0, &der::octet_string(&body)),
    ]);
    cms::signed_data(3, &content, certificates)
}

const BASE64: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd#base64binary";
const X509: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#X509v3";

fn response(words: &str, pkcs7: &[u8], requested: &str, id: u64, relates_to: &str) -> Answer {
    let body = format!(
        "<RequestSecurityTokenResponseCollection xmlns=\"{TRUST}\"><RequestSecurityTokenResponse><TokenType>{X509}</TokenType><DispositionMessage xml:lang=\"en-US\" xmlns=\"{WSTEP}\">{words}</DispositionMessage><BinarySecurityToken ValueType=\"{SECURITY}#PKCS7\" EncodingType=\"{BASE64}\" xmlns=\"{SECURITY}\">{}</BinarySecurityToken><RequestedSecurityToken>{requested}</RequestedSecurityToken><RequestID xmlns=\"{WSTEP}\">{id}</RequestID></RequestSecurityTokenResponse></RequestSecurityTokenResponseCollection>",
        base64_of(pkcs7)
    );
    envelope(200, &format!("{WSTEP}/RSTRC/wstep"), relates_to, &body)
}

/// Issued: the chain in a CMC response, and the certificate in lines that end as Windows ends them.
pub(super) fn issued(der: &[u8], chain: [&[u8]; 2], id: u64, relates_to: &str) -> Answer {
    let pkcs7 = cmc(0, "Issued", id, &[der, chain[0], chain[1]]);
    let requested = format!(
        "<BinarySecurityToken ValueType=\"{X509}\" EncodingType=\"{BASE64}\" xmlns=\"{SECURITY}\">{}</BinarySecurityToken>",
        base64_lines(der, 64, "&#xD;\n")
    );
    response("Issued", &pkcs7, &requested, id, relates_to)
}

/// Pending: where to ask, and by which number.
pub(super) fn pending(url: &str, id: u64, relates_to: &str) -> Answer {
    let pkcs7 = cmc(3, "Taken Under Submission", id, &[]);
    let requested = format!(
        "<SecurityTokenReference xmlns=\"{SECURITY}\"><Reference URI=\"{}\"></Reference></SecurityTokenReference>",
        escaped(url)
    );
    response("Taken Under Submission", &pkcs7, &requested, id, relates_to)
}
