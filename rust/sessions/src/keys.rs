//! The keys of a new session: HKDF-SHA512 (RFC 5869) from the device's master key, and AES-256-GCM to seal them at rest.
//!
//! HKDF is written with HMAC here. Its output is never longer than one block, so that Expand is a single HMAC; and what
//! comes between Extract and Expand is overwritten, which the `hkdf` crate leaves to its caller in part.

use std::sync::LazyLock;

use aes_gcm::{Aes256Gcm, KeyInit, aead::AeadInOut};
use hmac::{Hmac, Mac};
use sha2::Sha512;
use zeroize::{Zeroize, Zeroizing};

use crate::context::{ContextError, encode};

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;
/// Bytes of a nonce of AES-GCM.
pub const NONCE_BYTES: usize = 12;
/// Bytes of a sealed key: as many as the key, and the tag.
pub const CIPHERTEXT_BYTES: usize = KEY_BYTES + 16;

/// A key that is overwritten when it is dropped.
pub type Key = Zeroizing<[u8; KEY_BYTES]>;
/// A UUID.
pub type Id = [u8; 16];

// A constant: the master key is uniformly random already, and RFC 5869 (section 3.1) allows a public, reused salt.
const SALT: &[u8] = b"honeylink/hkdf/1";
/// HKDF-Extract is an HMAC keyed by the salt, which is the same each time: that much is done once.
static EXTRACT: LazyLock<Hmac<Sha512>> = LazyLock::new(|| keyed(SALT));

/// A session that is to be opened: what its keys come from, and all that they are bound to.
#[derive(Clone)]
pub struct NewSession<'a> {
    /// The master key of its device.
    pub device_master_key: &'a [u8],
    /// The data key of its tenant, under a subkey of which its own key is sealed.
    pub data_key: &'a [u8],
    /// Which of the tenant's data keys that is.
    pub dek_id: Id,
    /// Its tenant.
    pub tenant_id: Id,
    /// Its device.
    pub device_id: &'a str,
    /// Its own id.
    pub session_id: Id,
    /// The ids of its streams.
    pub stream_ids: Vec<Id>,
    /// Random bytes for sealing, used for nothing else.
    pub nonce: [u8; NONCE_BYTES],
}

/// The keys of a new session.
pub struct SessionKeys {
    /// The session's own key, sealed for its row, with the tag at the end.
    pub ciphertext: [u8; CIPHERTEXT_BYTES],
    /// The keys of its streams, in their order.
    pub stream_keys: Vec<Key>,
}

impl NewSession<'_> {
    /// Derive and seal its keys.
    ///
    /// # Errors
    /// The device's id is too long.
    pub fn keys(&self) -> Result<SessionKeys, ContextError> {
        let mut session_key = Key::default();
        let fields = [&self.tenant_id[..], self.device_id.as_bytes(), &self.session_id];
        Extracted::from(self.device_master_key).expand(&encode("session", &fields)?, &mut session_key);
        let ciphertext = self.sealed(&session_key)?;
        let extracted = Extracted::from(&session_key[..]);
        let mut stream_keys = vec![Key::default(); self.stream_ids.len()];
        for (key, stream_id) in stream_keys.iter_mut().zip(&self.stream_ids) {
            extracted.expand(&encode("stream", &[&self.session_id, stream_id])?, key);
        }
        Ok(SessionKeys { ciphertext, stream_keys })
    }

    /// The session's key under a subkey of the data key that is the session's own, so that no two sessions share nonces.
    fn sealed(&self, session_key: &Key) -> Result<[u8; CIPHERTEXT_BYTES], ContextError> {
        let mut subkey = Key::default();
        let context = encode("session-seal", &[&self.tenant_id, &self.session_id])?;
        Extracted::from(self.data_key).expand(&context, &mut subkey);
        // A ciphertext that is moved to another row does not open.
        let row = [&self.tenant_id[..], self.device_id.as_bytes(), &self.session_id, &self.dek_id];
        let associated = encode("session-key", &row)?;
        let mut ciphertext = [0; CIPHERTEXT_BYTES];
        let (text, tag) = ciphertext.split_at_mut(KEY_BYTES);
        text.copy_from_slice(&session_key[..]);
        let cipher = Aes256Gcm::new((&*subkey).into());
        let made = cipher.encrypt_inout_detached((&self.nonce).into(), &associated, text.into());
        tag.copy_from_slice(&made.expect("GCM takes 64 GiB, and all lengths here have 32 bits"));
        Ok(ciphertext)
    }
}

/// A key after HKDF-Extract: what other keys are expanded from.
struct Extracted(Hmac<Sha512>);

impl From<&[u8]> for Extracted {
    fn from(key: &[u8]) -> Self {
        let mut pseudorandom = EXTRACT.clone().chain_update(key).finalize().into_bytes();
        let extracted = Self(keyed(&pseudorandom));
        pseudorandom.zeroize();
        extracted
    }
}

impl Extracted {
    /// HKDF-Expand, bound to `context`.
    fn expand(&self, context: &[u8], into: &mut Key) {
        let mut block = self.0.clone().chain_update(context).chain_update([1]).finalize().into_bytes();
        into.copy_from_slice(&block[..KEY_BYTES]);
        block.zeroize();
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha512> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}
