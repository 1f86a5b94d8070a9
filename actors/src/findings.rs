//! What was odd about a message and did not matter.

use crate::messages::Origin;
use crate::shared::Shared;

/// Says it in the log: whoever looks after the clients may want to know.
pub(crate) fn log(shared: &Shared, origin: &Origin, findings: &[String]) {
    for finding in findings {
        tracing::info!(
            profile = shared.spec.path_id,
            request_id = origin.request_id,
            finding,
            "tolerated in a PKIMessage"
        );
    }
}
