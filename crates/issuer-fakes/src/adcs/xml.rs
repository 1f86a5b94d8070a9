//! What stands in a SOAP envelope of MS-WSTEP.

use roxmltree::{Document, Node};

pub(super) const SOAP: &str = "http://www.w3.org/2003/05/soap-envelope";
pub(super) const ADDRESSING: &str = "http://www.w3.org/2005/08/addressing";
pub(super) const TRUST: &str = "http://docs.oasis-open.org/ws-sx/ws-trust/200512";
pub(super) const SECURITY: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
pub(super) const WSTEP: &str = "http://schemas.microsoft.com/windows/pki/2009/01/enrollment";
const AUTHORIZATION: &str = "http://schemas.xmlsoap.org/ws/2006/12/authorization";

/// The element's only child of this name.
pub(super) fn child<'a, 'i>(node: Node<'a, 'i>, space: &str, name: &str) -> Option<Node<'a, 'i>> {
    let mut found = node
        .children()
        .filter(|one| one.has_tag_name((space, name)));
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

fn text(node: Node<'_, '_>, space: &str, name: &str) -> Option<String> {
    Some(child(node, space, name)?.text()?.trim().to_owned())
}

/// A request, read.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) action: String,
    pub(super) message_id: Option<String>,
    pub(super) to: String,
    pub(super) account: Option<(String, String)>,
    pub(super) token_type: String,
    pub(super) request_type: String,
    /// ValueType, EncodingType, and the text.
    pub(super) token: Option<(String, Option<String>, String)>,
    pub(super) template: Option<String>,
    pub(super) request_id: Option<String>,
}

/// Reads an envelope.
///
/// # Errors
/// A phrase that says what is missing.
pub(super) fn read(octets: &[u8]) -> Result<Asked, &'static str> {
    let text_ = std::str::from_utf8(octets).map_err(|_| "it is not UTF-8")?;
    let document = Document::parse(text_).map_err(|_| "it is no XML")?;
    let envelope = document.root_element();
    if !envelope.has_tag_name((SOAP, "Envelope")) {
        return Err("it is no SOAP 1.2 envelope");
    }
    let header = child(envelope, SOAP, "Header").ok_or("it has no Header")?;
    let body = child(envelope, SOAP, "Body").ok_or("it has no Body")?;
    let asked = child(body, TRUST, "RequestSecurityToken").ok_or("no RequestSecurityToken")?;
    let account = child(header, SECURITY, "Security").and_then(|security| {
        let token = child(security, SECURITY, "UsernameToken")?;
        Some((
            text(token, SECURITY, "Username")?,
            child(token, SECURITY, "Password")?.text()?.to_owned(),
        ))
    });
    let token = child(asked, SECURITY, "BinarySecurityToken").map(|token| {
        let attribute = |name: &str| token.attribute(name).map(str::to_owned);
        (
            attribute("ValueType").unwrap_or_default(),
            attribute("EncodingType"),
            token.text().unwrap_or_default().to_owned(),
        )
    });
    let template = child(asked, AUTHORIZATION, "AdditionalContext").and_then(|context| {
        let items = context.children();
        let mut items = items.filter(|item| {
            item.has_tag_name((AUTHORIZATION, "ContextItem"))
                && item.attribute("Name") == Some("CertificateTemplate")
        });
        text(items.next()?, AUTHORIZATION, "Value")
    });
    Ok(Asked {
        action: text(header, ADDRESSING, "Action").unwrap_or_default(),
        message_id: text(header, ADDRESSING, "MessageID"),
        to: text(header, ADDRESSING, "To").unwrap_or_default(),
        account,
        token_type: text(asked, TRUST, "TokenType").unwrap_or_default(),
        request_type: text(asked, TRUST, "RequestType").unwrap_or_default(),
        token,
        template,
        request_id: text(asked, WSTEP, "RequestID"),
    })
}
