#![allow(
    clippy::disallowed_methods,
    reason = "an instant can be had from the clock alone"
)]
use std::time::{Duration as Counted, Instant};

use super::*;
use crate::sled_store::clock;
use crate::{ClockReading, Error, Reservation};

const HOUR: i64 = 3600;

/// The clocks of one process.
struct Clocks(Instant);

impl Clocks {
    fn new() -> Self {
        Self(Instant::now())
    }

    /// What `store` makes of a wall clock that shows so many seconds, when so many were counted.
    fn time(&self, store: &SledStore, wall: i64, counted: u64) -> StoreTime {
        store.time(ClockReading {
            wall: after(wall),
            monotonic: self.0 + Counted::from_secs(counted),
        })
    }
}

fn replay(n: u8, until: i64) -> Change {
    Change::new().with(Reservation::Once {
        scope: "corp".into(),
        key: [n; 16],
        until: after(until),
    })
}

fn commit(store: &SledStore, change: Change, time: StoreTime) {
    for answer in store.commit(&[change], time).unwrap() {
        answer.unwrap();
    }
}

fn remembered(store: &SledStore, time: StoreTime) -> usize {
    store.profile_state("corp", time).unwrap().replay.len()
}

#[test]
fn a_process_under_a_clock_that_is_ahead_forgets_nothing() {
    let (dir, store) = fresh();
    let path = dir.path().join("store");
    let clocks = Clocks::new();
    for n in 0..20 {
        commit(&store, replay(n, HOUR), clocks.time(&store, 0, 0));
    }
    drop(store);

    // Three hours ahead, and everything is swept again and again.
    let store = open(&path);
    let clocks = Clocks::new();
    for second in 0..60 {
        let time = clocks.time(&store, 3 * HOUR + second, second.unsigned_abs());
        assert_eq!(time.passed(), after(second));
        assert_eq!(remembered(&store, time), 20);
        commit(&store, Change::new().with(event(1)), time);
    }
    drop(store);

    // Put right, and a new process.
    let store = open(&path);
    let time = Clocks::new().time(&store, 59, 0);
    assert_eq!(
        time.passed(),
        after(59),
        "it goes on where the one before ended"
    );
    assert_eq!(remembered(&store, time), 20);
    assert!(store.verify().unwrap().is_good());
}

#[test]
fn what_has_really_passed_is_forgotten() {
    let (dir, store) = fresh();
    let clocks = Clocks::new();
    commit(&store, replay(1, 100), clocks.time(&store, 0, 0));
    let later = clocks.time(&store, 101, 101);
    assert_eq!(remembered(&store, later), 0);
    commit(&store, Change::new().with(event(1)), later);
    drop(store);
    let store = open(&dir.path().join("store"));
    assert_eq!(store.verify().unwrap().replay_marks, 0);
}

#[test]
fn events_are_not_let_go_by_a_clock_that_is_ahead() {
    let (_dir, store) = fresh();
    put_events(&store, 5);
    let clocks = Clocks::new();
    let day = 24 * HOUR;
    let now = clocks.time(&store, 60, 60);
    let month = Duration::days(30);
    assert_eq!(store.audit_prune(month, 100, now).unwrap(), 0);
    let ahead = clocks.time(&store, 40 * day, 120);
    assert_eq!(store.audit_prune(month, 100, ahead).unwrap(), 0);
    let passed = 40 * day.unsigned_abs();
    let later = clocks.time(&store, 40 * day, passed);
    assert_eq!(store.audit_prune(month, 100, later).unwrap(), 5);
}

#[test]
fn a_store_without_a_noted_time_begins_with_its_newest_event() {
    let (dir, store) = fresh();
    let path = dir.path().join("store");
    commit(&store, replay(1, HOUR), time_at(start()));
    put_events(&store, 3);
    let newest = event(3).timestamp;
    tamper(&store, clock::key(), None);
    drop(store);
    let store = open(&path);
    let time = Clocks::new().time(&store, 3 * HOUR, 0);
    assert_eq!(time.passed(), newest);
    assert_eq!(remembered(&store, time), 1);
    assert_eq!(time.wall(), after(3 * HOUR));
}

#[test]
fn an_idle_store_notes_the_time_too() {
    let (dir, store) = fresh();
    let path = dir.path().join("store");
    let clocks = Clocks::new();
    commit(
        &store,
        Change::new().with(event(1)),
        clocks.time(&store, 0, 0),
    );
    let _ = clocks.time(&store, 500, 500);
    store.keep_time().unwrap();
    let written = stored(&store, &clock::key());
    store.keep_time().unwrap();
    assert_eq!(stored(&store, &clock::key()), written);
    drop(store);
    let store = open(&path);
    assert_eq!(Clocks::new().time(&store, 9 * HOUR, 0).passed(), after(500));
    tamper(&store, clock::key(), Some(vec![0xff; 3]));
    assert!(matches!(store.verify(), Err(Error::Corrupt { .. })));
}
