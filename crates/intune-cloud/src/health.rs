//! How a tenant fares, as far as this process has seen it.

use crate::error::ServiceError;
use std::collections::{BTreeMap, VecDeque};

/// Hours that codes are counted for, one by one.
const HOURS: usize = 48;

/// How long the same trouble is said once.
const SAID: i64 = 600;

/// Kept with the tenant.
#[derive(Debug, Default)]
pub(crate) struct Health {
    last_success: Option<i64>,
    trouble: Option<Trouble>,
    /// What is wrong with looks at devices and users, by what was looked at.
    looks: BTreeMap<&'static str, Trouble>,
    codes: VecDeque<Hour>,
    /// Our clock minus Microsoft's, in seconds.
    pub(crate) clock_difference: Option<i64>,
    /// When the app's secret ends, as Graph says.
    pub(crate) secret_expires: Option<i64>,
}

/// What is wrong since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Since when, in seconds since the epoch.
    pub since: i64,
    /// When it was last seen.
    pub last: i64,
    /// In words.
    pub words: String,
    /// Whether somebody has to mend it.
    pub is_lasting: bool,
    said: i64,
}

/// Codes of one hour.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hour {
    /// Its beginning, in seconds since the epoch.
    pub begins: i64,
    /// How often which code came.
    pub codes: BTreeMap<String, u64>,
}

/// What can be said about a tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Its name in the configuration.
    pub id: String,
    /// The tenant: a GUID or a domain.
    pub tenant: String,
    /// The app's id.
    pub client_id: String,
    /// What the app authenticates with.
    pub credential: &'static str,
    /// When Intune last answered, in seconds since the epoch.
    pub last_success: Option<i64>,
    /// What is wrong now.
    pub trouble: Option<Trouble>,
    /// When the present token was issued, in seconds since the epoch.
    pub token_issued: Option<i64>,
    /// When it ends.
    pub token_ends: Option<i64>,
    /// The present token's roles; `None` = no token, or one that cannot be read.
    pub roles: Option<Vec<String>>,
    /// When the secret or certificate ends.
    pub secret_expires: Option<i64>,
    /// Our clock minus Microsoft's, in seconds.
    pub clock_difference: Option<i64>,
    /// Codes of the last hours, oldest first.
    pub codes: Vec<Hour>,
}

impl Trouble {
    /// Trouble of now after what was before, and whether it is to be said: it is new, or was said long ago.
    fn after(before: Option<Self>, now: i64, error: &ServiceError) -> (Self, bool) {
        let says_same = |trouble: &Trouble| trouble.is_lasting == error.is_lasting;
        let is_said = before
            .as_ref()
            .is_some_and(|trouble| says_same(trouble) && now.saturating_sub(trouble.said) < SAID);
        let trouble = Self {
            since: before.as_ref().map_or(now, |trouble| trouble.since),
            last: now,
            words: error.to_string(),
            is_lasting: error.is_lasting,
            said: match (&before, is_said) {
                (Some(trouble), true) => trouble.said,
                _ => now,
            },
        };
        (trouble, !is_said)
    }
}

impl Health {
    /// Intune answered. Whether that is news.
    pub(crate) fn well(&mut self, now: i64) -> bool {
        self.last_success = Some(now);
        self.trouble.take().is_some()
    }

    /// It did not. Whether that is to be said: it is new, or was said long ago.
    pub(crate) fn ill(&mut self, now: i64, error: &ServiceError) -> bool {
        let (trouble, is_news) = Trouble::after(self.trouble.take(), now, error);
        self.trouble = Some(trouble);
        is_news
    }

    /// Graph told of devices and users. Whether that is news.
    pub(crate) fn saw(&mut self, what: &'static str) -> bool {
        self.looks.remove(what).is_some()
    }

    /// It did not. Whether that is to be said.
    pub(crate) fn did_not_see(
        &mut self,
        what: &'static str,
        now: i64,
        error: &ServiceError,
    ) -> bool {
        let (trouble, is_news) = Trouble::after(self.looks.remove(what), now, error);
        self.looks.insert(what, trouble);
        is_news
    }

    pub(crate) fn count(&mut self, now: i64, code: &str) {
        let begins = now - now.rem_euclid(3600);
        if self.codes.back().is_none_or(|hour| hour.begins != begins) {
            self.codes.push_back(Hour {
                begins,
                codes: BTreeMap::new(),
            });
            while self.codes.len() > HOURS {
                self.codes.pop_front();
            }
        }
        if let Some(hour) = self.codes.back_mut() {
            *hour.codes.entry(code.to_owned()).or_default() += 1;
        }
    }

    pub(crate) fn report(&self, now: i64) -> Report {
        let oldest = now.saturating_sub(3600 * 48);
        Report {
            last_success: self.last_success,
            trouble: self
                .trouble
                .as_ref()
                .or(self.looks.values().next())
                .cloned(),
            clock_difference: self.clock_difference,
            codes: self
                .codes
                .iter()
                .filter(|hour| hour.begins >= oldest)
                .cloned()
                .collect(),
            ..Report::default()
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::error::Step;

    #[test]
    fn the_same_trouble_is_said_once_in_a_while() {
        let mut health = Health::default();
        let error = ServiceError::new(Step::Token, "no");
        assert!(health.ill(1000, &error));
        assert!(!health.ill(1100, &error));
        assert!(health.ill(1600, &error));
        let lasting = ServiceError::new(Step::Token, "no").lasting("do it");
        assert!(health.ill(1601, &lasting));
        assert_eq!(health.report(1700).trouble.unwrap().since, 1000);
        assert!(health.well(1800));
        assert!(!health.well(1801));
        assert_eq!(health.report(1900).last_success, Some(1801));
        // Devices that cannot be looked at are trouble, though Intune answers.
        assert!(health.did_not_see("device", 1900, &lasting));
        assert!(!health.saw("sid") && !health.well(1901));
        assert!(!health.did_not_see("device", 1902, &lasting));
        assert_eq!(health.report(1903).trouble.unwrap().since, 1900);
        assert!(health.saw("device") && !health.saw("device"));
        assert_eq!(health.report(1904).trouble, None);
    }

    #[test]
    fn codes_are_counted_by_the_hour() {
        let mut health = Health::default();
        health.count(7200, "Success");
        health.count(7300, "Success");
        health.count(10_800, "ChallengeExpired");
        let codes = health.report(10_801).codes;
        assert_eq!(codes.len(), 2);
        assert_eq!((codes[0].begins, codes[0].codes["Success"]), (7200, 2));
        assert!(health.report(10_800 + 3600 * 100).codes.is_empty());
    }
}
