//! What a gate would say of a challenge that is explained.

use serde::Serialize;

/// What a gate would say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GateVerdict {
    /// It lets the challenge through.
    Passes,
    /// It refuses.
    Refuses,
    /// It cannot be asked: something was not given, or an earlier gate left nothing to look at.
    NotAsked,
    /// It depends on the server's state at the time.
    Depends,
}
