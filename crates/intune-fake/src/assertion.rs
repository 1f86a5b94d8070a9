//! Client assertions: JWTs signed by an app's certificate, and foreign ones of a federated credential.

use ring::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use serde_json::{Value, json};

use crate::certificate::AppCertificate;
use crate::entra::refusal;
use crate::message::Answer;
use crate::text::{any_base64, base64url_of, is_guid, strict_base64url};
use crate::world::{Tenant, World};

/// How far clocks may be apart, in seconds.
const SKEW: i64 = 300;

struct Jwt<'a> {
    header: Value,
    claims: Value,
    signed: &'a str,
    signature: Vec<u8>,
}

impl<'a> Jwt<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let json = |part: &str| serde_json::from_slice(&strict_base64url(part)?).ok();
        Some(Self {
            header: json(header)?,
            claims: json(claims)?,
            signed,
            signature: strict_base64url(signature)?,
        })
    }

    fn claim(&self, name: &str) -> Option<&str> {
        self.claims.get(name)?.as_str()
    }

    fn time(&self, name: &str) -> Option<i64> {
        self.claims.get(name)?.as_i64()
    }

    /// # Errors
    /// 700024 outside of `nbf` to `exp`, a few minutes aside.
    fn judge_times(&self, now: i64) -> Result<(), Answer> {
        let exp = self
            .time("exp")
            .ok_or_else(|| refusal(700_024).problem("the assertion has no exp"))?;
        let begins = self.time("nbf").unwrap_or(i64::MIN);
        if now > exp.saturating_add(SKEW) || now < begins.saturating_sub(SKEW) {
            return Err(refusal(700_024));
        }
        Ok(())
    }
}

/// Judges a client assertion.
///
/// # Errors
/// Entra's refusal.
pub(crate) fn judge(
    world: &mut World,
    tenant: &Tenant,
    text: &str,
    authority: &str,
    now: i64,
) -> Result<(), Answer> {
    let wrong = |problem: &str| refusal(50_012).problem(problem);
    let jwt = Jwt::parse(text).ok_or_else(|| wrong("the assertion is not a JWT"))?;
    let issuer = jwt
        .claim("iss")
        .ok_or_else(|| wrong("the assertion has no iss"))?;
    if !issuer.eq_ignore_ascii_case(&tenant.client_id) {
        return judge_foreign(world, tenant, &jwt, now);
    }
    if jwt.claim("sub") != Some(issuer) {
        return Err(wrong("sub of the assertion is not iss"));
    }
    if jwt.header.get("typ") != Some(&json!("JWT")) {
        return Err(wrong("typ of the assertion is not JWT"));
    }
    judge_signature(tenant, &jwt)?;
    let audience = jwt.claim("aud").unwrap_or_default();
    let endpoint = |name: &str| format!("{authority}/{name}/oauth2/v2.0/token");
    if audience != endpoint(&tenant.id) && audience != endpoint(&tenant.domain) {
        return Err(wrong("aud of the assertion is not the token endpoint"));
    }
    jwt.judge_times(now)?;
    let id = jwt
        .claim("jti")
        .filter(|id| is_guid(id))
        .ok_or_else(|| wrong("jti of the assertion is not a GUID"))?;
    if jwt.time("nbf").is_none() {
        return Err(wrong("the assertion has no nbf"));
    }
    if let Some(_first) = world.assertions.insert(id.to_owned(), now) {
        return Err(wrong("jti of the assertion was used before"));
    }
    Ok(())
}

/// # Errors
/// 700027: no certificate of the app has signed it.
fn judge_signature(tenant: &Tenant, jwt: &Jwt<'_>) -> Result<(), Answer> {
    let algorithm: &dyn VerificationAlgorithm = match jwt.header.get("alg").and_then(Value::as_str)
    {
        // ring takes a salt as long as the digest alone, and MGF1 with the same digest.
        Some("PS256") => &RSA_PSS_2048_8192_SHA256,
        Some("RS256") => &RSA_PKCS1_2048_8192_SHA256,
        _ => return Err(refusal(50_012).problem("alg of the assertion is not PS256 or RS256")),
    };
    let print = |name: &str| jwt.header.get(name).and_then(Value::as_str).map(any_base64);
    let (sha256, sha1) = (print("x5t#S256"), print("x5t"));
    if sha256.is_none() && sha1.is_none() {
        return Err(refusal(700_027).problem("the assertion has neither x5t#S256 nor x5t"));
    }
    let fits = |print: &Option<Option<Vec<u8>>>, of: &[u8]| {
        print
            .as_ref()
            .is_none_or(|print| print.as_deref() == Some(of))
    };
    let certificates = tenant.certificates.iter();
    let certificate = certificates
        .filter_map(|text| AppCertificate::from_pem(text))
        .find(|known| fits(&sha256, &known.sha256) && fits(&sha1, &known.sha1))
        .ok_or_else(|| refusal(700_027))?;
    UnparsedPublicKey::new(algorithm, &certificate.key)
        .verify(jwt.signed.as_bytes(), &jwt.signature)
        .map_err(|_| refusal(700_027).problem("the signature of the assertion does not verify"))
}

/// # Errors
/// 70021x where the federated credential does not fit.
fn judge_foreign(world: &World, tenant: &Tenant, jwt: &Jwt<'_>, now: i64) -> Result<(), Answer> {
    let Some(federated) = &tenant.federated else {
        return Err(refusal(700_211));
    };
    let key = &world.tokens.foreign;
    if jwt.claim("iss") != Some(federated.issuer.as_str())
        || ring::hmac::verify(key, jwt.signed.as_bytes(), &jwt.signature).is_err()
    {
        return Err(refusal(700_211));
    }
    if jwt.claim("sub") != Some(federated.subject.as_str()) {
        return Err(refusal(700_213));
    }
    if jwt.claim("aud") != Some(federated.audience.as_str()) {
        return Err(refusal(700_212));
    }
    jwt.judge_times(now)
}

/// A token as the foreign issuer of a tenant's federated credential makes it.
///
/// # Errors
/// The tenant has no such credential.
pub(crate) fn foreign_token(
    world: &World,
    tenant: &str,
    subject: Option<&str>,
    life: i64,
    now: i64,
) -> Result<String, String> {
    let federated = world
        .tenant(tenant)
        .and_then(|tenant| tenant.federated.as_ref())
        .ok_or("the tenant has no federated credential")?;
    let header = json!({"typ": "JWT", "alg": "HS256"});
    let claims = json!({
        "iss": federated.issuer,
        "sub": subject.unwrap_or(&federated.subject),
        "aud": federated.audience,
        "nbf": now,
        "exp": now.saturating_add(life),
    });
    let signed = format!(
        "{}.{}",
        base64url_of(header.to_string().as_bytes()),
        base64url_of(claims.to_string().as_bytes())
    );
    let tag = ring::hmac::sign(&world.tokens.foreign, signed.as_bytes());
    Ok(format!("{signed}.{}", base64url_of(tag.as_ref())))
}
