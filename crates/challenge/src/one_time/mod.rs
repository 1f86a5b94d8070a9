//! Challenges that are made for one device: which shape they have, what they may be bound to, and the validator.

mod binding;
mod making;
mod validator;

pub use binding::Binding;
pub use making::{Alphabet, ChallengeKey, LENGTHS};
pub use validator::{Made, OneTime, Standing};
