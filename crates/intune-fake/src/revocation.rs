//! Certificates that Intune wants revoked: handed out, and their results taken.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::message::{Answer, Operation, Request};
use crate::scep::judge_headers;
use crate::text::guid;
use crate::token::{Resource, judge};
use crate::world::World;

const PATH: &str = "/RACerts/StatelessPkiConnectorService/Gateway/StatelessPkiConnectorService";
const API_VERSION: &str = "5019-05-05";

/// One certificate to be revoked. JSON in the control API.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Revocation {
    /// Made when left out.
    pub request_context: String,
    /// As it was told in the success notification, or in another spelling.
    pub serial_number: String,
    /// The issuer as it was told; may be null.
    pub issuer_name: Option<String>,
    /// `caConfiguration` as it was told; may be null.
    pub ca_configuration: Option<String>,
    /// How often it was handed out.
    pub handed_out: u64,
    /// Its result as it was uploaded.
    pub result: Option<Value>,
}

/// The requests of a tenant.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Queue {
    /// All of them, those with a result too.
    pub requests: Vec<Revocation>,
    /// When some were handed out last, in seconds since 1970.
    pub last_download: Option<i64>,
    /// Downloads within the cool-down.
    pub too_early: u64,
}

impl Queue {
    pub(crate) fn put(&mut self, mut request: Revocation) {
        if request.request_context.is_empty() {
            request.request_context = guid();
        }
        self.requests.push(request);
    }
}

/// The URL of the service below a base.
pub(crate) fn url(base: &str) -> String {
    format!("{base}{PATH}")
}

/// Names and numbers of results.
const ERRORS: [(&str, &str); 13] = [
    ("None", "0"),
    ("NonRetryableServiceException", "4000"),
    ("DataSerializationError", "4001"),
    ("ParameterDataInvalidError", "4002"),
    ("CryptographyError", "4003"),
    ("CertificateNotFoundError", "4004"),
    ("ConflictError", "4005"),
    ("NotSupportedError", "4006"),
    ("PayloadTooLargeError", "4007"),
    ("RetryableServiceException", "4100"),
    ("ServiceUnavailableException", "4101"),
    ("ServiceTooBusyException", "4102"),
    ("AuthenticationException", "4103"),
];

/// Answers a download or an upload.
pub(crate) fn answer(world: &mut World, request: &Request, now: i64) -> Answer {
    let expected = format!(
        "{}{PATH}/CertificateAuthorityRequests/{}",
        world.services_prefix(),
        request.path.rsplit('/').next().unwrap_or_default()
    );
    if request.path != expected {
        return Answer::of(404, "text/html", b"<html>Not Found</html>".to_vec());
    }
    let roles = ["scep_challenge_provider"];
    let tenant = match judge(world, request, Resource::Intune, &roles, now) {
        Ok(tenant) => tenant,
        Err(answer) => return answer,
    };
    let cool_down = world.settings.cool_down_seconds;
    let queue = world.queues.entry(tenant.clone()).or_default();
    let result = judge_headers(request, API_VERSION).and_then(|()| match request.operation() {
        Operation::DownloadRevocationRequests => download(queue, request, cool_down, now),
        _ => upload(queue, request),
    });
    match result {
        Ok(answer) | Err(answer) => answer.of_tenant(&tenant),
    }
}

fn object(request: &Request) -> Result<Map<String, Value>, Answer> {
    serde_json::from_slice(&request.body)
        .map_err(|_| Answer::wrong("the body is not a JSON object"))
}

fn download(
    queue: &mut Queue,
    request: &Request,
    cool_down: i64,
    now: i64,
) -> Result<Answer, Answer> {
    let body = object(request)?;
    let parameters = body
        .get("downloadParameters")
        .and_then(Value::as_object)
        .filter(|_| body.len() == 1)
        .ok_or_else(|| Answer::wrong("the body has not one object downloadParameters"))?;
    let most = parameters
        .get("maxRequests")
        .and_then(Value::as_u64)
        .and_then(|most| usize::try_from(most).ok())
        .filter(|most| (1..=500).contains(most))
        .ok_or_else(|| Answer::wrong("maxRequests is not 1 to 500"))?;
    let issuer = match parameters.get("issuerName") {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) if name.chars().count() <= 256 => Some(name.as_str()),
        Some(_) => {
            return Err(Answer::wrong(
                "issuerName is not a text of at most 256, or null",
            ));
        }
    };
    let known = ["maxRequests", "issuerName"];
    if let Some(name) = parameters
        .keys()
        .find(|name| !known.contains(&name.as_str()))
    {
        return Err(Answer::wrong(format!("the member {name} is not known")));
    }
    // Nothing is handed out until the cool-down is over.
    if queue
        .last_download
        .is_some_and(|last| now < last.saturating_add(cool_down))
    {
        queue.too_early += 1;
        return Ok(Answer::json(200, &json!({"value": []})));
    }
    queue.last_download = Some(now);
    let waiting = queue.requests.iter_mut().filter(|request| {
        let fits = issuer.is_none_or(|issuer| request.issuer_name.as_deref() == Some(issuer));
        request.result.is_none() && fits
    });
    let value: Vec<Value> = waiting
        .take(most)
        .map(|request| {
            request.handed_out += 1;
            json!({
                "requestContext": request.request_context,
                "serialNumber": request.serial_number,
                "issuerName": request.issuer_name,
                "caConfiguration": request.ca_configuration,
            })
        })
        .collect();
    Ok(Answer::json(200, &json!({"value": value})))
}

fn upload(queue: &mut Queue, request: &Request) -> Result<Answer, Answer> {
    let body = object(request)?;
    let results = body
        .get("results")
        .and_then(Value::as_array)
        .filter(|results| body.len() == 1 && !results.is_empty())
        .ok_or_else(|| Answer::wrong("the body has not one array results with something in it"))?;
    // All or nothing.
    for result in results {
        judge_result(queue, result)?;
    }
    for result in results {
        let context = result.get("requestContext").and_then(Value::as_str);
        let mut requests = queue.requests.iter_mut();
        if let Some(request) = requests.find(|known| context == Some(&known.request_context)) {
            if request.result.is_some() {
                return Err(Answer::wrong(
                    "one requestContext stands twice in the results",
                ));
            }
            request.result = Some(result.clone());
        }
    }
    Ok(Answer::json(200, &json!({"value": true})))
}

/// # Errors
/// A result that is not complete, contradicts itself, or is of nothing that was handed out.
fn judge_result(queue: &Queue, result: &Value) -> Result<(), Answer> {
    let text = |name: &str| result.get(name).and_then(Value::as_str);
    let context =
        text("requestContext").ok_or_else(|| Answer::wrong("a result without requestContext"))?;
    let known = queue
        .requests
        .iter()
        .find(|request| request.request_context == context)
        .filter(|request| request.handed_out > 0)
        .ok_or_else(|| Answer::wrong("a requestContext that was never handed out"))?;
    if known.result.is_some() {
        return Err(Answer::wrong("a result that was uploaded before"));
    }
    let succeeded = result
        .get("succeeded")
        .and_then(Value::as_bool)
        .ok_or_else(|| Answer::wrong("succeeded is not true or false"))?;
    let code = text("errorCode")
        .filter(|code| {
            let mut errors = ERRORS.iter();
            errors.any(|(name, number)| code == name || code == number)
        })
        .ok_or_else(|| Answer::wrong("errorCode is none of the documented ones, as a text"))?;
    let message =
        text("errorMessage").ok_or_else(|| Answer::wrong("errorMessage is not a text"))?;
    let none = code == "None" || code == "0";
    if succeeded && (!none || !message.is_empty()) {
        return Err(Answer::wrong(
            "a success with an errorCode or an errorMessage",
        ));
    }
    if !succeeded && none {
        return Err(Answer::wrong("a failure without an errorCode"));
    }
    Ok(())
}
