use super::*;
use crate::sled_store::chain::{self, Anchor, Head};
use crate::sled_store::keys::earlier_chain_key;
use crate::sled_store::wire;
use crate::{AuditCheck, AuditFault, AuditQuery, Outcome, SCHEMA_VERSION, StoredEvent};

const ACTION: &str = "audit_prune";

/// A backup that a scepd of schema version 1 wrote: events 1 to 9, of which 1 to 3 were let go a
/// hundred seconds after the start.
const SCHEMA_1: &[u8] = include_bytes!("schema-1.store");

/// Lets what is older than `seconds` go, a hundred seconds after the start.
fn prune(store: &SledStore, seconds: i64) -> u64 {
    store
        .audit_prune(Duration::seconds(seconds), 100, time_at(after(100)))
        .unwrap()
}

fn check(store: &SledStore) -> AuditCheck {
    store.audit_verify().unwrap()
}

fn faults(store: &SledStore) -> Vec<AuditFault> {
    check(store).faults
}

fn reopened(dir: &TempDir, store: SledStore) -> SledStore {
    drop(store);
    open(&dir.path().join("store"))
}

fn prunings(store: &SledStore) -> Vec<StoredEvent> {
    let query = AuditQuery {
        actions: vec![ACTION.to_owned()],
        ..AuditQuery::default()
    };
    store.audit(&query).unwrap().data
}

/// Takes the events up to `id` away, and puts an anchor there as if they had been let go.
fn forge(store: &SledStore, id: u64) {
    let record = stored(store, &key(Kind::Audit, id));
    put_anchor(store, id, *chain::split(&record).unwrap().0);
    for id in 1..=id {
        tamper(store, key(Kind::Audit, id), None);
    }
}

fn put_anchor(store: &SledStore, id: u64, digest: [u8; 32]) {
    let pruned_at = wire::micros(after(50));
    let anchor = Anchor {
        id,
        digest,
        pruned_at,
    };
    tamper(store, Anchor::key(), Some(anchor.encode().unwrap()));
}

/// As of a store that was migrated from this version.
fn set_schema(store: &SledStore, version: u32) {
    tamper(store, earlier_chain_key(), (version < 2).then(Vec::new));
}

/// A store as the version before left it: events 1 to `count`, those up to `pruned` let go.
fn of_the_version_before(count: u64, pruned: u64) -> (TempDir, SledStore) {
    let (dir, store) = fresh();
    set_schema(&store, 1);
    let mut head = Head::NONE;
    for id in 1..=count {
        let mut octets = wire::encode_event(&event(id)).unwrap();
        octets[0] = 1;
        head = head.next(id, &octets);
        let record = chain::record(&head, &octets);
        tamper(&store, key(Kind::Audit, id), Some(record));
    }
    tamper(&store, Head::key(), Some(head.encode().unwrap()));
    if pruned > 0 {
        forge(&store, pruned);
    }
    let store = reopened(&dir, store);
    (dir, store)
}

#[test]
fn pruned_events_leave_a_chain_that_can_be_checked() {
    let (dir, store) = fresh();
    put_events(&store, 20);
    let retention = Duration::seconds(89);
    assert_eq!(
        store
            .audit_prune(retention, 4, time_at(after(100)))
            .unwrap(),
        4
    );
    assert_eq!(
        store
            .audit_prune(retention, 100, time_at(after(100)))
            .unwrap(),
        6
    );
    assert_eq!(
        store
            .audit_prune(retention, 100, time_at(after(100)))
            .unwrap(),
        0
    );
    let looked_at = |store: &SledStore| {
        let check = check(store);
        assert!(check.is_good(), "{check:?}");
        assert_eq!((check.checked, check.first_id), (12, Some(11)));
        let anchor = check.anchor.unwrap();
        assert_eq!((anchor.id, anchor.pruned_at), (10, after(100)));
        assert_eq!(anchor.named_by, Some(22));
        let all = store.audit(&AuditQuery::default()).unwrap();
        assert_eq!((all.total, all.data.last().unwrap().id), (12, 11));
        assert_eq!(store.audit_event(10).unwrap(), None);
    };
    looked_at(&store);
    let store = reopened(&dir, store);
    looked_at(&store);
    assert_eq!(put(&store, event(23)).audit_ids, [23]);
    tamper(&store, key(Kind::Audit, 11), None);
    assert_eq!(faults(&store), [AuditFault::Removed { from: 11, to: 11 }]);
}

#[test]
fn a_pruning_is_an_event() {
    let (_dir, store) = fresh();
    put_events(&store, 20);
    let last = store.audit_event(10).unwrap().unwrap();
    assert_eq!(prune(&store, 89), 10);
    let [stored] = &prunings(&store)[..] else {
        panic!("one pruning, one event");
    };
    assert_eq!((stored.id, stored.event.timestamp), (21, after(100)));
    let event = &stored.event;
    assert_eq!(
        (event.actor.as_str(), event.actor_type.as_str()),
        ("scepd", "System")
    );
    assert_eq!(event.resource_type, "audit");
    let details = &event.details;
    assert_eq!(details.outcome, Some(Outcome::Success));
    assert_eq!(details.reason.as_deref(), Some("retention"));
    assert_eq!(
        details.message.as_deref(),
        Some(
            "10 audit events, 1 of 2026-09-21T14:13:21Z to 10 of 2026-09-21T14:13:30Z, were let go: \
             they were older than audit.retention (89s)"
        )
    );
    let extra: Vec<_> = details
        .extra
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    assert_eq!(
        extra,
        [
            ("events", "10"),
            ("first_id", "1"),
            ("first_time", "2026-09-21T14:13:21Z"),
            ("last_digest", hex::encode(last.digest).as_str()),
            ("last_id", "10"),
            ("last_time", "2026-09-21T14:13:30Z"),
            ("retention", "89s"),
        ]
    );
    let day = Duration::days(30);
    assert_eq!(
        store.audit_prune(day, 1, time_at(after(12) + day)).unwrap(),
        1
    );
    let newest = prunings(&store).remove(0).event.details;
    assert_eq!(
        newest.message.as_deref(),
        Some(
            "audit event 11 of 2026-09-21T14:13:31Z was let go: it was older than audit.retention (30d)"
        )
    );
}

#[test]
fn a_chain_pruned_to_nothing_begins_with_the_event_of_it() {
    let (dir, store) = fresh();
    put_events(&store, 5);
    assert_eq!(prune(&store, 1), 5);
    assert!(faults(&store).is_empty());
    let store = reopened(&dir, store);
    assert_eq!(put(&store, event(7)).audit_ids, [7]);
    let all = store.audit(&AuditQuery::default()).unwrap();
    let ids: Vec<u64> = all.data.iter().map(|stored| stored.id).collect();
    assert_eq!(ids, [7, 6]);
    assert!(faults(&store).is_empty());
}

#[test]
fn where_nothing_is_old_enough_nothing_is_written() {
    let (_dir, store) = fresh();
    put_events(&store, 5);
    let head = check(&store).head;
    assert_eq!(prune(&store, 99), 0);
    assert_eq!(
        store
            .audit_prune(Duration::MAX, 100, time_at(after(9)))
            .unwrap(),
        0
    );
    assert_eq!(
        store
            .audit_prune(Duration::MIN, 0, time_at(after(9)))
            .unwrap(),
        0
    );
    let check = check(&store);
    assert_eq!((check.head, check.anchor), (head, None));
}

#[test]
fn events_of_prunings_alone_stay_until_another_goes() {
    let (_dir, store) = fresh();
    put_events(&store, 2);
    let retention = Duration::seconds(10);
    assert_eq!(
        store.audit_prune(retention, 1, time_at(after(50))).unwrap(),
        1
    );
    assert_eq!(
        store.audit_prune(retention, 1, time_at(after(50))).unwrap(),
        1
    );
    // Both events of prunings are old now, and nothing else is there.
    assert_eq!(
        store
            .audit_prune(retention, 100, time_at(after(90)))
            .unwrap(),
        0
    );
    assert_eq!(prunings(&store).len(), 2);
    // As many as go in one step are worth an event.
    assert_eq!(
        store.audit_prune(retention, 2, time_at(after(90))).unwrap(),
        2
    );
    put(&store, event(95));
    assert_eq!(
        store
            .audit_prune(retention, 100, time_at(after(200)))
            .unwrap(),
        2
    );
    assert_eq!(prunings(&store).len(), 1);
    assert!(faults(&store).is_empty());
}

#[test]
fn a_later_pruning_may_take_the_event_of_an_earlier_one() {
    let (dir, store) = fresh();
    put_events(&store, 5);
    assert_eq!(prune(&store, 97), 2);
    put(&store, event(120));
    let retention = Duration::seconds(100);
    assert_eq!(
        store
            .audit_prune(retention, 100, time_at(after(215)))
            .unwrap(),
        4
    );
    assert_eq!(store.audit_event(6).unwrap(), None);
    let named = |store: &SledStore| {
        let check = check(store);
        assert!(check.is_good(), "{check:?}");
        let anchor = check.anchor.unwrap();
        assert_eq!((anchor.id, anchor.named_by), (6, Some(8)));
    };
    named(&store);
    named(&reopened(&dir, store));
}

#[test]
fn events_taken_away_with_a_forged_anchor_are_named() {
    for schema in [SCHEMA_VERSION, 1] {
        let (dir, store) = fresh();
        put_events(&store, 9);
        forge(&store, 5);
        // A claim to be of an earlier version does not help: later events show who wrote them.
        set_schema(&store, schema);
        assert_eq!(faults(&store), [AuditFault::Unrecorded { id: 5 }]);
        let store = reopened(&dir, store);
        assert_eq!(faults(&store), [AuditFault::Unrecorded { id: 5 }]);
        assert_eq!(check(&store).anchor.unwrap().named_by, None);
        put(&store, event(10));
        assert_eq!(faults(&store), [AuditFault::Unrecorded { id: 5 }]);
        assert!(prunings(&store).is_empty(), "nothing is made up for it");
    }
    assert_eq!(
        AuditFault::Unrecorded { id: 5 }.to_string(),
        "the events up to 5 are gone, and no event says that they were let go"
    );
}

#[test]
fn an_anchor_moved_forward_is_named() {
    let (dir, store) = fresh();
    put_events(&store, 20);
    prune(&store, 89);
    assert!(faults(&store).is_empty());
    let digest = store.audit_event(13).unwrap().unwrap().digest;
    for id in 11..=13 {
        tamper(&store, key(Kind::Audit, id), None);
    }
    put_anchor(&store, 13, digest);
    let expected = [AuditFault::Unrecorded { id: 13 }];
    assert_eq!(faults(&store), expected);
    assert_eq!(faults(&reopened(&dir, store)), expected);
}

#[test]
fn an_anchor_moved_past_the_event_of_the_pruning_is_named() {
    let (_dir, store) = fresh();
    put_events(&store, 20);
    prune(&store, 89);
    put(&store, event(22));
    let digest = store.audit_event(21).unwrap().unwrap().digest;
    for id in 11..=21 {
        tamper(&store, key(Kind::Audit, id), None);
    }
    put_anchor(&store, 21, digest);
    assert_eq!(faults(&store), [AuditFault::Unrecorded { id: 21 }]);
}

#[test]
fn an_anchor_with_another_number_or_digest_is_named() {
    let (_dir, store) = fresh();
    put_events(&store, 20);
    let digest = store.audit_event(10).unwrap().unwrap().digest;
    prune(&store, 89);
    put_anchor(&store, 9, digest);
    assert_eq!(
        faults(&store),
        [
            AuditFault::Unrecorded { id: 9 },
            AuditFault::Removed { from: 10, to: 10 }
        ]
    );
    put_anchor(&store, 10, [7; 32]);
    assert_eq!(
        faults(&store),
        [
            AuditFault::Unrecorded { id: 10 },
            AuditFault::Altered { id: 11 }
        ]
    );
}

#[test]
fn an_altered_event_of_a_pruning_is_named_and_counts_for_nothing() {
    let (_dir, store) = fresh();
    put_events(&store, 20);
    prune(&store, 89);
    put(&store, event(22));
    let mut record = stored(&store, &key(Kind::Audit, 21));
    let word = b"scepd";
    let at = record.windows(5).position(|window| window == word).unwrap();
    record[at] = b'S';
    tamper(&store, key(Kind::Audit, 21), Some(record));
    assert_eq!(
        faults(&store),
        [
            AuditFault::Unrecorded { id: 10 },
            AuditFault::Altered { id: 21 }
        ]
    );
}

#[test]
fn a_pruning_does_not_cover_up_what_was_gone_before() {
    let (dir, store) = fresh();
    put_events(&store, 20);
    forge(&store, 5);
    let store = reopened(&dir, store);
    assert_eq!(prune(&store, 89), 5);
    let check = check(&store);
    assert_eq!(check.faults, [AuditFault::Unrecorded { id: 5 }]);
    assert_eq!(check.anchor.unwrap().named_by, Some(21));
    let details = &prunings(&store)[0].event.details;
    assert_eq!(details.extra["unrecorded_to"], "5");
    let message = details.message.as_deref().unwrap();
    assert!(
        message.ends_with("; those up to 5 were gone already, and no event said why"),
        "{message}"
    );
    // It is said once.
    assert_eq!(prune(&store, 88), 1);
    assert!(
        !prunings(&store)[0]
            .event
            .details
            .extra
            .contains_key("unrecorded_to")
    );
    assert_eq!(faults(&store), [AuditFault::Unrecorded { id: 5 }]);
}

#[test]
fn a_pruned_store_of_schema_version_1_is_read_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let restored = SledStore::restore(&path, &mut std::io::Cursor::new(SCHEMA_1)).unwrap();
    assert_eq!(restored.schema_version, 1);
    let store = open(&path);
    let looked_at = check(&store);
    assert!(looked_at.is_good(), "{looked_at:?}");
    let anchor = looked_at.anchor.unwrap();
    assert_eq!(
        (anchor.id, anchor.pruned_at, anchor.named_by),
        (3, after(100), None)
    );
    assert_eq!(store.audit_event(4).unwrap().unwrap().event, event(4));
    assert_eq!(put(&store, event(11)).audit_ids, [11]);
    assert_eq!(check(&store).anchor.unwrap().named_by, Some(10));
    assert!(store.verify().unwrap().is_good());
    let mut file = Vec::new();
    let saved = store.backup(&mut file).unwrap();
    assert_eq!(saved.schema_version, SCHEMA_VERSION);
    let copy = dir.path().join("copy");
    SledStore::restore(&copy, &mut std::io::Cursor::new(file)).unwrap();
    assert!(open(&copy).verify().unwrap().is_good());
}

#[test]
fn a_store_pruned_by_the_version_before_is_not_at_fault() {
    for pruned in [0, 6, 20] {
        let (_dir, store) = of_the_version_before(20, pruned);
        let check = check(&store);
        assert!(check.is_good(), "{check:?}");
        assert_eq!(check.checked, 20 - pruned);
        assert_eq!(
            check.anchor.map(|anchor| (anchor.id, anchor.named_by)),
            (pruned > 0).then_some((pruned, None))
        );
        assert_eq!(store.chain_schema(), 1, "looking changes nothing");
    }
}

#[test]
fn the_first_change_notes_what_the_version_before_let_go() {
    let (dir, store) = of_the_version_before(20, 6);
    let digest = check(&store).anchor.unwrap().digest;
    let nothing = Op::RevokeToken {
        id: "unknown".to_owned(),
        at: start(),
    };
    assert!(try_put(&store, Change::new().with(nothing)).is_err());
    assert_eq!(store.chain_schema(), 1, "nothing was written");
    let answers = store
        .commit(&[Change::new().with(event(22))], time_at(after(30)))
        .unwrap();
    assert_eq!(answers[0].as_ref().unwrap().audit_ids, [22]);
    let noted = store.audit_event(21).unwrap().unwrap().event;
    assert_eq!(
        (noted.action.as_str(), noted.timestamp),
        (ACTION, after(30))
    );
    assert_eq!(noted.details.reason.as_deref(), Some("earlier_version"));
    assert_eq!(noted.details.extra["last_id"], "6");
    assert_eq!(noted.details.extra["last_digest"], hex::encode(digest));
    assert_eq!(noted.details.extra["pruned_at"], "2026-09-21T14:14:10Z");
    let looked_at = |store: &SledStore| {
        let check = check(store);
        assert!(check.is_good(), "{check:?}");
        assert_eq!(check.anchor.unwrap().named_by, Some(21));
        assert_eq!(store.chain_schema(), SCHEMA_VERSION);
    };
    looked_at(&store);
    let store = reopened(&dir, store);
    looked_at(&store);
    put(&store, event(23));
    assert_eq!(prunings(&store).len(), 1, "it is noted once");
    // From here on the rule holds, also for events of the version before.
    let digest = store.audit_event(9).unwrap().unwrap().digest;
    for id in 7..=9 {
        tamper(&store, key(Kind::Audit, id), None);
    }
    put_anchor(&store, 9, digest);
    set_schema(&store, 1);
    let expected = [AuditFault::Unrecorded { id: 9 }];
    assert_eq!(faults(&store), expected);
    assert_eq!(faults(&reopened(&dir, store)), expected);
}

#[test]
fn a_change_without_events_makes_the_rule_hold_too() {
    let (dir, store) = of_the_version_before(20, 0);
    put(&store, plain_certificate(1));
    assert_eq!(store.chain_schema(), SCHEMA_VERSION);
    assert!(prunings(&store).is_empty(), "nothing was let go");
    assert!(faults(&store).is_empty());
    forge(&store, 5);
    let expected = [AuditFault::Unrecorded { id: 5 }];
    assert_eq!(faults(&store), expected);
    assert_eq!(faults(&reopened(&dir, store)), expected);
}

#[test]
fn a_store_of_the_version_before_is_pruned_like_others() {
    let (dir, store) = of_the_version_before(20, 6);
    assert_eq!(prune(&store, 89), 4);
    let store = reopened(&dir, store);
    let check = check(&store);
    assert!(check.is_good(), "{check:?}");
    let anchor = check.anchor.unwrap();
    assert_eq!((anchor.id, anchor.named_by), (10, Some(21)));
    assert_eq!(store.chain_schema(), SCHEMA_VERSION);
    let details = &prunings(&store)[0].event.details;
    assert_eq!(details.extra["first_id"], "7");
    assert!(!details.extra.contains_key("unrecorded_to"));
}
