//! `[[profile.intune.tenant]]`: connectors of tenants.

use super::{TestEnv, now, write};
use crate::config::{Intune, IntuneTenant};
use challenge::Algorithm;
use challenge::mint::Connector;
use std::path::PathBuf;

impl TestEnv {
    fn tenant(&mut self, id: &str, issuer: &str) -> IntuneTenant {
        let connector = Connector::throwaway(Algorithm::Es256, id, now(), 365).unwrap();
        let file: PathBuf = self.directory.path().join(format!("{id}.pem"));
        write(&file, connector.certificate.to_pem().as_bytes());
        IntuneTenant {
            id: id.to_owned(),
            connector_cert_path: Some(file),
            issuer: issuer.to_owned(),
            audience: None,
        }
    }

    fn with_tenants(&mut self, change: impl FnOnce(&mut Intune)) {
        let tenants = vec![
            self.tenant("contoso", "https://contoso"),
            self.tenant("fabrikam", "https://fabrikam"),
        ];
        let intune = &mut self.profile().intune;
        intune.tenant = tenants;
        change(intune);
    }
}

#[test]
fn tenants_have_anchors_beside_those_of_the_profile_or_without() {
    for (own, anchors) in [(true, 3), (false, 2)] {
        let mut env = TestEnv::new();
        env.with_tenants(|intune| {
            if !own {
                intune.connector_cert_path = None;
            }
        });
        let loaded = env.load().loaded.expect("nothing is wrong");
        let pool = loaded.profiles[0].anchors.as_ref().unwrap();
        assert_eq!(pool.anchors().len(), anchors);
    }
}

#[test]
fn what_would_let_one_tenant_vouch_for_another_is_refused() {
    type Change = fn(&mut Intune);
    let cases: [(Change, &str); 8] = [
        (|intune| intune.tenant[0].id.clear(), "has no name"),
        (
            |intune| intune.tenant[1].id = "contoso".to_owned(),
            "two tenants are called",
        ),
        (
            |intune| intune.tenant[1].issuer.clear(),
            "`fabrikam` has no issuer",
        ),
        (
            |intune| intune.tenant[1].issuer = "https://contoso".to_owned(),
            "have the same issuer",
        ),
        (|intune| intune.audience = None, "has no audience"),
        (
            |intune| intune.tenant[1].connector_cert_path = None,
            "intune.tenant.connector_cert_path: it is not set",
        ),
        (
            |intune| {
                let of_contoso = intune.tenant[0].connector_cert_path.clone();
                intune.tenant[1].connector_cert_path = of_contoso;
            },
            "nothing says which of them vouched",
        ),
        (
            |intune| {
                let own = intune.connector_cert_path.clone();
                intune.tenant[1].connector_cert_path = own;
            },
            "and of the profile itself",
        ),
    ];
    for (change, words) in cases {
        let mut env = TestEnv::new();
        env.with_tenants(change);
        let outcome = env.load();
        let failures: Vec<String> = outcome.failures().map(ToString::to_string).collect();
        assert!(
            failures.iter().any(|line| line.contains(words)),
            "{words}: {failures:?}"
        );
    }
}
