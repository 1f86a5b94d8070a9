//! Messages from a source that is locked out for wrong challenges: what may prove itself is opened, within bounds.

use crate::admission::ActorHandle;
use crate::compute::Stage;
use crate::enroll::{self, BUSY};
use crate::enrollment::poll_key;
use crate::messages::{Outcome, PkiOperation, Response};
use crate::records;
use crate::requests::RequestResult;
use crate::shared::Shared;
use chrono::{DateTime, Utc};
use scep::MessageType;
use std::sync::Arc;

/// Serves one PKIOperation of a source that is locked out: what may prove itself is opened, a bounded number of them.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    actor: ActorHandle,
    operation: PkiOperation,
) -> Response {
    let unread = Response::unread;
    let (job, message, now) = (Arc::clone(&shared), operation.message.clone(), shared.now());
    let looking = move || may_prove_itself(&job, &message, now);
    let may = match shared.services.pool.run(Stage::Start, looking).await {
        Ok(Ok(may)) => may,
        Ok(Err(error)) => {
            tracing::error!(
                profile = shared.spec.path_id,
                request_id = operation.origin.request_id,
                %error,
                "the store cannot be read"
            );
            return unread(RequestResult::Busy, BUSY);
        }
        Err(_) => return unread(RequestResult::Shed, BUSY),
    };
    let instant = shared.services.clock.instant();
    let source = operation.origin.source;
    if may && shared.behind_lock_out.admits(source, instant) {
        return enroll::serve(shared, actor, operation).await;
    }
    unread(RequestResult::Throttled, Outcome::TooManyFailures)
}

/// Whether a message from a source that is locked out is worth opening: it asks for the CRL, its signer shows a
/// certificate of this profile that is in force, or its transaction is known. Anybody can write such a message, so
/// what opens may still be turned away. Costs no RSA.
///
/// # Errors
/// The store cannot be read.
fn may_prove_itself(shared: &Shared, message: &[u8], now: DateTime<Utc>) -> store::Result<bool> {
    let Some(peeked) = scep::peek(message) else {
        return Ok(false);
    };
    if peeked.message_type == Some(MessageType::GetCrl) {
        return Ok(true);
    }
    let spec = &shared.spec;
    let store = &shared.services.store;
    let ca = records::ca_of(&*spec.issuer, &peeked.signer);
    if peeked.signer.valid_at(now)
        && let Some(record) = store.certificate(&ca, peeked.signer.serial().as_bytes())?
        && record.revoked.is_none()
        && spec.is_called(&record.profile)
        && record.der == peeked.signer.der()
    {
        return Ok(true);
    }
    let transaction_id = peeked.transaction_id.unwrap_or_default();
    let polled = poll_key(&transaction_id, &peeked.signer);
    let known = shared.enrollment_by_poll(&polled)?;
    Ok(known.is_some())
}
