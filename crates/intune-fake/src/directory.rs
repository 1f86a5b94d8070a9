//! Devices and users of a tenant.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::challenge::Mint;
use crate::clock::iso;
use crate::text::guid_from;

/// A device in both directories. JSON in the control API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Device {
    /// Intune's id.
    pub intune_id: String,
    /// Entra's `deviceId`.
    pub entra_id: String,
    /// The name in both directories.
    pub name: String,
    /// It is in Intune's directory.
    pub in_intune: bool,
    /// It is in Entra's directory.
    pub in_entra: bool,
    /// `accountEnabled` in Entra.
    pub enabled: bool,
    /// `isCompliant` in Entra.
    pub compliant: bool,
    /// `complianceState` in Intune.
    pub compliance_state: String,
    /// `managementState` in Intune, of the beta API alone.
    pub management_state: String,
    /// `enrolledDateTime`, in seconds since 1970.
    pub enrolled: i64,
    /// The user principal name of its user.
    pub user: Option<String>,
    /// False: the profile is not assigned to it any more.
    pub targeted: bool,
}

impl Default for Device {
    fn default() -> Self {
        Self::with_intune_id("00000000-0000-0000-0000-000000000000", 0)
    }
}

impl Device {
    /// A compliant device with an Entra id of its own.
    #[must_use]
    pub fn with_intune_id(id: &str, now: i64) -> Self {
        Self {
            intune_id: id.to_owned(),
            entra_id: guid_from(&format!("entra {id}")),
            name: format!("device-{id}"),
            in_intune: true,
            in_entra: true,
            enabled: true,
            compliant: true,
            compliance_state: "compliant".to_owned(),
            management_state: "managed".to_owned(),
            enrolled: now,
            user: None,
            targeted: true,
        }
    }

    pub(crate) fn in_entra_directory(&self) -> Value {
        json!({
            "id": guid_from(&format!("object {}", self.entra_id)),
            "deviceId": self.entra_id,
            "displayName": self.name,
            "accountEnabled": self.enabled,
            "isCompliant": self.compliant,
            "isManaged": self.in_intune,
        })
    }

    pub(crate) fn in_intune_directory(&self, beta: bool) -> Value {
        let mut device = json!({
            "id": self.intune_id,
            "azureADDeviceId": self.entra_id,
            "deviceName": self.name,
            "complianceState": self.compliance_state,
            "enrolledDateTime": iso(self.enrolled),
            "lastSyncDateTime": iso(self.enrolled),
            "complianceGracePeriodExpirationDateTime": "9999-12-31T23:59:59Z",
            "userPrincipalName": self.user.as_deref().unwrap_or_default(),
        });
        if beta && let Some(members) = device.as_object_mut() {
            members.insert("managementState".to_owned(), json!(self.management_state));
        }
        device
    }
}

/// A user. JSON in the control API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct User {
    /// The user principal name.
    pub name: String,
    /// `accountEnabled`.
    pub enabled: bool,
    /// False: deleted.
    pub exists: bool,
    /// `onPremisesSecurityIdentifier`.
    pub sid: Option<String>,
    /// `riskLevel`; a user without one was never at risk.
    pub risk: Option<String>,
}

impl Default for User {
    fn default() -> Self {
        Self {
            name: String::new(),
            enabled: true,
            exists: true,
            sid: None,
            risk: None,
        }
    }
}

impl User {
    pub(crate) fn id(&self) -> String {
        guid_from(&format!("user {}", self.name.to_lowercase()))
    }

    pub(crate) fn in_directory(&self) -> Value {
        json!({
            "id": self.id(),
            "userPrincipalName": self.name,
            "accountEnabled": self.enabled,
            "onPremisesSecurityIdentifier": self.sid,
        })
    }
}

/// Devices and users of a tenant.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    pub(crate) devices: Vec<Device>,
    by_intune_id: HashMap<String, usize>,
    by_entra_id: HashMap<String, usize>,
    pub(crate) users: Vec<User>,
}

impl Directory {
    /// Puts a device, in the place of the one with its Intune id.
    pub(crate) fn put(&mut self, device: Device) {
        let (intune, entra) = (lower(&device.intune_id), lower(&device.entra_id));
        let place = match self.by_intune_id.get(&intune) {
            Some(place) => {
                if let Some(known) = self.devices.get_mut(*place) {
                    self.by_entra_id.remove(&lower(&known.entra_id));
                    *known = device;
                }
                *place
            }
            None => {
                self.devices.push(device);
                self.devices.len() - 1
            }
        };
        self.by_intune_id.insert(intune, place);
        self.by_entra_id.insert(entra, place);
    }

    /// The device with this id, Intune's or Entra's, whether it is deleted or not.
    pub(crate) fn device(&self, id: &str) -> Option<&Device> {
        let id = lower(id);
        let place = self.by_intune_id.get(&id).or(self.by_entra_id.get(&id))?;
        self.devices.get(*place)
    }

    pub(crate) fn intune_device(&self, id: &str) -> Option<&Device> {
        let place = self.by_intune_id.get(&lower(id))?;
        self.devices.get(*place).filter(|device| device.in_intune)
    }

    pub(crate) fn entra_device(&self, id: &str) -> Option<&Device> {
        let place = self.by_entra_id.get(&lower(id))?;
        self.devices.get(*place).filter(|device| device.in_entra)
    }

    /// Puts a user, in the place of the one with its name.
    pub(crate) fn put_user(&mut self, user: User) {
        self.users
            .retain(|known| !known.name.eq_ignore_ascii_case(&user.name));
        self.users.push(user);
    }

    /// The user with this name or object id.
    pub(crate) fn user(&self, name: &str) -> Option<&User> {
        self.users
            .iter()
            .find(|user| user.exists && (user.name.eq_ignore_ascii_case(name) || user.id() == name))
    }

    /// Whether device and user of a challenge may still have a certificate.
    ///
    /// # Errors
    /// Intune's code and words.
    pub(crate) fn judge(&self, wanted: &Mint) -> Result<(), (&'static str, String)> {
        let Some(id) = &wanted.device else {
            return Ok(());
        };
        let Some(device) = self.device(id).filter(|device| device.in_intune) else {
            return Err((
                "BadDeviceIdInChallenge",
                format!("There is no device {id}."),
            ));
        };
        if !device.targeted {
            return Err((
                "ScepProfileNoLongerTargetedToTheClient",
                format!("The profile is not assigned to {id}."),
            ));
        }
        let gone = |name: &String| {
            self.users
                .iter()
                .any(|user| &user.name == name && !user.exists)
        };
        if let Some(name) = wanted.user.as_ref().filter(|name| gone(name)) {
            return Err(("BadUserIdInChallenge", format!("There is no user {name}.")));
        }
        Ok(())
    }
}

fn lower(id: &str) -> String {
    id.to_ascii_lowercase()
}
