//! Counters, one a label.

use crate::Label;

/// How often each [`Label`] was the outcome. Plain numbers: who owns them stores them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters([u64; Label::COUNT]);

impl Counters {
    /// Counters with these values, in the order of [`Label::ALL`].
    #[must_use]
    pub const fn from_array(values: [u64; Label::COUNT]) -> Self {
        Self(values)
    }

    /// The values in the order of [`Label::ALL`].
    #[must_use]
    pub const fn to_array(self) -> [u64; Label::COUNT] {
        self.0
    }

    /// Counts one more outcome. Stays at `u64::MAX` once there.
    pub fn add(&mut self, label: Label) {
        if let Some(count) = self.0.get_mut(label.index()) {
            *count = count.saturating_add(1);
        }
    }

    /// How often this label was the outcome.
    #[must_use]
    pub fn count(&self, label: Label) -> u64 {
        self.0.get(label.index()).copied().unwrap_or(0)
    }

    /// Every label with its count, in the order of [`Label::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Label, u64)> + '_ {
        Label::ALL.into_iter().zip(self.0)
    }

    /// Every label's name with its count, sorted by name: the order of the stable admin reply.
    #[must_use]
    pub fn alphabetical(&self) -> Vec<(&'static str, u64)> {
        let mut rows: Vec<_> = self
            .iter()
            .map(|(label, count)| (label.as_str(), count))
            .collect();
        rows.sort_unstable();
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adding_moves_one_counter_and_no_other() {
        for label in Label::ALL {
            let mut counters = Counters::default();
            counters.add(label);
            for (other, count) in counters.iter() {
                assert_eq!(count, u64::from(other == label), "{label} moved {other}");
            }
            assert_eq!(counters.count(label), 1);
        }
    }

    #[test]
    fn a_full_counter_stays_full() {
        let mut values = [0; Label::COUNT];
        values[0] = u64::MAX;
        let mut counters = Counters::from_array(values);
        counters.add(Label::Success);
        assert_eq!(counters.to_array(), values);
    }

    #[test]
    fn alphabetical_order_is_by_name() {
        let mut counters = Counters::default();
        counters.add(Label::UnknownVersion);
        let rows = counters.alphabetical();
        let names: Vec<_> = rows.iter().map(|row| row.0).collect();
        assert_eq!(
            names.join(" "),
            "claim_mismatch compliance_failed expired malformed not_yet_valid rate_limited replay \
             signature_invalid success unknown_version wrong_audience"
        );
        assert_eq!(rows[9], ("unknown_version", 1));
        assert_eq!(rows.iter().map(|row| row.1).sum::<u64>(), 1);
    }
}
