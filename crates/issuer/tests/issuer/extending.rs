//! The example of `docs/extending.md`: an issuer that is somewhere else and takes its time.

use crate::support::{RSA, approve, ca, csr_for, now, policy};
use issuer::{
    Answering, Authority, Found, Handle, Issuance, IssueError, Issuer, LocalCa, LocalSigner, Order,
};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// A CA at which people sign: an order is put on a desk, and some time later its certificate lies there.
struct ByHand {
    ca: LocalCa,
    desk: Mutex<HashMap<String, Order>>,
}

fn handle_of(order: &Order) -> Handle {
    Handle(order.id.map(|octet| format!("{octet:02x}")).concat())
}

impl Issuer for ByHand {
    fn id(&self) -> &str {
        "by-hand"
    }

    fn authority(&self) -> Arc<Authority> {
        self.ca.authority()
    }

    fn issue<'a>(&'a self, order: &'a Order) -> Answering<'a, Issuance> {
        Box::pin(async move {
            let handle = handle_of(order);
            let mut desk = self.desk.lock().unwrap();
            desk.insert(handle.0.clone(), order.clone());
            Ok(Issuance::Later {
                handle,
                after: Duration::from_secs(3600),
            })
        })
    }

    fn resume<'a>(&'a self, _: &'a Order, handle: &'a Handle) -> Answering<'a, Issuance> {
        Box::pin(async move {
            let desk = self.desk.lock().unwrap();
            let Some(order) = desk.get(&handle.0) else {
                let words = format!("nobody knows of order {}", handle.0);
                return Err(IssueError::Refused(words));
            };
            let signed = self.ca.sign_approved(&order.approved, order.at)?;
            Ok(Issuance::Issued(signed))
        })
    }

    fn find<'a>(&'a self, order: &'a Order) -> Answering<'a, Found> {
        Box::pin(async move {
            let handle = handle_of(order);
            let known = self.desk.lock().unwrap().contains_key(&handle.0);
            Ok(match known {
                true => Found::Pending(handle),
                false => Found::Nothing,
            })
        })
    }
}

fn ready<T>(mut answering: Answering<'_, T>) -> Result<T, IssueError> {
    match answering
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("it waits for nothing"),
    }
}

#[test]
fn an_issuer_elsewhere_answers_later_and_is_asked_what_became_of_an_order() {
    let by_hand = ByHand {
        ca: ca(),
        desk: Mutex::default(),
    };
    let csr = csr_for("CN=device", "", &[], &RSA);
    let order = Order {
        id: [7; 16],
        transaction_id: "1".to_owned(),
        approved: approve(&policy(), &csr).unwrap(),
        csr: csr.der().to_vec(),
        at: now(),
    };
    assert!(matches!(ready(by_hand.find(&order)), Ok(Found::Nothing)));
    let Ok(Issuance::Later { handle, .. }) = ready(by_hand.issue(&order)) else {
        panic!("it takes its time");
    };
    assert!(matches!(ready(by_hand.find(&order)), Ok(Found::Pending(known)) if known == handle));
    let Ok(Issuance::Issued(certificate)) = ready(by_hand.resume(&order, &handle)) else {
        panic!("it is signed by now");
    };
    assert!(order.approved.matches(&certificate).is_ok());
    assert!(by_hand.authority().issued(&certificate));
    let lost = Handle("lost".to_owned());
    let refused = ready(by_hand.resume(&order, &lost));
    assert!(matches!(refused, Err(IssueError::Refused(_))));
    assert!(by_hand.local().is_none(), "its key is not here");
}
