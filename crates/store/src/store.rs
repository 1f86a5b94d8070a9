//! The three faces together.

use crate::{Accounts, Ledger, Records};

/// The durable store: what decides ([`Ledger`]), what is looked at ([`Records`]) and who may
/// ([`Accounts`]).
pub trait Store: Ledger + Records + Accounts {}

impl<T: Ledger + Records + Accounts> Store for T {}
