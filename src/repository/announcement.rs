//! The announcement of a new verification key by an old one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::sign::{Fingerprint, PublicKey};

/// `announcements/<fingerprint of the new key>.json`, signed by another key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    pub format: u32,
    /// The repository's id: an announcement means nothing elsewhere.
    pub repository: String,
    /// The new key's fingerprint.
    pub key: Fingerprint,
    /// SubjectPublicKeyInfo, DER, base64.
    pub public_key: String,
    pub announced_at: Timestamp,
    /// Who signed this.
    pub by: Fingerprint,
}

impl Announcement {
    /// Whether it announces this key, and says so of itself truly.
    pub(super) fn is_of(&self, key: Fingerprint, signed_by: Fingerprint) -> bool {
        let named = BASE64.decode(&self.public_key).ok();
        let named = named.and_then(|der| PublicKey::from_der(der).ok());
        self.key == key
            && self.by == signed_by
            && named.is_some_and(|named| named.fingerprint() == key)
    }
}

/// The way from a key that signed a manifest to a pinned one: the key's own announcement first.
pub(crate) type AnnouncementChain = Vec<Announcement>;
