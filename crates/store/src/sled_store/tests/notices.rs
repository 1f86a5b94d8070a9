use super::*;
use crate::Notice;

fn notice(n: u8, due: i64) -> Notice {
    Notice {
        profile: "corp".into(),
        enrollment: Some([n; 16]),
        notifier: "intune".into(),
        body: vec![n; 20],
        created: after(0),
        due: after(due),
        attempts: 0,
    }
}

fn due(store: &SledStore, now: i64) -> Vec<u64> {
    let due = store.due_notices(time_at(after(now)), 10).unwrap();
    due.into_iter().map(|notice| notice.id).collect()
}

#[test]
fn a_notice_is_due_until_it_is_done_and_its_number_is_not_given_again() {
    let (dir, store) = fresh();
    let change = Change::new().with(notice(1, 20)).with(notice(2, 10));
    assert_eq!(try_put(&store, change).unwrap().notice_ids, [1, 2]);
    assert!(due(&store, 9).is_empty());
    assert_eq!(due(&store, 20), [2, 1]);
    put(
        &store,
        Op::DelayNotice {
            id: 2,
            due: after(60),
        },
    );
    assert_eq!(due(&store, 59), [1]);
    drop(store);
    let store = open(&dir.path().join("store"));
    let delayed = store.due_notices(time_at(after(60)), 10).unwrap().remove(1);
    assert_eq!((delayed.id, delayed.notice.attempts), (2, 1));
    assert_eq!(delayed.notice.body, [2; 20]);
    for id in [1, 2] {
        put(&store, Op::NoticeDone { id });
        let again = try_put(&store, Change::new().with(Op::NoticeDone { id }));
        assert_eq!(again, Err(Conflict::UnknownNotice { id }));
    }
    assert!(due(&store, 1000).is_empty());
    assert_eq!(store.sizes().unwrap().notices, 0);
    drop(store);
    let store = open(&dir.path().join("store"));
    assert_eq!(put(&store, notice(3, 5)).notice_ids, [3]);
    assert!(store.verify().unwrap().is_good());
}

#[test]
fn of_a_refused_change_no_notice_is_left() {
    let (_dir, store) = fresh();
    let change = Change::new()
        .with(notice(1, 0))
        .with(Op::NoticeDone { id: 77 });
    assert_eq!(
        try_put(&store, change),
        Err(Conflict::UnknownNotice { id: 77 })
    );
    assert!(due(&store, 10).is_empty());
    let both = Change::new()
        .with(notice(1, 0))
        .with(Op::NoticeDone { id: 1 });
    try_put(&store, both).unwrap();
    assert!(due(&store, 10).is_empty());
}

#[test]
fn the_notices_of_a_notifier_are_there_whether_they_are_due_or_not() {
    let (_dir, store) = fresh();
    let other = Notice {
        notifier: "revocation".into(),
        ..notice(3, 5)
    };
    let change = Change::new()
        .with(notice(1, 1000))
        .with(other)
        .with(notice(2, 10));
    assert_eq!(try_put(&store, change).unwrap().notice_ids, [1, 2, 3]);
    let of = |notifier: &str| -> Vec<u64> {
        let found = store.notices_of(notifier).unwrap();
        found.into_iter().map(|notice| notice.id).collect()
    };
    assert_eq!(of("intune"), [1, 3]);
    assert_eq!(of("revocation"), [2]);
    assert!(of("nobody").is_empty());
    put(&store, Op::NoticeDone { id: 1 });
    assert_eq!(of("intune"), [3]);
}
