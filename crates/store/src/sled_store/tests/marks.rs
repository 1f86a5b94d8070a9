use super::*;
use crate::Mark;

fn digest(n: u32) -> [u8; 16] {
    let mut digest = [0; 16];
    digest[..4].copy_from_slice(&n.to_be_bytes());
    digest
}

fn replay(profile: &str, n: u32, until: i64) -> Op {
    Op::PutReplay {
        profile: profile.into(),
        key: digest(n),
        until: after(until),
    }
}

fn rate(profile: &str, n: u32, at: i64, until: i64) -> Op {
    let (at, until) = (after(at), after(until));
    Op::PutRate {
        profile: profile.into(),
        device: digest(n),
        at,
        until,
    }
}

#[test]
fn live_marks_come_back_and_void_ones_do_not() {
    let (dir, store) = fresh();
    for op in [
        replay("corp", 1, 100),
        replay("corp", 2, 50),
        replay("corp2", 3, 100),
        rate("corp", 1, 5, 100),
        rate("corp", 1, 3, 40),
        rate("corp", 2, 4, 101),
        rate("", 9, 4, 101),
    ] {
        put(&store, op);
    }
    drop(store);
    let store = open(&dir.path().join("store"));
    let mark = |n: u32, at: i64| Mark {
        key: digest(n),
        at: after(at),
    };
    let state = store.profile_state("corp", after(40)).unwrap();
    assert_eq!(state.replay, vec![mark(1, 100), mark(2, 50)]);
    assert_eq!(
        state.rate,
        vec![mark(2, 4), mark(1, 5)],
        "void from its end on"
    );
    let later = store.profile_state("corp", after(100)).unwrap();
    assert_eq!((later.replay, later.rate), (vec![], vec![mark(2, 4)]));
    assert_eq!(
        store.profile_state("", after(0)).unwrap().rate,
        vec![mark(9, 4)]
    );
}

#[test]
fn marks_of_one_device_at_one_time_all_count() {
    let (_dir, store) = fresh();
    let change = Change::new()
        .with(rate("corp", 1, 5, 100))
        .with(rate("corp", 1, 5, 100));
    try_put(&store, change).unwrap();
    put(&store, rate("corp", 1, 5, 100));
    assert_eq!(store.profile_state("corp", after(6)).unwrap().rate.len(), 3);
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
    store.commit(&quiet, after(0)).unwrap();
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
            .commit(&[Change::new().with(replay("busy", n, 900))], after(11))
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
        "live ones and what shares a sheet with them: {replays}"
    );
    assert_eq!(rates, 0);
    assert_eq!(
        store
            .profile_state("quiet", after(11))
            .unwrap()
            .replay
            .len(),
        1
    );
    assert_eq!(
        store.profile_state("busy", after(11)).unwrap().replay.len(),
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
            .profile_state(&long, after(0))
            .unwrap()
            .replay
            .is_empty()
    );
}
