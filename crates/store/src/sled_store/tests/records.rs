use std::collections::BTreeMap;

use super::*;
use crate::{
    CertificateQuery, CertificateStatus, CrlRecord, Lease, ON_HOLD, Refusal, Revocation, Stage,
    Standing,
};

#[test]
fn a_certificate_comes_back_whole_also_after_reopening() {
    let (dir, store) = fresh();
    for n in 1..=40 {
        put(&store, plain_certificate(n));
    }
    let check = |store: &SledStore| {
        for n in 1..=40 {
            let record = plain_certificate(n);
            assert_eq!(
                store.certificate(&plain_ca(), &record.serial).unwrap(),
                Some(record)
            );
        }
        assert_eq!(store.certificate(&plain_ca(), &[99]).unwrap(), None);
        assert_eq!(store.certificate(&other_ca(), &[7]).unwrap(), None);
        let leading_zero = store.certificate(&plain_ca(), &[0, 0, 7]).unwrap().unwrap();
        assert_eq!(leading_zero, plain_certificate(7));
    };
    check(&store);
    drop(store);
    check(&open(&dir.path().join("store")));
}

#[test]
fn a_serial_is_given_once_and_only_the_second_change_is_refused() {
    let (_dir, store) = fresh();
    let twin = |transaction: &str| {
        let mut record = plain_certificate(5);
        record.transaction_id = transaction.to_owned();
        Change::new().with(record).with(event(1))
    };
    let other = Change::new().with(plain_certificate(6)).with(event(2));
    let answers = store
        .commit(&[twin("first"), twin("second"), other], time_at(start()))
        .unwrap();
    assert_eq!(answers[0], Ok(committed(&[1])));
    assert!(
        matches!(answers[1], Err(Conflict::CertificateExists { .. })),
        "{answers:?}"
    );
    assert_eq!(answers[2], Ok(committed(&[2])), "no number was used up");
    assert!(matches!(
        try_put(&store, twin("third")),
        Err(Conflict::CertificateExists { .. })
    ));
    let kept = store
        .certificate(&plain_ca(), &plain_certificate(5).serial)
        .unwrap()
        .unwrap();
    assert_eq!(kept.transaction_id, "first");
    assert_eq!(store.sizes().unwrap().certificates, 2);
    assert_eq!(store.sizes().unwrap().audit_events, 2);
    assert!(store.verify().unwrap().is_good());
}

#[test]
fn revocation_is_known_listed_and_refused_twice() {
    let (dir, store) = fresh();
    for n in 1..=5 {
        put(&store, plain_certificate(n));
    }
    let revoke = |n: u64| Op::Revoke {
        ca: plain_ca(),
        serial: plain_certificate(n).serial,
        at: after(100),
        reason: 4,
    };
    put(&store, revoke(4));
    let both = Change::new().with(plain_certificate(9)).with(revoke(9));
    try_put(&store, both).unwrap();
    let again = try_put(&store, Change::new().with(revoke(4)));
    assert!(
        matches!(again, Err(Conflict::AlreadyRevoked { .. })),
        "{again:?}"
    );
    let unknown = try_put(&store, Change::new().with(revoke(77)));
    assert!(
        matches!(unknown, Err(Conflict::UnknownCertificate { .. })),
        "{unknown:?}"
    );
    let check = |store: &SledStore| {
        let serial = |n: u64| plain_certificate(n).serial;
        let good = store.certificate(&plain_ca(), &serial(5)).unwrap().unwrap();
        assert_eq!(good.revoked, None);
        let record = store.certificate(&plain_ca(), &serial(4)).unwrap().unwrap();
        assert_eq!(
            record.revoked,
            Some(Revocation {
                at: after(100),
                reason: 4
            })
        );
        let listed: Vec<_> = store
            .revoked(&plain_ca())
            .unwrap()
            .into_iter()
            .map(|r| r.serial)
            .collect();
        assert_eq!(listed, vec![serial(4), serial(9)]);
        assert!(store.revoked(&other_ca()).unwrap().is_empty());
        let standing = |ca, n| store.standing(&ca, &serial(n)).unwrap();
        assert_eq!(standing(plain_ca(), 5), Standing::Good);
        let revocation = record.revoked.unwrap();
        assert_eq!(standing(plain_ca(), 4), Standing::Revoked(revocation));
        assert_eq!(standing(plain_ca(), 77), Standing::Unknown);
        assert_eq!(standing(other_ca(), 4), Standing::Unknown);
    };
    check(&store);
    drop(store);
    check(&open(&dir.path().join("store")));
}

#[test]
fn a_hold_is_taken_back_or_made_final_and_nothing_else_is() {
    let (dir, store) = fresh();
    for n in 1..=4 {
        put(&store, plain_certificate(n));
    }
    let serial = |n: u64| plain_certificate(n).serial;
    let revoke = |n: u64, reason: u8| Op::Revoke {
        ca: plain_ca(),
        serial: serial(n),
        at: after(100 + i64::from(reason)),
        reason,
    };
    let release = |n: u64| Op::Release {
        ca: plain_ca(),
        serial: serial(n),
    };
    let refused = |op: Op| try_put(&store, Change::new().with(op)).unwrap_err();
    put(&store, revoke(1, ON_HOLD));
    put(&store, revoke(2, ON_HOLD));
    put(&store, revoke(3, 1));
    assert!(matches!(
        refused(revoke(1, ON_HOLD)),
        Conflict::AlreadyRevoked { .. }
    ));
    for n in [3, 4] {
        assert!(matches!(refused(release(n)), Conflict::NotOnHold { .. }));
    }
    assert!(matches!(
        refused(release(77)),
        Conflict::UnknownCertificate { .. }
    ));
    put(&store, release(1));
    put(&store, revoke(2, 1));
    assert!(matches!(refused(release(2)), Conflict::NotOnHold { .. }));
    // Both in one change.
    let both = Change::new().with(revoke(4, ON_HOLD)).with(release(4));
    try_put(&store, both).unwrap();
    let check = |store: &SledStore| {
        let listed = store.revoked(&plain_ca()).unwrap().into_iter();
        let listed: Vec<_> = listed
            .map(|one| (one.serial, one.revocation.reason))
            .collect();
        assert_eq!(listed, [(serial(2), 1), (serial(3), 1)]);
        for n in [1, 4] {
            let record = store.certificate(&plain_ca(), &serial(n)).unwrap().unwrap();
            assert_eq!(record.revoked, None);
            let standing = store.standing(&plain_ca(), &serial(n)).unwrap();
            assert_eq!(standing, Standing::Good);
        }
        let query = CertificateQuery {
            status: Some(CertificateStatus::Revoked),
            ..CertificateQuery::default()
        };
        assert_eq!(store.certificates(&query, after(1)).unwrap().total, 2);
        assert!(store.verify().unwrap().faults.is_empty());
    };
    check(&store);
    drop(store);
    check(&open(&dir.path().join("store")));
}

#[test]
fn certificates_are_searched_by_every_member() {
    let (dir, store) = fresh();
    let changes: Vec<Change> = (1..=60)
        .map(|n| Change::new().with(plain_certificate(n)))
        .collect();
    store.commit(&changes, time_at(start())).unwrap();
    let serial = plain_certificate(8).serial;
    put(
        &store,
        Op::Revoke {
            ca: plain_ca(),
            serial,
            at: after(1),
            reason: 0,
        },
    );
    let now = after(30) + Duration::days(365);
    let names = |store: &SledStore, query: &CertificateQuery| -> Vec<String> {
        let page = store.certificates(query, now).unwrap();
        page.data
            .into_iter()
            .map(|record| record.common_name)
            .collect()
    };
    let query = CertificateQuery::default;
    let check = |store: &SledStore| {
        let all = store.certificates(&query(), now).unwrap();
        assert_eq!(
            (all.total, all.page, all.per_page, all.data.len()),
            (60, 1, 50, 50)
        );
        let last = CertificateQuery {
            page: 2,
            per_page: 50,
            ..query()
        };
        assert_eq!(names(store, &last).last().unwrap(), "Device-1");
        let part = CertificateQuery {
            q: Some("DEVICE-5".into()),
            per_page: 100,
            ..query()
        };
        assert_eq!(names(store, &part).len(), 11);
        let whole = CertificateQuery {
            common_name: Some("device-5".into()),
            ..query()
        };
        assert_eq!(names(store, &whole), ["Device-5"]);
        let device = CertificateQuery {
            device: Some("GUID-12".into()),
            ..query()
        };
        assert_eq!(names(store, &device), ["Device-12"]);
        for serial in ["000000000000002A", "2a", "00:2a"] {
            let serial = CertificateQuery {
                serial: Some(serial.into()),
                ..query()
            };
            assert_eq!(names(store, &serial), ["Device-42"]);
        }
        let transaction = CertificateQuery {
            transaction_id: Some("tx4".into()),
            ..query()
        };
        assert_eq!(names(store, &transaction), ["Device-4"]);
        let sans = CertificateQuery {
            q: Some("d17.exam".into()),
            ..query()
        };
        assert_eq!(names(store, &sans), ["Device-17"]);
        let profile = CertificateQuery {
            profile: Some("corp".into()),
            ..query()
        };
        assert_eq!(store.certificates(&profile, now).unwrap().total, 30);
        let nobody = CertificateQuery {
            profile: Some("nobody".into()),
            ..query()
        };
        assert_eq!(store.certificates(&nobody, now).unwrap().total, 0);
        let since = CertificateQuery {
            since: Some(after(59)),
            ..query()
        };
        assert_eq!(names(store, &since), ["Device-60", "Device-59"]);
        let status = |status| {
            let query = CertificateQuery {
                status: Some(status),
                ..query()
            };
            store.certificates(&query, now).unwrap().total
        };
        assert_eq!(status(CertificateStatus::Valid), 30);
        assert_eq!(status(CertificateStatus::Expired), 29);
        assert_eq!(status(CertificateStatus::Revoked), 1);
    };
    check(&store);
    drop(store);
    check(&open(&dir.path().join("store")));
}

#[test]
fn certificates_are_found_by_their_serial_whatever_the_ca() {
    let (_dir, store) = fresh();
    let mut twin = plain_certificate(1);
    twin.ca = other_ca();
    twin.issuer_id = "renamed".into();
    put(&store, plain_certificate(1));
    put(&store, plain_certificate(2));
    put(&store, twin.clone());
    let serial = plain_certificate(1).serial;
    let mut found = store.certificates_with_serial(&serial).unwrap();
    found.sort_by_key(|record| record.issuer_id.clone());
    assert_eq!(found, [plain_certificate(1), twin.clone()]);
    assert!(store.certificates_with_serial(&[99]).unwrap().is_empty());
    let total = |issuer_id: Option<&str>, ca: Option<CaId>| {
        let query = CertificateQuery {
            issuer_id: issuer_id.map(str::to_owned),
            ca,
            ..CertificateQuery::default()
        };
        store.certificates(&query, after(0)).unwrap().total
    };
    assert_eq!(total(Some("ca"), None), 2);
    assert_eq!(total(None, Some(other_ca())), 1);
    assert_eq!(total(Some("renamed"), Some(plain_ca())), 3);
    assert_eq!(total(Some("unknown"), None), 0);
}

#[test]
fn an_enrollment_is_found_by_both_keys_in_its_newest_state() {
    let (dir, store) = fresh();
    put(&store, plain_enrollment(1));
    put(&store, plain_enrollment(2));
    let mut elsewhere = plain_enrollment(1);
    elsewhere.profile = "iot".into();
    put(&store, elsewhere.clone());
    let mut renewal = plain_enrollment(3);
    renewal.poll_key = plain_enrollment(1).poll_key;
    put(&store, renewal.clone());
    let mut issued = at_version(1, plain_enrollment(2));
    issued.stage = Stage::Issued {
        ca: plain_ca(),
        serial: vec![9],
    };
    issued.csr = None;
    put(&store, issued.clone());
    let check = |store: &SledStore| {
        let find = |n: u64| store.enrollment("corp", &plain_enrollment(n).key).unwrap();
        assert_eq!(find(1), Some(at_version(1, plain_enrollment(1))));
        assert_eq!(find(2), Some(at_version(2, issued.clone())));
        assert_eq!(find(4), None);
        let key = plain_enrollment(1).key;
        assert_eq!(
            store.enrollment("iot", &key).unwrap(),
            Some(at_version(1, elsewhere.clone()))
        );
        let polled = store.enrollment_by_poll("corp", &key).unwrap();
        assert_eq!(
            polled,
            Some(at_version(1, renewal.clone())),
            "the newest with this poll key"
        );
        let open = store.pending(Some("corp")).unwrap();
        assert_eq!(
            open,
            [plain_enrollment(1), renewal.clone()].map(|record| at_version(1, record))
        );
        assert_eq!(store.pending(None).unwrap().len(), 3);
        assert_eq!(store.open("corp", 100).unwrap(), open);
        assert_eq!(store.open("corp", 1).unwrap(), open[..1]);
        assert!(store.open("nobody", 100).unwrap().is_empty());
        assert_eq!(store.sizes().unwrap().pending, 3);
    };
    check(&store);
    drop(store);
    check(&open(&dir.path().join("store")));
}

#[test]
fn several_states_of_one_enrollment_in_one_commit_are_one_enrollment() {
    let (_dir, store) = fresh();
    let mut denied = at_version(1, plain_enrollment(1));
    denied.stage = Stage::Refused(Refusal::Denied {
        by: "ops".into(),
        note: None,
    });
    let changes = [
        Change::new().with(plain_enrollment(1)),
        Change::new().with(denied.clone()),
    ];
    for answer in store.commit(&changes, time_at(start())).unwrap() {
        answer.unwrap();
    }
    assert_eq!(
        store.enrollment("corp", &denied.key).unwrap(),
        Some(at_version(2, denied))
    );
    assert_eq!(store.sizes().unwrap().transactions, 1);
    assert!(store.pending(None).unwrap().is_empty());
}

#[test]
fn an_enrollment_is_replaced_only_by_who_knows_its_version() {
    let (dir, store) = fresh();
    let put_version = |store: &SledStore, version| {
        let record = at_version(version, plain_enrollment(1));
        try_put(store, Change::new().with(record).with(event(1)))
    };
    let moved = |stored, offered| Err(Conflict::EnrollmentMoved { stored, offered });
    assert_eq!(put_version(&store, 1), moved(0, 1), "there is none yet");
    put_version(&store, 0).unwrap();
    let exists = Err(Conflict::EnrollmentExists { stored: 1 });
    assert_eq!(put_version(&store, 0), exists);
    // Of two that replace the same version in one commit, the first wins.
    let taking = Change::new().with(at_version(1, plain_enrollment(1)));
    let answers = store
        .commit(&[taking.clone(), taking], time_at(start()))
        .unwrap();
    assert!(answers[0].is_ok());
    assert_eq!(answers[1].clone().map(drop), moved(2, 1).map(drop));
    drop(store);
    let store = open(&dir.path().join("store"));
    assert_eq!(put_version(&store, 1), moved(2, 1));
    put_version(&store, 2).unwrap();
    assert_eq!(
        store.sizes().unwrap().audit_events,
        2,
        "of refused ones none"
    );
}

#[test]
fn what_is_due_comes_in_order_and_what_somebody_holds_does_not() {
    let (dir, store) = fresh();
    let due = |n: u64, at: Option<i64>| {
        let mut record = plain_enrollment(n);
        record.due = at.map(after);
        record.stage = Stage::Validating { handle: None };
        record
    };
    put(&store, due(1, Some(30)));
    put(&store, due(2, Some(10)));
    put(&store, due(3, None));
    let mut held = due(4, Some(5));
    held.lease = Some(Lease {
        node: "a".into(),
        until: after(20),
    });
    put(&store, held);
    let mut over = due(5, Some(1));
    over.stage = Stage::Refused(Refusal::ApprovalExpired);
    put(&store, over);
    let check = |store: &SledStore| {
        let of = |node: Option<&str>, now, limit| -> Vec<String> {
            let found = store.due(time_at(after(now)), node, limit).unwrap();
            found
                .into_iter()
                .map(|record| record.transaction_id)
                .collect()
        };
        let numbers = |now, limit| of(Some("b"), now, limit);
        assert!(numbers(9, 10).is_empty());
        assert_eq!(
            of(Some("a"), 9, 10),
            ["TX4"],
            "its own lease holds nobody up"
        );
        assert_eq!(of(None, 9, 10), ["TX4"], "whoever holds it");
        assert_eq!(numbers(10, 10), ["TX2"]);
        assert_eq!(numbers(20, 10), ["TX4", "TX2"], "the lease has run out");
        assert_eq!(numbers(30, 10), ["TX4", "TX2", "TX1"]);
        assert_eq!(numbers(30, 1), ["TX4"]);
        assert!(
            store.pending(None).unwrap().is_empty(),
            "nobody is to decide"
        );
    };
    check(&store);
    drop(store);
    let store = open(&dir.path().join("store"));
    check(&store);
    let mut later = at_version(1, due(2, Some(100)));
    later.attempts = 1;
    put(&store, later);
    assert_eq!(store.due(time_at(after(30)), None, 10).unwrap().len(), 2);
}

#[test]
fn crl_numbers_only_rise_and_large_crls_are_kept() {
    let (dir, store) = fresh();
    let crl = |number: u64, size: usize| CrlRecord {
        issuer_id: "ca".into(),
        ca: plain_ca(),
        number,
        this_update: after(0),
        next_update: after(60),
        der: (0..size).map(|n| (n % 251) as u8).collect(),
    };
    assert_eq!(store.crl(&plain_ca()).unwrap(), None);
    put(&store, crl(7, 100));
    put(&store, crl(8, 3 << 20));
    let stale = try_put(&store, Change::new().with(crl(8, 10)));
    assert!(
        matches!(
            stale,
            Err(Conflict::CrlNumber {
                stored: 8,
                offered: 8,
                ..
            })
        ),
        "{stale:?}"
    );
    assert_eq!(store.crl(&plain_ca()).unwrap(), Some(crl(8, 3 << 20)));
    drop(store);
    let store = open(&dir.path().join("store"));
    assert_eq!(store.crl(&plain_ca()).unwrap(), Some(crl(8, 3 << 20)));
    assert_eq!(store.crl(&other_ca()).unwrap(), None);
}

#[test]
fn counters_are_added_to_and_settings_are_set_by_name() {
    let (dir, store) = fresh();
    let count = |name: &str, by: u64| Op::Count {
        profile: "corp".into(),
        name: name.into(),
        by,
    };
    let refused = Change::new()
        .with(count("success", 100))
        .with(Op::RevokeToken {
            id: "nobody's".into(),
            at: start(),
        });
    let answers = store
        .commit(
            &[
                Change::new()
                    .with(count("success", 1))
                    .with(count("replay", 4))
                    .with(count("replay", 1)),
                refused,
                Change::new().with(count("success", 1)),
            ],
            time_at(start()),
        )
        .unwrap();
    assert!(answers[0].is_ok() && answers[1].is_err() && answers[2].is_ok());
    put(&store, count("full", u64::MAX));
    put(&store, count("full", 2));
    for (key, value) in [
        ("ra/corp", "1"),
        ("ra/iot", "2"),
        ("rb", "3"),
        ("ra/gone", "4"),
    ] {
        put(
            &store,
            Op::PutSetting {
                key: key.into(),
                value: value.into(),
            },
        );
    }
    put(
        &store,
        Op::DeleteSetting {
            key: "ra/gone".into(),
        },
    );
    drop(store);
    let store = open(&dir.path().join("store"));
    let state = store.profile_state("corp", time_at(start())).unwrap();
    let expected: BTreeMap<String, u64> = [
        ("full".into(), u64::MAX),
        ("replay".into(), 5),
        ("success".into(), 2),
    ]
    .into();
    assert_eq!(state.counters, expected);
    assert_eq!(
        store.profile_state("cor", time_at(start())).unwrap(),
        crate::ProfileState::default()
    );
    assert_eq!(store.setting("rb").unwrap(), Some(b"3".to_vec()));
    assert_eq!(store.setting("ra/gone").unwrap(), None);
    let named = store.settings("ra/").unwrap();
    assert_eq!(
        named,
        vec![
            ("ra/corp".into(), b"1".to_vec()),
            ("ra/iot".into(), b"2".to_vec())
        ]
    );
}

#[test]
fn nothing_of_a_refused_change_is_kept() {
    let (_dir, store) = fresh();
    let change = Change::new()
        .with(plain_certificate(1))
        .with(plain_enrollment(1))
        .with(event(1))
        .with(Op::PutSetting {
            key: "a".into(),
            value: vec![1],
        })
        .with(Op::RevokeToken {
            id: "nobody".into(),
            at: start(),
        });
    try_put(&store, change).unwrap_err();
    assert_eq!(store.setting("a").unwrap(), None);
    assert_eq!(
        store
            .certificate(&plain_ca(), &plain_certificate(1).serial)
            .unwrap(),
        None
    );
    let sizes = store.sizes().unwrap();
    assert_eq!(
        (sizes.certificates, sizes.transactions, sizes.audit_events),
        (0, 0, 0)
    );
    assert_eq!(store.commit(&[], time_at(start())).unwrap(), vec![]);
    assert_eq!(put(&store, event(1)).audit_ids, vec![1]);
}

#[test]
fn a_certificate_is_found_by_both_of_its_thumbprints() {
    let (dir, store) = fresh();
    let check = |store: &SledStore, n: u64, there: bool| {
        let record = plain_certificate(n);
        for digest in [
            &ring::digest::SHA1_FOR_LEGACY_USE_ONLY,
            &ring::digest::SHA256,
        ] {
            let thumbprint = ring::digest::digest(digest, &record.der);
            let thumbprint = thumbprint.as_ref().to_vec();
            let found = store.certificate_by_thumbprint(&thumbprint).unwrap();
            assert_eq!(found, there.then(|| record.clone()), "{n}");
            let mut almost = thumbprint;
            *almost.last_mut().unwrap() ^= 1;
            assert_eq!(store.certificate_by_thumbprint(&almost).unwrap(), None);
        }
    };
    check(&store, 1, false);
    for n in 1..=20 {
        put(&store, plain_certificate(n));
        check(&store, n, true);
    }
    check(&store, 21, false);
    drop(store);
    let store = open(&dir.path().join("store"));
    check(&store, 7, true);
    assert_eq!(store.certificate_by_thumbprint(b"short").unwrap(), None);
    assert_eq!(store.certificate_by_thumbprint(&[]).unwrap(), None);
}
