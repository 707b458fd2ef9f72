//! The asset that is paid in, and the EIP-712 words a signer needs to sign over it.

use std::sync::Arc;

use alloy_primitives::Address;

/// One asset on one network. Two deployments never share the wallet asset: its address is random, made at first
/// start and kept in the ledger, so that a payment signed for one is void at the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    /// CAIP-2: `eip155:<chain id>`.
    pub network: Arc<str>,
    /// The number in `network`, as the EIP-712 domain carries it.
    pub chain_id: u64,
    /// The `asset` of an offer and the `verifyingContract` of the EIP-712 domain.
    pub address: Address,
    /// The EIP-712 domain's `name`, `extra.name` of an offer.
    pub name: Arc<str>,
    /// The EIP-712 domain's `version`, `extra.version` of an offer.
    pub version: Arc<str>,
}
