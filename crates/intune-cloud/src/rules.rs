//! What a profile sets for the challenges that Intune validates.

use chrono::TimeDelta;
use std::time::Duration;

/// What a profile sets for its cloud challenges.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The profile's path id: Intune sends it back with revocations.
    pub profile: String,
    /// Whether Intune must know of a certificate before it leaves.
    pub wait_for_notification: bool,
    /// Whether whatever is no signed challenge is for Intune: the profile knows no others.
    pub takes_all: bool,
    /// Enrollments of one device within 24 hours; 0 = any number.
    pub per_device_limit_24h: u32,
    /// The subject attribute, by its dotted OID, that names the tenant.
    pub tenant_attribute: Option<String>,
    /// Whether Graph is asked about the device and its user.
    pub compliance: Compliance,
    /// What becomes of a SID in the alternative names.
    pub sid: SidRule,
}

/// What becomes of a SID (strong mapping) in the alternative names, once Intune let the device in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SidRule {
    /// It is kept: Intune compared it with what it asked for.
    Keep,
    /// It is kept if Graph has it for the user of the request.
    Verify,
    /// As with `Verify`, and the certificate has the extension with the SID that Graph has for the user.
    Extension,
    /// It is left out.
    Strip,
}

/// Whether Graph is asked about the device and its user, and what becomes of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compliance {
    /// What becomes of the answer.
    pub mode: Mode,
    /// For how long after its enrollment a device need not be compliant.
    pub grace: TimeDelta,
    /// How long the certificate of a device is valid that need not be compliant yet; `None` = as long as others. Only where
    /// the answer decides.
    pub bootstrap: Option<TimeDelta>,
    /// What counts while there is no answer. Only where it decides.
    pub outage: Outage,
}

/// What counts while Graph does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// For how long its last answer counts, if nothing spoke against the device and its user.
    pub remembered: Duration,
    /// Whether a device is let in of which there is no such answer; else it waits.
    pub lets_in: bool,
}

/// What becomes of what Graph says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It is not asked.
    Off,
    /// It stands in the audit.
    Observe,
    /// It decides.
    Enforce,
}
