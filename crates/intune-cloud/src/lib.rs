//! Microsoft Intune's third-party CA interface.
//!
//! | part | what |
//! |---|---|
//! | [`CloudChallenges`] | the validator: asks Intune, and tells it what became of an enrollment |
//! | [`Standing`] | what Graph says of the device and user behind a request |
//! | [`Listing`], [`Presence`] | all devices and users of a tenant: who is gone |
//! | [`Tenant`] | one tenant: tokens, services, how it fares |
//! | [`Cloud`], [`Places`] | Microsoft's clouds and their addresses |
//! | [`Credential`] | how the app shows who it is |
//! | [`CODES`] | what validation answers, and what to do about it |
//!
//! The wire is that of microsoft/Intune-Resource-Access (`CsrValidation`) and of Microsoft's documentation of third-party
//! CAs; tokens as the Microsoft identity platform documents them. Nothing here reads a clock but by [`Clock`].

mod aadsts;
mod actions;
mod clock;
mod cloud;
pub mod codes;
mod credential;
mod discovery;
mod error;
mod graph;
mod health;
mod json;
mod listing;
mod managed;
mod remembered;
mod revocations;
mod rules;
mod shape;
mod tenant;
mod token;
mod try_out;
mod validator;

pub use actions::{Issued, Verdict, issuer, serial};
pub use clock::Clock;
pub use cloud::{Cloud, Overrides, PlaceError, Places, Preset};
pub use codes::{CODES, Code};
pub use credential::{Algorithm, Assertions, Credential, CredentialError, guid};
pub use discovery::{Service, ServiceMap};
pub use error::{ServiceError, Step, excerpt};
pub use graph::Standing;
pub use health::{Hour, Report, Trouble};
pub use listing::{Listing, Presence};
pub use managed::{EnvironmentError, ManagedIdentity, Source};
pub use revocations::{Failure, MOST, Outcome, Wanted};
pub use rules::{Compliance, Mode, Outage, Rules, SidRule};
pub use shape::looks_like_cloud_challenge;
pub use tenant::{NoObserver, Observer, ROLE, Settings, Tenant};
pub use token::{Resource, Token};
pub use try_out::{Answered, DIRECTORY_DEVICES, MANAGED_DEVICES, Needed, USERS};
pub use validator::{CloudChallenges, device, is_guid};
