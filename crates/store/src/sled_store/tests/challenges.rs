use super::*;
use crate::{
    CHALLENGES_KEPT, ChallengeCounts, ChallengeQuery, ChallengeRecord, ChallengeState, StoreTime,
};

const MOST: u32 = 3;

fn challenge(n: u8, until: i64) -> ChallengeRecord {
    ChallengeRecord {
        digest: [n; 16],
        number: 0,
        profile: "corp".into(),
        by: "mdm".into(),
        interface: "api".into(),
        bound: b"{}".to_vec(),
        uses: 1,
        used: 0,
        created: after(0),
        expires: after(until),
        until: after(until),
        last_used: None,
        withdrawn: None,
    }
}

fn made(record: ChallengeRecord) -> Op {
    Op::PutChallenge {
        record: Box::new(record),
        most: MOST,
    }
}

fn at(store: &SledStore, op: Op, seconds: i64) -> Result<Committed, Conflict> {
    let change = Change::new().with(op);
    store
        .commit(&[change], time_at(after(seconds)))
        .unwrap()
        .remove(0)
}

fn used(n: u8) -> Op {
    Op::UseChallenge {
        digest: [n; 16],
        at: after(1),
    }
}

fn withdrawn(n: u8) -> Op {
    Op::WithdrawChallenge {
        digest: [n; 16],
        at: after(1),
    }
}

fn state(store: &SledStore, n: u8, seconds: i64) -> Option<ChallengeState> {
    let found = store.challenge(&[n; 16]).unwrap();
    found.map(|record| record.state(after(seconds), after(seconds)))
}

fn counts(store: &SledStore, seconds: i64) -> ChallengeCounts {
    let time = time_at(after(seconds));
    store.challenge_counts("corp", time).unwrap()
}

fn found(store: &SledStore, query: &ChallengeQuery) -> Vec<u8> {
    let time = time_at(after(5));
    let found = store.challenges(query, time).unwrap().found;
    found.iter().map(|record| record.digest[0]).collect()
}

#[test]
fn a_challenge_is_open_until_it_is_used_withdrawn_or_over_also_after_a_restart() {
    let (dir, store) = fresh();
    for n in 1..=3 {
        at(&store, made(challenge(n, 60)), 0).unwrap();
    }
    assert_eq!(
        at(&store, made(challenge(1, 60)), 0),
        Err(Conflict::ChallengeExists)
    );
    at(&store, used(1), 1).unwrap();
    at(&store, withdrawn(2), 1).unwrap();
    assert_eq!(
        at(&store, withdrawn(2), 1),
        Err(Conflict::ChallengeEnded {
            state: ChallengeState::Withdrawn
        })
    );
    assert_eq!(at(&store, withdrawn(9), 1), Err(Conflict::UnknownChallenge));
    // One that is forgotten was used all the same.
    at(&store, used(9), 1).unwrap();
    drop(store);
    let store = open(&dir.path().join("store"));
    let states = [1, 2, 3].map(|n| state(&store, n, 2).unwrap());
    assert_eq!(
        states,
        [
            ChallengeState::Used,
            ChallengeState::Withdrawn,
            ChallengeState::Open
        ]
    );
    assert_eq!(state(&store, 3, 60), Some(ChallengeState::Expired));
    assert_eq!(store.sizes().unwrap().challenges, 1);
    at(&store, made(challenge(4, 60)), 2).unwrap();
    let numbers: Vec<u64> = [1, 2, 3, 4]
        .iter()
        .map(|n| store.challenge(&[*n; 16]).unwrap().unwrap().number)
        .collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    let expected = ChallengeCounts {
        open: 2,
        made: 4,
        used: 1,
        expired: 0,
        withdrawn: 1,
    };
    assert_eq!(counts(&store, 2), expected);
    assert!(store.verify().unwrap().is_good());
}

#[test]
fn no_more_are_open_than_may_be_also_within_one_commit() {
    let (_dir, store) = fresh();
    let change = |n| Change::new().with(made(challenge(n, 60)));
    let all: Vec<Change> = (1..=5).map(change).collect();
    let answers = store.commit(&all, time_at(after(0))).unwrap();
    let taken: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(taken, [true, true, true, false, false]);
    let full = Conflict::ChallengesFull {
        profile: "corp".into(),
        open: 3,
    };
    assert_eq!(answers[3], Err(full));
    let mut other = challenge(6, 60);
    other.profile = "iot".into();
    at(&store, made(other), 0).unwrap();
    // A use and a new one in the same commit.
    let both = [Change::new().with(used(1)), change(7)];
    for answer in store.commit(&both, time_at(after(1))).unwrap() {
        answer.unwrap();
    }
    // Those that are over take no place, swept or not.
    at(&store, made(challenge(8, 200)), 60).unwrap();
    assert_eq!(counts(&store, 60).open, 1);
}

#[test]
fn one_with_several_uses_stays_open_until_the_last() {
    let (_dir, store) = fresh();
    let mut record = challenge(1, 60);
    record.uses = 2;
    at(&store, made(record), 0).unwrap();
    at(&store, used(1), 1).unwrap();
    assert_eq!(state(&store, 1, 1), Some(ChallengeState::Open));
    at(&store, used(1), 1).unwrap();
    assert_eq!(state(&store, 1, 1), Some(ChallengeState::Used));
    assert_eq!((counts(&store, 1).open, counts(&store, 1).used), (0, 2));
}

#[test]
fn what_is_over_is_swept_by_the_time_that_passed_and_forgotten_a_while_after() {
    let (dir, store) = fresh();
    at(&store, made(challenge(1, 60)), 0).unwrap();
    at(&store, made(challenge(2, 90)), 0).unwrap();
    at(&store, Op::SweepChallenges, 59).unwrap();
    assert_eq!(counts(&store, 59).expired, 0);
    at(&store, Op::SweepChallenges, 60).unwrap();
    at(&store, Op::SweepChallenges, 60).unwrap();
    let now = counts(&store, 60);
    assert_eq!((now.open, now.expired), (1, 1));
    drop(store);
    let store = open(&dir.path().join("store"));
    let kept = CHALLENGES_KEPT.num_seconds();
    at(&store, Op::SweepChallenges, 59 + kept).unwrap();
    assert_eq!(state(&store, 1, 60), Some(ChallengeState::Expired));
    at(&store, Op::SweepChallenges, 60 + kept).unwrap();
    assert_eq!(state(&store, 1, 60), None);
    assert_eq!(state(&store, 2, 60), Some(ChallengeState::Open));
    assert!(store.verify().unwrap().is_good());
    let now = counts(&store, 60 + kept);
    assert_eq!((now.made, now.expired), (2, 2));
}

#[test]
fn a_wall_clock_that_is_ahead_ends_nothing_for_good() {
    let record = challenge(1, 60);
    let time: StoreTime = time_at(after(0));
    let ahead = after(3600);
    assert_eq!(record.state(ahead, time.passed()), ChallengeState::Expired);
    assert_eq!(record.state(after(1), time.passed()), ChallengeState::Open);
    // One that was set back after the challenge was made.
    assert_eq!(
        record.state(after(-3600), after(60)),
        ChallengeState::Expired
    );
}

#[test]
fn searches_go_from_the_newest_back_page_by_page() {
    let (_dir, store) = fresh();
    for n in 1..=3 {
        at(&store, made(challenge(n, 60)), 0).unwrap();
    }
    at(&store, used(2), 1).unwrap();
    let mut other = challenge(4, 60);
    other.profile = "iot".into();
    at(&store, made(other), 1).unwrap();
    assert_eq!(found(&store, &ChallengeQuery::default()), [4, 3, 2, 1]);
    let corp = ChallengeQuery {
        profile: Some("corp".into()),
        ..ChallengeQuery::default()
    };
    assert_eq!(found(&store, &corp), [3, 2, 1]);
    let open = ChallengeQuery {
        state: Some(ChallengeState::Open),
        ..corp.clone()
    };
    assert_eq!(found(&store, &open), [3, 1]);
    let first = ChallengeQuery { limit: 2, ..corp };
    let page = store.challenges(&first, time_at(after(5))).unwrap();
    assert_eq!(page.next, Some(2));
    let second = ChallengeQuery {
        before: page.next,
        ..first
    };
    assert_eq!(found(&store, &second), [1]);
    let page = store.challenges(&second, time_at(after(5))).unwrap();
    assert_eq!(page.next, None);
}
