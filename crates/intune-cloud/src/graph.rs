//! What Graph says of the device and the user behind a request.

use crate::cloud::below;
use crate::credential::guid;
use crate::error::{ServiceError, Step};
use crate::remembered::{Key, Recalled};
use crate::tenant::Tenant;
use crate::token::Resource;
use crate::validator::{device, is_guid};
use chrono::{DateTime, TimeDelta};
use outbound::{Request, Url};
use pki::Csr;
use serde_json::Value;
use std::time::Duration;

const DENIED: &str = "Entra admin center, App registrations, API permissions: Graph's DeviceManagementManagedDevices.Read.All, Device.Read.All and User.Read.All are needed to look at devices and users, with admin consent";

/// What is looked at, in log lines: the state of device and user,
pub(crate) const DEVICE: &str = "state";

/// and a user's SID.
const SID: &str = "sid";

/// What is known of whoever enrolls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Nothing speaks against it.
    Good,
    /// The device is new: it has had no time yet to become compliant.
    New,
    /// It must not enroll; in words.
    Bad(String),
    /// The request names neither a device nor a user that could be looked up.
    Nameless,
}

impl Tenant {
    /// How the device and the user that a CSR names stand in Intune and Entra ID. A device that is not compliant is new for
    /// `grace` after it was enrolled. The answer is remembered.
    ///
    /// # Errors
    /// [`ServiceError`]: nobody knows.
    pub async fn standing(&self, csr: &Csr, grace: TimeDelta) -> Result<Standing, ServiceError> {
        let asked = self.ask_standing(csr, grace).await;
        if asked != Ok(Standing::Nameless) {
            self.looked(DEVICE, &asked);
        }
        let standing = asked?;
        let now = self.clock().instant();
        self.remembered.note(key(csr, grace), &standing, now);
        Ok(standing)
    }

    /// What [`Tenant::standing`] last said of them.
    pub(crate) fn last_standing(&self, csr: &Csr, grace: TimeDelta, longest: Duration) -> Recalled {
        let now = self.clock().instant();
        self.remembered.recall(&key(csr, grace), now, longest)
    }

    /// Notes whether Graph could tell: what it could not is trouble of the tenant's, though Intune answers.
    pub(crate) fn looked<T>(&self, what: &'static str, asked: &Result<T, ServiceError>) {
        let now = self.clock().now();
        let Err(error) = asked else {
            if self.health().saw(what) {
                tracing::info!(
                    tenant = self.id(),
                    what,
                    "Graph tells of devices and users again"
                );
            }
            return;
        };
        if !self.health().did_not_see(what, now, error) {
            return;
        }
        match error.is_lasting {
            true => {
                tracing::error!(tenant = self.id(), what, %error, "Graph does not tell of devices and users until this is mended")
            }
            false => {
                tracing::warn!(tenant = self.id(), what, %error, "Graph does not tell of devices and users")
            }
        }
    }

    async fn ask_standing(&self, csr: &Csr, grace: TimeDelta) -> Result<Standing, ServiceError> {
        let mut standing = Standing::Nameless;
        if let Some(id) = device(csr) {
            standing = self.device_standing(&id, grace).await?;
            if matches!(standing, Standing::Bad(_)) {
                return Ok(standing);
            }
        }
        if let Some(name) = csr.sans().upn.first() {
            match self.user_standing(name).await? {
                Some(bad) => return Ok(Standing::Bad(bad)),
                None if standing == Standing::Nameless => standing = Standing::Good,
                None => {}
            }
        }
        Ok(standing)
    }

    /// A GUID may be Intune's id or Entra's, whatever the profile says: both directories are asked.
    async fn device_standing(&self, id: &str, grace: TimeDelta) -> Result<Standing, ServiceError> {
        debug_assert!(is_guid(id));
        const FIELDS: &str = "id,azureADDeviceId,complianceState,enrolledDateTime";
        let by_id = format!("/v1.0/deviceManagement/managedDevices/{id}?$select={FIELDS}");
        let mut managed = self.graph(&by_id).await?;
        if managed.is_none() {
            let by_entra = format!(
                "/v1.0/deviceManagement/managedDevices?$filter=azureADDeviceId%20eq%20'{id}'&$select={FIELDS}"
            );
            let listed = self.graph(&by_entra).await?;
            managed = listed.and_then(|list| list["value"].get(0).cloned());
        }
        let entra_id = managed
            .as_ref()
            .and_then(|managed| managed["azureADDeviceId"].as_str())
            .filter(|id| is_guid(id))
            .unwrap_or(id);
        let by_entra =
            format!("/v1.0/devices(deviceId='{entra_id}')?$select=id,deviceId,accountEnabled");
        let registered = self.graph(&by_entra).await?;
        if managed.is_none() && registered.is_none() {
            let words = format!("the device {id} is neither in Intune nor in Entra ID");
            return Ok(Standing::Bad(words));
        }
        let enabled = registered.as_ref().map(|device| &device["accountEnabled"]);
        if enabled.is_some_and(|enabled| *enabled == Value::Bool(false)) {
            let words = format!("the device {id} is disabled in Entra ID");
            return Ok(Standing::Bad(words));
        }
        let Some(managed) = managed else {
            return Ok(Standing::Good);
        };
        let state = managed["complianceState"].as_str().unwrap_or("unknown");
        if matches!(state, "compliant" | "inGracePeriod" | "configManager") {
            return Ok(Standing::Good);
        }
        let enrolled = managed["enrolledDateTime"].as_str();
        let enrolled = enrolled.and_then(|text| DateTime::parse_from_rfc3339(text).ok());
        let now = self.clock().now();
        let is_new =
            enrolled.is_some_and(|at| now.saturating_sub(at.timestamp()) <= grace.num_seconds());
        Ok(match is_new {
            true => Standing::New,
            false => Standing::Bad(format!(
                "the device {id} is {} in Intune",
                crate::error::excerpt(state)
            )),
        })
    }

    /// What speaks against a user.
    async fn user_standing(&self, name: &str) -> Result<Option<String>, ServiceError> {
        let shown = crate::error::excerpt(name);
        Ok(match self.user(name).await? {
            None => Some(format!("the user {shown} is not in Entra ID")),
            Some(user) if user["accountEnabled"] == Value::Bool(false) => {
                Some(format!("the user {shown} is disabled in Entra ID"))
            }
            Some(_) => None,
        })
    }

    /// What speaks against a SID that a request names: it must be the one that the directory has for the user of the request.
    ///
    /// # Errors
    /// [`ServiceError`]: nobody knows.
    pub async fn foreign_sid(&self, csr: &Csr, sid: &str) -> Result<Option<String>, ServiceError> {
        let sid_shown = crate::error::excerpt(sid);
        let Some(name) = csr.sans().upn.first() else {
            let words =
                format!("the SID {sid_shown} is asked for without a user whose it could be");
            return Ok(Some(words));
        };
        let user = self.user(name).await;
        self.looked(SID, &user);
        let user = user?;
        let known = user
            .as_ref()
            .and_then(|user| user["onPremisesSecurityIdentifier"].as_str());
        let is_own = known.is_some_and(|known| known.eq_ignore_ascii_case(sid));
        let shown = crate::error::excerpt(name);
        Ok((!is_own).then(|| format!("the SID {sid_shown} is not the one of the user {shown}")))
    }

    /// The SID that the directory has for the user of a request; `None` = the request names none, or it has none.
    ///
    /// # Errors
    /// [`ServiceError`]: nobody knows.
    pub async fn sid_of_user(&self, csr: &Csr) -> Result<Option<String>, ServiceError> {
        let Some(name) = csr.sans().upn.first() else {
            return Ok(None);
        };
        let user = self.user(name).await;
        self.looked(SID, &user);
        let user = user?;
        let sid = user
            .as_ref()
            .and_then(|user| user["onPremisesSecurityIdentifier"].as_str());
        Ok(sid.filter(|sid| is_sid(sid)).map(str::to_owned))
    }

    pub(crate) async fn user(&self, name: &str) -> Result<Option<Value>, ServiceError> {
        let quoted = name.replace('\'', "''");
        let mut path = String::from("/v1.0/users('");
        for octet in quoted.bytes() {
            match octet {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'@' => {
                    path.push(char::from(octet));
                }
                _ => path.push_str(&format!("%{octet:02X}")),
            }
        }
        path.push_str(
            "')?$select=id,accountEnabled,userPrincipalName,onPremisesSecurityIdentifier",
        );
        self.graph(&path).await
    }

    /// Asks Graph, with one more try where the token is refused. `None` = there is no such thing (404).
    async fn graph(&self, path: &str) -> Result<Option<Value>, ServiceError> {
        let url: Url =
            below(&self.places().graph, path).map_err(|why| ServiceError::new(Step::Graph, why))?;
        self.graph_at(&url, false).await
    }

    /// The same at an address; `can_wait`: where Graph is short of room, others go first.
    pub(crate) async fn graph_at(
        &self,
        url: &Url,
        can_wait: bool,
    ) -> Result<Option<Value>, ServiceError> {
        let mut again = true;
        loop {
            let token = self.token(Resource::Graph).await?;
            let id = guid();
            let mut request = Request::get(url.clone())
                .header("accept", "application/json")
                .header("client-request-id", &id)
                .secret_header("authorization", &token.bearer());
            if can_wait {
                request = request.header("x-ms-throttle-priority", "low");
            }
            let started = self.clock().instant();
            let sent = self.client().send(request).await;
            if matches!(&sent, Ok(answer) if answer.status() == 404) {
                self.called(Step::Graph, true, started);
                return Ok(None);
            }
            let answered = self.read(Step::Graph, sent, &id);
            self.called(Step::Graph, answered.is_ok(), started);
            match answered {
                Ok(body) => return Ok(Some(body)),
                Err(error) if error.is_denied() => {
                    self.forget_token(Resource::Graph, &token);
                    if !again {
                        return Err(error.lasting(DENIED));
                    }
                    again = false;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Whose answer it is: the device's and the user's of a CSR.
fn key(csr: &Csr, grace: TimeDelta) -> Key {
    let (device, user) = (device(csr), csr.sans().upn.first());
    let text = format!(
        "{}\n{}\n{}",
        device.unwrap_or_default(),
        user.map(|user| user.to_lowercase()).unwrap_or_default(),
        grace.num_seconds()
    );
    pki::sha256(text.as_bytes())
}

/// Whether a text is a security identifier (MS-DTYP, 2.4.2.1): it goes into certificates.
fn is_sid(text: &str) -> bool {
    text.len() <= 184
        && text.strip_prefix("S-1-").is_some_and(|rest| {
            rest.split('-')
                .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
        })
}
