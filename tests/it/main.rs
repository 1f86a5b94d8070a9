//! The real server, as a library, on port 0 with a store of its own.
//!
//! | module | holds |
//! |---|---|
//! | `test_env` | a CA, a configuration and a running server in a temporary directory |
//! | `device` | the other side: a key, requests, checked replies |
//! | `fleet` | devices that enroll all the time, and count |
//! | `intune` | a connector whose challenges fit |
//! | `webhook` | a compliance webhook that answers what a test tells it to |
//! | `fake_vault`, `fake_step_ca`, `fake_ejbca`, `fake_adcs` | issuers on loopback that misbehave on demand; they stand on `scripted`, `web` and `maker` |
//! | `issuers_elsewhere` | fakes of CAs that somebody else wrote (`crates/issuer-fakes`) |
//! | `wire` | HTTP octet for octet |
//! | `clock` | time that only moves when a test says so |
//! | `admin` | the admin API |
//! | `cloud` | Intune's cloud validation against a fake of Microsoft's services |
//! | `commands` | commands of the real binary beside a running server, and alone |
//! | the rest | one module a subject |
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod admin;
mod algorithms;
mod automatic_ra;
mod badfiles;
mod bulk;
mod challenge_webhook;
mod clock;
mod clock_steps;
mod cloud;
mod commands;
mod connections;
mod copies;
mod counted;
mod crash;
mod data_dir;
mod device;
mod drain;
mod enroll;
#[path = "../../crates/remote-issuers/tests/it/fake_adcs.rs"]
#[allow(dead_code, reason = "each of its faults is used beside its own crate")]
mod fake_adcs;
#[path = "../../crates/remote-issuers/tests/it/fake_ejbca.rs"]
#[allow(dead_code, reason = "each of its faults is used beside its own crate")]
mod fake_ejbca;
#[path = "../../crates/remote-issuers/tests/it/fake_step_ca.rs"]
#[allow(dead_code, reason = "each of its faults is used beside its own crate")]
mod fake_step_ca;
#[path = "../../crates/remote-issuers/tests/it/fake_vault.rs"]
#[allow(dead_code, reason = "each of its faults is used beside its own crate")]
mod fake_vault;
mod fleet;
mod floods;
mod gates;
mod hostile;
mod intune;
mod intune_anchors;
mod intune_cloud;
mod intune_compliance;
mod intune_revocations;
mod issuers_elsewhere;
mod logs;
#[path = "../../crates/remote-issuers/tests/it/maker.rs"]
#[allow(dead_code, reason = "each of its faults is used beside its own crate")]
mod maker;
mod many;
mod mdm;
mod mdm_callers;
mod mtls;
mod names;
mod panic;
mod profiles;
mod published;
mod published_load;
mod reload;
mod remote_csr_issuers;
mod remote_issuer;
mod renamed;
mod retention;
mod rollover;
#[path = "../../crates/remote-issuers/tests/it/scripted.rs"]
#[allow(dead_code, reason = "each of its faults is used beside its own crate")]
mod scripted;
mod static_challenges;
mod superseded;
mod test_env;
mod transport;
mod upstream_scep;
#[path = "../../crates/remote-issuers/tests/it/web.rs"]
#[allow(dead_code, reason = "each of its faults is used beside its own crate")]
mod web;
mod webhook;
mod wire;
