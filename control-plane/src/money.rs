//! [`Money`]: an amount as programs and people read it.

use domain::{Amount, Asset};
use serde::Serialize;
use utoipa::ToSchema;

/// An amount of one asset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Money {
    /// Atomic units, in decimal.
    amount: String,
    /// CAIP-19.
    asset: String,
    /// In dollars.
    display: String,
}

// === impl Money ===

impl Money {
    pub(crate) fn new(amount: Amount, asset: &Asset) -> Self {
        Self {
            amount: amount.atomic().to_string(),
            asset: format!("{}/erc20:{}", asset.network, asset.address.to_checksum(None)),
            display: amount.to_string(),
        }
    }

    /// Units that may be below zero: a balance of what came and what went.
    pub(crate) fn signed(units: i64, asset: &Asset) -> Self {
        let size = Amount::from_atomic(units.saturating_abs()).unwrap_or(Amount::ZERO);
        let money = Self::new(size, asset);
        if units >= 0 {
            return money;
        }
        Self { amount: format!("-{}", money.amount), display: format!("-{}", money.display), ..money }
    }
}
