use std::ops::ControlFlow;

use super::*;
use crate::sled_store::chain::Head;
use crate::{AuditFault, AuditQuery, Outcome};

fn faults(store: &SledStore) -> Vec<AuditFault> {
    store.audit_verify().unwrap().faults
}

fn ids(store: &SledStore, query: &AuditQuery) -> Vec<u64> {
    store
        .audit(query)
        .unwrap()
        .data
        .into_iter()
        .map(|stored| stored.id)
        .collect()
}

#[test]
fn events_get_numbers_in_order_and_come_back_whole() {
    let (dir, store) = fresh();
    let change = Change::new().with(event(1)).with(event(2));
    let answers = store
        .commit(&[change, Change::new().with(event(3))], time_at(start()))
        .unwrap();
    assert_eq!(answers[0], Ok(committed(&[1, 2])));
    assert_eq!(answers[1], Ok(committed(&[3])));
    drop(store);
    let store = open(&dir.path().join("store"));
    assert_eq!(put(&store, event(4)).audit_ids, vec![4]);
    let mut seen = Vec::new();
    store
        .audit_each(2, &mut |stored| {
            assert_eq!(stored.event, event(stored.id));
            seen.push(stored.id);
            if stored.id == 3 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })
        .unwrap();
    assert_eq!(seen, [2, 3]);
    assert_eq!(store.audit_event(4).unwrap().unwrap().event, event(4));
    assert_eq!(store.audit_event(5).unwrap(), None);
    let check = store.audit_verify().unwrap();
    assert!(check.is_good(), "{check:?}");
    assert_eq!(
        (check.checked, check.first_id, check.last_id),
        (4, Some(1), 4)
    );
    assert_eq!(check.head, store.audit_event(4).unwrap().unwrap().digest);
}

#[test]
fn events_are_searched_by_every_member() {
    let (dir, store) = fresh();
    put_events(&store, 30);
    let query = AuditQuery::default;
    let check = |store: &SledStore| {
        let all = store
            .audit(&AuditQuery {
                per_page: 7,
                page: 2,
                ..query()
            })
            .unwrap();
        assert_eq!((all.total, all.page, all.per_page), (30, 2, 7));
        assert_eq!(all.data[0].event, event(23));
        let renewals = AuditQuery {
            actions: vec!["scep_renewalreq".into()],
            ..query()
        };
        assert_eq!(ids(store, &renewals).len(), 10);
        let both = AuditQuery {
            actions: vec!["scep_renewalreq".into(), "scep_pkcsreq".into()],
            profile: Some("iot".into()),
            outcome: Some(Outcome::Failure),
            ..query()
        };
        assert_eq!(ids(store, &both), [25, 15, 5]);
        let time = AuditQuery {
            since: Some(after(10)),
            until: Some(after(12)),
            ..query()
        };
        assert_eq!(ids(store, &time), [11, 10]);
        let search = |text: &str| {
            ids(
                store,
                &AuditQuery {
                    q: Some(text.into()),
                    ..query()
                },
            )
        };
        assert_eq!(search("DEVICE-12"), [12]);
        assert_eq!(search("guid-3"), [30, 3]);
        assert_eq!(search("000000000000001c"), [28]);
        assert_eq!(search("tx2"), [29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 2]);
        assert_eq!(search("replay").len(), 15);
        assert_eq!(search("").len(), 30);
        let device = AuditQuery {
            device: Some("Guid-3".into()),
            ..query()
        };
        assert_eq!(ids(store, &device), [3]);
        let transaction = AuditQuery {
            transaction_id: Some("tx2".into()),
            ..query()
        };
        assert_eq!(ids(store, &transaction), [2]);
        let name = AuditQuery {
            common_name: Some("device-2".into()),
            ..query()
        };
        assert_eq!(ids(store, &name), [2]);
        for serial in ["000000000000001C", "1c", "00:00:1c"] {
            let serial = AuditQuery {
                serial: Some(serial.into()),
                ..query()
            };
            assert_eq!(ids(store, &serial), [28]);
        }
        assert_eq!(search("SAID NO").len(), 15, "why it failed");
        assert_eq!(search("said yes").len(), 0);
        let beyond = store.audit(&AuditQuery { page: 9, ..query() }).unwrap();
        assert_eq!((beyond.data.len(), beyond.total), (0, 30));
    };
    check(&store);
    drop(store);
    check(&open(&dir.path().join("store")));
}

#[test]
fn an_altered_event_is_named() {
    let (_dir, store) = fresh();
    put_events(&store, 9);
    let mut record = stored(&store, &key(Kind::Audit, 5));
    let last = record.len() - 1;
    record[last] ^= 1;
    tamper(&store, key(Kind::Audit, 5), Some(record));
    assert_eq!(faults(&store), [AuditFault::Altered { id: 5 }]);
    assert!(!store.verify().unwrap().is_good());
}

#[test]
fn an_event_altered_together_with_its_digest_breaks_the_next_link() {
    let (_dir, store) = fresh();
    put_events(&store, 9);
    let before = store.audit_event(4).unwrap().unwrap();
    let octets = crate::sled_store::wire::encode_event(&event(50)).unwrap();
    let forged = Head {
        id: 4,
        digest: before.digest,
    }
    .next(5, &octets);
    let record = crate::sled_store::chain::record(&forged, &octets);
    tamper(&store, key(Kind::Audit, 5), Some(record));
    assert_eq!(faults(&store), [AuditFault::Altered { id: 6 }]);
}

#[test]
fn swapped_events_are_named() {
    let (_dir, store) = fresh();
    put_events(&store, 9);
    let (third, fourth) = (
        stored(&store, &key(Kind::Audit, 3)),
        stored(&store, &key(Kind::Audit, 4)),
    );
    tamper(&store, key(Kind::Audit, 3), Some(fourth));
    tamper(&store, key(Kind::Audit, 4), Some(third));
    let named = faults(&store);
    assert!(named.contains(&AuditFault::Altered { id: 3 }), "{named:?}");
    assert!(named.contains(&AuditFault::Altered { id: 4 }), "{named:?}");
}

#[test]
fn removed_events_are_named_in_the_middle_at_the_start_and_at_the_end() {
    for (removed, expected) in [
        (4..=5, AuditFault::Removed { from: 4, to: 5 }),
        (1..=1, AuditFault::Removed { from: 1, to: 1 }),
        (8..=9, AuditFault::Removed { from: 8, to: 9 }),
        (1..=9, AuditFault::Removed { from: 1, to: 9 }),
    ] {
        let (dir, store) = fresh();
        put_events(&store, 9);
        for id in removed {
            tamper(&store, key(Kind::Audit, id), None);
        }
        assert_eq!(faults(&store), std::slice::from_ref(&expected));
        drop(store);
        let store = open(&dir.path().join("store"));
        assert_eq!(
            put(&store, event(10)).audit_ids,
            [10],
            "a number is never given twice"
        );
        assert_eq!(store.audit(&AuditQuery::default()).unwrap().data[0].id, 10);
        assert!(faults(&store).contains(&expected), "it stays known");
    }
}

#[test]
fn events_that_nobody_committed_are_named() {
    let (_dir, store) = fresh();
    put_events(&store, 3);
    let copy = stored(&store, &key(Kind::Audit, 3));
    tamper(&store, key(Kind::Audit, 4), Some(copy));
    assert_eq!(faults(&store), [AuditFault::Added { id: 4 }]);
}

#[test]
fn a_head_that_was_put_back_does_not_fit() {
    let (dir, store) = fresh();
    put_events(&store, 3);
    let head = stored(&store, &Head::key());
    put(&store, event(4));
    tamper(&store, Head::key(), Some(head));
    tamper(
        &store,
        key(Kind::Audit, 3),
        Some(stored(&store, &key(Kind::Audit, 2))),
    );
    drop(store);
    let options = SledOptions {
        lenient: true,
        ..options()
    };
    let store = SledStore::open(dir.path().join("store"), &options).unwrap();
    let named = faults(&store);
    assert!(named.contains(&AuditFault::Added { id: 4 }), "{named:?}");
    assert!(named.contains(&AuditFault::Altered { id: 3 }), "{named:?}");
    assert!(named.contains(&AuditFault::Head { id: 3 }), "{named:?}");
}

#[test]
fn an_event_as_json_has_the_members_of_the_api() {
    let (_dir, store) = fresh();
    put(&store, event(2));
    let json = serde_json::to_value(store.audit_event(1).unwrap().unwrap()).unwrap();
    let object = json.as_object().unwrap();
    let mut names: Vec<_> = object.keys().map(String::as_str).collect();
    names.sort_unstable();
    let expected = [
        "action",
        "actor",
        "actor_type",
        "details",
        "digest",
        "id",
        "resource_id",
        "resource_type",
        "timestamp",
    ];
    assert_eq!(names, expected);
    assert_eq!(json["details"]["outcome"], "success");
    assert_eq!(json["timestamp"], "2026-09-21T14:13:22Z");
    assert!(
        json["details"].get("note").is_none(),
        "absent members are left out"
    );
    assert_eq!(json["digest"].as_str().unwrap().len(), 64);
}

#[test]
fn a_claim_that_is_nested_too_deeply_is_refused_alone() {
    let (_dir, store) = fresh();
    let mut deep = serde_json::Value::Null;
    for _ in 0..101 {
        deep = serde_json::Value::Array(vec![deep]);
    }
    let mut hostile = event(1);
    hostile.details.claim = Some(deep);
    let changes = [Change::new().with(hostile), Change::new().with(event(2))];
    let answers = store.commit(&changes, time_at(start())).unwrap();
    assert!(
        matches!(answers[0], Err(Conflict::Unstorable { .. })),
        "{answers:?}"
    );
    assert_eq!(answers[1], Ok(committed(&[1])));
}
