//! What is held in memory beside the database: the indexes that look-ups and searches use.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ring::digest::{SHA256, digest};

use super::chain;
use super::challenges::OpenChallenges;
use super::classes::{
    CertificateClass, DiskCertificateClass, DiskEventClass, EventClass, local, renumbered,
};
use super::digest_map::{DigestMap, Reread};
use super::engine::Reader;
use super::index::{
    BLOCK_ROWS, Field, Head, Index, Interner, NO_CLASS, Row, Shelf, Shelved, TextBuilder,
    block_start,
};
use super::keys::Kind;
use super::tables::{
    Digest, Due, EnrollmentEntry, Enrollments, certificate_digest, enrollment_digest, nobody,
};
use super::wire::{CertificateFacts, EnrollmentView, EventView};
use crate::{CaId, Outcome, TokenRecord};

/// The flag of a revoked certificate's row.
pub(super) const REVOKED: u8 = 1;

/// The indexes. All change together, under one lock, after what they index is on disk.
pub(super) struct State {
    pub(super) events: Index,
    pub(super) event_classes: Interner<EventClass>,
    pub(super) certificates: Index,
    pub(super) certificate_classes: Interner<CertificateClass>,
    pub(super) by_serial: DigestMap,
    /// Numbers of the revoked certificates, by CA.
    pub(super) revoked: BTreeMap<CaId, BTreeSet<u64>>,
    /// How many certificates were let go.
    gone: u64,
    pub(super) enrollments: Enrollments,
    /// Notices that are not yet delivered.
    pub(super) notices: Due,
    pub(super) challenges: OpenChallenges,
    /// Numbers of the events that say that others were let go.
    prunings: BTreeSet<u64>,
    shelf: Option<Shelf>,
    tokens: BTreeMap<String, TokenRecord>,
    token_ids: HashMap<[u8; 32], String>,
    text: TextBuilder,
}

impl State {
    /// Empty indexes; `first_event` is the number of the first event that is kept. Full blocks go to
    /// the `shelf`; what they are found by is read again by `reader`.
    pub(super) fn new(first_event: u64, shelf: Option<Shelf>, reader: &Reader) -> Self {
        let reread = |digest: fn(&Reader, u64) -> Option<Digest>| -> Reread {
            let reader = reader.clone();
            Box::new(move |number| digest(&reader, number))
        };
        Self {
            events: Index::aligned(first_event, false),
            event_classes: Interner::new(),
            certificates: Index::new(1, true),
            certificate_classes: Interner::new(),
            by_serial: DigestMap::new(reread(serial_of)),
            revoked: BTreeMap::new(),
            gone: 0,
            enrollments: Enrollments::new(reread(key_of), reread(poll_key_of)),
            notices: Due::default(),
            challenges: OpenChallenges::default(),
            prunings: BTreeSet::new(),
            shelf,
            tokens: BTreeMap::new(),
            token_ids: HashMap::new(),
            text: TextBuilder::default(),
        }
    }

    /// Makes room for what is in files.
    pub(super) fn make_room(&mut self) {
        if let Some(shelf) = &self.shelf {
            let rows = |what| shelf.blocks(what) * BLOCK_ROWS;
            let (certificates, enrollments) =
                (rows(Shelved::Certificates), rows(Shelved::Enrollments));
            self.by_serial.make_room(certificates);
            self.enrollments.by_key.make_room(enrollments);
            self.enrollments.by_poll.make_room(enrollments);
        }
    }

    /// Enters the next event, whose octets these are.
    pub(super) fn push_event(&mut self, event: &EventView<'_>, octets: &[u8]) {
        if chain::is_pruning(event) {
            self.prunings.insert(self.events.next());
        }
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
        self.shelve_events(octets);
    }

    /// A full block of events goes to its file; `octets` are those of its last event.
    fn shelve_events(&mut self, octets: &[u8]) {
        let (Some(shelf), Some((first, block, text))) = (&self.shelf, self.events.to_be_shelved())
        else {
            return;
        };
        let mut head: Head<DiskEventClass> = Head::new(first, Some(block));
        let values = self.event_classes.values();
        head.class_values = local(&mut head.classes, |class| {
            values.get(class as usize).map(EventClass::disk)
        });
        let last = first + BLOCK_ROWS as u64 - 1;
        head.marked = self.prunings.range(first..=last).copied().collect();
        head.proof = digest(&SHA256, octets).as_ref().to_vec();
        if let Some(text) = shelf.put(Shelved::Events, head, text) {
            self.events.shelve(text);
        }
    }

    /// Takes the next full block of events from its file: the octets of its last event must be these.
    /// Gives the events of it that say that others were let go; `None` when there is no such file.
    pub(super) fn unshelve_events(
        &mut self,
        octets: impl FnOnce(u64) -> Option<Vec<u8>>,
    ) -> Option<Vec<u64>> {
        let first = self.events.next();
        let (mut head, text) = self
            .shelf
            .as_ref()?
            .read::<DiskEventClass>(Shelved::Events, first)?;
        let last = octets(first + BLOCK_ROWS as u64 - 1)?;
        if digest(&SHA256, &last).as_ref() != head.proof {
            return None;
        }
        let mut global = Vec::with_capacity(head.class_values.len());
        for class in std::mem::take(&mut head.class_values) {
            global.push(self.event_classes.number(EventClass::of_disk(class)));
        }
        let classes = renumbered(&head.classes, &global)?;
        let block = head.block(text, false, classes)?;
        self.events.push_block(block);
        self.prunings.extend(&head.marked);
        Some(head.marked)
    }

    /// Forgets the events before this number.
    pub(super) fn prune_events(&mut self, first: u64) {
        for block in self.events.prune(first) {
            if let Some(shelf) = &self.shelf {
                shelf.remove(Shelved::Events, block);
            }
        }
        self.prunings = self.prunings.split_off(&first);
    }

    /// Enters the next certificate.
    pub(super) fn push_certificate(&mut self, digest: Digest, facts: &CertificateFacts<'_>) {
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
        self.shelve_certificates();
    }

    /// A full block of certificates goes to its file.
    fn shelve_certificates(&mut self) {
        let (Some(shelf), Some((first, block, text))) =
            (&self.shelf, self.certificates.to_be_shelved())
        else {
            return;
        };
        let mut head: Head<DiskCertificateClass> = Head::new(first, Some(block));
        let values = self.certificate_classes.values();
        head.class_values = local(&mut head.classes, |class| {
            values.get(class as usize).map(CertificateClass::disk)
        });
        head.digests = vec![self.by_serial.some(first, BLOCK_ROWS).to_vec()];
        if let Some(text) = shelf.put(Shelved::Certificates, head, text) {
            self.certificates.shelve(text);
            self.by_serial.settle(first + BLOCK_ROWS as u64 - 1);
        }
    }

    /// Takes the next full block of certificates from its file: the last of them must be found by this
    /// digest. `None` when there is no such file.
    pub(super) fn unshelve_certificates(
        &mut self,
        digest: impl FnOnce(u64) -> Option<Digest>,
    ) -> Option<()> {
        let first = self.certificates.next();
        let shelf = self.shelf.as_ref()?;
        let (mut head, text) = shelf.read::<DiskCertificateClass>(Shelved::Certificates, first)?;
        let digests = digests_of(&mut head, 1, digest)?;
        let mut global = Vec::with_capacity(head.class_values.len());
        for class in std::mem::take(&mut head.class_values) {
            let class = CertificateClass::of_disk(class);
            global.push(self.certificate_classes.number(class));
        }
        let classes = renumbered(&head.classes, &global)?;
        let block = head.block(text, true, classes)?;
        self.certificates.push_block(block);
        for digests in digests {
            self.by_serial.extend(&digests);
        }
        Some(())
    }

    /// Enters an enrollment or its next state.
    pub(super) fn put_enrollment(&mut self, entry: EnrollmentEntry) {
        let (number, last) = (entry.number, self.enrollments.by_key.len());
        let changed = self.enrollments.put(entry);
        let Some(shelf) = &self.shelf else { return };
        if changed {
            shelf.remove(Shelved::Enrollments, block_start(number));
        }
        if number > last && number.is_multiple_of(BLOCK_ROWS as u64) {
            let first = block_start(number);
            let mut head: Head<()> = Head::new(first, None);
            head.digests = [&self.enrollments.by_key, &self.enrollments.by_poll]
                .map(|map| map.some(first, BLOCK_ROWS).to_vec())
                .to_vec();
            if shelf.put(Shelved::Enrollments, head, &[]).is_some() {
                self.enrollments.by_key.settle(number);
                self.enrollments.by_poll.settle(number);
            }
        }
    }

    /// Takes the next full block of enrollments from its file, all of them as ones that are at their
    /// end: the last of them must be found by this digest. `None` when there is no such file.
    pub(super) fn unshelve_enrollments(
        &mut self,
        digest: impl FnOnce(u64) -> Option<Digest>,
    ) -> Option<()> {
        let first = self.enrollments.by_key.len() + 1;
        let shelf = self.shelf.as_ref()?;
        let (mut head, _) = shelf.read::<()>(Shelved::Enrollments, first)?;
        let digests = digests_of(&mut head, 2, digest)?;
        for (map, digests) in [&mut self.enrollments.by_key, &mut self.enrollments.by_poll]
            .into_iter()
            .zip(digests)
        {
            map.extend(&digests);
        }
        Some(())
    }

    /// The number of the certificate with this digest, unless it was let go.
    pub(super) fn certificate(&self, digest: &Digest) -> Option<u64> {
        let number = self.by_serial.find(digest)?;
        let class = self.certificates.class(number);
        (class != Some(NO_CLASS)).then_some(number)
    }

    /// Enters the next certificate as one that was let go.
    pub(super) fn push_gone(&mut self, digest: Digest) {
        self.certificates.push(&Row::MISSING);
        self.by_serial.push(digest);
        self.gone += 1;
        self.shelve_certificates();
    }

    /// What a certificate is found by once it was let go: kept with its number.
    pub(super) fn digest_when_gone(&self, number: u64, digest: Digest) -> Digest {
        // Its file says this digest; where it is in none yet, the file will say the other one.
        match self.by_serial.is_settled(number) {
            true => digest,
            false => nobody(number),
        }
    }

    /// Lets a certificate go.
    pub(super) fn let_certificate_go(&mut self, number: u64) {
        if let Some(ca) = self.ca_of(number) {
            self.release(&ca, number);
        }
        self.certificates.hide(number);
        if !self.by_serial.is_settled(number) {
            self.by_serial.replace(number, nobody(number));
        }
        self.gone += 1;
    }

    /// How many certificates there are.
    pub(super) fn certificate_count(&self) -> u64 {
        self.certificates.len().saturating_sub(self.gone)
    }

    /// The CA of a certificate.
    pub(super) fn ca_of(&self, number: u64) -> Option<CaId> {
        let class = self.certificates.class(number)?;
        Some(self.certificate_classes.values().get(class as usize)?.ca)
    }

    /// Marks a certificate as revoked.
    pub(super) fn revoke(&mut self, ca: CaId, number: u64) {
        self.certificates.set_flags(number, REVOKED);
        self.revoked.entry(ca).or_default().insert(number);
    }

    /// Whether it is not, or not any more.
    pub(super) fn is_not_revoked(&self, ca: &CaId, number: u64) -> bool {
        let revoked = self.revoked.get(ca);
        !revoked.is_some_and(|numbers| numbers.contains(&number))
    }

    /// Takes that back.
    pub(super) fn release(&mut self, ca: &CaId, number: u64) {
        self.certificates.set_flags(number, 0);
        if let Some(numbers) = self.revoked.get_mut(ca) {
            numbers.remove(&number);
        }
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

/// The digests of a block, in so many ways, when the last of the first way is this one.
fn digests_of<C>(
    head: &mut Head<C>,
    ways: usize,
    last: impl FnOnce(u64) -> Option<Digest>,
) -> Option<Vec<Vec<Digest>>> {
    let digests = std::mem::take(&mut head.digests);
    let whole = digests.len() == ways && digests.iter().all(|way| way.len() == BLOCK_ROWS);
    let expected = last(head.first + BLOCK_ROWS as u64 - 1)?;
    let fits = digests.first().and_then(|way| way.last()) == Some(&expected);
    (whole && fits).then_some(digests)
}

/// What a certificate on disk is found by.
pub(super) fn serial_of(reader: &Reader, number: u64) -> Option<Digest> {
    let Some(octets) = reader.get(&Kind::Certificate.id(number)).ok()? else {
        // Where it was let go, nobody finds it.
        let gone = reader.get(&Kind::Gone.id(number)).ok()?;
        return gone.map(|_| nobody(number));
    };
    let facts = CertificateFacts::decode(&octets).ok()?;
    Some(certificate_digest(&facts.ca(), facts.serial))
}

/// What an enrollment on disk is found by.
pub(super) fn key_of(reader: &Reader, number: u64) -> Option<Digest> {
    let octets = reader.get(&Kind::Enrollment.id(number)).ok()??;
    let view = EnrollmentView::decode(&octets).ok()?;
    Some(enrollment_digest(view.profile, &view.key))
}

/// What an enrollment on disk is found by when it is polled for.
fn poll_key_of(reader: &Reader, number: u64) -> Option<Digest> {
    let octets = reader.get(&Kind::Enrollment.id(number)).ok()??;
    let view = EnrollmentView::decode(&octets).ok()?;
    Some(enrollment_digest(view.profile, &view.poll_key))
}
