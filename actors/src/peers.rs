//! What profiles of one server have to know of each other.

use crate::spec::ProfileSpec;
use issuer::AuthorityNames;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// What is known of all profiles that are served. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Peers(Arc<RwLock<Arc<Facts>>>);

/// The same at one moment.
#[derive(Default)]
pub(crate) struct Facts {
    /// Names that no device gets, whichever profile it asks.
    pub(crate) names: AuthorityNames,
    /// For each profile the names, present and former, of others that take the challenges that it takes.
    sharing: HashMap<String, Vec<String>>,
}

impl Facts {
    /// The names of other profiles that take the same challenges: used here, they are used there too.
    pub(crate) fn sharing(&self, path_id: &str) -> &[String] {
        self.sharing.get(path_id).map_or(&[], Vec::as_slice)
    }
}

impl Peers {
    /// What is known now.
    pub(crate) fn known(&self) -> Arc<Facts> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// These profiles are served from now on.
    pub(crate) fn replace(&self, specs: &[Arc<ProfileSpec>]) {
        let mut known = Facts::default();
        for spec in specs {
            known.names.add_authority(&spec.issuer.authority());
            for certificate in spec.ras.iter().flat_map(scep::Ra::certificates) {
                known.names.add_ra(certificate);
            }
            let others = specs.iter().filter(|other| share(spec, other));
            let names: Vec<String> = others
                .flat_map(|other| other.names().map(str::to_owned))
                .collect();
            if !names.is_empty() {
                known.sharing.insert(spec.path_id.clone(), names);
            }
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(known);
    }
}

/// Whether two profiles take each other's challenges.
fn share(one: &ProfileSpec, other: &ProfileSpec) -> bool {
    one.path_id != other.path_id && (share_connector(one, other) || share_service(one, other))
}

/// Whether both ask the same service outside about a challenge.
fn share_service(one: &ProfileSpec, other: &ProfileSpec) -> bool {
    let mut remote = one.validators.iter().filter(|one| one.is_remote());
    remote.any(|one| other.validators.iter().any(|other| one.id() == other.id()))
}

/// Whether they trust the same connector, and no audience tells which of them a signed challenge is for.
fn share_connector(one: &ProfileSpec, other: &ProfileSpec) -> bool {
    let (Some(one), Some(other)) = (&one.intune, &other.intune) else {
        return false;
    };
    let (ours, theirs) = (&one.signed.settings, &other.signed.settings);
    let mut anchors = one.signed.anchors.audiences(ours.audience.as_deref());
    anchors.any(|(anchor, audience)| {
        let mut of_other = other.signed.anchors.audiences(theirs.audience.as_deref());
        of_other.any(|(their, other)| {
            let told_apart = audience.is_some() && other.is_some() && audience != other;
            !told_apart && their.public_key() == anchor.public_key()
        })
    })
}
