//! Active Directory Certificate Services: CES and the pages of certsrv.

use issuer_fakes::{AdcsLanguage, Decision, Fake, Fault, Kind, Operation};
use openssl::x509::X509;
use reqwest::Client;

use crate::client::{csr, fake, http, names, on_crl, pem, subject, verified};

const WSTEP: &str = "http://schemas.microsoft.com/windows/pki/2009/01/enrollment";
const ISSUE: &str = "http://docs.oasis-open.org/ws-sx/ws-trust/200512/Issue";
const PATH: &str = "/Fake-CA_CES_UsernamePassword/service.svc/CES";
const LOGIN: &str = "<wsse:Security s:mustUnderstand=\"1\"><wsse:UsernameToken><wsse:Username>fake\\svc-scepd</wsse:Username><wsse:Password Type=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText\">p4ss of the account</wsse:Password></wsse:UsernameToken></wsse:Security>";

/// The message of the reference, with these parts.
fn envelope(fake: &Fake, path: &str, login: &str, body: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" xmlns:a=\"http://www.w3.org/2005/08/addressing\" xmlns:wsse=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd\"><s:Header><a:Action s:mustUnderstand=\"1\">{WSTEP}/RST/wstep</a:Action><a:MessageID>urn:uuid:0d5a1441-5891-453b-becf-a2e5f6ea3749</a:MessageID><a:ReplyTo><a:Address>http://www.w3.org/2005/08/addressing/anonymous</a:Address></a:ReplyTo><a:To s:mustUnderstand=\"1\">{}{path}</a:To>{login}</s:Header><s:Body><RequestSecurityToken PreferredLanguage=\"en-US\" xmlns=\"http://docs.oasis-open.org/ws-sx/ws-trust/200512\"><TokenType>http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#X509v3</TokenType>{body}</RequestSecurityToken></s:Body></s:Envelope>",
        fake.url()
    )
}

fn issue(csr: &[u8], template: &str) -> String {
    format!(
        "<RequestType>{ISSUE}</RequestType><wsse:BinarySecurityToken ValueType=\"{WSTEP}#PKCS10\" EncodingType=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd#base64binary\">{}</wsse:BinarySecurityToken><AdditionalContext xmlns=\"http://schemas.xmlsoap.org/ws/2006/12/authorization\"><ContextItem Name=\"CertificateTemplate\"><Value>{template}</Value></ContextItem></AdditionalContext>",
        openssl::base64::encode_block(csr)
    )
}

fn query(id: &str) -> String {
    format!(
        "<RequestType>{WSTEP}/QueryTokenStatus</RequestType><wstep:RequestID xmlns:wstep=\"{WSTEP}\">{id}</wstep:RequestID>"
    )
}

async fn send(fake: &Fake, client: &Client, path: &str, message: String) -> (u16, String) {
    let request = client.post(format!("{}{path}", fake.url()));
    let request = request.header("content-type", "application/soap+xml; charset=utf-8");
    let response = request.body(message).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

async fn ask(fake: &Fake, body: &str) -> (u16, String) {
    let message = envelope(fake, PATH, LOGIN, body);
    send(fake, &http(fake, None), PATH, message).await
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = text
        .split_once(from)
        .unwrap_or_else(|| panic!("{from}: {text}"));
    rest.split_once(to).unwrap().0
}

/// The leaf of an answer, and how many certificates its PKCS#7 has.
fn leaf(answer: &str) -> (Vec<u8>, usize) {
    let requested = between(
        answer,
        "<RequestedSecurityToken>",
        "</RequestedSecurityToken>",
    );
    let text = between(requested, "\">", "</")
        .replace("&#xD;", "")
        .replace('\n', "");
    let pkcs7 = between(answer, "#PKCS7\"", "</");
    let pkcs7 = pkcs7.split_once('>').unwrap().1;
    let pkcs7 = openssl::base64::decode_block(pkcs7).unwrap();
    let pkcs7 = openssl::pkcs7::Pkcs7::from_der(&pkcs7).unwrap();
    let count = pkcs7
        .signed()
        .unwrap()
        .certificates()
        .map_or(0, |stack| stack.len());
    (openssl::base64::decode_block(&text).unwrap(), count)
}

#[tokio::test]
async fn ces_issues_by_the_template() {
    let fake = fake(Kind::Adcs).await;
    let (status, answer) = ask(&fake, &issue(&csr("laptop-1"), "SCEPDevice")).await;
    assert_eq!(status, 200, "{answer}");
    assert!(
        answer.contains(&format!("{WSTEP}/RSTRC/wstep")) && answer.contains(">Issued<"),
        "{answer}"
    );
    assert!(
        answer.contains("<a:RelatesTo>urn:uuid:0d5a1441-5891-453b-becf-a2e5f6ea3749<"),
        "{answer}"
    );
    let (der, count) = leaf(&answer);
    assert_eq!(count, 3, "the chain is in the PKCS#7");
    let certificate = verified(&fake, &der);
    assert_eq!(
        subject(&certificate),
        "O=Example, CN=laptop-1",
        "in the order of the request"
    );
    assert_eq!(
        names(&certificate),
        ["laptop-1.example.org", "laptop-1@example.org"]
    );
    let text = String::from_utf8(certificate.to_text().unwrap()).unwrap();
    for part in [
        "Microsoft certificate template",
        "Microsoft Application Policies",
        "CRL Distribution Points",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert!(fake.problems().is_empty(), "{:?}", fake.problems());
    let id = between(&answer, &format!("<RequestID xmlns=\"{WSTEP}\">"), "<").to_owned();
    let (_, again) = ask(&fake, &query(&id)).await;
    assert_eq!(leaf(&again).0, der, "and can be had again by its number");
    // The same over a client certificate, without a token.
    let path = "/Fake-CA_CES_Certificate/service.svc/CES";
    let client = http(&fake, Some(fake.client_identity()));
    let message = envelope(&fake, path, "", &issue(&csr("laptop-2"), "SCEPDevice"));
    assert_eq!(send(&fake, &client, path, message.clone()).await.0, 200);
    assert_eq!(send(&fake, &http(&fake, None), path, message).await.0, 403);
    let path = "/Fake-CA_CES_Kerberos/service.svc/CES";
    let message = envelope(&fake, path, "", &issue(&csr("laptop-2"), "SCEPDevice"));
    assert_eq!(send(&fake, &client, path, message).await.0, 401);
}

#[tokio::test]
async fn ces_denies_in_faults_with_an_hresult() {
    let fake = fake(Kind::Adcs).await;
    let mut broken = csr("laptop-1");
    let last = broken.len() - 1;
    broken[last] ^= 1;
    fake.settings(|settings| settings.adcs.wants_dns = true);
    let cases = [
        (
            issue(&csr("laptop-1"), "Nothing"),
            "-2146875392",
            "<RequestID>8<",
        ),
        (
            issue(&csr("laptop-1"), "DomainController"),
            "-2146877422",
            "<RequestID>9<",
        ),
        (
            issue(&broken, "SCEPDevice"),
            "-2146893818",
            "<RequestID xsi:nil=\"true\">",
        ),
        (
            issue(b"0", "SCEPDevice"),
            "-2146881269",
            "<RequestID xsi:nil=\"true\">",
        ),
        (query("4711"), "-2147024809", "<RequestID xsi:nil=\"true\">"),
    ];
    for (body, code, id) in cases {
        let (status, answer) = ask(&fake, &body).await;
        assert_eq!(status, 500, "{answer}");
        assert!(
            answer.contains(&format!(
                "<ErrorCode>{code}</ErrorCode><InvalidRequest>true<"
            )),
            "{answer}"
        );
        assert!(answer.contains(id), "{answer}");
    }
    fake.fail(
        Operation::Issue,
        Some(1),
        Fault::Error {
            name: "0x800706ba".to_owned(),
        },
    );
    let (_, answer) = ask(&fake, &issue(&csr("laptop-1"), "SCEPDevice")).await;
    assert!(
        answer.contains("<ErrorCode>-2147023174</ErrorCode><InvalidRequest>false<"),
        "{answer}"
    );
    assert!(fake.issued().is_empty());
}

#[tokio::test]
async fn ces_takes_only_messages_of_the_right_form() {
    let fake = fake(Kind::Adcs).await;
    let right = envelope(&fake, PATH, LOGIN, &issue(&csr("laptop-1"), "SCEPDevice"));
    let cases = [
        (
            right.replace("p4ss of the account", "wrong"),
            "FailedAuthentication",
        ),
        (right.replace(LOGIN, ""), "FailedAuthentication"),
        (
            right.replace("/RST/wstep", "/RST/other"),
            "ActionNotSupported",
        ),
        (
            right.replace("service.svc/CES<", "service.svc/CEP<"),
            "DestinationUnreachable",
        ),
        (
            right.replace("MessageID", "Message"),
            "MessageAddressingHeaderRequired",
        ),
        (right.replace(" EncodingType=", " Other="), "-2147024809"),
        (right.replace("#PKCS10", "#CMC"), "-2147024809"),
        (right.replace("X509v3", "X509v1"), "-2147024809"),
        (right.replace("</s:Body>", ""), "InvalidMessage"),
    ];
    let client = http(&fake, None);
    for (message, expected) in cases {
        assert_ne!(message, right, "{expected}");
        let (status, answer) = send(&fake, &client, PATH, message).await;
        assert!(
            status == 500 && answer.contains(expected),
            "{expected}: {answer}"
        );
    }
    let plain = client
        .post(format!("{}{PATH}", fake.url()))
        .body(right.clone());
    assert_eq!(plain.send().await.unwrap().status().as_u16(), 415);
    assert_eq!(send(&fake, &client, PATH, right).await.0, 200);
}

#[tokio::test]
async fn what_waits_is_asked_for_by_its_number_over_either_way() {
    let fake = fake(Kind::Adcs).await;
    fake.settings(|settings| settings.approval = true);
    let (status, answer) = ask(&fake, &issue(&csr("laptop-1"), "SCEPDevice")).await;
    assert!(
        status == 200 && answer.contains(">Taken Under Submission<"),
        "{answer}"
    );
    assert!(
        answer.contains(&format!("<Reference URI=\"{}{PATH}\">", fake.url())),
        "{answer}"
    );
    let id = fake.waiting().pop().unwrap();
    assert!(
        ask(&fake, &query(&id))
            .await
            .1
            .contains("Taken Under Submission")
    );
    fake.decide(&id, Decision::Approved).unwrap();
    let (_, answer) = ask(&fake, &query(&id)).await;
    let der = leaf(&answer).0;
    verified(&fake, &der);
    assert_eq!(
        leaf(&ask(&fake, &query(&id)).await.1).0,
        der,
        "the same again"
    );
    let page = get(&fake, &format!("/certsrv/certnew.cer?ReqID={id}&Enc=bin")).await;
    assert_eq!(page.1, der);
    ask(&fake, &issue(&csr("laptop-2"), "SCEPDevice")).await;
    let id = fake.waiting().pop().unwrap();
    fake.decide("*", Decision::Denied).unwrap();
    let (status, answer) = ask(&fake, &query(&id)).await;
    assert!(
        status == 500 && answer.contains("<ErrorCode>-2146877420<"),
        "{answer}"
    );
}

fn basic(request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
    let login = openssl::base64::encode_block(b"FAKE\\svc-scepd:p4ss of the account");
    request
        .header("authorization", format!("Basic {login}"))
        .header("user-agent", "Mozilla/5.0")
}

/// Content type and body of a page.
async fn get(fake: &Fake, path: &str) -> (String, Vec<u8>) {
    let request = http(fake, None).get(format!("{}{path}", fake.url()));
    let response = basic(request).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 200);
    let media = response.headers()["content-type"]
        .to_str()
        .unwrap()
        .to_owned();
    (media, response.bytes().await.unwrap().to_vec())
}

async fn submit(fake: &Fake, csr: &[u8], template: &str) -> String {
    let fields = [
        ("Mode", "newreq"),
        ("CertRequest", &pem("CERTIFICATE REQUEST", csr)),
        ("CertAttrib", &format!("CertificateTemplate:{template}\r\n")),
        ("TargetStoreFlags", "0"),
        ("SaveCert", "yes"),
    ];
    let request = http(fake, None).post(format!("{}/certsrv/certfnsh.asp", fake.url()));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let request = basic(request).body(serde_urlencoded::to_string(fields).unwrap());
    let octets = request.send().await.unwrap().bytes().await.unwrap();
    // The German page is no UTF-8.
    octets.iter().map(|octet| char::from(*octet)).collect()
}

#[tokio::test]
async fn pages_issue_wait_and_deny() {
    let fake = fake(Kind::Adcs).await;
    let page = submit(&fake, &csr("laptop-1"), "SCEPDevice").await;
    let id = between(&page, "certnew.cer?ReqID=", "&").to_owned();
    let (media, body) = get(&fake, &format!("/certsrv/certnew.cer?ReqID={id}&Enc=b64")).await;
    assert_eq!(media, "application/pkix-cert");
    let certificate = X509::from_pem(&body).unwrap();
    verified(&fake, &certificate.to_der().unwrap());
    let page = submit(&fake, &csr("laptop-1"), "Nothing").await;
    assert!(
        page.contains("The disposition message is \"Denied by Policy Module  0x80094800, "),
        "{page}"
    );
    let id = between(&page, "Your Request Id is ", ".").to_owned();
    let (media, body) = get(&fake, &format!("/certsrv/certnew.cer?ReqID={id}&Enc=bin")).await;
    let text = String::from_utf8(body).unwrap();
    assert!(
        media == "text/html" && text.contains("Disposition message:\r\n\t\tDenied by"),
        "{text}"
    );
    fake.settings(|settings| settings.approval = true);
    let page = submit(&fake, &csr("laptop-1"), "SCEPDevice").await;
    assert!(page.contains("Certificate Pending"), "{page}");
    let id = between(&page, "Your Request Id is ", ".").to_owned();
    let (_, body) = get(&fake, &format!("/certsrv/certnew.cer?ReqID={id}&Enc=bin")).await;
    assert!(
        String::from_utf8(body)
            .unwrap()
            .contains("Taken Under Submission")
    );
    let (_, body) = get(&fake, "/certsrv/certnew.cer?ReqID=999&Enc=bin").await;
    assert!(
        String::from_utf8(body)
            .unwrap()
            .contains("The requested property value is empty")
    );
    assert!(fake.problems().is_empty(), "{:?}", fake.problems());

    fake.settings(|settings| settings.adcs.language = AdcsLanguage::German);
    let page = submit(&fake, &csr("laptop-1"), "SCEPDevice").await;
    assert!(
        page.contains("Warten Sie für") && !page.contains("Pending"),
        "{page}"
    );
    let page = submit(&fake, &csr("laptop-1"), "Nothing").await;
    assert!(
        page.contains("0x80094800") && !page.contains("Denied"),
        "{page}"
    );
}

#[tokio::test]
async fn pages_show_the_ca_to_whoever_may_see_it() {
    let fake = fake(Kind::Adcs).await;
    fake.settings(|settings| settings.adcs.renewals = 2);
    let nobody = http(&fake, None).get(format!("{}/certsrv/", fake.url()));
    let answer = nobody.send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 401);
    let offered: Vec<_> = answer
        .headers()
        .get_all("www-authenticate")
        .iter()
        .collect();
    assert_eq!(
        offered,
        ["Negotiate", "NTLM", "Basic realm=\"ca.fake.example\""]
    );
    let (_, page) = get(&fake, "/certsrv/certcarc.asp").await;
    assert!(
        String::from_utf8(page)
            .unwrap()
            .contains("var nRenewals=2;")
    );
    let (_, ca) = get(&fake, "/certsrv/certnew.cer?ReqID=CACert&Renewal=2&Enc=bin").await;
    assert_eq!(ca, fake.chain()[0]);
    let (media, chain) = get(&fake, "/certsrv/certnew.p7b?ReqID=CACert&Renewal=2&Enc=bin").await;
    assert_eq!(media, "application/x-pkcs7-certificates");
    let chain = openssl::pkcs7::Pkcs7::from_der(&chain).unwrap();
    assert_eq!(chain.signed().unwrap().certificates().unwrap().len(), 2);
    let (_, crl) = get(&fake, "/certsrv/certcrl.crl?Type=base&Renewal=2&Enc=bin").await;
    assert!(!on_crl(&fake, &crl, &X509::from_der(&ca).unwrap()));
    let plain = http(&fake, None).get(format!(
        "{}/certsrv/certnew.cer?ReqID=CACert&Renewal=2",
        fake.url()
    ));
    let plain = basic(plain)
        .header("user-agent", "curl/8")
        .send()
        .await
        .unwrap();
    assert!(plain.status().is_success());
    assert_eq!(fake.count(Operation::Chain), 4);
}
