//! Who is asking: bearer tokens, OIDC JWTs, sessions of the page, and what each may do.
//!
//! | module | holds |
//! |---|---|
//! | [`secret`] | random texts that stand for a caller: made, hashed, compared |
//! | [`tokens`] | the tokens of `scepd token`: making, revoking, last use |
//! | [`oidc`] | JWTs of an OpenID Connect provider |
//! | [`jwks`] | the provider's keys over https |
//! | [`session`] | the page's sessions and their CSRF tokens |
//! | [`limit`] | wrong credentials by source |
//! | [`gate`] | [`Gate`]: from a request's headers to a [`Caller`] |
//! | [`caller`] | [`Caller`], and [`SignedIn`], [`Admin`] and [`ChallengeMaker`], which a handler must hold to do anything |
//!
//! Secrets are compared in constant time, kept as SHA-256, and have no `Debug`.

pub mod caller;
pub mod gate;
pub mod jwks;
pub mod limit;
pub mod oidc;
pub mod secret;
pub mod session;
pub mod tokens;

pub use caller::{Admin, Caller, CallerKind, ChallengeMaker, Denied, SignedIn};
pub use gate::{Gate, GateSettings, Presented, Refused};
pub use tokens::{Minted, TokenError};
