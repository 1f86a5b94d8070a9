use super::*;
use crate::sled_store::marks::Owner;
use crate::{EnrollmentRecord, Mark, Refusal, Reservation, Stage};

fn digest(n: u32) -> [u8; 16] {
    let mut digest = [0; 16];
    digest[..4].copy_from_slice(&n.to_be_bytes());
    digest
}

fn replay(profile: &str, n: u32, until: i64) -> Reservation {
    Reservation::Once {
        scope: profile.into(),
        key: digest(n),
        until: after(until),
    }
}

fn rate(profile: &str, n: u32, at: i64, until: i64) -> Reservation {
    limited(profile, n, at, (0, until - at))
}

/// One more of at most `limit` within `window` seconds.
fn limited(profile: &str, n: u32, at: i64, (limit, window): (u32, i64)) -> Reservation {
    Reservation::Quota {
        scope: profile.into(),
        key: digest(n),
        at: after(at),
        limit,
        window: Duration::seconds(window),
    }
}

#[test]
fn live_marks_come_back_and_void_ones_do_not() {
    let (dir, store) = fresh();
    for reservation in [
        replay("corp", 1, 100),
        replay("corp", 2, 50),
        replay("corp2", 3, 100),
        rate("corp", 1, 5, 100),
        rate("corp", 1, 3, 40),
        rate("corp", 2, 4, 101),
        rate("", 9, 4, 101),
    ] {
        put(&store, reservation);
    }
    drop(store);
    let store = open(&dir.path().join("store"));
    let mark = |n: u32, at: i64| Mark {
        key: digest(n),
        at: after(at),
    };
    let state = store.profile_state("corp", time_at(after(40))).unwrap();
    assert_eq!(state.replay, vec![mark(1, 100), mark(2, 50)]);
    assert_eq!(
        state.rate,
        vec![mark(2, 4), mark(1, 5)],
        "void from its end on"
    );
    let later = store.profile_state("corp", time_at(after(100))).unwrap();
    assert_eq!((later.replay, later.rate), (vec![], vec![mark(2, 4)]));
    assert_eq!(
        store.profile_state("", time_at(after(0))).unwrap().rate,
        vec![mark(9, 4)]
    );
}

/// What becomes of one change at a time, in seconds.
fn attempt(store: &SledStore, now: i64, change: Change) -> Result<Committed, Conflict> {
    store
        .commit(&[change], time_at(after(now)))
        .unwrap()
        .remove(0)
}

#[test]
fn what_is_taken_once_is_refused_until_it_is_forgotten() {
    let (dir, store) = fresh();
    let take = |n, until| Change::new().with(replay("corp", n, until));
    let taken = |n, until| {
        Err(Conflict::Taken {
            scope: "corp".into(),
            key: digest(n),
            until: after(until),
        })
    };
    // Within one change, one commit, and over several.
    let twice = take(1, 100).with(replay("corp", 1, 100));
    assert_eq!(attempt(&store, 0, twice), taken(1, 100));
    let audited = take(1, 100).with(plain_event(1));
    let other = take(1, 200).with(plain_event(2));
    let answers = store.commit(&[audited, other], time_at(after(0))).unwrap();
    assert!(answers[0].is_ok(), "nothing of the refused change was kept");
    assert_eq!(answers[1], taken(1, 100));
    assert_eq!(attempt(&store, 99, take(1, 300)), taken(1, 100));
    let elsewhere = Change::new().with(replay("lab", 1, 100));
    attempt(&store, 0, elsewhere).unwrap();
    // Another digest that begins alike.
    let mut alike = digest(1);
    alike[15] = 1;
    let alike = Reservation::Once {
        scope: "corp".into(),
        key: alike,
        until: after(100),
    };
    attempt(&store, 0, Change::new().with(alike)).unwrap();
    drop(store);
    let store = open(&dir.path().join("store"));
    assert_eq!(attempt(&store, 99, take(1, 300)), taken(1, 100));
    attempt(&store, 100, take(1, 300)).unwrap();
    assert_eq!(attempt(&store, 101, take(1, 400)), taken(1, 300));
    assert_eq!(store.sizes().unwrap().audit_events, 1);
}

#[test]
fn a_window_that_is_full_is_refused_until_the_oldest_leaves_it() {
    let (dir, store) = fresh();
    let take = |at| Change::new().with(limited("corp", 7, at, (2, 60)));
    let limited_until = |used, until| {
        Err(Conflict::Limited {
            scope: "corp".into(),
            key: digest(7),
            limit: 2,
            used,
            frees_at: after(until),
        })
    };
    let answers = store.commit(&[take(0), take(10), take(20)], time_at(after(0)));
    let answers = answers.unwrap();
    assert!(answers[0].is_ok() && answers[1].is_ok());
    assert_eq!(answers[2], limited_until(2, 60));
    let other = Change::new().with(limited("corp", 8, 20, (2, 60)));
    attempt(&store, 20, other).unwrap();
    drop(store);
    let store = open(&dir.path().join("store"));
    assert_eq!(attempt(&store, 59, take(59)), limited_until(2, 60));
    attempt(&store, 60, take(60)).unwrap();
    assert_eq!(attempt(&store, 61, take(61)), limited_until(2, 70));
    // A clock that was set back: those of the future count.
    assert_eq!(attempt(&store, 61, take(5)), limited_until(3, 70));
    let any = Change::new().with(limited("corp", 7, 61, (0, 60)));
    attempt(&store, 61, any).unwrap();
}

#[test]
fn what_is_swept_may_be_taken_again_and_leaves_nothing_in_memory() {
    let (_dir, store) = fresh();
    let all: Vec<Change> = (0..500)
        .map(|n| Change::new().with(replay("corp", n, 10)))
        .collect();
    store.commit(&all, time_at(after(0))).unwrap();
    for n in 0..60 {
        attempt(&store, 11, Change::new().with(replay("lab", n, 900))).unwrap();
    }
    let report = store.verify().unwrap();
    assert!(report.is_good() && report.replay_marks < 80, "{report:?}");
    let owner = Owner::new(Kind::Replay, "corp").unwrap();
    let held = |n| {
        store
            .writer()
            .unwrap()
            .pages
            .with(&owner, &digest(n))
            .count()
    };
    assert!((0..480).all(|n| held(n) == 0));
    attempt(&store, 12, Change::new().with(replay("corp", 3, 900))).unwrap();
    assert_eq!(held(3), 1);
}

#[test]
fn profiles_with_live_marks_or_open_requests_are_found() {
    let (_dir, store) = fresh();
    for op in [
        replay("corp", 1, 100),
        replay("corp", 2, 50),
        rate("", 1, 5, 60),
        replay("old", 3, 40),
    ] {
        put(&store, op);
    }
    let waits = EnrollmentRecord {
        profile: "waits".into(),
        ..plain_enrollment(1)
    };
    put(&store, waits.clone());
    let live = |at: i64| Vec::from_iter(store.live_profiles(after(at)).unwrap());
    assert_eq!(live(0), ["", "corp", "old", "waits"]);
    assert_eq!(live(55), ["", "corp", "waits"]);
    assert_eq!(live(1000), ["waits"]);
    let ended = EnrollmentRecord {
        version: 1,
        stage: Stage::Refused(Refusal::Denied {
            by: "ops".into(),
            note: None,
        }),
        ..waits
    };
    put(&store, ended);
    assert!(live(1000).is_empty());
}

#[test]
fn marks_of_one_device_at_one_time_all_count() {
    let (_dir, store) = fresh();
    let change = Change::new()
        .with(rate("corp", 1, 5, 100))
        .with(rate("corp", 1, 5, 100));
    try_put(&store, change).unwrap();
    put(&store, rate("corp", 1, 5, 100));
    assert_eq!(
        store
            .profile_state("corp", time_at(after(6)))
            .unwrap()
            .rate
            .len(),
        3
    );
}

#[test]
fn void_marks_are_swept_a_few_with_each_commit_also_of_quiet_profiles() {
    let (dir, store) = fresh();
    let quiet: Vec<Change> = (0..200)
        .map(|n| {
            Change::new()
                .with(replay("quiet", n, 10))
                .with(rate("quiet", n, 1, 10))
        })
        .collect();
    store.commit(&quiet, time_at(after(0))).unwrap();
    put(&store, replay("quiet", 1000, 900));
    let counts = |store: &SledStore| {
        let report = store.verify().unwrap();
        assert!(report.is_good(), "{report:?}");
        (report.replay_marks, report.rate_marks)
    };
    assert_eq!(counts(&store), (201, 200), "nothing is void yet");
    drop(store);
    let store = open(&dir.path().join("store"));
    let mut before = counts(&store);
    for n in 0..60 {
        store
            .commit(
                &[Change::new().with(replay("busy", n, 900))],
                time_at(after(11)),
            )
            .unwrap();
        let now = counts(&store);
        assert!(
            now.0 + now.1 + 200 > before.0 + before.1,
            "a bounded number at a time"
        );
        before = now;
    }
    let (replays, rates) = counts(&store);
    assert!(
        (61..=76).contains(&replays),
        "live ones and what shares a page with them: {replays}"
    );
    assert_eq!(rates, 0);
    assert_eq!(
        store
            .profile_state("quiet", time_at(after(11)))
            .unwrap()
            .replay
            .len(),
        1
    );
    assert_eq!(
        store
            .profile_state("busy", time_at(after(11)))
            .unwrap()
            .replay
            .len(),
        60
    );
}

#[test]
fn a_profile_name_that_cannot_be_kept_is_refused() {
    let (_dir, store) = fresh();
    let long = "p".repeat(256);
    let answer = try_put(&store, Change::new().with(replay(&long, 1, 1)));
    assert!(
        matches!(answer, Err(Conflict::Unstorable { .. })),
        "{answer:?}"
    );
    assert!(
        store
            .profile_state(&long, time_at(after(0)))
            .unwrap()
            .replay
            .is_empty()
    );
}
