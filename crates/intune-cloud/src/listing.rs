//! The directories of a tenant as a whole, read page by page within Graph's limits: which devices and users are gone.

use crate::cloud::below;
use crate::discovery::next_page;
use crate::error::{ServiceError, Step, excerpt};
use crate::tenant::Tenant;
use crate::validator::is_guid;
use outbound::Url;
use serde_json::Value;
use std::collections::HashMap;
use std::time::Duration;

/// Entries on a page: the most that Graph gives. A hundred thousand devices are 101 pages of each of two lists; Graph lets
/// an app read 2,000 pages about devices of Intune in 20 seconds, and 3,500 of the directory in 10.
const PAGE: u32 = 999;

/// Pages of one list at most: some four million entries.
const MOST_PAGES: u32 = 4096;

/// Tries of one page,
const TRIES: u32 = 8;
/// with this pause after the first, which doubles,
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// up to this, where Graph does not say how long.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// What Graph may ask for; where it wants more, the list is read another time.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// `managementState` of devices that are on their way out, as SCEPman revokes them.
const LEAVING: [&str; 8] = [
    "retirePending",
    "retireFailed",
    "retireIssued",
    "wipePending",
    "wipeFailed",
    "wipeIssued",
    "unhealthy",
    "deletePending",
];

/// How a device or a user stands in the directories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// It is there.
    Present,
    /// It is disabled, and may be enabled again; in words.
    Disabled(String),
    /// It is deleted, or being wiped or retired; in words.
    Gone(String),
}

/// All devices and users of a tenant.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// Devices of Intune by their id.
    managed: HashMap<String, Managed>,
    /// Their ids by Entra's.
    by_entra: HashMap<String, String>,
    /// Whether a device of Entra is enabled, by its id.
    registered: HashMap<String, bool>,
    /// Whether a user is enabled, by its principal name; `None` where users were not read.
    users: Option<HashMap<String, bool>>,
}

#[derive(Debug, Clone)]
struct Managed {
    entra: String,
    is_leaving: bool,
}

impl Listing {
    /// How many devices there are in Intune, and in Entra ID.
    #[must_use]
    pub fn devices(&self) -> (usize, usize) {
        (self.managed.len(), self.registered.len())
    }

    /// How a device stands; its id is Intune's or Entra's.
    #[must_use]
    pub fn device(&self, id: &str) -> Presence {
        let id = id.to_ascii_lowercase();
        let other = self.by_entra.get(&id).unwrap_or(&id);
        let managed = self.managed.get(other);
        let entra = managed.map_or(&id, |managed| &managed.entra);
        presence_of_device(
            &id,
            managed.map(|managed| managed.is_leaving),
            self.registered.get(entra).copied(),
        )
    }

    /// How a user stands. Present, where users were not read.
    #[must_use]
    pub fn user(&self, name: &str) -> Presence {
        let Some(users) = &self.users else {
            return Presence::Present;
        };
        presence_of_user(name, users.get(&name.to_lowercase()).copied())
    }

    fn note_managed(&mut self, item: &Value) {
        let Some(id) = guid(item, "id") else { return };
        let entra = guid(item, "azureADDeviceId").unwrap_or_default();
        if !entra.is_empty() {
            self.by_entra.insert(entra.clone(), id.clone());
        }
        let is_leaving = is_leaving(item);
        self.managed.insert(id, Managed { entra, is_leaving });
    }

    fn note_registered(&mut self, item: &Value) {
        if let Some(id) = guid(item, "deviceId") {
            self.registered.insert(id, is_enabled(item));
        }
    }
}

fn guid(item: &Value, member: &str) -> Option<String> {
    let text = item[member].as_str().filter(|text| is_guid(text))?;
    Some(text.to_ascii_lowercase())
}

fn is_leaving(managed: &Value) -> bool {
    managed["managementState"]
        .as_str()
        .is_some_and(|state| LEAVING.iter().any(|one| one.eq_ignore_ascii_case(state)))
}

/// What does not say that it is disabled is not.
fn is_enabled(item: &Value) -> bool {
    item["accountEnabled"] != Value::Bool(false)
}

/// Found in either directory is there: a GUID may be Intune's id or Entra's.
fn presence_of_device(id: &str, is_leaving: Option<bool>, is_enabled: Option<bool>) -> Presence {
    match (is_leaving, is_enabled) {
        (None, None) => Presence::Gone(format!(
            "the device {id} is neither in Intune nor in Entra ID"
        )),
        (Some(true), _) => Presence::Gone(format!(
            "the device {id} is being wiped or retired by Intune"
        )),
        (_, Some(false)) => Presence::Disabled(format!("the device {id} is disabled in Entra ID")),
        (Some(false), _) | (None, Some(true)) => Presence::Present,
    }
}

fn presence_of_user(name: &str, is_enabled: Option<bool>) -> Presence {
    let shown = excerpt(name);
    match is_enabled {
        None => Presence::Gone(format!("the user {shown} is not in Entra ID")),
        Some(false) => Presence::Disabled(format!("the user {shown} is disabled in Entra ID")),
        Some(true) => Presence::Present,
    }
}

impl Tenant {
    /// Reads the lists of devices and, where they are wanted, users: one page after the other, with the pauses that Graph
    /// asks for.
    ///
    /// # Errors
    /// [`ServiceError`]: a page could not be had in eight tries, or Graph wants to be left alone for more than ten minutes.
    pub async fn listing(&self, with_users: bool) -> Result<Listing, ServiceError> {
        let mut listing = Listing::default();
        // Intune's state of a device is in the beta version alone.
        let managed =
            "/beta/deviceManagement/managedDevices?$select=id,azureADDeviceId,managementState";
        self.each(managed, |item| listing.note_managed(item))
            .await?;
        let registered = "/v1.0/devices?$select=deviceId,accountEnabled";
        self.each(registered, |item| listing.note_registered(item))
            .await?;
        if with_users {
            let mut users = HashMap::new();
            self.each(
                "/v1.0/users?$select=userPrincipalName,accountEnabled",
                |item| {
                    if let Some(name) = item["userPrincipalName"].as_str() {
                        users.insert(name.to_lowercase(), is_enabled(item));
                    }
                },
            )
            .await?;
            listing.users = Some(users);
        }
        Ok(listing)
    }

    /// How one device stands now, asked by itself: before anything is done to it.
    ///
    /// # Errors
    /// [`ServiceError`]: nobody knows.
    pub async fn device_presence(&self, id: &str) -> Result<Presence, ServiceError> {
        if !is_guid(id) {
            return Ok(Presence::Present);
        }
        let id = id.to_ascii_lowercase();
        const FIELDS: &str = "id,azureADDeviceId,managementState";
        let base = "/beta/deviceManagement/managedDevices";
        let mut managed = self.one(&format!("{base}/{id}?$select={FIELDS}")).await?;
        if managed.is_none() {
            let by_entra = format!("{base}?$filter=azureADDeviceId%20eq%20'{id}'&$select={FIELDS}");
            let listed = self.one(&by_entra).await?;
            managed = listed.and_then(|list| list["value"].get(0).cloned());
        }
        let entra = managed
            .as_ref()
            .and_then(|managed| guid(managed, "azureADDeviceId"));
        let entra = entra.unwrap_or_else(|| id.clone());
        let registered =
            format!("/v1.0/devices(deviceId='{entra}')?$select=deviceId,accountEnabled");
        let registered = self.one(&registered).await?;
        Ok(presence_of_device(
            &id,
            managed.as_ref().map(is_leaving),
            registered.as_ref().map(is_enabled),
        ))
    }

    /// How one user stands now.
    ///
    /// # Errors
    /// [`ServiceError`]: nobody knows.
    pub async fn user_presence(&self, name: &str) -> Result<Presence, ServiceError> {
        let user = self.user(name).await?;
        Ok(presence_of_user(name, user.as_ref().map(is_enabled)))
    }

    /// When the app's secret ends, as Graph says: of several that of which it shows the beginning, else the one that ends
    /// last. `None` = it says nothing of it.
    ///
    /// # Errors
    /// [`ServiceError`]
    pub async fn read_secret_end(&self) -> Result<Option<i64>, ServiceError> {
        if !is_guid(self.client_id()) {
            return Ok(None);
        }
        let path = format!(
            "/v1.0/applications(appId='{}')?$select=id,passwordCredentials",
            self.client_id()
        );
        let app = self.one(&path).await?;
        let secrets = app
            .as_ref()
            .and_then(|app| app["passwordCredentials"].as_array());
        let ends = |secret: &Value| {
            let text = secret["endDateTime"].as_str()?;
            let ends = chrono::DateTime::parse_from_rfc3339(text).ok()?;
            Some(ends.timestamp())
        };
        let begins_so = |secret: &&Value| {
            let hint = secret["hint"].as_str().unwrap_or_default();
            self.secret_begins_with(hint)
        };
        let secrets = secrets.map_or(&[][..], Vec::as_slice);
        let own = secrets.iter().filter(begins_so).filter_map(ends).max();
        let end = own.or_else(|| secrets.iter().filter_map(ends).max());
        if end.is_some() {
            self.health().secret_expires = end;
        }
        Ok(end)
    }

    async fn one(&self, path: &str) -> Result<Option<Value>, ServiceError> {
        let url = self.graph_address(path)?;
        self.patiently(&url).await
    }

    /// Shows every entry of a list.
    async fn each(&self, list: &str, mut show: impl FnMut(&Value)) -> Result<(), ServiceError> {
        let mut url = self.graph_address(&format!("{list}&$top={PAGE}"))?;
        for _ in 0..MOST_PAGES {
            let unreadable = |why: &str| ServiceError::new(Step::Graph, why);
            let page = self.patiently(&url).await?;
            let page = page.ok_or_else(|| unreadable("there is no such list"))?;
            let items = page["value"].as_array();
            let items = items.ok_or_else(|| unreadable("there is no list in its answer"))?;
            items.iter().for_each(&mut show);
            let Some(next) = page["@odata.nextLink"].as_str() else {
                return Ok(());
            };
            url = next_page(&url, next)
                .ok_or_else(|| unreadable("the next page of its list is elsewhere"))?;
        }
        // What is not read whole says nothing of who is gone.
        Err(ServiceError::new(Step::Graph, "its list has no end"))
    }

    /// Asks until there is an answer, with pauses.
    async fn patiently(&self, url: &Url) -> Result<Option<Value>, ServiceError> {
        let mut tries = 0;
        loop {
            let error = match self.graph_at(url, true).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            tries += 1;
            let of_ours =
                matches!(error.status, Some(400..=499)) && !matches!(error.status, Some(408 | 429));
            if of_ours || error.is_lasting || tries >= TRIES {
                return Err(error);
            }
            let own = FIRST_PAUSE.saturating_mul(1 << tries.saturating_sub(1).min(8));
            let pause = match error.after {
                Some(wait) if wait > LONGEST_WAIT => return Err(error),
                Some(wait) => wait.max(Duration::from_secs(1)),
                None => own.min(LONGEST_PAUSE),
            };
            self.clock().wait(pause).await;
        }
    }

    fn graph_address(&self, path: &str) -> Result<Url, ServiceError> {
        below(&self.places().graph, path).map_err(|why| ServiceError::new(Step::Graph, why))
    }
}
