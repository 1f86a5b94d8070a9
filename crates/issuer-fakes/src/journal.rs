//! Every call, for tests and people to read.

use serde::Serialize;
use serde_json::{Value, json};

use crate::fault::Fault;
use crate::message::{Answer, Operation, Request};

/// One call, as it came and as it ended.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// Its number, from 1.
    pub id: u64,
    /// When it came, in seconds since 1970 by the fake's clock.
    pub at: i64,
    /// What it was about.
    pub operation: Operation,
    /// `GET`, `POST`.
    pub method: String,
    /// Path and query as they came.
    pub target: String,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body: JSON where it is JSON, fields of a form as an object, else text.
    pub body: Value,
    /// The client showed a certificate.
    pub client_certificate: bool,
    /// What was scripted for it.
    pub faults: Vec<Fault>,
    /// The status that left; `None` while it is under way, and where none did.
    pub status: Option<u16>,
    /// It has ended, with an answer or without one.
    pub ended: bool,
    /// It was processed, whatever became of the answer.
    pub processed: bool,
    /// What no program that keeps to the service's documents sends.
    pub problems: Vec<String>,
}

impl Call {
    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(known, _)| known == name);
        values.next().map(|(_, value)| value.as_str())
    }
}

/// The calls so far.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    pub(crate) calls: Vec<Call>,
    last: u64,
}

impl Journal {
    /// Notes a call that came; its number.
    pub(crate) fn begin(
        &mut self,
        request: &Request,
        operation: Operation,
        faults: &[Fault],
        now: i64,
    ) -> u64 {
        self.last += 1;
        let headers = request.headers.iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        });
        self.calls.push(Call {
            id: self.last,
            at: now,
            operation,
            method: request.method.to_string(),
            target: request.target.clone(),
            headers: headers.collect(),
            body: shown(request),
            client_certificate: request.client.is_some(),
            faults: faults.to_vec(),
            status: None,
            ended: false,
            processed: false,
            problems: Vec::new(),
        });
        self.last
    }

    fn find(&mut self, id: u64) -> Option<&mut Call> {
        let place = self.calls.binary_search_by_key(&id, |call| call.id).ok()?;
        self.calls.get_mut(place)
    }

    /// Notes that a call was processed and what was wrong with it.
    pub(crate) fn processed(&mut self, id: u64, answer: &Answer) {
        if let Some(call) = self.find(id) {
            call.processed = true;
            call.problems.extend(answer.problems.iter().cloned());
        }
    }

    /// Notes how a call ended: with an answer of this status or without one.
    pub(crate) fn end(&mut self, id: u64, status: Option<u16>) {
        if let Some(call) = self.find(id) {
            call.ended = true;
            call.status = status;
        }
    }
}

fn shown(request: &Request) -> Value {
    if request.body.is_empty() {
        return Value::Null;
    }
    if let Some(fields) = request.form() {
        let fields = fields.into_iter().map(|(name, value)| (name, json!(value)));
        return Value::Object(fields.collect());
    }
    serde_json::from_slice(&request.body)
        .unwrap_or_else(|_| String::from_utf8_lossy(&request.body).into())
}
