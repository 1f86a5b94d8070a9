//! Which keys may be certified.

use pki::{Curve, KeyKind, PublicKey, RsaWeakness};

use crate::approved::{PolicyRefusal, Rule};

/// Keys that a policy certifies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRules {
    /// The smallest RSA modulus in bits; `None` refuses RSA. 2048 or more.
    pub rsa_min_bits: Option<u32>,
    /// The largest RSA modulus in bits: larger ones cost the server and every relying party too much.
    pub rsa_max_bits: u32,
    /// Curves that are allowed: P-256, P-384, or both.
    pub curves: Vec<Curve>,
}

impl Default for KeyRules {
    fn default() -> KeyRules {
        KeyRules {
            rsa_min_bits: Some(2048),
            rsa_max_bits: 8192,
            curves: vec![Curve::P256, Curve::P384],
        }
    }
}

impl KeyRules {
    /// The key as it goes into the certificate, written anew, if it may.
    pub(super) fn certified(&self, key: &PublicKey) -> Result<PublicKey, PolicyRefusal> {
        self.check_kind(key)?;
        let key = key
            .for_certificate()
            .map_err(|error| refused(format!("the key cannot be certified: {error}")))?;
        match key.weakness() {
            Some(weakness) => Err(weak(weakness)),
            None => Ok(key),
        }
    }

    fn check_kind(&self, key: &PublicKey) -> Result<(), PolicyRefusal> {
        match key.kind() {
            KeyKind::Rsa { bits } => self.check_size(*bits),
            KeyKind::Ec(curve) if self.curves.contains(curve) => Ok(()),
            other => Err(refused(format!(
                "keys of kind {other} are not allowed, but {self}"
            ))),
        }
    }

    fn check_size(&self, bits: u32) -> Result<(), PolicyRefusal> {
        let Some(min_bits) = self.rsa_min_bits else {
            return Err(refused(format!("RSA keys are not allowed, but {self}")));
        };
        if bits < min_bits {
            return Err(refused(format!(
                "the RSA key has {bits} bits; at least {min_bits} are needed"
            )));
        }
        if bits > self.rsa_max_bits {
            return Err(refused(format!(
                "the RSA key has {bits} bits; at most {} are taken",
                self.rsa_max_bits
            )));
        }
        Ok(())
    }
}

impl std::fmt::Display for KeyRules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rsa = self
            .rsa_min_bits
            .map(|bits| format!("RSA from {bits} bits"));
        let curves = self
            .curves
            .iter()
            .map(|curve| KeyKind::Ec(*curve).to_string());
        let all: Vec<String> = rsa.into_iter().chain(curves).collect();
        f.write_str(&all.join(", "))
    }
}

/// Refuses an RSA key whose modulus is a prime, and whose private exponent anybody can compute. The one test of a key that
/// costs about as much as all else of an enrollment ([`PublicKey::has_prime_modulus`]): who calls it decides how often that
/// is worth it.
///
/// # Errors
/// [`PolicyRefusal`], naming the key's fault.
pub fn refuse_prime_modulus(key: &PublicKey) -> Result<(), PolicyRefusal> {
    if key.has_prime_modulus() {
        return Err(weak(RsaWeakness::PrimeModulus));
    }
    Ok(())
}

fn weak(weakness: RsaWeakness) -> PolicyRefusal {
    refused(format!("the RSA key {weakness}"))
}

fn refused(reason: String) -> PolicyRefusal {
    PolicyRefusal::new(Rule::Key, reason)
}
