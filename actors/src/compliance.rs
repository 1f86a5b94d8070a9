//! Gate 9: the question that is asked last.

use crate::enrollment::LetIn;
use crate::hooks::{ComplianceQuestion, Verdict};
use crate::refusal::Refusal;
use crate::shared::Shared;
use challenge::{Claim, CsrFacts, Label};

/// Gate 9, where the profile has a compliance hook.
pub(crate) async fn ask_hook(
    shared: &Shared,
    transaction_id: &str,
    claim: &Claim,
    names: &CsrFacts,
) -> Result<LetIn, Refusal> {
    let intune = shared.spec.intune.as_ref();
    let Some(hook) = intune.and_then(|intune| intune.compliance.clone()) else {
        return Ok(None);
    };
    let verdict = hook
        .ask(ComplianceQuestion {
            profile: shared.spec.path_id.clone(),
            transaction_id: transaction_id.to_owned(),
            claim: claim.clone(),
            csr: names.clone(),
        })
        .await;
    match verdict {
        Verdict::Compliant => Ok(None),
        Verdict::LetIn { why } => Ok(Some(why)),
        Verdict::NotCompliant { reason } => {
            let words = format!("the compliance check said no: {reason}");
            let claim = Some(claim.clone());
            Err(Refusal::gate(Label::ComplianceFailed, words, claim))
        }
    }
}
