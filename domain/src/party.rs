//! [`Party`] and [`TransactionId`]: who pays and is paid on a public network, and what moved it, in that network's own names.

use std::fmt;

use alloy_primitives::{Address, B256};

use crate::foreign_name::ForeignName;

/// What CAIP-2 names of EVM networks begin with.
const EVM: &str = "eip155:";

/// Digits of a hash of 32 bytes in hex.
const HASH_DIGITS: usize = 64;

/// An address on a public network: of a payer, a recipient, or a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Party {
    /// On an EVM network.
    Evm(Address),
    /// On another one, as it is written there.
    Named(ForeignName),
}

/// A transaction on a public network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TransactionId {
    /// On an EVM network: its hash.
    Evm(B256),
    /// On another one, as it is written there: see [`TransactionId::named`].
    Named(ForeignName),
}

/// Whether a network (CAIP-2) is an EVM one: those are read and settled on by ourselves.
#[must_use]
pub fn is_evm(network: &str) -> bool {
    network.starts_with(EVM)
}

// === impl Party ===

impl Party {
    /// The address, on an EVM network.
    #[must_use]
    pub const fn evm(&self) -> Option<Address> {
        match self {
            Self::Evm(address) => Some(*address),
            Self::Named(_) => None,
        }
    }

    /// The bytes a database keeps.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Evm(address) => address.as_slice(),
            Self::Named(name) => name.as_str().as_bytes(),
        }
    }

    /// From the bytes a database keeps beside this network; none where they are no address of it.
    #[must_use]
    pub fn read(network: &str, bytes: &[u8]) -> Option<Self> {
        if is_evm(network) {
            Address::try_from(bytes).ok().map(Self::Evm)
        } else {
            name(bytes).map(Self::Named)
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Evm(address) => out.pad(&address.to_checksum(None)),
            Self::Named(name) => name.fmt(out),
        }
    }
}

impl From<Address> for Party {
    fn from(address: Address) -> Self {
        Self::Evm(address)
    }
}

impl PartialEq<Address> for Party {
    fn eq(&self, address: &Address) -> bool {
        self.evm() == Some(*address)
    }
}

// === impl TransactionId ===

impl TransactionId {
    /// Its hash, on an EVM network.
    #[must_use]
    pub const fn evm(&self) -> Option<B256> {
        match self {
            Self::Evm(hash) => Some(*hash),
            Self::Named(_) => None,
        }
    }

    /// As somebody calls it on a non-EVM network. A hash in hex is one, whatever the case of its digits: in small letters.
    /// Where letters differ by their case, as in base58, another case is another transaction.
    #[must_use]
    pub fn named(name: ForeignName) -> Self {
        Self::Named(if is_hex(name.as_str()) { name.to_ascii_lowercase() } else { name })
    }

    /// The bytes a database keeps.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Evm(hash) => hash.as_slice(),
            Self::Named(name) => name.as_str().as_bytes(),
        }
    }

    /// All that a database may keep of it: what was written down before it was known to be hex may have capitals.
    #[must_use]
    pub fn spellings(&self) -> Vec<Vec<u8>> {
        let small = self.as_bytes().to_vec();
        match self {
            Self::Named(name) if is_hex(name.as_str()) => {
                let capitals = name.as_str().to_ascii_uppercase();
                let prefixed = capitals.replacen("0X", "0x", 1);
                vec![small, capitals.into_bytes(), prefixed.into_bytes()]
            }
            Self::Evm(_) | Self::Named(_) => vec![small],
        }
    }

    /// From the bytes a database keeps beside this network; none where they are no transaction of it.
    #[must_use]
    pub fn read(network: &str, bytes: &[u8]) -> Option<Self> {
        if is_evm(network) { B256::try_from(bytes).ok().map(Self::Evm) } else { name(bytes).map(Self::named) }
    }
}

impl fmt::Display for TransactionId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Evm(hash) => fmt::Display::fmt(hash, out),
            Self::Named(name) => name.fmt(out),
        }
    }
}

impl From<B256> for TransactionId {
    fn from(hash: B256) -> Self {
        Self::Evm(hash)
    }
}

impl PartialEq<B256> for TransactionId {
    fn eq(&self, hash: &B256) -> bool {
        self.evm() == Some(*hash)
    }
}

/// Whether a name is a hash in hex: with its prefix, or as long as one. No signature in base58 is.
fn is_hex(name: &str) -> bool {
    let prefixed = name.strip_prefix("0x").or_else(|| name.strip_prefix("0X"));
    let digits = prefixed.or(Some(name).filter(|name| name.len() == HASH_DIGITS));
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

fn name(bytes: &[u8]) -> Option<ForeignName> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOLANA: &str = "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1";

    #[test]
    fn what_a_database_keeps_is_read_by_the_network_that_stands_beside_it() {
        let address = Party::from(Address::repeat_byte(b'a'));
        let named = Party::Named("aaaaaaaaaaaaaaaaaaaa".parse().unwrap());
        // The same bytes, and not the same party.
        assert!(address.as_bytes() == named.as_bytes() && address != named);
        assert_eq!(Party::read("eip155:1", address.as_bytes()), Some(address));
        assert_eq!(Party::read(SOLANA, named.as_bytes()), Some(named));
        assert_eq!(Party::read("eip155:1", b"aaa"), None);
        assert_eq!(Party::read(SOLANA, b"\xff"), None);

        let (hash, signature) =
            (TransactionId::from(B256::repeat_byte(7)), "5h".parse().map(TransactionId::Named));
        assert_eq!(TransactionId::read("eip155:1", hash.as_bytes()), Some(hash));
        assert_eq!(TransactionId::read(SOLANA, b"5h"), signature.ok());
        assert_eq!(TransactionId::read("eip155:1", b"5h"), None);
    }

    #[test]
    fn a_hash_in_hex_is_one_whatever_the_case_of_its_digits_and_other_names_are_as_they_are_written() {
        let named = |text: &str| TransactionId::named(text.parse().unwrap());
        assert_eq!(named("0xABcd"), named("0Xabcd"));
        assert_eq!(named(&"AB".repeat(32)), named(&"ab".repeat(32)));
        for (one, other) in [("abCD", "abcd"), ("0xabz", "0xABz"), ("5hQ", "5hq")] {
            assert_ne!(named(one), named(other));
        }
        assert_eq!(TransactionId::read("aptos:1", b"0xAB"), Some(named("0xab")));
        assert_eq!(named("0xAb").spellings(), [b"0xab", b"0XAB", b"0xAB"]);
        assert_eq!(named("5hQ").spellings(), [b"5hQ"]);
    }
}
