//! The admin side over https: who may what, and what each route answers.

mod audit;
mod caller;
pub(crate) mod canary;
mod certificates;
mod intune;
pub(crate) mod operator;
mod pending;
mod permissions;
mod probes;
mod tokens;
