//! The EIP-712 digest of an authorization, with the domain's part computed once.

use alloy_primitives::{U256, keccak256};
use domain::{Asset, B256};

use crate::authorization::Authorization;

const DOMAIN_TYPE: &[u8] =
    b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
const AUTHORIZATION_TYPE: &[u8] = b"TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)";

/// The domain of one asset on one chain: a signature for it is void anywhere else.
#[derive(Clone, Debug)]
pub struct Domain {
    separator: B256,
    authorization_type: B256,
}

// === impl Domain ===

impl Domain {
    /// Computes the separator.
    #[must_use]
    pub fn new(asset: &Asset) -> Self {
        let mut words = [0; 160];
        words[..32].copy_from_slice(keccak256(DOMAIN_TYPE).as_slice());
        words[32..64].copy_from_slice(keccak256(asset.name.as_bytes()).as_slice());
        words[64..96].copy_from_slice(keccak256(asset.version.as_bytes()).as_slice());
        words[96..128].copy_from_slice(&U256::from(asset.chain_id).to_be_bytes::<32>());
        words[140..].copy_from_slice(asset.address.as_slice());
        Self { separator: keccak256(words), authorization_type: keccak256(AUTHORIZATION_TYPE) }
    }

    /// What the payer signs.
    #[must_use]
    pub fn digest(&self, authorization: &Authorization) -> B256 {
        let mut words = [0; 224];
        words[..32].copy_from_slice(self.authorization_type.as_slice());
        words[44..64].copy_from_slice(authorization.from.as_slice());
        words[76..96].copy_from_slice(authorization.to.as_slice());
        words[96..128].copy_from_slice(&authorization.value.to_be_bytes::<32>());
        words[128..160].copy_from_slice(&authorization.valid_after.to_be_bytes::<32>());
        words[160..192].copy_from_slice(&authorization.valid_before.to_be_bytes::<32>());
        words[192..].copy_from_slice(authorization.nonce.as_slice());
        let mut message = [0; 66];
        message[..2].copy_from_slice(&[0x19, 0x01]);
        message[2..34].copy_from_slice(self.separator.as_slice());
        message[34..].copy_from_slice(keccak256(words).as_slice());
        keccak256(message)
    }
}

#[cfg(test)]
mod tests;
