//! Whole directories, read within Graph's limits; and when a secret ends.

use crate::server::{Answer, Server, Still, secret, tenant};
use intune_cloud::{Clock, Presence, Tenant};
use serde_json::{Value, json};
use std::sync::Arc;

const MANAGED: &str = "/beta/deviceManagement/managedDevices?";
const ONE: &str = "/beta/deviceManagement/managedDevices/";
const DEVICES: &str = "/v1.0/devices?";
const DEVICE: &str = "/v1.0/devices(";
const USERS: &str = "/v1.0/users?";
const APP: &str = "/v1.0/applications(";

fn intune_id(number: usize) -> String {
    format!("00000000-0000-0000-0000-{number:012x}")
}

fn entra_id(number: usize) -> String {
    format!("11111111-0000-0000-0000-{number:012X}")
}

/// Answers a list in pages of 999.
fn list(server: &Server, path: &'static str, values: &[Value]) {
    list_after(server, path, Vec::new(), values);
}

/// The same after these answers.
fn list_after(server: &Server, path: &'static str, first: Vec<Answer>, values: &[Value]) {
    let mut answers = first;
    let pages: Vec<&[Value]> = values.chunks(999).collect();
    for (number, page) in pages.iter().enumerate() {
        let mut body = json!({"value": page});
        if number + 1 < pages.len() {
            body["@odata.nextLink"] = json!(format!("{}{path}$skiptoken={number}", server.url));
        }
        answers.push(Answer::json(200, &body));
    }
    server.sequence(path, answers);
}

fn managed(number: usize, state: &str) -> Value {
    json!({"id": intune_id(number), "azureADDeviceId": entra_id(number), "managementState": state})
}

fn registered(number: usize, enabled: bool) -> Value {
    json!({"deviceId": entra_id(number), "accountEnabled": enabled})
}

async fn well() -> (Server, Arc<Still>, Arc<Tenant>) {
    let (server, clock) = (Server::new().await, Still::new());
    let tenant = tenant(&server, "contoso", secret(), Arc::clone(&clock));
    (server, clock, tenant)
}

#[tokio::test]
async fn a_hundred_thousand_devices_are_read_within_the_limits() {
    const DEVICES_THERE: usize = 100_000;
    let (server, clock, tenant) = well().await;
    let busy = || Answer::json(429, &json!({"error": {"code": "TooManyRequests"}}));
    let all: Vec<Value> = (0..DEVICES_THERE).map(|n| managed(n, "managed")).collect();
    list_after(
        &server,
        MANAGED,
        vec![busy().with("retry-after", "30")],
        &all,
    );
    let all: Vec<Value> = (0..DEVICES_THERE).map(|n| registered(n, true)).collect();
    list_after(&server, DEVICES, vec![busy()], &all);
    let before = clock.now();
    let listing = tenant.listing(false).await.unwrap();
    assert_eq!(listing.devices(), (DEVICES_THERE, DEVICES_THERE));
    // 30 seconds as Graph asked, and 2 where it did not say.
    assert_eq!(clock.now() - before, 32);
    for path in [MANAGED, DEVICES] {
        let asked = server.asked(path);
        assert_eq!(asked.len(), 1 + DEVICES_THERE.div_ceil(999), "{path}");
        // Even all at once they would be fewer than the 2,000 of 20 seconds and the 3,500 of 10.
        assert!(asked.len() < 2_000);
        assert!(asked[0].path.contains("$top=999"), "{}", asked[0].path);
        assert_eq!(asked[0].headers["x-ms-throttle-priority"], "low");
    }
    let last = DEVICES_THERE - 1;
    assert_eq!(listing.device(&intune_id(last)), Presence::Present);
    assert_eq!(listing.device(&entra_id(last)), Presence::Present);
    let Presence::Gone(words) = listing.device(&intune_id(DEVICES_THERE)) else {
        panic!("it is in neither");
    };
    assert!(words.contains("neither"), "{words}");
}

#[tokio::test]
async fn who_is_gone_wiped_or_disabled_is_told_by_the_lists_and_one_by_one() {
    let (server, _, tenant) = well().await;
    list(
        &server,
        MANAGED,
        &[
            managed(1, "managed"),
            managed(2, "wipePending"),
            managed(3, "retireIssued"),
            managed(4, "wipeCanceled"),
        ],
    );
    list(
        &server,
        DEVICES,
        &[
            registered(1, true),
            registered(4, false),
            registered(5, true),
        ],
    );
    let users = [
        json!({"userPrincipalName": "Ada@example.com", "accountEnabled": true}),
        json!({"userPrincipalName": "bob@example.com", "accountEnabled": false}),
    ];
    list(&server, USERS, &users);
    let listing = tenant.listing(true).await.unwrap();
    let word = |presence: Presence| match presence {
        Presence::Present => "present",
        Presence::Disabled(_) => "disabled",
        Presence::Gone(_) => "gone",
    };
    let cases = [
        (1, "present"),
        (2, "gone"),
        (3, "gone"),
        (4, "disabled"),
        (6, "gone"),
    ];
    for (number, expected) in cases {
        assert_eq!(
            word(listing.device(&intune_id(number))),
            expected,
            "{number}"
        );
    }
    // Intune's list lacks it, Entra's has it.
    assert_eq!(word(listing.device(&entra_id(5))), "present");
    assert_eq!(word(listing.user("ada@EXAMPLE.com")), "present");
    assert_eq!(word(listing.user("bob@example.com")), "disabled");
    assert_eq!(word(listing.user("eve@example.com")), "gone");

    server.always(ONE, Answer::json(200, &managed(2, "wipeIssued")));
    let gone = Answer::json(404, &json!({"error": {"code": "ResourceNotFound"}}));
    server.always(DEVICE, gone.clone());
    let presence = tenant.device_presence(&intune_id(2)).await.unwrap();
    assert_eq!(word(presence), "gone");
    server.always(ONE, gone);
    server.always(MANAGED, Answer::json(200, &json!({"value": []})));
    server.always(DEVICE, Answer::json(200, &registered(4, false)));
    let presence = tenant.device_presence(&intune_id(4)).await.unwrap();
    assert_eq!(word(presence), "disabled");
    assert_eq!(
        tenant.device_presence("laptop-7").await.unwrap(),
        Presence::Present,
        "what is no GUID is not looked for"
    );
}

#[tokio::test]
async fn a_list_that_is_not_whole_says_nothing() {
    let down = || Answer::json(503, &json!({}));
    let cases: [(&str, Vec<Answer>, usize); 4] = [
        ("an outage", vec![down(); 9], 8),
        (
            "a long rest",
            vec![down().with("retry-after", "3600"); 2],
            1,
        ),
        ("no list", vec![Answer::json(200, &json!({}))], 1),
        (
            "its next page is elsewhere",
            vec![Answer::json(
                200,
                &json!({"value": [], "@odata.nextLink": "https://graph.example.org/next"}),
            )],
            1,
        ),
    ];
    for (name, answers, tries) in cases {
        let (server, _, tenant) = well().await;
        server.sequence(MANAGED, answers);
        assert!(tenant.listing(false).await.is_err(), "{name}");
        assert_eq!(server.asked(MANAGED).len(), tries, "{name}");
        assert!(server.asked(DEVICES).is_empty());
    }
}

#[tokio::test]
async fn the_end_of_a_secret_is_that_of_the_one_in_use() {
    let (server, _, tenant) = well().await;
    let secret = |hint: &str, ends: &str| json!({"hint": hint, "endDateTime": ends});
    let app = |secrets: Value| Answer::json(200, &json!({"passwordCredentials": secrets}));
    assert!(tenant.wants_secret_end());
    server.always(
        APP,
        app(json!([
            secret("can", "2027-02-01T00:00:00Z"),
            secret("xyz", "2028-02-01T00:00:00Z")
        ])),
    );
    let ends = |text: &str| {
        Some(
            chrono::DateTime::parse_from_rfc3339(text)
                .unwrap()
                .timestamp(),
        )
    };
    let read = tenant.read_secret_end().await.unwrap();
    assert_eq!(read, ends("2027-02-01T00:00:00Z"), "the one that begins so");
    assert_eq!(tenant.report().secret_expires, read);
    let without = app(json!([
        secret("abc", "2027-02-01T00:00:00Z"),
        secret("xyz", "2028-02-01T00:00:00Z")
    ]));
    server.always(APP, without);
    let read = tenant.read_secret_end().await.unwrap();
    assert_eq!(read, ends("2028-02-01T00:00:00Z"));
    server.always(APP, app(json!([])));
    assert_eq!(tenant.read_secret_end().await.unwrap(), None);
    assert_eq!(
        tenant.report().secret_expires,
        read,
        "what was known stays known"
    );
}
