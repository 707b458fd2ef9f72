//! [`Party`] and [`TransactionId`]: who pays and is paid on a public network, and what moved it, in that network's own names.

use std::fmt;

use alloy_primitives::{Address, B256};

use crate::word::Word;

/// What CAIP-2 names of EVM networks begin with.
const EVM: &str = "eip155:";

/// An address on a public network: of a payer, a recipient, or a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Party {
    /// On an EVM network.
    Evm(Address),
    /// On another one, as it is written there.
    Named(Word),
}

/// A transaction on a public network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TransactionId {
    /// On an EVM network: its hash.
    Evm(B256),
    /// On another one, as it is written there.
    Named(Word),
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
            Self::Named(word) => word.as_str().as_bytes(),
        }
    }

    /// From the bytes a database keeps beside this network; none where they are no address of it.
    #[must_use]
    pub fn read(network: &str, bytes: &[u8]) -> Option<Self> {
        if is_evm(network) {
            Address::try_from(bytes).ok().map(Self::Evm)
        } else {
            word(bytes).map(Self::Named)
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Evm(address) => out.pad(&address.to_checksum(None)),
            Self::Named(word) => word.fmt(out),
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

    /// The bytes a database keeps.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Evm(hash) => hash.as_slice(),
            Self::Named(word) => word.as_str().as_bytes(),
        }
    }

    /// From the bytes a database keeps beside this network; none where they are no transaction of it.
    #[must_use]
    pub fn read(network: &str, bytes: &[u8]) -> Option<Self> {
        if is_evm(network) { B256::try_from(bytes).ok().map(Self::Evm) } else { word(bytes).map(Self::Named) }
    }
}

impl fmt::Display for TransactionId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Evm(hash) => fmt::Display::fmt(hash, out),
            Self::Named(word) => word.fmt(out),
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

fn word(bytes: &[u8]) -> Option<Word> {
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
}
