//! Many certificates revoked or released at once, after a preview that counts them.

use actors::BulkError;
use api::MAX_SERIALS;
use api::endpoints::ChangeCertificates;
use warp::reply::Response;

use super::certificates::{by, not_changed};
use super::context::AdminContext;
use super::reply::{self, Problem};
use super::request::{Asked, note};
use crate::auth::Admin;
use crate::certificates::{NotChanged, change as change_certificates};

pub(super) async fn change(
    context: &AdminContext,
    admin: &Admin,
    asked: &Asked,
) -> Result<Response, Problem> {
    let mut request = asked.body::<ChangeCertificates>()?;
    let by = by(admin, note(request.note.take())?, asked);
    let runtime = context.runtime();
    let changing = change_certificates(
        &runtime.services,
        &runtime.directory,
        request,
        MAX_SERIALS,
        by,
    );
    reply::ok::<ChangeCertificates>(&changing.await.map_err(problem)?)
}

fn problem(error: NotChanged) -> Problem {
    match error {
        NotChanged::TooManySerials { .. } => Problem::bad_request(error.to_string()),
        // As a serial number that nobody has: what is well formed and cannot be done.
        NotChanged::NoSerial(_) => Problem::conflict(error.to_string()),
        NotChanged::Bulk(error) => match error {
            BulkError::Everything
            | BulkError::TooMany(_)
            | BulkError::Unexpected { .. }
            | BulkError::Elsewhere { .. } => Problem::conflict(error.to_string()),
            BulkError::Failed(error) => not_changed(error),
            BulkError::Store(error) => Problem::fault(error),
            BulkError::BrokenOff(error) => Problem::fault(error),
        },
    }
}
