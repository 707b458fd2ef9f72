//! Payment on public networks: [`Network`] with its [`Token`]s, [`Payee`], when a call's value is moved ([`Settle`]), and where money
//! goes to there ([`ChainAccount`]).
//!
//! Plain words of the configuration. How a payment is judged stands in `protocol`, how value moves in `settlement`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use alloy_primitives::Address;
use thiserror::Error;

use crate::asset::Asset;
use crate::foreign_name::ForeignName;

/// Decimal places of every token that is taken: those of a dollar in the books, so that a price is the same number in both.
pub const TOKEN_DECIMALS: u8 = 6;

/// A public network on which payments are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// CAIP-2: `eip155:<chain id>`.
    pub id: Arc<str>,
    /// What is taken there, the preferred one first.
    pub tokens: Vec<Token>,
    /// How long a payment may be valid, in seconds: `maxTimeoutSeconds` of its offers.
    pub max_timeout_seconds: u64,
    /// How many seconds of its time a payment must have left when it comes: what it takes to settle it.
    pub margin_seconds: u64,
    /// Our own address there, where providers leave the money with us.
    pub treasury: Option<Address>,
}

/// A non-EVM public network: a facilitator verifies and settles there, and nothing of it is read here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignNetwork {
    /// CAIP-2, such as `solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp`.
    pub id: Arc<str>,
    /// The addresses of what is taken there, the preferred one first; at least one, none twice. Each has [`TOKEN_DECIMALS`].
    pub tokens: Vec<ForeignName>,
    /// How long a payment may be valid, in seconds: `maxTimeoutSeconds` of its offers.
    pub max_timeout_seconds: u64,
}

/// A token that is taken on a public network. It has [`TOKEN_DECIMALS`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What payments are made in.
    pub asset: Asset,
    /// How it may be moved, the preferred way first; at least one, none twice.
    pub methods: Vec<TransferMethod>,
}

/// How the value of a token is moved by what its owner signed: x402's `assetTransferMethod`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransferMethod {
    /// By the token itself (EIP-3009): its owner needs nothing but the token.
    Eip3009,
    /// By Permit2, which the owner has allowed to move the token: for any ERC-20.
    Permit2,
}

/// Who receives what is paid to a provider on public networks: `payTo` of its offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Payee {
    /// Custody `direct`: the provider's own address, on every network. It has the money at once, owes the platform's share,
    /// and gives refunds itself.
    Direct(Address),
    /// Custody `treasury`: ours ([`Network::treasury`]). The provider is settled with and paid out as for payments from wallets.
    Treasury,
}

/// Who has what was paid on a public network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Custody {
    /// The provider, at its own address.
    Direct,
    /// The operator.
    Treasury,
}

/// When the value of a call that is paid on a public network is moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Settle {
    /// Once the upstream has answered, before the first byte goes to the client.
    #[default]
    After,
    /// Before the request is forwarded; given back where the upstream fails.
    Before,
    /// Later, in a batch, before the payment's time is over: the answer does not wait for it.
    Deferred,
}

/// Which offers of a 402 stand first: a stock client at its defaults takes the first one that it can pay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OfferOrder {
    /// Those on public networks.
    #[default]
    ChainFirst,
    /// That of the wallet rail.
    WalletFirst,
}

/// An address on a public network, and the token in which it is paid. As text: its network, the token and the address, with slashes
/// between them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ChainAccount {
    /// CAIP-2.
    pub network: Arc<str>,
    /// The token's address.
    pub token: Address,
    /// Whose.
    pub address: Address,
}

/// A text that names no account on a public network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a network, a token and an address with slashes between them")]
pub struct ChainAccountError;

// === impl ChainAccount ===

impl fmt::Display for ChainAccount {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { network, token, address } = self;
        write!(out, "{network}/{token}/{address}")
    }
}

impl FromStr for ChainAccount {
    type Err = ChainAccountError;

    fn from_str(text: &str) -> Result<Self, ChainAccountError> {
        let mut parts = text.split('/');
        let (Some(network), Some(token), Some(address), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(ChainAccountError);
        };
        let read = |text: &str| text.parse::<Address>().map_err(|_| ChainAccountError);
        Ok(Self { network: Arc::from(network), token: read(token)?, address: read(address)? })
    }
}

// === impl Payee ===

impl Payee {
    /// Who has what it is paid.
    #[must_use]
    pub const fn custody(&self) -> Custody {
        match self {
            Self::Direct(_) => Custody::Direct,
            Self::Treasury => Custody::Treasury,
        }
    }

    /// Its address on a network; none where we have none there.
    #[must_use]
    pub fn address(&self, network: &Network) -> Option<Address> {
        match self {
            Self::Direct(address) => Some(*address),
            Self::Treasury => network.treasury,
        }
    }
}

// === impl Custody ===

impl Custody {
    /// Its word in configurations, the API and the books.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Treasury => "treasury",
        }
    }
}

// === impl Token ===

impl Token {
    /// One that is moved by itself.
    #[must_use]
    pub fn new(asset: Asset) -> Self {
        Self { asset, methods: vec![TransferMethod::Eip3009] }
    }

    /// Whether Permit2 may move it.
    #[must_use]
    pub fn takes_permits(&self) -> bool {
        self.methods.contains(&TransferMethod::Permit2)
    }
}

// === impl TransferMethod ===

impl TransferMethod {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Eip3009, Self::Permit2];

    /// Its word in configurations and in x402.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Eip3009 => "eip3009",
            Self::Permit2 => "permit2",
        }
    }
}

// === impl Settle ===

impl Settle {
    /// Its word in configurations, the API and the books.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::After => "after",
            Self::Before => "before",
            Self::Deferred => "deferred",
        }
    }
}

// === impl OfferOrder ===

impl OfferOrder {
    /// Its word in configurations and the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ChainFirst => "chain-first",
            Self::WalletFirst => "wallet-first",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_survives_the_round_trip_as_text() {
        let account = ChainAccount {
            network: "eip155:84532".into(),
            token: Address::repeat_byte(5),
            address: Address::repeat_byte(0xab),
        };
        assert_eq!(account.to_string().parse(), Ok(account.clone()));
        for damaged in ["", "eip155:84532", "eip155:84532/0x05/0xab", &format!("{account}/")] {
            assert_eq!(damaged.parse::<ChainAccount>(), Err(ChainAccountError), "{damaged}");
        }
    }
}
