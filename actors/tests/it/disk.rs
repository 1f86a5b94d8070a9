use crate::device::{Device, ask, issued};
use crate::house::{CHALLENGE, World};
use actors::Outcome;
use std::sync::atomic::Ordering;
use std::time::Duration;

fn retry_after(outcome: &Outcome) -> Duration {
    match outcome {
        Outcome::Busy { retry_after } => *retry_after,
        other => panic!("answered: {other:?}"),
    }
}

#[actix::test]
async fn after_a_failed_write_devices_are_sent_away_before_any_rsa_until_a_new_start() {
    let world = World::new();
    let running = world.open(vec![world.spec("corp")]).await;
    let device = Device::new(&world, "laptop-1");
    let request = device.pkcs_req(&world, CHALLENGE);
    assert!(running.house.is_writable());
    world.hindrance.full.store(true, Ordering::SeqCst);
    let first = running.send("corp", request.message().to_vec()).await;
    assert_eq!(retry_after(&first), Duration::from_secs(5), "met the disk");
    assert!(!running.house.is_writable());
    // The disk has room again, but this process no longer knows what is on it.
    world.hindrance.full.store(false, Ordering::SeqCst);
    for message in [request.message(), b"no message"] {
        let next = running.send("corp", message.to_vec()).await;
        assert_eq!(retry_after(&next), Duration::from_secs(60), "not opened");
    }
    assert!(!running.house.close(), "not all is durable");
    drop(running);

    world.hindrance.mend();
    let running = world.open(vec![world.spec("corp")]).await;
    issued(ask(&world, &running, "corp", &request).await);
    running.close();
}

#[actix::test]
async fn without_its_journal_a_house_is_not_writable() {
    let world = World::new();
    let running = world.open(vec![world.spec("corp")]).await;
    assert!(running.house.services.journal.close());
    assert!(!running.house.is_writable());
    let answer = running.send("corp", b"no message".to_vec()).await;
    assert_eq!(retry_after(&answer), Duration::from_secs(60));
}
