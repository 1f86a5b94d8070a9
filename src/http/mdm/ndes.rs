//! The page `mscep_admin` of Microsoft's NDES, to the letter: MDMs look for the challenge in its text.

use super::credentials::{Callers, Shown};
use super::{Answer, Asked, set};
use crate::challenges::{NotMade, profile};
use crate::config::PageEncoding;
use actors::{ChallengeError, ChallengeWish, Minter};
use challenge::Binding;
use pki::{Certificate, Digest};
use std::time::Duration;
use warp::http::header::{ALLOW, HeaderValue};
use warp::http::{Method, StatusCode};
use warp::reply::Response;

/// The page of one profile.
pub struct NdesPage {
    /// Who may read it.
    pub callers: Callers,
    /// How it is encoded.
    pub encoding: PageEncoding,
}

const HEAD: &str = r##"<HTML><Head><Meta HTTP-Equiv="Content-Type" Content="text/html; charset=UTF-8"><Title>Network Device Enrollment Service</Title></Head><Body BgColor=#FFFFFF><Font ID=locPageFont Face="Arial"><Table Border=0 CellSpacing=0 CellPadding=4 Width=100% BgColor=#008080><TR><TD><Font ID=locPageTitleFont Face="Arial" Size=-1 Color=#FFFFFF><LocID ID=locMSCertSrv>Network Device Enrollment Service</LocID></Font></TD></TR></Table><P ID=locPageTitle> Network Device Enrollment Service allows you to obtain certificates for routers or other network devices using the Simple Certificate Enrollment Protocol (SCEP). </P>"##;

const FOOT: &str = "<P ID=locPageDesc> For more information see  <A HREF=http://go.microsoft.com/fwlink/?LinkId=67852>Using Network Device Enrollment Service </A>. </P></Font></Body></HTML>";

const FULL: &str = "<P> The password cache is full. <P> Network Device Enrollment Service stores unused password for later use. By default, passwords are stored for 60 minutes.<P>Use one of the existing passwords. If you cannot use an existing password: <UL> <LI> Wait until one or more existing passwords expire (by default passwords expire 60 minutes after they are created). </LI> <LI> Restart Internet Information Services (IIS). </LI> <LI> Configure the service to cache more than 5 passwords. </LI> </UL> </P> ";

const FORBIDDEN: &str = "<P> You do not have sufficient permission to enroll with SCEP.  Please contact your system administrator. </P> ";

/// The page with a challenge that is good for so many minutes.
fn with_challenge(thumbprint: &str, challenge: &str, minutes: u64) -> String {
    format!(
        "{HEAD}<P> To complete certificate enrollment for your network device you will need the following information: <P> The thumbprint (hash value) for the CA certificate is: <B> {thumbprint} </B> <P> The enrollment challenge password is: <B> {challenge} </B> <P> This password can be used only once and will expire within {minutes} minutes. <P> Each enrollment requires a new challenge password. You can refresh this web page to obtain a new challenge password. </P> {FOOT}"
    )
}

/// MD5 of a certificate as NDES writes it: four groups of eight digits.
fn thumbprint(certificate: &Certificate) -> String {
    let digits = hex::encode_upper(Digest::Md5.hash(certificate.der()));
    let groups: Vec<&str> = (0..digits.len())
        .step_by(8)
        .filter_map(|at| digits.get(at..at + 8))
        .collect();
    groups.join(" ")
}

/// The page as octets, and what it is said to be.
fn encoded(page: &str, encoding: PageEncoding) -> (Vec<u8>, &'static str) {
    match encoding {
        PageEncoding::Utf8 => (page.as_bytes().to_vec(), "text/html; charset=utf-8"),
        // NDES says nothing of it.
        PageEncoding::Utf16Le => {
            let octets = page.encode_utf16().flat_map(u16::to_le_bytes);
            (octets.collect(), "text/html")
        }
    }
}

/// `None` for the path without a path id.
pub(super) async fn answer(asked: &Asked<'_>, path_id: Option<&str>) -> Answer {
    let path_id = path_id.or(asked.interfaces.ndes_at_root.as_deref());
    let found = path_id.and_then(|path_id| {
        let page = asked.interfaces.ndes.get(path_id)?;
        Some((path_id, page))
    });
    let Some((path_id, page)) = found else {
        let words = "there is no NDES page here";
        return Answer::words(StatusCode::NOT_FOUND, "not_found", words);
    };
    let answer = match asked.shows(&page.callers).await {
        Err(locked_out) => *locked_out,
        Ok(Shown::Right) => for_caller(asked, path_id, page).await,
        Ok(Shown::Wrong) if is_known_elsewhere(asked) => {
            shown(&format!("{HEAD}{FORBIDDEN}{FOOT}"), page, "forbidden")
        }
        Ok(wrong) => Answer::unauthenticated(asked, wrong == Shown::Wrong),
    };
    answer.of(path_id)
}

/// Whether the credentials are those of another profile's page: then the caller is known, and may not have this one's.
fn is_known_elsewhere(asked: &Asked<'_>) -> bool {
    let pages = asked.interfaces.ndes.values();
    pages
        .map(|page| page.callers.shown(&asked.headers))
        .any(|shown| shown == Shown::Right)
}

async fn for_caller(asked: &Asked<'_>, path_id: &str, page: &NdesPage) -> Answer {
    match asked.method {
        Method::GET => {}
        // Neither makes a challenge.
        Method::HEAD => return shown("", page, "success"),
        Method::OPTIONS => {
            let mut answer = shown("", page, "success");
            let allowed = HeaderValue::from_static("GET, HEAD, OPTIONS");
            answer.response.headers_mut().insert(ALLOW, allowed);
            return answer;
        }
        _ => return Answer::not_allowed("GET, HEAD, OPTIONS"),
    }
    let runtime = asked.runtime;
    let (current, rules) = match profile(&runtime.directory, path_id) {
        Ok(found) => found,
        Err(NotMade::Challenge(_) | NotMade::NoProfile(_) | NotMade::Off(_)) => {
            let words = "there is no NDES page here";
            return Answer::words(StatusCode::NOT_FOUND, "not_found", words);
        }
    };
    let wish = ChallengeWish {
        profile: path_id.to_owned(),
        lifetime: None,
        uses: 1,
        binding: Binding::default(),
        interface: "ndes",
        per_minute: None,
        note: None,
    };
    let by = Minter {
        name: page.callers.name(asked.peer),
        kind: "MDM".to_owned(),
        origin: Some(asked.origin.clone()),
    };
    match runtime.services.challenges.make(&rules, &wish, &by).await {
        Ok(new) => {
            let thumbprint = thumbprint(current.spec.issuer.authority().certificate());
            let minutes = rules.lifetime.as_secs().div_ceil(60);
            let text = with_challenge(&thumbprint, &new.value, minutes);
            shown(&text, page, "success")
        }
        Err(ChallengeError::Full { .. } | ChallengeError::TooOften { .. }) => {
            shown(&format!("{HEAD}{FULL}{FOOT}"), page, "limited")
        }
        Err(_) => Answer::later(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "the challenge could not be made just now",
            Duration::from_secs(1),
        ),
    }
}

/// With status 200, as all of NDES's pages.
fn shown(text: &str, page: &NdesPage, outcome: &'static str) -> Answer {
    let (octets, content_type) = encoded(text, page.encoding);
    let mut response = Response::new(octets.into());
    set(&mut response, content_type);
    Answer::new(outcome, response)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// As a server answered it (Fleet's test data, from a Windows server).
    const MICROSOFTS: &str = r##"<HTML><Head><Meta HTTP-Equiv="Content-Type" Content="text/html; charset=UTF-8"><Title>Network Device Enrollment Service</Title></Head><Body BgColor=#FFFFFF><Font ID=locPageFont Face="Arial"><Table Border=0 CellSpacing=0 CellPadding=4 Width=100% BgColor=#008080><TR><TD><Font ID=locPageTitleFont Face="Arial" Size=-1 Color=#FFFFFF><LocID ID=locMSCertSrv>Network Device Enrollment Service</LocID></Font></TD></TR></Table><P ID=locPageTitle> Network Device Enrollment Service allows you to obtain certificates for routers or other network devices using the Simple Certificate Enrollment Protocol (SCEP). </P><P> To complete certificate enrollment for your network device you will need the following information: <P> The thumbprint (hash value) for the CA certificate is: <B> A656FA66 AB12B433 A2DA5CF7 CC153D9A </B> <P> The enrollment challenge password is: <B> 8CE317021F690069 </B> <P> This password can be used only once and will expire within 60 minutes. <P> Each enrollment requires a new challenge password. You can refresh this web page to obtain a new challenge password. </P> <P ID=locPageDesc> For more information see  <A HREF=http://go.microsoft.com/fwlink/?LinkId=67852>Using Network Device Enrollment Service </A>. </P></Font></Body></HTML>"##;

    #[test]
    fn the_page_is_microsofts_to_the_letter() {
        let page = with_challenge(
            "A656FA66 AB12B433 A2DA5CF7 CC153D9A",
            "8CE317021F690069",
            60,
        );
        assert_eq!(page, MICROSOFTS);
    }

    #[test]
    fn utf_16_has_no_mark_and_two_octets_for_each_sign() {
        let (octets, content_type) = encoded("<HTML>", PageEncoding::Utf16Le);
        assert_eq!(octets, b"<\0H\0T\0M\0L\0>\0");
        assert_eq!(content_type, "text/html");
    }

    #[test]
    fn a_thumbprint_has_four_groups_of_eight_digits() {
        let key = pki::PrivateKey::generate(pki::KeyKind::Ec(pki::Curve::P256)).unwrap();
        let name = pki::Name::parse("CN=Test").unwrap();
        let now = chrono::DateTime::UNIX_EPOCH;
        let certificate = scep::client::self_signed(&name, &key, now).unwrap();
        let text = thumbprint(&certificate);
        let groups: Vec<&str> = text.split(' ').collect();
        assert_eq!(groups.len(), 4);
        let is_digits =
            |group: &&str| group.len() == 8 && group.bytes().all(|b| b.is_ascii_hexdigit());
        assert!(groups.iter().all(is_digits), "{text}");
        assert_eq!(text, text.to_uppercase());
    }
}
