//! What is published under which path.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use actors::Metrics;
use bytes::Bytes;
use issuer::Issuer;
use ocsp::{CaNames, CertId};
use pki::{Certificate, KeyUsage};
use store::CaId;

use super::meters::Meters;
use super::places;

/// A CA of which something is published: an issuer's current one, or one of before a rollover.
pub struct Ca {
    pub(super) issuer: Arc<dyn Issuer>,
    pub(super) certificate: Certificate,
    pub(super) id: CaId,
    /// Its certificate once more, as it is sent.
    pub(super) der: Bytes,
    /// Whether its key is here and may sign CRLs.
    pub(super) signs_crls: bool,
    /// Whether it certifies OCSP responders.
    pub(super) has_responder: bool,
    names: CaNames,
}

/// An issuer and its CAs.
pub struct Publisher {
    pub(super) cas: Vec<Arc<Ca>>,
    pub(super) meters: Meters,
}

impl Publisher {
    /// The CA that a request means.
    pub(super) fn named(&self, id: &CertId) -> Option<&Arc<Ca>> {
        self.cas.iter().find(|ca| ca.names.match_id(id))
    }
}

/// What a path stands for.
#[derive(Clone)]
pub enum Place {
    /// A CA's CRL.
    Crl(Arc<Ca>),
    /// A CA's certificate.
    Certificate(Arc<Ca>),
    /// An issuer's OCSP responder, and what comes after it in the path.
    Ocsp(Arc<Publisher>, String),
}

/// All of it.
#[derive(Default)]
pub(super) struct Table {
    pub(super) cas: Vec<Arc<Ca>>,
    files: HashMap<String, Place>,
    /// By the issuer's path.
    responders: BTreeMap<String, Arc<Publisher>>,
    prefix: String,
}

impl Table {
    /// Of these issuers, reached under this base URL.
    pub(super) fn new<'a>(
        issuers: impl Iterator<Item = &'a Arc<dyn Issuer>>,
        base: Option<&str>,
        ocsp: bool,
        metrics: &Metrics,
    ) -> Self {
        let mut table = Self {
            prefix: places::prefix(base),
            ..Self::default()
        };
        for issuer in issuers {
            table.add(issuer, ocsp, metrics);
        }
        table
    }

    fn add(&mut self, issuer: &Arc<dyn Issuer>, ocsp: bool, metrics: &Metrics) {
        let authority = issuer.authority();
        let kept = issuer.crl().map(|crl| crl.earlier()).unwrap_or_default();
        let next = authority.next().and_then(|chain| chain.first());
        // The next CA has signed nothing yet.
        let published = authority
            .certificates()
            .filter(|ca| Some(*ca) != next || *ca == authority.certificate());
        let mut cas = Vec::new();
        for certificate in published {
            let current = certificate == authority.certificate();
            let held = current || kept.contains(certificate);
            let ca = Arc::new(Ca {
                issuer: Arc::clone(issuer),
                certificate: certificate.clone(),
                id: CaId::of_ca(certificate),
                der: Bytes::copy_from_slice(certificate.der()),
                signs_crls: held && issuer.crl().is_some() && may_sign_crls(certificate),
                has_responder: held && issuer.responder().is_some(),
                names: CaNames::of(certificate),
            });
            let id = issuer.id();
            let mut paths = vec![(
                places::crl_of(id, certificate),
                places::ca_of(id, certificate),
            )];
            if current {
                paths.push((places::current_crl(id), places::current_ca(id)));
            }
            for (crl, file) in paths {
                self.files.entry(crl).or_insert(Place::Crl(Arc::clone(&ca)));
                let place = Place::Certificate(Arc::clone(&ca));
                self.files.entry(file).or_insert(place);
            }
            self.cas.push(Arc::clone(&ca));
            cas.push(ca);
        }
        if ocsp && cas.iter().any(|ca| ca.has_responder) {
            let publisher = Arc::new(Publisher {
                cas,
                meters: Meters::new(issuer.id(), metrics),
            });
            self.responders.insert(places::ocsp(issuer.id()), publisher);
        }
    }

    /// What is at this path, as it stands in the request.
    pub(super) fn find(&self, path: &str) -> Option<Place> {
        let below = path
            .strip_prefix(&self.prefix)
            .filter(|below| below.starts_with('/'));
        self.at(below.unwrap_or(path)).or_else(|| self.at(path))
    }

    fn at(&self, path: &str) -> Option<Place> {
        if let Some(place) = self.files.get(path) {
            return Some(place.clone());
        }
        // Ids have no slash: what comes after the next one is the request.
        let start = path.strip_prefix("/ocsp/")?;
        let end = start.find('/').unwrap_or(start.len());
        let (id, rest) = start.split_at(end);
        let publisher = self.responders.get(&places::ocsp(id))?;
        Some(Place::Ocsp(Arc::clone(publisher), rest.to_owned()))
    }
}

fn may_sign_crls(ca: &Certificate) -> bool {
    ca.key_usage()
        .is_none_or(|usage| usage.contains(KeyUsage::CRL_SIGN))
}
