//! Identifiers people see: a prefix that says what it is, then a time-ordered UUID (version 7) in base32.
//!
//! Case-insensitive on input, lower case on output, safe to copy from a log line. The ledger stores the 16 bytes.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use alloy_primitives::B256;
use data_encoding::{Encoding, Specification};
use thiserror::Error;
use uuid::{Builder, Uuid};

use crate::party::Party;
use crate::time::UnixMillis;

/// A text that is not the identifier that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{text}` is not an identifier of the form {prefix}_<26 letters and digits>")]
pub struct IdentifierError {
    text: String,
    prefix: &'static str,
}

/// RFC 4648 base32 without padding, lower case, either case read.
static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    specification.translate.from.push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    specification.translate.to.push_str("abcdefghijklmnopqrstuvwxyz");
    specification.encoding().unwrap_or(data_encoding::BASE32_NOPAD)
});

macro_rules! identifier {
    ($(#[$meaning:meta])* $name:ident, $prefix:literal) => {
        $(#[$meaning])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// A new identifier (UUID version 7): sorts by `at`, unique by `random`. The caller owns both.
            #[must_use]
            pub fn generate(at: UnixMillis, random: [u8; 10]) -> Self {
                let millis = u64::try_from(at.0).unwrap_or(0);
                Self(Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
            }

            /// From the 16 bytes a database keeps.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            /// The 16 bytes a database keeps; their order is the order of creation.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, concat!($prefix, "_{}"), BASE32.encode_display(self.0.as_bytes()))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, out)
            }
        }

        impl FromStr for $name {
            type Err = IdentifierError;

            fn from_str(text: &str) -> Result<Self, IdentifierError> {
                parse(text, $prefix).map(Self)
            }
        }
    };
}

identifier! {
    /// One payment, from its hold on; stable over retries, sent upstream as `Faregate-Payment-Id`.
    PaymentId, "pay"
}
identifier! {
    /// One agent: who pays, under which policy.
    AgentId, "agt"
}
identifier! {
    /// One wallet: a balance that one or several agents spend from.
    WalletId, "wal"
}
identifier! {
    /// One agent key: the public part of `fg_...`.
    KeyId, "key"
}
identifier! {
    /// One movement of money that is not a payment: funding, withdrawal, refund, payout.
    TransferId, "trf"
}
identifier! {
    /// One settlement: a batch of a provider's captured payments whose value moves at once.
    SettlementId, "set"
}
identifier! {
    /// One payout: what leaves Faregate for a provider, for exactly one settlement.
    PayoutId, "pyo"
}
identifier! {
    /// One transfer out of our treasury on a public network. Its bytes are those of the payout or the refund that it is for.
    OutgoingId, "out"
}
identifier! {
    /// One event of the log.
    EventId, "evt"
}
identifier! {
    /// One receiver of webhooks.
    WebhookId, "whe"
}
identifier! {
    /// One key of the management API: the public part of `fgm_...`.
    ApiKeyId, "apk"
}
identifier! {
    /// One threshold of a wallet that somebody wants to hear of.
    AlertId, "alr"
}
identifier! {
    /// One entry of the audit log.
    ChangeId, "chg"
}
identifier! {
    /// One call of the management API.
    RequestId, "req"
}

// === impl PaymentId ===

impl PaymentId {
    /// What stands for the transaction of a payment that nobody signed: one paid with an agent key.
    #[must_use]
    pub fn digest(&self) -> B256 {
        B256::from(*blake3::hash(self.as_bytes()).as_bytes())
    }
}

// === impl AgentId ===

impl AgentId {
    /// How the books name who pays on public networks by an address: no agent that anybody registered.
    #[must_use]
    pub fn of_payer(payer: impl Into<Party>) -> Self {
        let payer = payer.into();
        // Another text here would be another name than the books have.
        let context = match payer {
            Party::Evm(_) => "faregate: a payer on public networks",
            Party::Named(_) => "faregate: a payer on public networks that are no EVM ones",
        };
        Self::from_bytes(short(context, payer.as_bytes()))
    }
}

// === impl WalletId ===

impl WalletId {
    /// How the books name where money on public networks comes from. `token` is CAIP-2, a slash, and its address.
    #[must_use]
    pub fn of_token(token: &str) -> Self {
        Self::from_bytes(short("faregate: a token on a public network", token.as_bytes()))
    }
}

// === impl OutgoingId ===

impl OutgoingId {
    /// How the books name a step of it, from 1 on, for whoever asked for that.
    #[must_use]
    pub fn step(&self, number: u64) -> [u8; 16] {
        short(
            "faregate: a step of an outgoing transfer",
            &[self.as_bytes(), &number.to_be_bytes()[..]].concat(),
        )
    }
}

/// Sixteen bytes that stand for others; `context` says for what.
fn short(context: &str, bytes: &[u8]) -> [u8; 16] {
    let mut name = [0; 16];
    blake3::Hasher::new_derive_key(context).update(bytes).finalize_xof().fill(&mut name);
    name
}

fn parse(text: &str, prefix: &'static str) -> Result<Uuid, IdentifierError> {
    let error = || IdentifierError { text: text.chars().take(64).collect(), prefix };
    let encoded = text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_')).ok_or_else(error)?;
    let bytes = BASE32.decode(encoded.as_bytes()).map_err(|_| error())?;
    Uuid::from_slice(&bytes).map_err(|_| error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_survive_the_round_trip_in_either_case() {
        let id = PaymentId::from_bytes([7; 16]);
        let text = id.to_string();
        assert_eq!(text.len(), 4 + 26);
        assert_eq!(text.parse(), Ok(id));
        assert_eq!(format!("pay_{}", text[4..].to_uppercase()).parse(), Ok(id));
    }

    #[test]
    fn another_kind_or_a_damaged_text_is_refused() {
        let id = PaymentId::from_bytes([9; 16]).to_string();
        assert!(id.parse::<AgentId>().is_err());
        assert!(id[..id.len() - 1].parse::<PaymentId>().is_err());
        assert!("pay_".parse::<PaymentId>().is_err());
        assert!("pay_0000".parse::<PaymentId>().is_err());
    }

    #[test]
    fn later_identifiers_sort_after_earlier_ones() {
        let first = PaymentId::generate(UnixMillis(1_800_000_000_000), [255; 10]);
        let second = PaymentId::generate(UnixMillis(1_800_000_000_001), [0; 10]);
        assert!(first < second);
    }
}
