//! What is held in memory beside the database: the indexes that look-ups and searches use.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::index::{Field, Index, Interner, Row, TextBuilder};
use super::tables::{DigestMap, Due, Enrollments};
use super::wire::{CertificateFacts, EventView};
use crate::{CaId, Outcome, TokenRecord};

/// The flag of a revoked certificate's row.
pub(super) const REVOKED: u8 = 1;

/// What exact filters on events ask for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct EventClass {
    pub(super) action: String,
    pub(super) profile: Option<String>,
    pub(super) outcome: Option<Outcome>,
}

/// What exact filters on certificates ask for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct CertificateClass {
    pub(super) issuer_id: String,
    pub(super) ca: CaId,
    pub(super) profile: String,
}

/// The indexes. All change together, under one lock, after what they index is on disk.
pub(super) struct State {
    pub(super) events: Index,
    pub(super) event_classes: Interner<EventClass>,
    pub(super) certificates: Index,
    pub(super) certificate_classes: Interner<CertificateClass>,
    pub(super) by_serial: DigestMap,
    /// Numbers of the revoked certificates, by CA.
    pub(super) revoked: BTreeMap<CaId, BTreeSet<u64>>,
    pub(super) enrollments: Enrollments,
    /// Notices that are not yet delivered.
    pub(super) notices: Due,
    tokens: BTreeMap<String, TokenRecord>,
    token_ids: HashMap<[u8; 32], String>,
    text: TextBuilder,
}

impl State {
    /// Empty indexes; `first_event` is the number of the first event that is kept.
    pub(super) fn new(first_event: u64) -> Self {
        Self {
            events: Index::new(first_event, false),
            event_classes: Interner::new(),
            certificates: Index::new(1, true),
            certificate_classes: Interner::new(),
            by_serial: DigestMap::new(),
            revoked: BTreeMap::new(),
            enrollments: Enrollments::new(),
            notices: Due::default(),
            tokens: BTreeMap::new(),
            token_ids: HashMap::new(),
            text: TextBuilder::default(),
        }
    }

    /// Enters the next event.
    pub(super) fn push_event(&mut self, event: &EventView<'_>) {
        let class = self.event_classes.number(EventClass {
            action: event.action.to_owned(),
            profile: event.profile.map(str::to_owned),
            outcome: event.outcome(),
        });
        let address = event.source_ip.map(|address| address.to_string());
        // What succeeded says so in the same few words each time.
        let telling = event
            .message
            .filter(|_| event.outcome() != Some(Outcome::Success));
        let text = self
            .text
            .begin()
            .maybe(Field::Device, event.device)
            .maybe(Field::Serial, event.serial)
            .maybe(Field::CommonName, event.common_name)
            .maybe(Field::TransactionId, event.transaction_id)
            .maybe(Field::Other, event.reason)
            .maybe(Field::Other, address.as_deref())
            .add(Field::Other, event.actor)
            .add(Field::Other, event.resource_id)
            .maybe(Field::Other, event.request_id)
            .maybe(Field::Other, event.serial)
            .maybe(Field::Other, telling)
            .end();
        self.events.push(&Row {
            time: event.timestamp,
            end: 0,
            class,
            flags: 0,
            text,
        });
    }

    /// Enters the next certificate.
    pub(super) fn push_certificate(
        &mut self,
        digest: super::tables::Digest,
        facts: &CertificateFacts<'_>,
    ) {
        let class = self.certificate_classes.number(CertificateClass {
            issuer_id: facts.issuer_id.to_owned(),
            ca: facts.ca(),
            profile: facts.profile.to_owned(),
        });
        let serial = hex::encode(facts.serial);
        let text = self
            .text
            .begin()
            .maybe(Field::Device, facts.device)
            .add(Field::Serial, &serial)
            .add(Field::CommonName, facts.common_name)
            .add(Field::TransactionId, facts.transaction_id)
            .add(Field::Other, facts.sans)
            .add(Field::Other, &serial)
            .end();
        let (time, end) = (facts.issued_at, facts.not_after);
        self.certificates.push(&Row {
            time,
            end,
            class,
            flags: 0,
            text,
        });
        self.by_serial.push(digest);
    }

    /// Marks a certificate as revoked.
    pub(super) fn revoke(&mut self, ca: CaId, number: u64) {
        self.certificates.set_flags(number, REVOKED);
        self.revoked.entry(ca).or_default().insert(number);
    }

    /// The CAs that ever signed a certificate here.
    pub(super) fn cas(&self) -> BTreeSet<CaId> {
        let classes = self.certificate_classes.values();
        classes.iter().map(|class| class.ca).collect()
    }

    /// The CAs with what the configuration called their issuers.
    pub(super) fn named_cas(&self) -> BTreeSet<(String, CaId)> {
        let classes = self.certificate_classes.values();
        let named = classes
            .iter()
            .map(|class| (class.issuer_id.clone(), class.ca));
        named.collect()
    }

    /// Enters a token or its new facts.
    pub(super) fn put_token(&mut self, token: TokenRecord) {
        self.token_ids.insert(token.hash, token.id.clone());
        if let Some(old) = self.tokens.insert(token.id.clone(), token.clone())
            && old.hash != token.hash
        {
            self.token_ids.remove(&old.hash);
        }
    }

    pub(super) fn tokens(&self) -> Vec<TokenRecord> {
        let mut tokens: Vec<_> = self.tokens.values().cloned().collect();
        tokens.sort_by(|a, b| {
            a.created_at
                .cmp(&b.created_at)
                .then_with(|| a.id.cmp(&b.id))
        });
        tokens
    }

    pub(super) fn token_count(&self) -> u64 {
        self.tokens.len() as u64
    }

    pub(super) fn token_by_hash(&self, hash: &[u8; 32]) -> Option<&TokenRecord> {
        self.tokens.get(self.token_ids.get(hash)?)
    }

    /// Approximate octets of memory.
    pub(super) fn bytes(&self) -> u64 {
        self.events.bytes()
            + self.certificates.bytes()
            + self.by_serial.bytes()
            + self.enrollments.by_key.bytes()
            + self.enrollments.by_poll.bytes()
    }
}
