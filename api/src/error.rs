//! What every refusal looks like.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The body of every reply with a status of 400 or above, except a 503 of `showReadiness`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Error)]
pub struct ErrorReply {
    /// What is wrong and what to do about it, in plain words.
    pub error: String,
    /// The id that the server's log carries for this request.
    pub request_id: String,
}
