//! From when to when a certificate is valid.

use chrono::{DateTime, SubsecRound, Utc};
use pki::Csr;

use super::CertificatePolicy;
use crate::approved::{PolicyRefusal, Rule};

impl CertificatePolicy {
    /// notBefore and notAfter, in whole seconds: the policy's, narrowed by what the CSR asks for. `max_ttl` counts
    /// from the backdated notBefore, so that no certificate spans more than it.
    pub(super) fn validity_for(
        &self,
        csr: &Csr,
        now: DateTime<Utc>,
    ) -> Result<(DateTime<Utc>, DateTime<Utc>), PolicyRefusal> {
        let refused = |reason: String| PolicyRefusal::new(Rule::Validity, reason);
        let out_of_range =
            || refused("the validity cannot be computed: a date is out of range".to_owned());

        let earliest = now
            .checked_sub_signed(self.backdate)
            .ok_or_else(out_of_range)?
            .trunc_subsecs(0);
        let latest = earliest
            .checked_add_signed(self.max_ttl)
            .ok_or_else(out_of_range)?;
        let (wanted_from, wanted_until) = self.wanted(csr, now);
        let not_before = wanted_from.map_or(earliest, |wanted| wanted.max(earliest));
        let not_after = wanted_until.map_or(latest, |wanted| wanted.min(latest));

        let useful_until = not_before
            .max(now)
            .checked_add_signed(self.min_ttl)
            .ok_or_else(out_of_range)?;
        if not_after < useful_until {
            let whose = if wanted_from.is_some() || wanted_until.is_some() {
                "asked for"
            } else {
                "that the policy gives"
            };
            return Err(refused(format!(
                "the validity {whose}, {} to {}, leaves less than {} seconds of use",
                not_before.to_rfc3339(),
                not_after.to_rfc3339(),
                self.min_ttl.num_seconds(),
            )));
        }
        Ok((not_before, not_after))
    }

    /// The dates that the CSR asks for, the earlier one first: Android sends them the other way round.
    fn wanted(
        &self,
        csr: &Csr,
        now: DateTime<Utc>,
    ) -> (Option<DateTime<Utc>>, Option<DateTime<Utc>>) {
        if !self.honour_requested_validity {
            return (None, None);
        }
        let whole = |date: DateTime<Utc>| date.trunc_subsecs(0);
        match csr.validity_request(now) {
            Some((Some(from), Some(until))) if from > until => {
                (Some(whole(until)), Some(whole(from)))
            }
            Some((from, until)) => (from.map(whole), until.map(whole)),
            None => (None, None),
        }
    }
}
