//! A data directory belongs to one server at a time.

use std::os::unix::fs::MetadataExt;

use scepd::control::{Answer, Order, SOCKET, ask};

use crate::test_env::TestEnv;

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_with_another_store_is_refused() {
    let mut server = TestEnv::new().profile("corp", "").start().await;
    let data_dir = server.env.dir().join("data");
    let socket = || std::fs::metadata(data_dir.join(SOCKET)).unwrap().ino();
    let (before, other) = (socket(), server.env.dir().join("other"));
    let path = toml::Table::from_iter([("path".to_owned(), other.to_str().unwrap().into())]);
    server
        .env
        .edit(|config| drop(config.insert("store".to_owned(), path.into())));
    let Err(error) = server.env.try_start().await else {
        panic!("the server starts twice")
    };
    let said = error.to_string();
    assert!(
        said.contains("another scepd serves from this directory"),
        "{said}"
    );
    assert!(
        said.contains(data_dir.join("store").to_str().unwrap()),
        "{said}"
    );
    assert!(!other.exists(), "nothing was made");
    assert_eq!(socket(), before);
    let answer =
        tokio::task::block_in_place(|| ask(&data_dir, &Order::ListTokens, &mut |_| Ok(())));
    assert!(matches!(answer, Ok(Answer::Tokens(_))));

    // Once the first has stopped, the second knows that another store belongs here.
    let mut env = server.stop().await;
    let Err(error) = env.try_start().await else {
        panic!("a server begins with an empty store")
    };
    let said = error.to_string();
    assert!(said.contains("had its store in"), "{said}");
    env.edit(|config| drop(config.remove("store")));
    let _ = env.start().await.stop().await;
}
