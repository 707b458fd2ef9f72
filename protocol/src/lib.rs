//! x402 on the wire: headers, offers, payloads, EIP-712 digests, signatures, quotes and receipts.
//!
//! Pure: no I/O, no clock, no randomness. What a client sends is parsed into types here and judged by [`verify`];
//! nothing else in Faregate reads a payment header. Next: `gateway` for what is done with the verdict.

pub mod authorization;
pub mod challenge;
pub mod eip712;
pub mod foreign;
pub mod header;
pub mod network;
pub mod offer;
pub mod offer_v1;
pub mod overrides;
pub mod payload;
pub mod permit;
pub mod quote;
pub mod receipt;
pub mod seal;
pub mod sign;
pub mod signature;
pub mod transfer;
pub mod verify;

#[cfg(test)]
mod captures;
mod wire;

/// The version of x402 that is spoken first.
pub const X402_VERSION: u64 = 2;

/// The version before: read from payments, and written for clients that know no other.
pub const X402_VERSION_1: u64 = 1;
