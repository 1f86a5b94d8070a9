use crate::device::{Device, ask, issued};
use crate::test_env::{CHALLENGE, TestEnv};
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
    let env = TestEnv::new();
    let running = env.open(vec![env.spec("corp")]).await;
    let device = Device::new(&env, "laptop-1");
    let request = device.pkcs_req(&env, CHALLENGE);
    assert!(running.runtime.is_writable());
    env.hindrance.full.store(true, Ordering::SeqCst);
    let first = running.send("corp", request.message().to_vec()).await;
    assert_eq!(retry_after(&first), Duration::from_secs(5), "met the disk");
    assert!(!running.runtime.is_writable());
    // The disk has room again, but this process no longer knows what is on it.
    env.hindrance.full.store(false, Ordering::SeqCst);
    for message in [request.message(), b"no message"] {
        let next = running.send("corp", message.to_vec()).await;
        assert_eq!(retry_after(&next), Duration::from_secs(60), "not opened");
    }
    assert!(!running.runtime.close(), "not all is durable");
    drop(running);

    env.hindrance.mend();
    let running = env.open(vec![env.spec("corp")]).await;
    issued(ask(&env, &running, "corp", &request).await);
    running.close();
}

#[actix::test]
async fn without_its_journal_a_house_is_not_writable() {
    let env = TestEnv::new();
    let running = env.open(vec![env.spec("corp")]).await;
    assert!(running.runtime.services.journal.close());
    assert!(!running.runtime.is_writable());
    let answer = running.send("corp", b"no message".to_vec()).await;
    assert_eq!(retry_after(&answer), Duration::from_secs(60));
}
