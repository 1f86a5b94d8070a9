//! The pages of Web Enrollment: HTML for people, of which programs can rely on addresses and numbers alone.

use hyper::Method;

use super::requests::{self, Outcome};
use super::words::{Code, denied, signed};
use super::{Language, login, missing};
use crate::cms;
use crate::message::{Answer, Request};
use crate::text::{base64_lines, pem, unarmoured};
use crate::world::World;

/// Answers one request for a page, or what a page leads to.
pub(super) fn answer(world: &mut World, request: &Request, path: &[&str], now: i64) -> Answer {
    if let Err(answer) = login::page(world, request) {
        return answer;
    }
    let renewal = request.parameter("Renewal").unwrap_or("0");
    let renewal = renewal.parse::<u32>().ok();
    let there = renewal.is_some_and(|renewal| renewal <= world.settings.adcs.renewals);
    let binary = request.parameter("Enc") == Some("bin");
    let ca = request.parameter("ReqID") == Some("CACert");
    match (&request.method, path) {
        (&Method::GET, []) => page(world, "Microsoft Active Directory Certificate Services", ""),
        (&Method::POST, ["certfnsh.asp"]) => submitted(world, request, now),
        (&Method::GET, ["certnew.cer"]) if ca && there => {
            let issuing = world.authority.issuing.clone();
            certificate(request, &issuing, binary)
        }
        (&Method::GET, ["certnew.p7b"]) if ca && there => {
            let chain = cms::certificates(&world.authority.chain());
            let body = if binary {
                chain
            } else {
                pem("PKCS7", &chain).into_bytes()
            };
            Answer::of(200, "application/x-pkcs7-certificates", body)
        }
        (&Method::GET, ["certnew.cer"]) if !ca => collected(world, request, binary),
        (&Method::GET, ["certcarc.asp"]) => {
            let script = format!(
                "<Script>var nRenewals={};</Script>",
                world.settings.adcs.renewals
            );
            page(
                world,
                "Download a CA Certificate, Certificate Chain, or CRL",
                &script,
            )
        }
        (&Method::GET, ["certcrl.crl"]) if there => {
            let crl = world.crl(now);
            let body = if binary {
                crl
            } else {
                pem("X509 CRL", &crl).into_bytes()
            };
            Answer::of(200, "application/pkix-crl", body)
        }
        _ => missing(&request.target),
    }
}

/// HTML in the code page of the server: what is not ASCII is one octet.
fn page(world: &World, title: &str, body: &str) -> Answer {
    let text = format!(
        "<HTML>\r\n<Head>\r\n<Title>{title}</Title>\r\n</Head>\r\n<Body>\r\n<P ID=locPageTitle> <B> {title} </B>\r\n{body}\r\n</Body>\r\n</HTML>\r\n"
    );
    let octets = match world.settings.adcs.language {
        Language::English => text.into_bytes(),
        Language::German => text
            .chars()
            .map(|letter| u8::try_from(u32::from(letter)).unwrap_or(b'?'))
            .collect(),
    };
    Answer::of(200, "text/html", octets)
}

fn submitted(world: &mut World, request: &Request, now: i64) -> Answer {
    let Some(form) = request.form() else {
        return page(world, "Error", "").problem("certfnsh.asp takes a form");
    };
    let field = |name: &str| {
        let mut values = form.iter().filter(|(known, _)| known == name);
        values.next().map_or("", |(_, value)| value.as_str())
    };
    let attributes = field("CertAttrib");
    let template = attributes
        .lines()
        .find_map(|line| line.strip_prefix("CertificateTemplate:"));
    let mut problem = None;
    if field("Mode") != "newreq" {
        problem = Some("Mode is not newreq");
    } else if attributes
        .lines()
        .any(|line| line.to_ascii_uppercase().starts_with("SAN:"))
    {
        problem = Some("a SAN attribute is a hole in the CA that honours it");
    }
    let octets = unarmoured(field("CertRequest")).unwrap_or_default();
    let outcome = requests::submit(world, &octets, template.map(str::trim), now);
    requests::noted(told(world, &outcome), problem)
}

/// What certfnsh.asp says of an outcome.
fn told(world: &World, outcome: &Outcome) -> Answer {
    let german = world.settings.adcs.language == Language::German;
    match outcome {
        Outcome::Issued(id, _) => {
            let script = format!(
                "<Script>\r\nfunction handleGetCert() {{ location=\"certnew.cer?ReqID={id}&\"+getEncoding(); }}\r\nfunction handleGetChain() {{ location=\"certnew.p7b?ReqID={id}&\"+getEncoding(); }}\r\n</Script>"
            );
            let title = if german {
                "Zertifikat wurde ausgestellt"
            } else {
                "Certificate Issued"
            };
            page(world, title, &script)
        }
        Outcome::Pending(id) if german => page(
            world,
            "Zertifikat steht aus",
            &format!(
                "Die Zertifikatanforderung wurde empfangen. Warten Sie für die Ausstellung auf einen Administrator.\r\n<P>Die Anforderungskennung ist {id}."
            ),
        ),
        Outcome::Pending(id) => page(
            world,
            "Certificate Pending",
            &format!(
                "Your certificate request has been received. However, you must wait for an administrator to issue the certificate you requested.\r\n<P>Your Request Id is {id}.\r\n<P>Please return to this web site in a day or two to retrieve your certificate."
            ),
        ),
        Outcome::Denied(id, code) if german => {
            let (name, ..) = code;
            let body = format!(
                "Die Zertifikatanforderung wurde abgelehnt.\r\n<P>Die Anforderungskennung ist {id}. Die Dispositionsmeldung lautet \"Vom Richtlinienmodul verweigert  {name}, Die Anforderung ist ungültig.\""
            );
            page(world, "Zertifikatanforderung abgelehnt", &body)
        }
        Outcome::Denied(id, code) => {
            let words = denied(code);
            let body = format!(
                "Your certificate request was denied.\r\n<P>Your Request Id is {id}. The disposition message is \"{words}\".\r\n<P>Contact your administrator for further information."
            );
            page(world, "Certificate Request Denied", &body)
        }
        Outcome::Unknown(code) => failed(world, code),
    }
}

/// The page of an error, without a request id.
pub(super) fn failed(world: &World, code: &Code) -> Answer {
    let (name, _, _, words) = code;
    let body = format!(
        "Your request failed. An error occurred while the server was processing your request.\r\n<PRE>Request Mode:\tnewreq - New Request\r\nDisposition:\t(never set)\r\nDisposition message:\r\n\t\t(none)\r\nResult:\t\t{words} {name} ({})</PRE>\r\nError Number: {name}",
        signed(code)
    );
    page(world, "Error", &body)
}

fn collected(world: &mut World, request: &Request, binary: bool) -> Answer {
    let id = request.parameter("ReqID").unwrap_or_default().to_owned();
    match requests::ask(world, &id) {
        Outcome::Issued(_, der) => certificate(request, &der, binary),
        Outcome::Pending(_) => page(
            world,
            "Error",
            "<PRE>Disposition message:\r\n\t\tTaken Under Submission\r\n</PRE>",
        ),
        Outcome::Denied(_, code) => {
            let body = format!(
                "<PRE>Disposition message:\r\n\t\t{} ({})\r\n</PRE>",
                denied(code),
                signed(code)
            );
            page(world, "Error", &body)
        }
        Outcome::Unknown(_) => page(
            world,
            "Error",
            "The requested property value is empty. 0x80094004 (-2146877436 CERTSRV_E_PROPERTY_EMPTY)",
        ),
    }
}

fn certificate(request: &Request, der: &[u8], binary: bool) -> Answer {
    let body = if binary {
        der.to_vec()
    } else {
        let lines = base64_lines(der, 64, "\r\n");
        format!("-----BEGIN CERTIFICATE-----\r\n{lines}-----END CERTIFICATE-----\r\n").into_bytes()
    };
    // Whoever is no browser gets another type.
    let browser = request
        .header("user-agent")
        .is_some_and(|agent| agent.contains("Mozilla"));
    let media = if browser {
        "application/pkix-cert"
    } else {
        "application/octet-stream"
    };
    requests::noted(
        Answer::of(200, media, body),
        (!browser).then_some("User-Agent does not say Mozilla"),
    )
}
