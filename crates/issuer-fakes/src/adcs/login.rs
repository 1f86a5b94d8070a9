//! Who calls: Basic at the pages, a UsernameToken or a client certificate at CES.

use crate::message::{Answer, Request};
use crate::text::strict_base64;
use crate::world::World;

/// 401 as IIS sends it.
pub(super) fn challenge(world: &World) -> Answer {
    let page = "<html><head><title>401 - Unauthorized: Access is denied due to invalid credentials.</title></head></html>";
    let mut answer = Answer::of(401, "text/html", page);
    let mut schemes = vec!["Negotiate", "NTLM"];
    if world.settings.adcs.basic {
        schemes.push("Basic realm=\"ca.fake.example\"");
    }
    for scheme in schemes {
        let header = ("www-authenticate".to_owned(), scheme.to_owned());
        answer.headers.push(header);
    }
    answer
}

/// # Errors
/// 401 to whoever shows neither the account's password nor its certificate.
pub(super) fn page(world: &World, request: &Request) -> Result<(), Answer> {
    if certificate(world, request) {
        return Ok(());
    }
    let given = request.header("authorization").and_then(|header| {
        let decoded = strict_base64(header.strip_prefix("Basic ")?)?;
        let text = String::from_utf8(decoded).ok()?;
        let (user, password) = text.split_once(':')?;
        Some((user.to_owned(), password.to_owned()))
    });
    match given {
        Some((user, password)) if world.settings.adcs.basic && known(world, &user, &password) => {
            Ok(())
        }
        _ => Err(challenge(world)),
    }
}

/// True for the account, as `DOMAIN\user` without regard to case, with its password.
pub(super) fn known(world: &World, user: &str, password: &str) -> bool {
    let (known, right) = &world.settings.adcs.account;
    user.eq_ignore_ascii_case(known) && password == right
}

/// True for the client certificate that is mapped to the account.
pub(super) fn certificate(world: &World, request: &Request) -> bool {
    let client = request.client.as_deref();
    client.is_some_and(|client| client == world.client_certificate.as_slice())
}
