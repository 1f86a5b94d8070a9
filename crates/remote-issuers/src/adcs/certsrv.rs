//! The pages of Certification Authority Web Enrollment, `/certsrv`. They are made for people: what is relied on are links
//! and numbers, which are the same in every language.

use super::{Login, Said, Wrapped, hresult};
use crate::base::{again, unheard};
use crate::words::excerpt;
use crate::{asked, chain, read};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use issuer::IssueError;
use outbound::{CallError, Client, Request, Response, Url};
use pki::{Certificate, Crl, cms};
use std::collections::BTreeSet;
use zeroize::Zeroizing;

/// Without this word the pages give certificates as another type.
const AGENT: &str = "Mozilla/5.0 (compatible; scepd)";

/// The pages.
pub(super) struct Certsrv {
    pub(super) client: Client,
    pub(super) url: Url,
    pub(super) login: Login,
}

impl Certsrv {
    pub(super) async fn submit(
        &self,
        request: &Wrapped,
        template: &str,
    ) -> Result<Said, IssueError> {
        let attributes = format!("CertificateTemplate:{template}\r\n");
        let form = [
            ("Mode", "newreq"),
            ("CertRequest", &asked::lines(&request.octets)),
            ("CertAttrib", attributes.as_str()),
            ("FriendlyType", "Saved-Request Certificate"),
            ("TargetStoreFlags", "0"),
            ("SaveCert", "yes"),
            ("ThumbPrint", ""),
        ];
        let request = Request::post(self.at("certfnsh.asp", "")?).form(&form);
        let response = self.send(request).await?;
        let page = Page::of(&response);
        if let Some(number) = page.link() {
            // It is made. Where it cannot be fetched now it is fetched later.
            return Ok(match self.query(number).await {
                Err(IssueError::Again { .. }) => Said::Waits { number },
                other => return other,
            });
        }
        page.outcome()?;
        match page.number() {
            Some(number) => Ok(Said::Waits { number }),
            None => Err(unheard(
                "its page says neither that the request was issued nor its number",
            )),
        }
    }

    pub(super) async fn query(&self, number: u64) -> Result<Said, IssueError> {
        let query = format!("ReqID={number}&Enc=bin");
        let response = self.get("certnew.cer", &query).await?;
        if let Some(certificate) = certificate(&response) {
            return Ok(Said::Issued {
                certificate,
                pool: Vec::new(),
            });
        }
        let page = Page::of(&response);
        if page.text.contains("The requested property value is empty") {
            return Err(IssueError::Refused(format!(
                "the CA knows no request {number}"
            )));
        }
        if !page.is_pending() {
            page.outcome()?;
        }
        Ok(Said::Waits { number })
    }

    /// The chain of the CA's newest key, and the number of that key.
    pub(super) async fn chain(
        &self,
        above: &[Certificate],
    ) -> Result<(Vec<Certificate>, u64), IssueError> {
        let newest = self.newest().await?;
        let query = format!("ReqID=CACert&Renewal={newest}&Enc=bin");
        let response = self.get("certnew.cer", &query).await?;
        let first = certificate(&response)
            .ok_or_else(|| again("it shows no CA certificate that can be read"))?;
        let response = self.get("certnew.p7b", &query).await?;
        let shown = STANDARD.decode(armourless(response.body())).ok();
        let octets = shown.as_deref().unwrap_or(response.body());
        let pool = cms::parse_degenerate(octets).map(|(certificates, _)| certificates);
        let pool: Vec<Certificate> = pool
            .unwrap_or_default()
            .into_iter()
            .chain(above.iter().cloned())
            .collect();
        let chain = chain::ordered(first, &pool).map_err(|what| again(&what))?;
        Ok((chain, newest))
    }

    pub(super) async fn crl(&self) -> Result<Option<Crl>, IssueError> {
        let newest = self.newest().await?;
        let query = format!("Type=base&Renewal={newest}&Enc=bin");
        let response = self.get("certcrl.crl", &query).await?;
        if response.body().is_empty() {
            return Ok(None);
        }
        Crl::from_der_or_pem(response.body())
            .map(Some)
            .map_err(|error| again(&format!("its CRL cannot be read: {error}")))
    }

    /// How often the CA was renewed.
    async fn newest(&self) -> Result<u64, IssueError> {
        let response = self.get("certcarc.asp", "").await?;
        let page = Page::of(&response);
        page.after("nRenewals=").ok_or_else(|| {
            again("there are no pages of Web Enrollment at this address: `url` ends with /certsrv")
        })
    }

    async fn get(&self, page: &str, query: &str) -> Result<Response, IssueError> {
        self.send(Request::get(self.at(page, query)?)).await
    }

    fn at(&self, page: &str, query: &str) -> Result<Url, IssueError> {
        let mut url = self.url.clone();
        let appended = url.path_segments_mut().map(|mut segments| {
            segments.pop_if_empty().push(page);
        });
        appended.map_err(|()| again("its address takes no path"))?;
        if !query.is_empty() {
            url.set_query(Some(query));
        }
        Ok(url)
    }

    async fn send(&self, request: Request) -> Result<Response, IssueError> {
        let mut request = request.header("user-agent", AGENT);
        if let Login::Password { username, password } = &self.login {
            let password = read(password).await.map_err(|why| again(&why))?;
            let pair = Zeroizing::new(format!("{username}:{}", password.as_str()));
            let value = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
            request = request.secret_header("authorization", &value);
        }
        let response = self.client.send(request).await.map_err(of_call)?;
        match response.status() {
            200..=299 => Ok(response),
            401 => {
                let offered = response.header("www-authenticate").unwrap_or_default();
                let has_basic = offered.to_ascii_lowercase().starts_with("basic");
                Err(again(match has_basic {
                    true => {
                        "it does not let scepd in: see to adcs.username and adcs.password_file (status 401)"
                    }
                    false => {
                        "it does not let scepd in (status 401): scepd speaks no NTLM or Kerberos, so enable Basic authentication for /certsrv, over TLS alone, or use CES"
                    }
                }))
            }
            403 => Err(again(
                "it does not let scepd in (status 403): a client certificate that it knows is needed, or another account",
            )),
            404 => Err(again(
                "there are no pages of Web Enrollment at this address: `url` ends with /certsrv",
            )),
            status @ 300..=399 => Err(again(&format!(
                "it sends elsewhere (status {status}), which is not followed: correct `url`"
            ))),
            503 => Err(again("the web server is not available (status 503)")),
            status => Err(unheard(&format!("it answered with status {status}"))),
        }
    }
}

fn of_call(error: CallError) -> IssueError {
    IssueError::Again {
        why: error.to_string(),
        after: None,
        unheard: error.may_have_arrived(),
    }
}

/// A certificate, whatever the type says.
fn certificate(response: &Response) -> Option<Certificate> {
    let octets = response.body();
    Certificate::from_der(octets)
        .or_else(|_| Certificate::from_pem(octets))
        .ok()
}

/// The base64 of a PEM block.
fn armourless(octets: &[u8]) -> String {
    let text = String::from_utf8_lossy(octets);
    let lines = text.lines().filter(|line| !line.starts_with("-----"));
    lines.flat_map(str::split_whitespace).collect()
}

/// A page, in whatever language.
struct Page {
    text: String,
}

impl Page {
    /// The pages are in UTF-8 or in the server's own code page: what is looked for is in ASCII.
    fn of(response: &Response) -> Self {
        Self {
            text: String::from_utf8_lossy(response.body()).into_owned(),
        }
    }

    /// The number that stands behind some text.
    fn after(&self, marker: &str) -> Option<u64> {
        let (_, rest) = self.text.split_once(marker)?;
        number_at(rest)
    }

    /// The number in the link to a certificate that was issued.
    fn link(&self) -> Option<u64> {
        let (_, rest) = self.text.split_once("certnew.cer?ReqID=")?;
        let number = number_at(rest)?;
        let rest = rest.trim_start_matches(|one: char| one.is_ascii_digit());
        rest.starts_with('&').then_some(number)
    }

    fn is_pending(&self) -> bool {
        self.text.contains("Taken Under Submission") || self.text.contains("Certificate Pending")
    }

    /// The code by which it says that there is none.
    fn outcome(&self) -> Result<(), IssueError> {
        if self.is_pending() {
            return Ok(());
        }
        let visible = self.visible();
        let mut rest = visible.as_str();
        while let Some((_, after)) = rest.split_once("0x") {
            let digits = after.get(..8).unwrap_or_default();
            if let Ok(code) = u32::from_str_radix(digits, 16)
                && code >= 0x8000_0000
            {
                let said = self.disposition(&visible);
                return Err(hresult::outcome(code, &said));
            }
            rest = after;
        }
        Ok(())
    }

    /// What stands between the quotation marks behind "disposition message", in English pages.
    fn disposition(&self, visible: &str) -> String {
        let Some((_, rest)) = visible.split_once("isposition message") else {
            return String::new();
        };
        let rest = rest.trim_start_matches(|one: char| !matches!(one, '"' | ':'));
        let rest = rest.trim_start_matches(['"', ':', ' ', '\t', '\n', '\r']);
        let end = rest.find(['"', '\n']).unwrap_or(rest.len());
        excerpt(rest.get(..end).unwrap_or_default())
    }

    /// The number of a request that waits: behind the English words, or the only number that people see.
    fn number(&self) -> Option<u64> {
        let visible = self.visible();
        let told = visible.split_once("Request Id is ");
        if let Some(number) = told.and_then(|(_, rest)| number_at(rest)) {
            return Some(number);
        }
        let words = visible.split(|one: char| !one.is_alphanumeric());
        let numbers: BTreeSet<u64> = words.filter_map(|word| word.parse().ok()).collect();
        match numbers.first() {
            Some(number) if numbers.len() == 1 => Some(*number),
            _ => None,
        }
    }

    /// The body without its tags and scripts.
    fn visible(&self) -> String {
        let lower = self.text.to_ascii_lowercase();
        let start = lower.find("<body").unwrap_or(0);
        let mut visible = String::new();
        let mut at = start;
        while let Some(rest) = lower.get(at..) {
            let Some(open) = rest.find('<') else {
                visible.push_str(self.text.get(at..).unwrap_or_default());
                break;
            };
            visible.push_str(self.text.get(at..at + open).unwrap_or_default());
            visible.push(' ');
            let tag = rest.get(open..).unwrap_or_default();
            let end = match tag {
                tag if tag.starts_with("<script") => tag.find("</script"),
                tag if tag.starts_with("<style") => tag.find("</style"),
                tag if tag.starts_with("<!--") => tag.find("--"),
                _ => Some(0),
            };
            let skipped = end.and_then(|end| Some(end + tag.get(end..)?.find('>')? + 1));
            let Some(skipped) = skipped else {
                break;
            };
            at += open + skipped;
        }
        visible
    }
}

/// The number that a text begins with.
fn number_at(text: &str) -> Option<u64> {
    let end = text
        .find(|one: char| !one.is_ascii_digit())
        .unwrap_or(text.len());
    text.get(..end)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str) -> Page {
        Page {
            text: text.to_owned(),
        }
    }

    #[test]
    fn pages_are_read_by_links_and_numbers() {
        let issued = page(
            "<Html><Head></Head><Body><Script>var n=9;</Script><A Href=\"certnew.cer?ReqID=12&amp;Enc=b64\">x</A> certnew.cer?ReqID=12&Enc=b64</Body>",
        );
        assert_eq!(issued.link(), Some(12));
        let pending = page(
            "<html><body><b>Certificate Pending</b><p>Your Request Id is 31.</p><p>within 10 days</p>",
        );
        assert_eq!((pending.link(), pending.number()), (None, Some(31)));
        assert!(pending.outcome().is_ok());
        let localized = page(
            "<html><script>var a=1;</script><body><!-- 5 --><style>p{margin:0 3 0}</style><p>Die Anforderungs-ID ist 31.</p>",
        );
        assert_eq!(localized.number(), Some(31));
        assert_eq!(page("<body>1 2</body>").number(), None);
        assert_eq!(page("certnew.cer?ReqID=CACert&x").link(), None);
    }

    #[test]
    fn pages_that_refuse_give_the_code_and_its_words() {
        let denied = page(
            "<body><p>Your Request Id is 4. The disposition message is \"Denied by Policy Module  0x80094800, The request was for a certificate template that is not supported\".</p>",
        );
        let said = denied.outcome().unwrap_err().to_string();
        assert!(
            said.starts_with("CERTSRV_E_UNSUPPORTED_CERT_TYPE (0x80094800): Denied by Policy Module 0x80094800, The request"),
            "{said}"
        );
        let german = page("<body><p>Verweigert 0x80094811 (-2146875375)</p>");
        let said = german.outcome().unwrap_err().to_string();
        assert!(said.contains("CERTSRV_E_KEY_LENGTH"), "{said}");
        assert!(page("<body>0x00000001 0xzz 0x8").outcome().is_ok());
    }

    #[test]
    fn no_page_is_too_strange() {
        for text in [
            "",
            "<",
            "<body",
            "<script>",
            "<!--",
            "<body><script>x</script",
            "\u{fffd}0x\u{fffd}",
        ] {
            let page = page(text);
            assert!(page.number().is_none() && page.outcome().is_ok(), "{text}");
        }
    }
}
