//! Graph: which services Intune has, devices, users, and many questions in one.

use hyper::Method;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::directory::{Device, Directory, User};
use crate::fault::Fault;
use crate::message::{Answer, Operation, Request};
use crate::text::guid;
use crate::token::{Resource, judge};
use crate::world::World;
use crate::{entra, revocation, scep};

/// The appId of the service principal whose endpoints are Intune's services.
const INTUNE: &str = "0000000a-0000-0000-c000-000000000000";

const DISCOVERY_ROLES: &[&str] = &[
    "Application.Read.All",
    "ServicePrincipalEndpoint.Read.All",
    "Directory.Read.All",
];
const DEVICE_ROLES: &[&str] = &["Device.Read.All", "Directory.Read.All"];
const MANAGED_ROLES: &[&str] = &["DeviceManagementManagedDevices.Read.All"];
const USER_ROLES: &[&str] = &["User.Read.All", "Directory.Read.All"];
const RISK_ROLES: &[&str] = &["IdentityRiskyUser.Read.All"];
const APPLICATION_ROLES: &[&str] = &["Application.Read.All", "Directory.Read.All"];

/// Answers one request; the questions of a batch are answered by the caller, one after the other.
pub(crate) fn answer(world: &mut World, request: &Request, faults: &[Fault], now: i64) -> Answer {
    let operation = request.operation();
    let roles = match operation {
        Operation::Discovery => DISCOVERY_ROLES,
        Operation::Devices => DEVICE_ROLES,
        Operation::ManagedDevices => MANAGED_ROLES,
        Operation::Users => USER_ROLES,
        Operation::RiskyUsers => RISK_ROLES,
        Operation::Applications => APPLICATION_ROLES,
        _ => {
            return Answer::error(400, "BadRequest", "Resource not found for the segment.")
                .problem(format!("Graph has no {}", request.path));
        }
    };
    if request.method != Method::GET {
        return Answer::wrong("the product reads Graph and changes nothing");
    }
    let tenant = match judge(world, request, Resource::Graph, roles, now) {
        Ok(tenant) => tenant,
        Err(answer) => return answer,
    };
    let settings = world.settings.clone();
    if let Err(answer) = world.throttle.take(request, &settings, now) {
        return answer.of_tenant(&tenant);
    }
    let answer = if operation == Operation::Discovery {
        discovery(world, request, faults)
    } else {
        read(world, request, &tenant)
    };
    answer.of_tenant(&tenant)
}

fn not_found() -> Answer {
    Answer::error(
        404,
        "Request_ResourceNotFound",
        "Resource does not exist or one of its queried reference-property objects are not present.",
    )
}

fn discovery(world: &World, request: &Request, faults: &[Fault]) -> Answer {
    let forms = [
        format!("/v1.0/servicePrincipals/appId={INTUNE}/endpoints"),
        format!("/v1.0/servicePrincipals(appId='{INTUNE}')/endpoints"),
    ];
    if !forms.contains(&request.path) {
        return not_found().problem("discovery of another service principal");
    }
    let base = world.settings.services_base.as_ref();
    let base = base.unwrap_or(&world.urls.intune);
    let base = format!("{base}{}", world.services_prefix());
    let mut services = vec![
        (
            "ScepRequestValidationFEService".to_owned(),
            scep::url(&base),
        ),
        ("PkiConnectorFEService".to_owned(), revocation::url(&base)),
        (
            "DeviceEnrollmentFE".to_owned(),
            format!("{base}/DeviceEnrollmentFE"),
        ),
        (
            "NACAPIService".to_owned(),
            format!("{base}/StatelessNACService"),
        ),
    ];
    let mut member = "providerName";
    let mut page = services.len();
    for fault in faults {
        match fault {
            Fault::Forged { uri } => {
                let uri = uri.clone().unwrap_or_else(|| scep::url(&world.urls.thief));
                for (_, known) in services.iter_mut().take(2) {
                    known.clone_from(&uri);
                }
            }
            Fault::MissingService { name } => services.retain(|(known, _)| known != name),
            Fault::NoServices => services.clear(),
            Fault::OtherSpelling => {
                for (name, uri) in &mut services {
                    *name = name.to_lowercase();
                    uri.push('/');
                }
            }
            Fault::ServiceName => member = "serviceName",
            Fault::Paged => page = 1,
            _ => {}
        }
    }
    let values = services.into_iter().map(|(name, uri)| {
        let mut value = json!({"id": guid(), "capability": name, "providerId": guid(), "providerResourceId": name, "uri": uri});
        if let Some(members) = value.as_object_mut() {
            members.insert(member.to_owned(), json!(name));
        }
        value
    });
    paged(request, values.collect(), page)
}

/// One page of a collection, and where the next one is.
fn paged(request: &Request, values: Vec<Value>, size: usize) -> Answer {
    let begin = request
        .parameter("$skiptoken")
        .and_then(|token| token.parse::<usize>().ok())
        .unwrap_or_default();
    let left = values.len().saturating_sub(begin);
    let page: Vec<Value> = values.into_iter().skip(begin).take(size).collect();
    let mut body =
        json!({"@odata.context": format!("{}{}", request.base, request.path), "value": page});
    if left > size
        && let Some(members) = body.as_object_mut()
    {
        let others = request
            .query
            .iter()
            .filter(|(name, _)| name != "$skiptoken");
        let mut query: Vec<(String, String)> = others.cloned().collect();
        query.push(("$skiptoken".to_owned(), (begin + size).to_string()));
        let query = serde_urlencoded::to_string(query).unwrap_or_default();
        let path = request.target.split('?').next().unwrap_or_default();
        let next = format!("{}{path}?{query}", request.base);
        members.insert("@odata.nextLink".to_owned(), json!(next));
    }
    Answer::json(200, &body)
}

fn read(world: &mut World, request: &Request, tenant: &str) -> Answer {
    let size = world.settings.page_size;
    if request.operation() == Operation::Applications {
        return application(world, request, tenant);
    }
    let directory = world.directories.entry(tenant.to_owned()).or_default();
    let beta = request.path.starts_with("/beta/");
    let path = request
        .path
        .trim_start_matches("/v1.0/")
        .trim_start_matches("/beta/");
    let found = match request.operation() {
        Operation::Devices => entra_devices(directory, request, path),
        Operation::ManagedDevices => managed_devices(directory, request, path, beta),
        Operation::Users => users(directory, path),
        _ => risky_users(directory, path),
    };
    let answer = match found {
        Found::One(value) => Answer::json(200, &value),
        Found::Many(values) => {
            let top = request.parameter("$top").and_then(|top| top.parse().ok());
            paged(request, values, top.unwrap_or(size))
        }
        Found::None => return not_found(),
        Found::Wrong(problem) => return Answer::wrong(problem),
    };
    selected(answer, request)
}

enum Found {
    One(Value),
    Many(Vec<Value>),
    None,
    Wrong(String),
}

impl Found {
    fn one(value: Option<Value>) -> Self {
        value.map_or(Self::None, Self::One)
    }
}

/// `name('key')`, `name(member='key')` or `name/key`: the key.
fn key<'a>(path: &'a str, name: &str, member: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(name)?;
    if let Some(key) = rest.strip_prefix('/') {
        return Some(key);
    }
    let inside = rest.strip_prefix('(')?.strip_suffix(')')?;
    let inside = inside
        .strip_prefix(member)
        .and_then(|inside| inside.strip_prefix('='))
        .unwrap_or(inside);
    inside.strip_prefix('\'')?.strip_suffix('\'')
}

/// The value of `$filter=member eq 'value'`, the one filter that is known.
fn filter<'a>(request: &'a Request, member: &str) -> Result<Option<&'a str>, String> {
    let Some(filter) = request.parameter("$filter") else {
        return Ok(None);
    };
    filter
        .strip_prefix(member)
        .and_then(|rest| rest.strip_prefix(" eq '"))
        .and_then(|rest| rest.strip_suffix('\''))
        .map(Some)
        .ok_or_else(|| format!("the filter {filter} is not known"))
}

fn entra_devices(directory: &Directory, request: &Request, path: &str) -> Found {
    if path == "devices" {
        return match filter(request, "deviceId") {
            Err(problem) => Found::Wrong(problem),
            Ok(Some(id)) => Found::Many(
                directory
                    .entra_device(id)
                    .map(Device::in_entra_directory)
                    .into_iter()
                    .collect(),
            ),
            Ok(None) => {
                let devices = directory.devices.iter().filter(|device| device.in_entra);
                Found::Many(devices.map(Device::in_entra_directory).collect())
            }
        };
    }
    // `devices/{id}` takes the object's id, which is another one.
    match key(path, "devices", "deviceId") {
        Some(id) if path.contains("(deviceId='") => {
            Found::one(directory.entra_device(id).map(Device::in_entra_directory))
        }
        _ => Found::Wrong("a device of Entra is asked for by devices(deviceId='...')".to_owned()),
    }
}

fn managed_devices(directory: &Directory, request: &Request, path: &str, beta: bool) -> Found {
    let shown = |device: &Device| device.in_intune_directory(beta);
    if let Some(user) = path
        .strip_prefix("users/")
        .and_then(|path| path.strip_suffix("/managedDevices"))
    {
        let Some(user) = directory.user(user) else {
            return Found::None;
        };
        let devices = directory
            .devices
            .iter()
            .filter(|device| device.in_intune && device.user.as_ref() == Some(&user.name));
        return Found::Many(devices.map(shown).collect());
    }
    if path != "deviceManagement/managedDevices" {
        let id = key(path, "deviceManagement/managedDevices", "id").unwrap_or_default();
        return Found::one(directory.intune_device(id).map(shown));
    }
    match filter(request, "azureADDeviceId") {
        Err(problem) => Found::Wrong(problem),
        Ok(Some(id)) => {
            let device = directory.device(id);
            let device = device
                .filter(|device| device.in_intune && device.entra_id.eq_ignore_ascii_case(id));
            Found::Many(device.map(shown).into_iter().collect())
        }
        Ok(None) => {
            let devices = directory.devices.iter().filter(|device| device.in_intune);
            Found::Many(devices.map(shown).collect())
        }
    }
}

fn users(directory: &Directory, path: &str) -> Found {
    if path == "users" {
        let users = directory.users.iter().filter(|user| user.exists);
        return Found::Many(users.map(User::in_directory).collect());
    }
    let name = key(path, "users", "userPrincipalName").unwrap_or_default();
    Found::one(directory.user(name).map(User::in_directory))
}

fn risky_users(directory: &Directory, path: &str) -> Found {
    let shown = |user: &User| {
        let level = user.risk.as_ref()?;
        Some(
            json!({"id": user.id(), "userPrincipalName": user.name, "riskLevel": level,
            "riskState": if level == "none" { "none" } else { "atRisk" }, "isDeleted": !user.exists}),
        )
    };
    match path.strip_prefix("identityProtection/riskyUsers/") {
        Some(id) => Found::one(directory.user(id).and_then(shown)),
        None => Found::Many(directory.users.iter().filter_map(shown).collect()),
    }
}

fn application(world: &World, request: &Request, tenant: &str) -> Answer {
    let Some(tenant) = world.tenant(tenant) else {
        return not_found();
    };
    let secrets = tenant.secrets.iter().map(|secret| {
        let hint: String = secret.value.chars().take(3).collect();
        json!({"displayName": "scepd", "keyId": guid(), "hint": hint, "secretText": null,
            "startDateTime": "2026-01-01T00:00:00Z",
            "endDateTime": entra::shown_secret_expiry(secret.expires)})
    });
    let app = json!({"id": guid(), "appId": tenant.client_id, "displayName": "scepd",
        "passwordCredentials": secrets.collect::<Vec<_>>(), "keyCredentials": []});
    let path = request.path.trim_start_matches("/v1.0/");
    let answer = match (key(path, "applications", "appId"), filter(request, "appId")) {
        (_, Err(problem)) => return Answer::wrong(problem),
        (Some(id), _) if id.eq_ignore_ascii_case(&tenant.client_id) => Answer::json(200, &app),
        (None, Ok(Some(id))) if id.eq_ignore_ascii_case(&tenant.client_id) => {
            paged(request, vec![app], 100)
        }
        (None, Ok(_)) => paged(request, Vec::new(), 100),
        (Some(_), _) => return not_found(),
    };
    selected(answer, request)
}

/// Keeps what `$select` names; a name that no object has is an error, as in the real API.
fn selected(mut answer: Answer, request: &Request) -> Answer {
    let Some(select) = request.parameter("$select") else {
        return answer;
    };
    let names: Vec<&str> = select.split(',').map(str::trim).collect();
    let mut missing = None;
    answer.change(|body| {
        let is_many = body.get("value").is_some();
        let objects: Vec<&mut Value> = match body.get_mut("value") {
            Some(Value::Array(values)) => values.iter_mut().collect(),
            _ if is_many => Vec::new(),
            _ => vec![body],
        };
        for object in objects {
            if let Some(members) = object.as_object_mut() {
                let unknown = names.iter().find(|name| !members.contains_key(**name));
                missing = missing.take().or(unknown.map(|name| (*name).to_owned()));
                members.retain(|name, _| names.contains(&name.as_str()) || name.starts_with('@'));
            }
        }
    });
    match missing {
        Some(name) => Answer::wrong(format!("Could not find a property named '{name}'")),
        None => answer,
    }
}

/// The questions of a batch, each as a request of its own and with its id.
///
/// # Errors
/// What is wrong with the batch as a whole.
pub(crate) fn questions(request: &Request) -> Result<Vec<(String, Request)>, Answer> {
    if request.method != Method::POST || request.media_type() != "application/json" {
        return Err(Answer::wrong("a batch is a POST of application/json"));
    }
    let body: Value = serde_json::from_slice(&request.body)
        .map_err(|_| Answer::wrong("the batch is not JSON"))?;
    let list = body
        .get("requests")
        .and_then(Value::as_array)
        .filter(|list| (1..=20).contains(&list.len()))
        .ok_or_else(|| Answer::wrong("a batch has 1 to 20 requests"))?;
    let version = if request.path.starts_with("/beta/") {
        "/beta"
    } else {
        "/v1.0"
    };
    let mut questions: Vec<(String, Request)> = Vec::new();
    for item in list {
        let text = |name: &str| item.get(name).and_then(Value::as_str);
        let (Some(id), Some(method), Some(url)) = (text("id"), text("method"), text("url")) else {
            return Err(Answer::wrong(
                "a request of a batch needs id, method and url",
            ));
        };
        if questions.iter().any(|(known, _)| known == id) {
            return Err(Answer::wrong("an id stands twice in a batch"));
        }
        if !url.starts_with('/') {
            return Err(Answer::wrong("url of a batch's request is not relative"));
        }
        let target = format!("{version}{url}");
        let mut headers = HeaderMap::new();
        for (name, value) in item
            .get("headers")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            if let (Ok(name), Some(Ok(value))) = (
                HeaderName::try_from(name.as_str()),
                value.as_str().map(HeaderValue::try_from),
            ) {
                headers.insert(name, value);
            }
        }
        if let Some(token) = request.headers.get("authorization") {
            headers.insert("authorization", token.clone());
        }
        let (path, query) = crate::server::split(&target);
        let inner = Request {
            method: Method::try_from(method).unwrap_or_default(),
            path,
            query,
            target,
            headers,
            body: bytes::Bytes::new(),
            batched: true,
            ..request.clone()
        };
        questions.push((id.to_owned(), inner));
    }
    Ok(questions)
}

/// One of the answers of a batch.
pub(crate) fn batched(id: &str, answer: &Answer) -> Value {
    let headers = answer.headers.iter();
    let headers = headers.map(|(name, value)| (name.clone(), json!(value)));
    let headers: serde_json::Map<String, Value> = headers.collect();
    json!({"id": id, "status": answer.status, "headers": headers, "body": answer.value()})
}
