//! [`Authorization`]: what an EIP-3009 payer signs.

use alloy_primitives::U256;
use domain::{Address, B256};
use serde::{Deserialize, Serialize};

/// `TransferWithAuthorization(from, to, value, validAfter, validBefore, nonce)` of EIP-3009.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authorization {
    /// Who pays.
    pub from: Address,
    /// Who is paid.
    pub to: Address,
    /// Atomic units.
    pub value: U256,
    /// Unix seconds; usable strictly after it.
    pub valid_after: U256,
    /// Unix seconds; usable strictly before it.
    pub valid_before: U256,
    /// Random, used once.
    pub nonce: B256,
}
