//! What Graph says of devices and users, and what becomes of it.

use crate::server::{Answer, Server, Still, secret, tenant};
use crate::validating::{WAITS, csr, question, rules};
use challenge::{Check, Proven, Validator};
use intune_cloud::{
    CloudChallenges, Compliance, DIRECTORY_DEVICES, MANAGED_DEVICES, Mode, Needed, Outage, Rules,
    SidRule, Standing,
};
use serde_json::{Value, json};

const GUID: &str = "5b0e5a50-6c1b-4e4c-9c35-2f6e1b0e7d11";
const MANAGED: &str = "/deviceManagement/managedDevices/";
const FILTERED: &str = "/deviceManagement/managedDevices?";
const DEVICES: &str = "/v1.0/devices(";
const USERS: &str = "/v1.0/users(";

/// With a device that is good, and a user.
async fn server() -> Server {
    let server = Server::new().await;
    server.always(MANAGED, managed("compliant", 0));
    server.always(FILTERED, Answer::json(200, &json!({"value": []})));
    server.always(DEVICES, Answer::json(200, &json!({"accountEnabled": true})));
    server.always(USERS, Answer::json(200, &json!({"accountEnabled": true})));
    server
}

/// A managed device that was enrolled so many hours ago.
fn managed(state: &str, hours: i64) -> Answer {
    let at = chrono::DateTime::from_timestamp(1_800_000_000 - hours * 3600, 0).unwrap();
    Answer::json(
        200,
        &json!({"id": GUID, "azureADDeviceId": "9b0e5a50-6c1b-4e4c-9c35-2f6e1b0e7d22",
                "complianceState": state, "enrolledDateTime": at.to_rfc3339()}),
    )
}

async fn standing(server: &Server, subject: &str, sans: &str) -> Standing {
    let tenant = tenant(server, "contoso", secret(), Still::new());
    let csr = csr(subject, sans);
    let grace = chrono::TimeDelta::hours(24);
    tenant.standing(&csr, grace).await.unwrap()
}

fn gone() -> Answer {
    Answer::json(
        404,
        &json!({"error": {"code": "ResourceNotFound", "message": "no"}}),
    )
}

#[tokio::test]
async fn devices_and_users_stand_as_the_directories_say() {
    let named = format!("CN={GUID}");
    let server = server().await;
    assert_eq!(standing(&server, &named, "").await, Standing::Good);
    assert_eq!(standing(&server, "CN=laptop", "").await, Standing::Nameless);
    let asked = server.asked(DEVICES);
    assert!(asked[0].path.contains("9b0e5a50"), "{}", asked[0].path);
    for (state, hours, is_new) in [
        ("noncompliant", 1, true),
        ("noncompliant", 30, false),
        ("unknown", 30, false),
        ("conflict", 2, true),
    ] {
        server.always(MANAGED, managed(state, hours));
        let standing = standing(&server, &named, "").await;
        match is_new {
            true => assert_eq!(standing, Standing::New),
            false => assert!(matches!(standing, Standing::Bad(words) if words.contains(state))),
        }
    }
    server.always(MANAGED, managed("compliant", 1));
    server.always(
        DEVICES,
        Answer::json(200, &json!({"accountEnabled": false})),
    );
    let disabled = standing(&server, &named, "").await;
    assert!(matches!(disabled, Standing::Bad(words) if words.contains("disabled")));
    // Known to Entra by the id in the name, to Intune only by Entra's.
    server.always(DEVICES, Answer::json(200, &json!({"accountEnabled": true})));
    server.always(MANAGED, gone());
    assert_eq!(standing(&server, &named, "").await, Standing::Good);
    server.always(DEVICES, gone());
    let unknown = standing(&server, &named, "").await;
    assert!(matches!(unknown, Standing::Bad(words) if words.contains("neither")));
}

#[tokio::test]
async fn a_user_is_looked_up_by_name() {
    let server = server().await;
    let by_upn = "upn:o'hara@contoso.com";
    assert_eq!(standing(&server, "CN=user", by_upn).await, Standing::Good);
    let asked = server.asked(USERS);
    assert!(
        asked[0]
            .path
            .starts_with("/v1.0/users('o%27%27hara@contoso.com')"),
        "{}",
        asked[0].path
    );
    server.always(USERS, Answer::json(200, &json!({"accountEnabled": false})));
    let disabled = standing(&server, "CN=user", by_upn).await;
    assert!(matches!(disabled, Standing::Bad(words) if words.contains("disabled")));
    server.always(USERS, gone());
    assert!(matches!(
        standing(&server, "CN=user", by_upn).await,
        Standing::Bad(_)
    ));
}

async fn judged(server: &Server, mode: Mode) -> Result<Proven, String> {
    let tenants = vec![tenant(server, "contoso", secret(), Still::new())];
    let rules = Rules {
        compliance: Compliance {
            mode,
            grace: chrono::TimeDelta::zero(),
            bootstrap: None,
            outage: WAITS,
        },
        ..rules()
    };
    let validator = CloudChallenges::new(tenants, rules);
    let question = question(&csr(&format!("CN={GUID}"), ""), "192.0.2.1");
    match validator.ask(&question).await {
        Ok(Check::Proven(proven)) => Ok(*proven),
        Ok(other) => panic!("{other:?}"),
        Err(again) => Err(again.why),
    }
}

#[tokio::test]
async fn what_speaks_against_a_device_is_observed_or_decides() {
    let server = server().await;
    server.always(MANAGED, managed("noncompliant", 30));
    let off = judged(&server, Mode::Off).await.unwrap();
    assert_eq!(off.grounds.objection, None);
    assert_eq!(server.asked(MANAGED).len(), 0);
    let observed = judged(&server, Mode::Observe).await.unwrap();
    assert_eq!(observed.grounds.objection, None);
    assert!(observed.grounds.note.unwrap().contains("noncompliant"));
    let enforced = judged(&server, Mode::Enforce).await.unwrap();
    assert!(enforced.grounds.objection.unwrap().contains("noncompliant"));
    // Without an answer: nobody is refused for it.
    let throttled: Value = json!({"error": {"code": "TooManyRequests", "message": "slow down"}});
    server.always(MANAGED, Answer::json(429, &throttled));
    let observed = judged(&server, Mode::Observe).await.unwrap();
    assert!(observed.grounds.note.unwrap().contains("not known"));
    assert!(judged(&server, Mode::Enforce).await.is_err());
    server.always(MANAGED, Answer::text(403, ""));
    let denied = judged(&server, Mode::Enforce).await.unwrap_err();
    assert!(
        denied.contains("DeviceManagementManagedDevices"),
        "{denied}"
    );
}

#[tokio::test]
async fn a_sid_must_be_the_one_of_the_user() {
    const SID: &str = "S-1-5-21-1496966362-3320961333-4044918980-1105";
    let server = server().await;
    let rules = || Rules {
        sid: SidRule::Verify,
        ..rules()
    };
    let ask = async |sans: &str| {
        let tenants = vec![tenant(&server, "contoso", secret(), Still::new())];
        let validator = CloudChallenges::new(tenants, rules());
        let question = question(&csr("CN=user", sans), "192.0.2.1");
        match validator.ask(&question).await {
            Ok(Check::Proven(proven)) => (proven.grounds.sid, proven.grounds.objection),
            other => panic!("{other:?}"),
        }
    };
    let uri = format!("uri:tag:microsoft.com,2022-09-14:sid:{SID}");
    let both = format!("upn:alice@contoso.com,{uri}");
    assert_eq!(ask("upn:alice@contoso.com").await, (None, None));
    let user = |sid: Value| {
        Answer::json(
            200,
            &json!({"accountEnabled": true, "onPremisesSecurityIdentifier": sid}),
        )
    };
    server.always(USERS, user(json!(SID)));
    assert_eq!(ask(&both).await, (Some(SID.to_owned()), None));
    for other in [json!("S-1-5-21-1-2-3-500"), json!(null)] {
        server.always(USERS, user(other));
        assert!(ask(&both).await.1.unwrap().contains("not the one"));
    }
    assert!(ask(&uri).await.1.unwrap().contains("without a user"));
}

#[tokio::test]
async fn a_sid_is_left_out_or_written_as_the_directory_has_it_and_a_new_device_has_a_short_certificate()
 {
    const SID: &str = "S-1-5-21-1496966362-3320961333-4044918980-1105";
    let server = server().await;
    let ask = async |rules: Rules, subject: &str, sans: &str| {
        let tenants = vec![tenant(&server, "contoso", secret(), Still::new())];
        let validator = CloudChallenges::new(tenants, rules);
        match validator
            .ask(&question(&csr(subject, sans), "192.0.2.1"))
            .await
        {
            Ok(Check::Proven(proven)) => proven.grounds,
            other => panic!("{other:?}"),
        }
    };
    let with = |sid| Rules { sid, ..rules() };
    let uri = format!("uri:tag:microsoft.com,2022-09-14:sid:{SID}");
    let stripped = ask(with(SidRule::Strip), "CN=user", &uri).await;
    assert!(stripped.terms.without_sid && stripped.objection.is_none());
    assert!(
        !ask(with(SidRule::Keep), "CN=user", &uri)
            .await
            .terms
            .without_sid
    );

    let upn = "upn:alice@contoso.com";
    let user = |sid: Value| {
        let body = json!({"accountEnabled": true, "onPremisesSecurityIdentifier": sid});
        Answer::json(200, &body)
    };
    for (known, written) in [
        (json!(SID), Some(SID.to_owned())),
        (json!(null), None),
        (json!("S-1-5-21-1; DROP"), None),
    ] {
        server.always(USERS, user(known));
        assert_eq!(
            ask(with(SidRule::Extension), "CN=user", upn)
                .await
                .terms
                .sid,
            written
        );
    }
    server.always(USERS, user(json!("S-1-5-21-1-2-3-500")));
    let both = format!("{upn},{uri}");
    let foreign = ask(with(SidRule::Extension), "CN=user", &both).await;
    assert!(foreign.objection.unwrap().contains("not the one"));

    server.always(MANAGED, managed("noncompliant", 1));
    let named = format!("CN={GUID}");
    for (mode, longest) in [(Mode::Enforce, Some(3600)), (Mode::Observe, None)] {
        let rules = Rules {
            compliance: Compliance {
                mode,
                grace: chrono::TimeDelta::hours(24),
                bootstrap: Some(chrono::TimeDelta::hours(1)),
                outage: WAITS,
            },
            ..rules()
        };
        assert_eq!(ask(rules, &named, "").await.terms.longest, longest);
    }
}

#[tokio::test]
async fn while_graph_gives_no_answer_its_last_one_counts_for_a_time_then_the_setting() {
    let server = server().await;
    let clock = Still::stopped();
    let tenants = vec![tenant(&server, "contoso", secret(), clock.clone())];
    let validator = |lets_in: bool| {
        let compliance = Compliance {
            mode: Mode::Enforce,
            grace: chrono::TimeDelta::hours(24),
            bootstrap: Some(chrono::TimeDelta::hours(1)),
            outage: Outage {
                remembered: std::time::Duration::from_secs(3600),
                lets_in,
            },
        };
        let rules = Rules {
            compliance,
            ..rules()
        };
        CloudChallenges::new(tenants.clone(), rules)
    };
    let (waits, allows) = (validator(false), validator(true));
    let asked = question(&csr(&format!("CN={GUID}"), ""), "192.0.2.1");
    let ask = async |validator: &CloudChallenges| match validator.ask(&asked).await {
        Ok(Check::Proven(proven)) => Ok(proven.grounds),
        Ok(other) => panic!("{other:?}"),
        Err(again) => Err(again.why),
    };
    let throttled = || {
        let body = json!({"error": {"code": "TooManyRequests", "message": "slow down"}});
        server.always(MANAGED, Answer::json(429, &body));
    };
    // Nothing is known yet.
    throttled();
    assert!(ask(&waits).await.unwrap_err().contains("429"));
    let note = ask(&allows).await.unwrap().note.unwrap();
    assert!(note.contains("429") && note.contains("let in"), "{note}");
    // What was good counts, and what was new is new.
    server.always(MANAGED, managed("compliant", 30));
    assert_eq!(ask(&waits).await.unwrap().objection, None);
    throttled();
    clock.pass(1800);
    let grounds = ask(&waits).await.unwrap();
    assert_eq!((grounds.objection, grounds.terms.longest), (None, None));
    assert!(grounds.note.unwrap().contains("30 minutes ago"));
    clock.pass(1801);
    assert!(ask(&waits).await.is_err());
    assert!(ask(&allows).await.is_ok());
    server.always(MANAGED, managed("noncompliant", 1));
    assert_eq!(ask(&waits).await.unwrap().terms.longest, Some(3600));
    throttled();
    assert_eq!(ask(&waits).await.unwrap().terms.longest, Some(3600));
    // Who was refused is not let in for an outage, whatever the setting says, nor refused for it.
    server.always(MANAGED, managed("noncompliant", 50));
    assert!(ask(&waits).await.unwrap().objection.is_some());
    throttled();
    assert!(ask(&waits).await.is_err() && ask(&allows).await.is_err());
    // An answer counts more than what is remembered; what has to be mended is no outage.
    server.always(MANAGED, managed("compliant", 30));
    assert_eq!(ask(&waits).await.unwrap().objection, None);
    server.always(MANAGED, Answer::text(403, ""));
    let denied = ask(&allows).await.unwrap_err();
    assert!(denied.contains("Device.Read.All"), "{denied}");
    server.always(MANAGED, managed("noncompliant", 50));
    assert!(ask(&allows).await.unwrap().objection.is_some());
}

#[tokio::test]
async fn a_permission_that_a_setting_needs_is_missed_before_a_device_comes() {
    let server = server().await;
    let roles = |roles: Value| {
        let value = crate::tokens::jwt(&json!({"roles": roles}));
        server.always(crate::server::TOKEN, crate::server::token(&value, 3600));
    };
    let needed = [MANAGED_DEVICES, DIRECTORY_DEVICES, intune_cloud::USERS].map(|any_of| Needed {
        any_of,
        why: "`device_sweep`".to_owned(),
    });
    let permissions = async || {
        let tenant = tenant(&server, "contoso", secret(), Still::new());
        let steps = tenant.try_out(&needed).await;
        let steps = steps.into_iter();
        let permissions = steps.filter(|step| step.what.starts_with("permission"));
        permissions.map(|step| step.result).collect::<Vec<_>>()
    };
    roles(json!(["Application.Read.All", "Directory.Read.All"]));
    let found = permissions().await;
    let missed = found[0].as_ref().unwrap_err();
    assert!(
        missed.contains("DeviceManagementManagedDevices.Read.All")
            && missed.contains("`device_sweep`")
            && missed.contains("admin consent"),
        "{missed}"
    );
    for known in &found[1..] {
        let words = known.as_ref().unwrap();
        assert_eq!(words, "Directory.Read.All, for `device_sweep`");
    }
    roles(json!([
        "DeviceManagementManagedDevices.Read.All",
        "Device.Read.All"
    ]));
    let found = permissions().await;
    let good: Vec<bool> = found.iter().map(Result::is_ok).collect();
    assert_eq!(good, [true, true, false]);
}
