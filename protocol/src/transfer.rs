//! [`Transfer`]: how value moves, as its payer signed it: by the token itself, or by Permit2.

use alloy_primitives::U256;
use domain::{Address, Asset, B256, ReplayKey};
use serde::{Deserialize, Serialize};

use crate::authorization::Authorization;
use crate::permit::{PERMIT2, Permit};

/// What a payer signed, not judged yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Transfer {
    /// EIP-3009.
    Authorization(Authorization),
    /// Permit2, by one of x402's proxies.
    Permit(Permit),
}

// === impl Transfer ===

impl Transfer {
    /// Who pays.
    #[must_use]
    pub const fn from(&self) -> Address {
        match self {
            Self::Authorization(authorization) => authorization.from,
            Self::Permit(permit) => permit.from,
        }
    }

    /// Who is paid.
    #[must_use]
    pub const fn to(&self) -> Address {
        match self {
            Self::Authorization(authorization) => authorization.to,
            Self::Permit(permit) => permit.witness.to,
        }
    }

    /// Atomic units; the most that may be moved, where the scheme is `upto`.
    #[must_use]
    pub const fn value(&self) -> U256 {
        match self {
            Self::Authorization(authorization) => authorization.value,
            Self::Permit(permit) => permit.amount,
        }
    }

    /// Who alone may move it, where its payer named somebody: `upto` only.
    #[must_use]
    pub const fn facilitator(&self) -> Option<Address> {
        match self {
            Self::Authorization(_) => None,
            Self::Permit(permit) => permit.witness.facilitator,
        }
    }

    /// Unix seconds from which on it can be used.
    #[must_use]
    pub const fn valid_after(&self) -> U256 {
        match self {
            Self::Authorization(authorization) => authorization.valid_after,
            Self::Permit(permit) => permit.witness.valid_after,
        }
    }

    /// The first Unix second at which it is void.
    #[must_use]
    pub fn valid_before(&self) -> U256 {
        match self {
            Self::Authorization(authorization) => authorization.valid_before,
            Self::Permit(permit) => permit.deadline.saturating_add(U256::from(1)),
        }
    }

    /// Its identity on the network of this asset. `valid_before` is its own, in Unix seconds.
    ///
    /// A token keeps the nonces of its authorizations; Permit2 keeps those of a payer for all tokens.
    pub(crate) fn replay_key(&self, asset: &Asset, valid_before: u64) -> ReplayKey {
        let (keeper, nonce) = match self {
            Self::Authorization(authorization) => (asset.address, authorization.nonce),
            Self::Permit(permit) => (PERMIT2, B256::from(permit.nonce)),
        };
        ReplayKey::new(valid_before, &asset.network, keeper, self.from(), nonce)
    }
}
