//! Tokens: list, make, revoke.

use api::endpoints::{CreateToken, ListTokens, RevokeToken};
use warp::reply::Response;

use super::context::AdminContext;
use super::reply::{self, Problem};
use super::request::Asked;
use crate::auth::tokens::{By, shown};
use crate::auth::{Admin, TokenError};
use crate::control::listen::change;
use crate::control::{Answer, Order};

pub(super) fn list(context: &AdminContext, _: &Admin) -> Result<Response, Problem> {
    let mut tokens: Vec<api::Token> = context
        .runtime()
        .services
        .store
        .tokens()
        .iter()
        .map(shown)
        .collect();
    tokens.reverse();
    reply::ok::<ListTokens>(&api::Tokens { tokens })
}

pub(super) async fn create(
    context: &AdminContext,
    admin: &Admin,
    asked: &Asked,
) -> Result<Response, Problem> {
    let api::NewToken {
        name,
        role,
        profile,
        expires_in_days,
    } = asked.body::<CreateToken>()?;
    match order(
        context,
        admin,
        asked,
        Order::CreateToken {
            name,
            role,
            profile,
            days: expires_in_days,
        },
    )
    .await?
    {
        Answer::Created(created) => reply::ok::<CreateToken>(&created),
        _ => Err(unexpected()),
    }
}

pub(super) async fn revoke(
    context: &AdminContext,
    admin: &Admin,
    asked: &Asked,
) -> Result<Response, Problem> {
    let id = asked.parameter(0)?;
    let store = &context.runtime().services.store;
    if !store.tokens().iter().any(|token| token.id == id) {
        return Err(Problem::not_found(format!(
            "there is no token with the id {id:?}"
        )));
    }
    match order(
        context,
        admin,
        asked,
        Order::RevokeToken {
            token: id.to_owned(),
        },
    )
    .await?
    {
        Answer::Revoked(token) => reply::ok::<RevokeToken>(&token),
        _ => Err(unexpected()),
    }
}

async fn order(
    context: &AdminContext,
    admin: &Admin,
    asked: &Asked,
    order: Order,
) -> Result<Answer, Problem> {
    let services = &context.runtime().services;
    let by = By {
        name: admin.caller().name.clone(),
        kind: admin.caller().kind.as_str(),
        request_id: Some(asked.origin.request_id.clone()),
    };
    let now = services.clock.now();
    let done = change(&services.store, &services.journal, &order, &by, now).await;
    let done = done
        .transpose()
        .unwrap_or_else(|| Err(TokenError::Store("no order for a token".to_owned())));
    done.map_err(|error| match error {
        // Each of the two alone is good: what is wrong is that they come together.
        TokenError::Profile => Problem::conflict(error.to_string()),
        TokenError::Name | TokenError::Life => Problem::bad_request(error.to_string()),
        TokenError::Taken(_) | TokenError::Revoked(_) => Problem::conflict(error.to_string()),
        TokenError::Unknown(_) => Problem::not_found(error.to_string()),
        TokenError::Random | TokenError::Store(_) => Problem::fault(error),
    })
}

fn unexpected() -> Problem {
    Problem::fault("an order for a token was answered with something else")
}
