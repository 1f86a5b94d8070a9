//! A connector whose challenges fit the test devices' CSRs.

use std::sync::{Arc, Mutex};

use challenge::mint::{Connector, mint};
use chrono::{Duration, Utc};
use serde_json::{Map, Value, json};

use crate::fleet::Challenges;

/// Settings of a profile that takes its challenges: without limits, anchors in `anchors.pem` of `dir`.
pub(crate) fn settings(dir: &std::path::Path) -> String {
    format!(
        "[intune]\nenabled = true\nper_device_rate_limit_24h = 0\nconnector_cert_path = '{}'\n",
        dir.join("anchors.pem").display()
    )
}

/// A new connector.
pub(crate) fn connector(name: &str) -> Connector {
    Connector::throwaway(challenge::Algorithm::Es256, name, Utc::now(), 90).unwrap()
}

/// A challenge for the test device.
pub(crate) fn challenge_by(connector: &Connector) -> String {
    let Value::Object(claims) = json!({
        "iss": "https://connector.example.com/installation/one",
        "sub": "device-guid-box-4",
        "aud": "https://scep.example.com/scep/corp",
        "device_name": "box-4",
        "san_dns": ["box-4.example.org"],
    }) else {
        unreachable!()
    };
    let claims: Map<String, Value> = claims;
    mint(claims, &connector.key, Duration::minutes(30), Utc::now()).unwrap()
}

/// A new challenge for each request, by whichever connector is in force.
pub(crate) fn challenges(connector: &Arc<Mutex<Connector>>) -> Challenges {
    let connector = Arc::clone(connector);
    Arc::new(move || {
        let connector = connector.lock().unwrap().clone();
        challenge_by(&connector)
    })
}
