//! What is looked at, and who may: the faces [`Records`] and [`Accounts`].

use std::ops::ControlFlow;
use std::sync::PoisonError;

use chrono::{DateTime, TimeDelta, Utc};

use super::SledStore;
use super::chain;
use super::high_water_mark;
use super::keys::{self, Kind, name_of};
use super::tables::certificate_digest;
use super::wire::{self, CertificateFacts};
use crate::{
    Accounts, AuditCheck, AuditQuery, CaId, CertificateQuery, CertificateRecord, ChallengeCounts,
    ChallengeQuery, Challenges, CrlRecord, Error, Page, Records, Result, RevokedCertificate, Sizes,
    Standing, StoreTime, StoredEvent, TokenRecord, VerifyReport,
};

impl Records for SledStore {
    fn certificate(&self, ca: &CaId, serial: &[u8]) -> Result<Option<CertificateRecord>> {
        let number = self.state().certificate(&certificate_digest(ca, serial));
        match number {
            Some(number) => self.certificate_if_kept(number),
            None => Ok(None),
        }
    }

    fn standing(&self, ca: &CaId, serial: &[u8]) -> Result<Standing> {
        let number = {
            let state = self.state();
            let Some(number) = state.certificate(&certificate_digest(ca, serial)) else {
                return Ok(Standing::Unknown);
            };
            if state.is_not_revoked(ca, number) {
                return Ok(Standing::Good);
            }
            number
        };
        match self.engine.get(&Kind::Revocation.id(number))? {
            Some(octets) => Ok(Standing::Revoked(wire::decode_revocation(&octets)?)),
            // Released since.
            None => Ok(Standing::Good),
        }
    }

    fn certificate_by_thumbprint(&self, thumbprint: &[u8]) -> Result<Option<CertificateRecord>> {
        self.thumbprints
            .find(&self.engine, thumbprint)?
            .map(|number| self.certificate_by_number(number))
            .transpose()
    }

    fn certificates_with_serial(&self, serial: &[u8]) -> Result<Vec<CertificateRecord>> {
        let numbers: Vec<u64> = {
            let state = self.state();
            let digests = state.cas().into_iter();
            let digests = digests.map(|ca| certificate_digest(&ca, serial));
            digests
                .filter_map(|digest| state.certificate(&digest))
                .collect()
        };
        let mut records = Vec::with_capacity(numbers.len());
        for number in numbers {
            records.extend(self.certificate_if_kept(number)?);
        }
        Ok(records)
    }

    fn certificates(
        &self,
        query: &CertificateQuery,
        now: DateTime<Utc>,
    ) -> Result<Page<CertificateRecord>> {
        self.find_certificates(query, now)
    }

    fn cas(&self) -> Vec<(String, CaId)> {
        self.state().named_cas().into_iter().collect()
    }

    fn revoked(&self, ca: &CaId) -> Result<Vec<RevokedCertificate>> {
        let mut numbers = self.state().revoked.get(ca).cloned().unwrap_or_default();
        let mut revoked = Vec::with_capacity(numbers.len());
        self.engine
            .scan(&[Kind::Revocation.letter()], |key, octets| {
                let Some(number) = keys::id_of(key).filter(|number| numbers.contains(number))
                else {
                    return Ok(true);
                };
                let known = match wire::decode_revoked(octets)? {
                    Some(known) => Some(known),
                    None => self.revoked_by_facts(number, octets)?,
                };
                if let Some(known) = known {
                    numbers.remove(&number);
                    revoked.push(known);
                }
                Ok(true)
            })?;
        for number in numbers {
            // Otherwise released, or let go, since.
            if !self.state().is_not_revoked(ca, number) {
                let what = format!("revoked certificate {number} is missing");
                return Err(Error::Corrupt { what });
            }
        }
        Ok(revoked)
    }

    fn crl(&self, ca: &CaId) -> Result<Option<CrlRecord>> {
        let octets = self.engine.get(&Kind::Crl.name(&ca.to_string()))?;
        octets
            .map(|octets| wire::decode_crl(*ca, &octets))
            .transpose()
    }

    fn crls(&self) -> Result<Vec<CrlRecord>> {
        let mut crls = Vec::new();
        self.engine.scan(&[Kind::Crl.letter()], |key, octets| {
            crls.push(wire::decode_crl(keys::ca_of(key)?, octets)?);
            Ok(true)
        })?;
        Ok(crls)
    }

    fn audit(&self, query: &AuditQuery) -> Result<Page<StoredEvent>> {
        self.find_events(query)
    }

    fn audit_each(
        &self,
        from_id: u64,
        visit: &mut dyn FnMut(StoredEvent) -> ControlFlow<()>,
    ) -> Result<()> {
        self.engine.numbered(Kind::Audit, from_id, |id, record| {
            Ok(visit(chain::stored_event(id, record)?).is_continue())
        })
    }

    fn audit_verify(&self) -> Result<AuditCheck> {
        let _guard = self.pruning.lock().unwrap_or_else(PoisonError::into_inner);
        let (head, noted, schema) = {
            let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
            let noted = high_water_mark::read(self.engine.dir());
            (writer.next.head, noted, writer.chain_schema)
        };
        chain::check(&self.engine, &head, noted, schema)
    }

    fn audit_prune(&self, retention: TimeDelta, limit: usize, time: StoreTime) -> Result<u64> {
        self.prune_events(retention, limit, time)
    }

    fn certificates_prune(
        &self,
        retention: TimeDelta,
        limit: usize,
        time: StoreTime,
    ) -> Result<u64> {
        self.prune_certificates(retention, limit, time)
    }

    fn challenges(&self, query: &ChallengeQuery, time: StoreTime) -> Result<Challenges> {
        self.find_challenges(query, time)
    }

    fn challenge_counts(&self, profile: &str, time: StoreTime) -> Result<ChallengeCounts> {
        self.count_challenges(profile, time)
    }

    fn sizes(&self) -> Result<Sizes> {
        self.count_sizes()
    }

    fn verify(&self) -> Result<VerifyReport> {
        self.verify_all()
    }
}

impl SledStore {
    /// A revoked certificate whose revocation does not say which; `None` when its facts are not there.
    fn revoked_by_facts(&self, number: u64, octets: &[u8]) -> Result<Option<RevokedCertificate>> {
        let Some(facts) = self.engine.get(&Kind::Certificate.id(number))? else {
            return Ok(None);
        };
        let facts = CertificateFacts::decode(&facts)?;
        Ok(Some(RevokedCertificate {
            serial: facts.serial.to_vec(),
            revocation: wire::decode_revocation(octets)?,
            not_after: wire::time("a certificate's end", facts.not_after)?,
        }))
    }
}

impl Accounts for SledStore {
    fn tokens(&self) -> Vec<TokenRecord> {
        self.state().tokens()
    }

    fn token_by_hash(&self, hash: &[u8; 32]) -> Option<TokenRecord> {
        self.state().token_by_hash(hash).cloned()
    }

    fn setting(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self
            .engine
            .get(&Kind::Setting.name(key))?
            .map(|octets| octets.to_vec()))
    }

    fn settings(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>> {
        let mut settings = Vec::new();
        self.engine
            .scan(&Kind::Setting.name(prefix), |key, octets| {
                let name = name_of(key).ok_or_else(|| wire::corrupt("a setting", "its name"))?;
                settings.push((name.to_owned(), octets.to_vec()));
                Ok(true)
            })?;
        Ok(settings)
    }
}
