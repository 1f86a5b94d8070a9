//! What a profile's actor starts from: the profile's own state, and that of the names which it had
//! before (`formerly`).
//!
//! Nothing is moved in the store. What is written is written under the profile's own name, and what
//! is looked up is looked up under all of its names, so that a name can be given back as well.

use crate::shared::Services;
use crate::spec::ProfileSpec;
use challenge::{Counters, Label};
use store::{EnrollmentRecord, ProfileState};

/// A profile's state cannot be read.
#[derive(Debug)]
pub(crate) struct Unreadable {
    /// The name that it is under.
    pub(crate) path_id: String,
    /// The store's words.
    pub(crate) reason: String,
}

/// The state of a profile under all of its names.
#[derive(Default)]
pub(crate) struct Start {
    /// Under its own.
    pub(crate) own: ProfileState,
    /// Under those of before.
    pub(crate) former: Vec<ProfileState>,
    /// Enrollments under way whose stages reach outside.
    pub(crate) open: Vec<EnrollmentRecord>,
}

impl Start {
    /// Reads all of it. Blocks.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub(crate) fn load(services: &Services, spec: &ProfileSpec) -> Result<Self, Unreadable> {
        Ok(Self {
            own: load(services, &spec.path_id)?,
            former: load_former(services, &spec.formerly)?,
            open: load_open(services, spec)?,
        })
    }

    /// The state under each of the names, the own one first.
    pub(crate) fn states(&self) -> impl Iterator<Item = &ProfileState> {
        std::iter::once(&self.own).chain(&self.former)
    }
}

fn load_open(services: &Services, spec: &ProfileSpec) -> Result<Vec<EnrollmentRecord>, Unreadable> {
    let due = services.store.due(services.time.now(), None, usize::MAX);
    let mut open = due.map_err(|error| Unreadable {
        path_id: spec.path_id.clone(),
        reason: error.to_string(),
    })?;
    open.retain(|record| spec.is_called(&record.profile) && !record.stage.awaits_approval());
    Ok(open)
}

/// The states under names of before.
///
/// # Errors
/// [`Unreadable`].
pub(crate) fn load_former(
    services: &Services,
    formerly: &[String],
) -> Result<Vec<ProfileState>, Unreadable> {
    formerly.iter().map(|name| load(services, name)).collect()
}

fn load(services: &Services, path_id: &str) -> Result<ProfileState, Unreadable> {
    services
        .store
        .profile_state(path_id, services.time.now())
        .map_err(|error| Unreadable {
            path_id: path_id.to_owned(),
            reason: error.to_string(),
        })
}

/// What was counted under all of these.
pub(crate) fn counted<'a>(states: impl Iterator<Item = &'a ProfileState>) -> Counters {
    let mut all = Label::ALL.map(|_| 0_u64);
    for state in states {
        for (sum, label) in all.iter_mut().zip(Label::ALL) {
            let counted = state.counters.get(label.as_str()).copied();
            *sum = sum.saturating_add(counted.unwrap_or_default());
        }
    }
    Counters::from_array(all)
}
