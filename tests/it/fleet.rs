//! Devices that enroll all the time, and count.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use pki::{KeyKind, PrivateKey};
use scep::client::{Content, Reply};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::device::{Device, Trouble};

/// The longest that any of these tests waits for progress: a limit, not a pace.
const STUCK: Duration = Duration::from_secs(60);

/// One RSA key for all devices of a test, because making keys takes longest.
pub(crate) fn device_key() -> PrivateKey {
    static KEY: OnceLock<PrivateKey> = OnceLock::new();
    let make = || PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
    KEY.get_or_init(make).clone()
}

/// What devices do about what goes wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Everything but a certificate is a failure.
    None,
    /// 503 is answered by asking again.
    ComeAgain,
    /// Where no connection can be made any more, the device goes home.
    GoHome,
}

/// How a device gets a challenge.
pub(crate) type Challenges = Arc<dyn Fn() -> String + Send + Sync>;

/// Always the same challenge.
pub(crate) fn always(challenge: &str) -> Challenges {
    let challenge = challenge.to_owned();
    Arc::new(move || challenge.clone())
}

/// A load that goes on until it is ended.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    done: watch::Receiver<u64>,
    failures: Arc<Mutex<Vec<String>>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Load {
    /// One task for each device; each asks for certificate after certificate. With `refreshes`, it asks for the CA's
    /// certificates before every second one.
    pub(crate) fn start(
        devices: Vec<(Device, bool)>,
        challenges: &Challenges,
        patience: Patience,
    ) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let failures = Arc::new(Mutex::new(Vec::new()));
        let (count, done) = watch::channel(0);
        let count = Arc::new(count);
        let mut tasks = Vec::new();
        for (device, refreshes) in devices {
            let (stop, failures) = (Arc::clone(&stop), Arc::clone(&failures));
            let (count, challenges) = (Arc::clone(&count), Arc::clone(challenges));
            tasks.push(tokio::spawn(async move {
                let one = one(device, refreshes, &challenges, patience, &stop, &count);
                if let Err(failure) = one.await {
                    failures.lock().unwrap().push(failure);
                }
            }));
        }
        Load {
            stop,
            done,
            failures,
            tasks,
        }
    }

    /// How many certificates have come.
    pub(crate) fn done(&self) -> u64 {
        *self.done.borrow()
    }

    /// Waits for `more` certificates from now on.
    pub(crate) async fn more(&self, more: u64) {
        let mut done = self.done.clone();
        let goal = *done.borrow() + more;
        let waited = tokio::time::timeout(STUCK, done.wait_for(|done| *done >= goal)).await;
        let reached = matches!(waited, Ok(Ok(_)));
        assert!(reached, "no progress: {:?}", self.failures.lock().unwrap());
    }

    /// Ends it, with what is under way; how many certificates came. Panics when anything failed.
    pub(crate) async fn end(self) -> u64 {
        self.stop.store(true, Ordering::SeqCst);
        self.over().await
    }

    /// Waits until every device has gone home.
    pub(crate) async fn over(self) -> u64 {
        for task in self.tasks {
            let ended = tokio::time::timeout(STUCK, task).await;
            ended.expect("a device got no answer").unwrap();
        }
        let failures = self.failures.lock().unwrap();
        assert!(failures.is_empty(), "{failures:#?}");
        *self.done.borrow()
    }
}

async fn one(
    mut device: Device,
    refreshes: bool,
    challenges: &Challenges,
    patience: Patience,
    stop: &AtomicBool,
    count: &watch::Sender<u64>,
) -> Result<(), String> {
    let mut round = 0_u64;
    while !stop.load(Ordering::SeqCst) {
        round += 1;
        if refreshes && round.is_multiple_of(2) {
            device.refresh().await?;
        }
        let csr = device.csr(Some(&challenges()));
        let request = device.request(Content::PkcsReq(&csr));
        loop {
            match device.try_post(&request).await {
                Ok(Reply::Certificate { .. }) => break,
                Ok(Reply::Failure { fail_info, text }) => {
                    return Err(format!("round {round}: refused: {fail_info} {text:?}"));
                }
                Ok(_) => return Err(format!("round {round}: not a certificate")),
                Err(Trouble::Status(503, _)) if patience == Patience::ComeAgain => {
                    tokio::task::yield_now().await;
                }
                Err(Trouble::NoConnection(_)) if patience == Patience::GoHome => return Ok(()),
                Err(trouble) => return Err(format!("round {round}: {trouble}")),
            }
        }
        count.send_modify(|count| *count += 1);
    }
    Ok(())
}
