//! CBC with PKCS #7 padding, the padding looked at in constant time.

use openssl::cipher_ctx::CipherCtx;
use openssl::error::ErrorStack;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq, ConstantTimeGreater};
use zeroize::Zeroizing;

use crate::{ContentCipher, Error};

/// Pads and encrypts.
pub(super) fn encrypt(
    cipher: ContentCipher,
    key: &[u8],
    iv: &[u8],
    content: &[u8],
) -> Result<Vec<u8>, Error> {
    let run = || -> Result<Vec<u8>, ErrorStack> {
        let mut context = CipherCtx::new()?;
        context.encrypt_init(Some(cipher.openssl()), Some(key), Some(iv))?;
        let mut out = Vec::with_capacity(content.len() + cipher.block_length());
        context.cipher_update_vec(content, &mut out)?;
        context.cipher_final_vec(&mut out)?;
        Ok(out)
    };
    run().map_err(|_| Error::crypto("encrypting the content"))
}

/// Decrypts. Gives the content without its padding and true, or, when the padding is wrong, all that came out and false.
/// Octets beyond the last whole block are left out; then, and without any block, the padding counts as wrong.
pub(super) fn decrypt(
    cipher: ContentCipher,
    key: &[u8],
    iv: &[u8],
    encrypted: &[u8],
) -> Result<(Zeroizing<Vec<u8>>, Choice), Error> {
    let block = cipher.block_length();
    let whole = encrypted.len() - encrypted.len() % block;
    let run = || -> Result<Zeroizing<Vec<u8>>, ErrorStack> {
        let mut context = CipherCtx::new()?;
        context.decrypt_init(Some(cipher.openssl()), Some(key), Some(iv))?;
        context.set_padding(false);
        let mut out = Zeroizing::new(Vec::with_capacity(whole + block));
        context.cipher_update_vec(encrypted.get(..whole).unwrap_or_default(), &mut out)?;
        context.cipher_final_vec(&mut out)?;
        Ok(out)
    };
    let mut out = run().map_err(|_| Error::crypto("decrypting the content"))?;
    let (padding, well_padded) = padding(&out, block);
    let well_padded = well_padded & Choice::from(u8::from(whole == encrypted.len() && whole > 0));
    // The length of what is returned is no secret once it is looked at; the choice of it is made without a branch.
    let cut = u64::conditional_select(&0, &u64::from(padding), well_padded);
    let length = out.len() - usize::try_from(cut).unwrap_or(0).min(out.len());
    out.truncate(length);
    Ok((out, well_padded))
}

/// The number of padding octets that the last octet names, and whether it is from 1 to a block and all of them say so.
fn padding(plaintext: &[u8], block: usize) -> (u8, Choice) {
    let last = plaintext.last().copied().unwrap_or(0);
    let block = u8::try_from(block).unwrap_or(u8::MAX);
    let mut good = !last.ct_eq(&0) & !last.ct_gt(&block);
    for (octet, position) in plaintext.iter().rev().zip(1..=block) {
        let beyond = position.ct_gt(&last);
        good &= beyond | octet.ct_eq(&last);
    }
    (last, good)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn padding_is_judged_as_pkcs7_demands() {
        for good in 1..=16u8 {
            let mut block = [0xaa; 16];
            block[16 - usize::from(good)..].fill(good);
            assert_eq!(
                (padding(&block, 16).0, bool::from(padding(&block, 16).1)),
                (good, true)
            );
            for position in 16 - usize::from(good)..16 {
                let mut bad = block;
                bad[position] ^= 0x40;
                assert!(!bool::from(padding(&bad, 16).1), "{good} {position}");
            }
        }
        assert!(!bool::from(padding(&[0; 16], 16).1));
        assert!(!bool::from(padding(&[17; 32], 16).1));
        assert!(!bool::from(padding(&[9; 16], 8).1));
        assert!(!bool::from(padding(&[], 16).1));
    }

    #[test]
    fn every_length_survives_the_round_trip() {
        for cipher in ContentCipher::ALL {
            let (key, iv) = (vec![7; cipher.key_length()], vec![9; cipher.block_length()]);
            for length in 0..40 {
                let content = vec![length; usize::from(length)];
                let encrypted = encrypt(cipher, &key, &iv, &content).unwrap();
                let (decrypted, good) = decrypt(cipher, &key, &iv, &encrypted).unwrap();
                assert!(bool::from(good));
                assert_eq!(*decrypted, content);
                let (_, good) = decrypt(cipher, &key, &iv, &encrypted[1..]).unwrap();
                assert!(!bool::from(good));
            }
            let (nothing, good) = decrypt(cipher, &key, &iv, &[]).unwrap();
            assert!(nothing.is_empty() && !bool::from(good));
        }
    }
}
