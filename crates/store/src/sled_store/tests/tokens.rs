use super::*;
use crate::{TokenRecord, TokenRole};

#[test]
fn tokens_are_listed_found_touched_and_revoked() {
    let (dir, store) = fresh();
    let token = |n: u8| TokenRecord {
        id: format!("t{n}"),
        name: format!("token {n}"),
        role: if n == 1 {
            TokenRole::Admin
        } else {
            TokenRole::Viewer
        },
        profile: None,
        hash: [n; 32],
        created_at: after(i64::from(n)),
        created_by: "cli".into(),
        expires_at: (n == 2).then(|| after(50)),
        last_used_at: None,
        revoked_at: None,
    };
    put(&store, token(2));
    put(&store, token(1));
    let touch = |at: i64| Op::TouchToken {
        id: "t1".into(),
        at: after(at),
    };
    try_put(&store, Change::new().with(touch(20)).with(touch(10))).unwrap();
    put(
        &store,
        Op::TouchToken {
            id: "gone".into(),
            at: after(1),
        },
    );
    put(
        &store,
        Op::RevokeToken {
            id: "t1".into(),
            at: after(30),
        },
    );
    let revoke = |at: i64| Op::RevokeToken {
        id: "t1".into(),
        at: after(at),
    };
    assert_eq!(
        try_put(&store, Change::new().with(revoke(40))),
        Err(Conflict::TokenRevoked { id: "t1".into() })
    );
    let unknown = Change::new().with(Op::RevokeToken {
        id: "gone".into(),
        at: after(1),
    });
    assert!(matches!(
        try_put(&store, unknown),
        Err(Conflict::UnknownToken { .. })
    ));
    let check = |store: &SledStore| {
        let ids: Vec<_> = store.tokens().into_iter().map(|token| token.id).collect();
        assert_eq!(ids, ["t1", "t2"]);
        let first = store.token_by_hash(&[1; 32]).unwrap();
        assert_eq!(
            (first.last_used_at, first.revoked_at),
            (Some(after(20)), Some(after(30)))
        );
        assert!(!first.usable_at(after(31)));
        let second = store.token_by_hash(&[2; 32]).unwrap();
        assert!(second.usable_at(after(49)) && !second.usable_at(after(50)));
        assert!(store.token_by_hash(&[3; 32]).is_none());
        assert!(
            !format!("{second:?}").contains("2, 2"),
            "the digest is not shown"
        );
    };
    check(&store);
    drop(store);
    check(&open(&dir.path().join("store")));
}

#[test]
fn of_tokens_that_are_made_at_once_one_gets_the_name() {
    let (_dir, store) = fresh();
    let token = |n: u8, at: i64| TokenRecord {
        id: format!("t{n}"),
        name: "ops".into(),
        role: TokenRole::Admin,
        profile: None,
        hash: [n; 32],
        created_at: after(at),
        created_by: "cli".into(),
        expires_at: Some(after(50)),
        last_used_at: None,
        revoked_at: None,
    };
    let taken = Conflict::TokenName { name: "ops".into() };
    let changes = [1, 2].map(|n| Change::new().with(token(n, 1)).with(event(1)));
    let answers = store.commit(&changes, time_at(after(1))).unwrap();
    assert!(answers[0].is_ok());
    assert_eq!(answers[1], Err(taken.clone()));
    assert_eq!(try_put(&store, Change::new().with(token(3, 2))), Err(taken));
    put(&store, token(1, 1));
    let revoke = |at: i64| {
        Change::new().with(Op::RevokeToken {
            id: "t1".into(),
            at: after(at),
        })
    };
    let answers = store
        .commit(&[revoke(3), revoke(3)], time_at(after(3)))
        .unwrap();
    assert!(answers[0].is_ok() && answers[1].is_err());
    put(&store, token(4, 4));
    put(&store, token(5, 60));
    assert_eq!(store.tokens().len(), 3);
}
