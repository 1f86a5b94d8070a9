//! Searches: from the API's queries to filters on the indexes, and the page's records from disk.

use chrono::{DateTime, Utc};

use super::index::{Field, Filter, Needle, Snapshot};
use super::keys::Kind;
use super::state::REVOKED;
use super::{SledStore, chain, wire};
use crate::{
    AuditQuery, CertificateQuery, CertificateRecord, CertificateStatus, Page, Result, StoredEvent,
};

/// A page's size when none is asked for, and the largest.
const PER_PAGE: u32 = 50;
const PER_PAGE_MAX: u32 = 1000;

/// A page's place.
struct Place {
    page: u32,
    per_page: u32,
}

impl Place {
    fn of(page: u32, per_page: u32) -> Self {
        let per_page = if per_page == 0 {
            PER_PAGE
        } else {
            per_page.min(PER_PAGE_MAX)
        };
        Self {
            page: page.max(1),
            per_page,
        }
    }

    fn skip(&self) -> u64 {
        u64::from(self.page - 1) * u64::from(self.per_page)
    }

    fn page<T>(&self, data: Vec<T>, total: u64) -> Page<T> {
        Page {
            data,
            total,
            page: self.page,
            per_page: self.per_page,
        }
    }
}

impl SledStore {
    pub(super) fn find_events(&self, query: &AuditQuery) -> Result<Page<StoredEvent>> {
        let place = Place::of(query.page, query.per_page);
        let snapshot = {
            let state = self.state();
            let any =
                query.actions.is_empty() && query.profile.is_none() && query.outcome.is_none();
            let wanted = state.event_classes.values().iter().map(|class| {
                (query.actions.is_empty() || query.actions.contains(&class.action))
                    && (query.profile.is_none() || query.profile == class.profile)
                    && (query.outcome.is_none() || query.outcome == class.outcome)
            });
            let filter = Filter {
                classes: (!any).then(|| wanted.collect()),
                since: query.since.map(wire::micros),
                until: query.until.map(wire::micros),
                needles: needles(
                    query.q.as_deref(),
                    &[
                        (Field::Device, query.device.as_deref()),
                        (Field::Serial, query.serial.as_deref()),
                        (Field::TransactionId, query.transaction_id.as_deref()),
                        (Field::CommonName, query.common_name.as_deref()),
                    ],
                ),
                ..Filter::default()
            };
            Snapshot::begin(&state.events, filter, place.skip(), place.per_page as usize)?
        };
        let found = snapshot.finish()?;
        let mut data = Vec::with_capacity(found.rows.len());
        for id in found.rows {
            // Pruned since the search began: not there any more.
            if let Some(record) = self.engine.get(&Kind::Audit.id(id))? {
                data.push(chain::stored_event(id, &record)?);
            }
        }
        Ok(place.page(data, found.total))
    }

    pub(super) fn find_certificates(
        &self,
        query: &CertificateQuery,
        now: DateTime<Utc>,
    ) -> Result<Page<CertificateRecord>> {
        let place = Place::of(query.page, query.per_page);
        let now = wire::micros(now);
        let (flags, ends_after, ended_by) = match query.status {
            None => (None, None, None),
            Some(CertificateStatus::Valid) => (Some(0), Some(now), None),
            Some(CertificateStatus::Expired) => (Some(0), None, Some(now)),
            Some(CertificateStatus::Revoked) => (Some(REVOKED), None, None),
        };
        let snapshot = {
            let state = self.state();
            let by_issuer = query.issuer_id.is_some() || query.ca.is_some();
            let any = !by_issuer && query.profile.is_none();
            let wanted = state.certificate_classes.values().iter().map(|class| {
                let of_issuer = query.issuer_id.as_ref() == Some(&class.issuer_id)
                    || query.ca == Some(class.ca);
                (of_issuer || !by_issuer)
                    && query
                        .profile
                        .as_ref()
                        .is_none_or(|profile| *profile == class.profile)
            });
            let filter = Filter {
                classes: (!any).then(|| wanted.collect()),
                since: query.since.map(wire::micros),
                until: query.until.map(wire::micros),
                ends_after,
                ended_by,
                flags,
                needles: needles(
                    query.q.as_deref(),
                    &[
                        (Field::Device, query.device.as_deref()),
                        (Field::Serial, query.serial.as_deref()),
                        (Field::TransactionId, query.transaction_id.as_deref()),
                        (Field::CommonName, query.common_name.as_deref()),
                    ],
                ),
            };
            Snapshot::begin(
                &state.certificates,
                filter,
                place.skip(),
                place.per_page as usize,
            )?
        };
        let found = snapshot.finish()?;
        let mut data = Vec::with_capacity(found.rows.len());
        for number in found.rows {
            data.extend(self.certificate_if_kept(number)?);
        }
        Ok(place.page(data, found.total))
    }
}

/// What the text must hold; the most telling first, because it decides how fast the search is.
fn needles(part: Option<&str>, whole: &[(Field, Option<&str>)]) -> Vec<Needle> {
    let whole = whole
        .iter()
        .filter_map(|&(field, text)| Some(Needle::whole(field, text?)));
    whole.chain(part.and_then(Needle::part)).collect()
}
