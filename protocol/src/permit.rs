//! [`Permit`]: what a Permit2 payer signs, and its EIP-712 digest: a transfer that only one of x402's proxies may make, and only to
//! the recipient in its witness.

use alloy_primitives::{U256, address, keccak256};
use domain::{Address, B256};
use serde::{Deserialize, Serialize};

/// Permit2's address, the same on every chain.
pub const PERMIT2: Address = address!("000000000022D473030F116dDEE9F6B43aC78BA3");

/// The proxy that settles `exact` (x402 `scheme_exact_evm.md`, Permit2).
pub const EXACT_PROXY: Address = address!("402085c248EeA27D92E8b30b2C58ed07f9E20001");

/// The proxy that settles `upto` (x402 `scheme_upto_evm.md`).
pub const UPTO_PROXY: Address = address!("4020A4f3b7b90ccA423B9fabCc0CE57C6C240002");

/// Permit2's domain has no version.
const DOMAIN_TYPE: &[u8] = b"EIP712Domain(string name,uint256 chainId,address verifyingContract)";
const PERMITTED_TYPE: &[u8] = b"TokenPermissions(address token,uint256 amount)";
const EXACT_WITNESS_TYPE: &[u8] = b"Witness(address to,uint256 validAfter)";
const UPTO_WITNESS_TYPE: &[u8] = b"Witness(address to,address facilitator,uint256 validAfter)";
const PERMIT_TYPE: &[u8] =
    b"PermitWitnessTransferFrom(TokenPermissions permitted,address spender,uint256 nonce,uint256 deadline,Witness witness)";

/// `PermitWitnessTransferFrom` of Permit2, with the witness of one of x402's proxies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permit {
    /// Who pays.
    pub from: Address,
    /// The token that may be moved.
    pub token: Address,
    /// At most so many atomic units of it; exactly so many by the proxy of `exact`.
    pub amount: U256,
    /// Who may move it: a proxy.
    pub spender: Address,
    /// Used once.
    pub nonce: U256,
    /// Unix seconds; usable until and including it.
    pub deadline: U256,
    /// What else is signed.
    pub witness: Witness,
}

/// What the proxy holds itself to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    /// Who is paid.
    pub to: Address,
    /// Unix seconds; usable from it on.
    pub valid_after: U256,
    /// Who alone may settle: `upto` only.
    pub facilitator: Option<Address>,
}

/// The domain of Permit2 on one chain.
#[derive(Clone, Debug)]
pub struct PermitDomain {
    separator: B256,
}

// === impl PermitDomain ===

impl PermitDomain {
    /// Computes the separator.
    #[must_use]
    pub fn new(chain_id: u64) -> Self {
        let words = [
            keccak256(DOMAIN_TYPE),
            keccak256(b"Permit2"),
            B256::from(U256::from(chain_id)),
            PERMIT2.into_word(),
        ];
        Self { separator: keccak256(words.concat()) }
    }

    /// What the payer signs.
    #[must_use]
    pub fn digest(&self, permit: &Permit) -> B256 {
        let permitted = [keccak256(PERMITTED_TYPE), permit.token.into_word(), B256::from(permit.amount)];
        let words = [
            keccak256([PERMIT_TYPE, PERMITTED_TYPE, permit.witness.type_text()].concat()),
            keccak256(permitted.concat()),
            permit.spender.into_word(),
            B256::from(permit.nonce),
            B256::from(permit.deadline),
            permit.witness.hash(),
        ];
        keccak256([&[0x19, 0x01], self.separator.as_slice(), keccak256(words.concat()).as_slice()].concat())
    }
}

// === impl Witness ===

impl Witness {
    const fn type_text(&self) -> &'static [u8] {
        match self.facilitator {
            None => EXACT_WITNESS_TYPE,
            Some(_) => UPTO_WITNESS_TYPE,
        }
    }

    fn hash(&self) -> B256 {
        let mut words = vec![keccak256(self.type_text()), self.to.into_word()];
        words.extend(self.facilitator.map(|facilitator| facilitator.into_word()));
        words.push(B256::from(self.valid_after));
        keccak256(words.concat())
    }
}

#[cfg(test)]
mod tests;
