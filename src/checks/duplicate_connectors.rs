//! Intune profiles whose challenges nothing tells apart.

use std::collections::BTreeMap;

use super::problem::{Findings, Location};
use super::{Run, trust};

/// Two profiles that trust the same connector take each other's challenges unless both name an
/// audience, and not the same. Then they share what was used, and a device chooses the profile.
pub(super) fn check(run: &Run<'_>, findings: &mut Findings) {
    let mut seen: BTreeMap<Vec<u8>, Vec<(&str, Option<String>)>> = BTreeMap::new();
    for profile in run.config.profiles.iter().filter(|p| p.intune.enabled) {
        let location = Location::one_of("profile", &profile.path_id);
        // What is wrong with the file is said where the profile itself is checked.
        let mut said_elsewhere = Findings::default();
        let Some(anchors) =
            trust::anchors(profile, run.files, run.now, &location, &mut said_elsewhere)
        else {
            continue;
        };
        let mut twin = None;
        for (anchor, audience) in anchors.audiences(profile.intune.audience.as_deref()) {
            let key = anchor.public_key().spki_der().to_vec();
            let others = seen.entry(key).or_default();
            twin = twin.or_else(|| {
                let told_apart = |other: Option<&str>| {
                    audience.is_some() && other.is_some() && audience != other
                };
                let (path_id, _) = others.iter().find(|(path_id, other)| {
                    *path_id != profile.path_id && !told_apart(other.as_deref())
                })?;
                Some(*path_id)
            });
            others.push((profile.path_id.as_str(), audience.map(str::to_owned)));
        }
        if let Some(path_id) = twin {
            let what = format!(
                "nothing tells its challenges from those of {}, which trusts the same connector: a challenge gets one \
                 certificate, from whichever of the two its device asks",
                match path_id {
                    "" => "the root profile".to_owned(),
                    path_id => format!("profile {path_id}"),
                }
            );
            findings.warn(
                &location.at("intune.audience"),
                what,
                "give each of them an audience of its own",
            );
        }
    }
}
