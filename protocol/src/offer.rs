//! [`Offer`]: one way to pay for a resource, x402 v2's `PaymentRequirements`.

use domain::{Address, Amount, Asset};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How long a payment on the wallet rail may be valid, in seconds. It bounds how many replay keys are live at once.
pub const MAX_TIMEOUT_SECONDS: u64 = 60;

/// What is authorized is paid: the only scheme of the wallet rail.
pub const SCHEME_EXACT: &str = "exact";

/// What is authorized is the most that is paid.
pub const SCHEME_UPTO: &str = "upto";

/// The key of `extra` that says how value moves; absent: by EIP-3009.
pub const TRANSFER_METHOD: &str = "assetTransferMethod";

/// Its value for EIP-3009.
const EIP3009_METHOD: &str = "eip3009";

/// Its value for Permit2.
pub const PERMIT2_METHOD: &str = "permit2";

/// The key of `extra` that names who alone may settle a payment of `upto`: its payer signs it.
pub const FACILITATOR: &str = "facilitatorAddress";

/// The key of `extra` that carries our quote.
pub const QUOTE: &str = "quote";

/// A way to pay. No other keys may stand in it: clients and servers compare it whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Offer {
    /// `exact` or `upto`.
    pub scheme: String,
    /// CAIP-2, such as `eip155:402402`.
    pub network: String,
    /// Atomic units, in decimal.
    pub amount: String,
    /// The asset's address.
    pub asset: String,
    /// Who is paid.
    pub pay_to: String,
    /// How long the payment may be valid.
    pub max_timeout_seconds: u64,
    /// The EIP-712 domain's `name` and `version`, and what else the scheme or the server needs.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub extra: Map<String, Value>,
}

// === impl Offer ===

impl Offer {
    /// An offer on the wallet rail.
    #[must_use]
    pub fn wallet(asset: &Asset, pay_to: Address, amount: Amount, quote: Option<&str>) -> Self {
        Self::exact(asset, pay_to, amount, MAX_TIMEOUT_SECONDS, quote)
    }

    /// An offer of scheme `exact` by EIP-3009; a payment of it may be valid for `max_timeout_seconds`.
    #[must_use]
    pub fn exact(
        asset: &Asset,
        pay_to: Address,
        amount: Amount,
        max_timeout_seconds: u64,
        quote: Option<&str>,
    ) -> Self {
        let mut extra = Map::new();
        extra.insert("name".to_owned(), Value::from(&*asset.name));
        extra.insert("version".to_owned(), Value::from(&*asset.version));
        if let Some(quote) = quote {
            extra.insert(QUOTE.to_owned(), Value::from(quote));
        }
        Self {
            scheme: SCHEME_EXACT.to_owned(),
            network: asset.network.to_string(),
            amount: amount.atomic().to_string(),
            asset: asset.address.to_checksum(None),
            pay_to: pay_to.to_checksum(None),
            max_timeout_seconds,
            extra,
        }
    }

    /// An offer of scheme `exact` on a non-EVM network; `extra` is what its facilitator wants clients to find there.
    #[must_use]
    pub fn foreign(
        (network, asset, pay_to): (&str, &str, &str),
        amount: Amount,
        max_timeout_seconds: u64,
        (extra, quote): (&Map<String, Value>, &str),
    ) -> Self {
        let mut extra = extra.clone();
        extra.insert(QUOTE.to_owned(), Value::from(quote));
        Self {
            scheme: SCHEME_EXACT.to_owned(),
            network: network.to_owned(),
            amount: amount.atomic().to_string(),
            asset: asset.to_owned(),
            pay_to: pay_to.to_owned(),
            max_timeout_seconds,
            extra,
        }
    }

    /// The offer of scheme `exact`, moved by Permit2.
    #[must_use]
    pub fn by_permit(mut self) -> Self {
        self.extra.insert(TRANSFER_METHOD.to_owned(), Value::from(PERMIT2_METHOD));
        self
    }

    /// The same of scheme `upto`, by Permit2: the amount is the most that is taken, and this facilitator takes it.
    #[must_use]
    pub fn upto(self, facilitator: Address) -> Self {
        let mut offer = Self { scheme: SCHEME_UPTO.to_owned(), ..self.by_permit() };
        offer.extra.insert(FACILITATOR.to_owned(), Value::from(facilitator.to_checksum(None)));
        offer
    }

    /// Whether it is of scheme `exact` by EIP-3009: all that v1, and who knows no `assetTransferMethod`, can pay.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        let method = self.extra.get(TRANSFER_METHOD).and_then(Value::as_str);
        self.scheme == SCHEME_EXACT && method.is_none_or(|method| method == EIP3009_METHOD)
    }
}

fn null_is_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests;
