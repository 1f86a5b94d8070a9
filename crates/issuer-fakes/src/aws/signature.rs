//! Signature Version 4, verified.

use ring::{digest, hmac};

use super::{refused, told};
use crate::clock::formatted;
use crate::message::{Answer, Request};
use crate::text::sha256_hex;
use crate::world::World;

/// For so many seconds a signature holds, before and after.
const SKEW: i64 = 300;

/// # Errors
/// What AWS answers to a request whose signature does not hold.
pub(super) fn judge(world: &World, request: &Request, now: i64) -> Result<(), Answer> {
    let settings = &world.settings.aws_pca;
    let Some(header) = request.header("authorization") else {
        return Err(told(
            400,
            "MissingAuthenticationTokenException",
            "Missing Authentication Token",
        ));
    };
    let incomplete =
        || told(400, "IncompleteSignatureException", header).problem("no AWS4-HMAC-SHA256");
    let fields = header
        .strip_prefix("AWS4-HMAC-SHA256 ")
        .ok_or_else(incomplete)?;
    let field = |name: &str| {
        let mut fields = fields
            .split(',')
            .filter_map(|field| field.trim().split_once('='));
        fields
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    };
    let (Some(credential), Some(signed), Some(proof), Some(date)) = (
        field("Credential"),
        field("SignedHeaders"),
        field("Signature"),
        request.header("x-amz-date"),
    ) else {
        return Err(incomplete());
    };
    let (id, secret) = &settings.credentials;
    let day = date.get(..8).unwrap_or_default();
    let scope = format!("{day}/{}/acm-pca/aws4_request", settings.region);
    if credential.split('/').next() != Some(id) {
        return Err(refused("UnrecognizedClientException"));
    }
    if credential != format!("{id}/{scope}") {
        return Err(
            refused("InvalidSignatureException").problem(format!("the scope is not {scope}"))
        );
    }
    if request.header("x-amz-security-token") != settings.session_token.as_deref() {
        return Err(refused("UnrecognizedClientException"));
    }
    let in_time = (-SKEW..=SKEW).any(|skew| formatted(now + skew, "%Y%m%dT%H%M%SZ") == date);
    if !in_time {
        let words = format!("Signature expired: {date} is not within 5 minutes of now");
        return Err(told(400, "InvalidSignatureException", &words));
    }
    // Host and every header of AWS that is there have to be signed.
    let names: Vec<&str> = signed.split(';').collect();
    let wanted = request.headers.keys().map(|name| name.as_str());
    for name in wanted.filter(|name| *name == "host" || name.starts_with("x-amz-")) {
        if !names.contains(&name) {
            return Err(
                refused("InvalidSignatureException").problem(format!("{name} is not signed"))
            );
        }
    }
    let canonical = canonical(request, &names, signed);
    let text = format!(
        "AWS4-HMAC-SHA256\n{date}\n{scope}\n{}",
        sha256_hex(canonical.as_bytes())
    );
    let key = [day, &settings.region, "acm-pca", "aws4_request"]
        .iter()
        .fold(format!("AWS4{secret}").into_bytes(), |key, part| {
            sign(&key, part)
        });
    let right = hex::encode(sign(&key, &text));
    // Nobody learns anything from how long a fake compares.
    if right == proof {
        Ok(())
    } else {
        Err(refused("InvalidSignatureException"))
    }
}

fn sign(key: &[u8], text: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}

/// The canonical request. The path is `/` and there is no query, as JSON 1.1 has it.
fn canonical(request: &Request, names: &[&str], signed: &str) -> String {
    let headers: String = names
        .iter()
        .map(|name| {
            let value = request.header(name).unwrap_or_default();
            let words: Vec<&str> = value.split_whitespace().collect();
            format!("{name}:{}\n", words.join(" "))
        })
        .collect();
    let body = hex::encode(digest::digest(&digest::SHA256, &request.body));
    format!(
        "{}\n{}\n\n{headers}\n{signed}\n{body}",
        request.method, request.target
    )
}
