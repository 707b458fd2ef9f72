//! What makes two requests the same request, and two payments the same payment.
//!
//! [`ReplayKey`] names a signed payment for ever; [`Fingerprint`] names the request it was used for;
//! [`IdempotencyKey`] names a request by a word its client chose. All three are digests: no payload is kept.

use crate::identifier::AgentId;
use alloy_primitives::{Address, B256};

/// The identity of one signed authorization: its expiry, then a digest of (network, asset, payer, nonce). Of a signed transaction: no
/// expiry, and a digest of (network, what was signed).
///
/// The expiry stands first so that the index on disk grows at its right edge: random nonces in front would
/// cost half of the throughput at ten million rows (notes/groundwork.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplayKey([u8; 24]);

/// A 128-bit BLAKE3 digest of what was asked: method, host, canonical path, query, payer and, where an
/// identifier is used, the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 16]);

/// A 128-bit BLAKE3 digest of (agent, the client's identifier): `payment-identifier` or `Idempotency-Key`.
/// Scoped by agent, so that nobody can ask for another's outcome by guessing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey([u8; 16]);

/// The parts of a request that its fingerprint covers.
#[derive(Clone, Copy, Debug)]
pub struct FingerprintParts<'a> {
    /// The method as sent, HEAD included: it differs from GET in what is delivered.
    pub method: &'a str,
    /// The host, lower case, with its port where one was given.
    pub host: &'a str,
    /// The canonical path.
    pub path: &'a str,
    /// The query as sent, without the question mark; empty and absent are the same.
    pub query: &'a str,
    /// Who pays.
    pub payer: AgentId,
    /// SHA-256 of the body or the `Content-Digest` field, where an identifier is used.
    pub body: Option<&'a [u8]>,
}

// === impl ReplayKey ===

impl ReplayKey {
    /// The key of an EIP-3009 authorization. `valid_before` in Unix seconds.
    #[must_use]
    pub fn new(valid_before: u64, network: &str, asset: Address, payer: Address, nonce: B256) -> Self {
        let mut hasher = blake3::Hasher::new();
        part(&mut hasher, network.as_bytes());
        part(&mut hasher, asset.as_slice());
        part(&mut hasher, payer.as_slice());
        part(&mut hasher, nonce.as_slice());
        let mut key = [0; 24];
        key[..8].copy_from_slice(&valid_before.to_be_bytes());
        key[8..].copy_from_slice(&half(&hasher));
        Self(key)
    }

    /// The key of a transaction that its payer signed, by a digest of what the signature covers. When it can land no more is not known
    /// here: it is as one that expired long ago, which is looked for on disk for ever.
    #[must_use]
    pub fn of_transaction(network: &str, signed: B256) -> Self {
        let mut hasher =
            blake3::Hasher::new_derive_key("faregate: a transaction that pays on a public network");
        part(&mut hasher, network.as_bytes());
        part(&mut hasher, signed.as_slice());
        let mut key = [0; 24];
        key[8..].copy_from_slice(&half(&hasher));
        Self(key)
    }

    /// From the 24 bytes a database keeps.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 24]) -> Self {
        Self(bytes)
    }

    /// The 24 bytes a database keeps; their order is the order of expiry.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 24] {
        &self.0
    }

    /// When the authorization expires, in Unix seconds.
    #[must_use]
    pub fn valid_before(&self) -> u64 {
        self.0[..8].iter().fold(0, |seconds, byte| seconds << 8 | u64::from(*byte))
    }

    /// The digest of (network, asset, payer, nonce) without the expiry: the same nonce signed under another
    /// `validBefore` has the same one.
    #[must_use]
    pub fn nonce_digest(&self) -> [u8; 16] {
        let mut digest = [0; 16];
        digest.copy_from_slice(&self.0[8..]);
        digest
    }
}

// === impl Fingerprint ===

impl Fingerprint {
    /// The fingerprint of these parts.
    #[must_use]
    pub fn new(parts: FingerprintParts<'_>) -> Self {
        let mut hasher = blake3::Hasher::new();
        for text in [parts.method, parts.host, parts.path, parts.query] {
            part(&mut hasher, text.as_bytes());
        }
        part(&mut hasher, parts.payer.as_bytes());
        if let Some(body) = parts.body {
            part(&mut hasher, body);
        }
        Self(half(&hasher))
    }

    /// From the 16 bytes a database keeps.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes a database keeps.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

// === impl IdempotencyKey ===

impl IdempotencyKey {
    /// The key of an identifier that `agent` chose.
    #[must_use]
    pub fn new(agent: AgentId, identifier: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        part(&mut hasher, agent.as_bytes());
        part(&mut hasher, identifier.as_bytes());
        Self(half(&hasher))
    }

    /// From the 16 bytes a database keeps.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes a database keeps.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// Length first, so that no two lists of parts run together into the same bytes.
fn part(hasher: &mut blake3::Hasher, bytes: &[u8]) {
    hasher.update(&(bytes.len() as u64).to_be_bytes());
    hasher.update(bytes);
}

fn half(hasher: &blake3::Hasher) -> [u8; 16] {
    let mut digest = [0; 16];
    digest.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_by_expiry_and_keep_the_nonce_apart() {
        let nonce = B256::repeat_byte(7);
        let early = ReplayKey::new(10, "eip155:1", Address::ZERO, Address::ZERO, nonce);
        let late = ReplayKey::new(11, "eip155:1", Address::ZERO, Address::ZERO, nonce);
        assert!(early < late);
        assert_eq!(early.valid_before(), 10);
        assert_eq!(early.nonce_digest(), late.nonce_digest());
        let other = ReplayKey::new(10, "eip155:1", Address::ZERO, Address::repeat_byte(1), nonce);
        assert_ne!(early.nonce_digest(), other.nonce_digest());
    }

    #[test]
    fn a_transaction_is_one_payment_on_one_network_and_expires_before_all_others() {
        let signed = B256::repeat_byte(7);
        let key = ReplayKey::of_transaction("solana:a", signed);
        assert_eq!(key, ReplayKey::of_transaction("solana:a", signed));
        assert_eq!(key.valid_before(), 0);
        for other in [("solana:b", signed), ("solana:a", B256::repeat_byte(8))] {
            assert_ne!(key.nonce_digest(), ReplayKey::of_transaction(other.0, other.1).nonce_digest());
        }
    }

    #[test]
    fn moving_bytes_between_parts_changes_the_fingerprint() {
        let payer = AgentId::from_bytes([1; 16]);
        let of = |path, query| {
            let parts = FingerprintParts { method: "GET", host: "a", path, query, payer, body: None };
            Fingerprint::new(parts)
        };
        assert_ne!(of("/ab", "c"), of("/a", "bc"));
        assert_eq!(of("/a", ""), of("/a", ""));
    }
}
