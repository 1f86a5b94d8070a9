//! What a profile says about itself without its actor: GetCACaps, GetCACert, GetNextCACert. Made
//! when the profile is (re)loaded, so that answering is a copy.

use crate::spec::ProfileSpec;
use bytes::Bytes;
use pki::Certificate;

/// A body with its exact content type.
#[derive(Debug, Clone)]
pub struct Body {
    /// The Content-Type, without parameters.
    pub content_type: &'static str,
    /// The octets.
    pub octets: Bytes,
}

/// Ready-made replies of one profile.
#[derive(Debug, Clone)]
pub struct View {
    /// GetCACaps (RFC 8894 section 3.5.2).
    pub ca_caps: Bytes,
    /// GetCACert (section 4.2).
    pub ca_cert: Body,
    /// GetNextCACert (section 4.7), where there is a next CA.
    pub next_ca_cert: Option<Body>,
}

/// Why a view cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// The issuer could not sign the announcement of its successor.
    #[error("GetNextCACert cannot be signed: {0}")]
    NextCa(#[from] issuer::Error),
    /// A reply could not be encoded.
    #[error("GetCACert cannot be encoded: {0}")]
    Encode(#[from] scep::Error),
    /// The profile has no RA identity.
    #[error("the profile has no RA certificate")]
    NoRa,
}

impl View {
    /// Makes the replies. Costs one signature where there is a next CA.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn new(spec: &ProfileSpec) -> Result<Self, ViewError> {
        let ra = spec.ras.first().ok_or(ViewError::NoRa)?;
        let next = match spec.issuer.local() {
            Some(local) => local.sign_next_ca()?,
            None => None,
        };
        let authority = spec.issuer.authority();
        let mut chain = authority.chain().to_vec();
        if !spec.chain.root_in_ca_cert && chain.len() > 1 {
            chain.pop_if(|last| last.is_self_issued());
        }
        let ca = authority.certificate();
        // A CA that is its own RA is in the chain.
        let ras: Vec<&Certificate> = ra.certificates().filter(|shown| *shown != ca).collect();
        let (content_type, octets) = scep::ca_cert_body(&ras, &chain)?;
        Ok(Self {
            ca_caps: Bytes::from(scep::caps::render(
                spec.mode,
                spec.renewal.enabled,
                next.is_some(),
            )),
            ca_cert: Body {
                content_type,
                octets: octets.into(),
            },
            next_ca_cert: next.map(|octets| Body {
                content_type: scep::content_type::NEXT_CA_CERT,
                octets: octets.into(),
            }),
        })
    }
}
