//! [`Money`]: an amount as programs and people read it.

use domain::{Amount, Asset};
use ledger::{OnChain, ReceiptRecord};
use serde::Serialize;
use utoipa::ToSchema;

/// An amount of one asset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Money {
    /// Atomic units, in decimal.
    amount: String,
    /// CAIP-19: the wallet asset, or the token in which a payment was made on a public network.
    asset: String,
    /// In dollars.
    display: String,
}

// === impl Money ===

impl Money {
    pub(crate) fn new(amount: Amount, asset: &Asset) -> Self {
        Self::in_token(amount, (&asset.network, &asset.address.to_checksum(None)))
    }

    /// Of a payment: in what it was made in.
    pub(crate) fn paid(amount: Amount, receipt: &ReceiptRecord, asset: &Asset) -> Self {
        match (receipt.on_chain.as_deref(), &receipt.late_in) {
            (Some(OnChain { network, token, .. }), _) => {
                Self::in_token(amount, (network, &token.to_string()))
            }
            (None, Some((network, token))) => Self::in_token(amount, (network, token)),
            (None, None) => Self::new(amount, asset),
        }
    }

    /// In a token on a public network: CAIP-2, and the token as it is written there.
    pub(crate) fn in_token(amount: Amount, (network, token): (&str, &str)) -> Self {
        let space = if network.starts_with("eip155:") { "erc20" } else { "token" };
        Self {
            amount: amount.atomic().to_string(),
            asset: format!("{network}/{space}:{token}"),
            display: amount.to_string(),
        }
    }

    /// Units that may be below zero: a balance of what came and what went.
    pub(crate) fn signed(units: i64, asset: &Asset) -> Self {
        Self::signed_in_token(units, (&asset.network, &asset.address.to_checksum(None)))
    }

    /// The same in a token on a public network.
    pub(crate) fn signed_in_token(units: i64, token: (&str, &str)) -> Self {
        let size = Amount::from_atomic(units.saturating_abs()).unwrap_or(Amount::ZERO);
        let money = Self::in_token(size, token);
        if units >= 0 {
            return money;
        }
        Self { amount: format!("-{}", money.amount), display: format!("-{}", money.display), ..money }
    }
}
