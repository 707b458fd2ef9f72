//! What a payer does on a [`Network`] with a transaction that comes before those of whoever settles.

use alloy_sol_types::{SolCall, SolStruct, eip712_domain, sol};
use domain::Address;
use serde_json::json;

use super::{BANK, Network, address_word, usdc, word};
use crate::payer::{Payer, Payment, hex};
use crate::wait::until;

/// More for a unit of gas than anybody else offers.
const TIP: &str = "0xe8d4a51000";

sol! {
    struct CancelAuthorization {
        address authorizer;
        bytes32 nonce;
    }

    function cancelAuthorization(address authorizer, bytes32 nonce, uint8 v, bytes32 r, bytes32 s) external;
}

// === impl Network ===

impl Network {
    /// Has the token never move what was signed: its nonce is used, for nothing. Anybody may send that for its payer.
    pub async fn cancel(&self, payer: &Payer, payment: &Payment) {
        let (authorizer, nonce) = (payer.address(), payment.nonce());
        let asset = usdc();
        let domain = eip712_domain! {
            name: asset.name.to_string(), version: asset.version.to_string(), chain_id: asset.chain_id,
            verifying_contract: asset.address,
        };
        let digest = CancelAuthorization { authorizer, nonce }.eip712_signing_hash(&domain);
        let signature = payer.sign_digest(digest);
        let half = |at: usize| <[u8; 32]>::try_from(&signature[at..at + 32]).expect("32 bytes").into();
        let call = cancelAuthorizationCall { authorizer, nonce, v: signature[64], r: half(0), s: half(32) };
        self.overtake(BANK, &hex(&call.abi_encode())).await;
    }

    /// Moves units from one address to another, by no x402 at all, before whatever waits for a block. The address has coins.
    pub async fn pay_ahead(&self, from: Address, to: Address, units: u64) {
        self.overtake(&from.to_string(), &format!("0xa9059cbb{}{}", address_word(to), word(units))).await;
    }

    /// A call of the token in a new block, the first one there.
    async fn overtake(&self, from: &str, data: &str) {
        self.rpc("anvil_impersonateAccount", json!([from])).await;
        let sent = json!([{
            "from": from, "to": usdc().address, "data": data, "gas": "0x30d40",
            "maxFeePerGas": TIP, "maxPriorityFeePerGas": TIP,
        }]);
        let sent = self.rpc("eth_sendTransaction", sent).await;
        self.mine(1).await;
        let receipt = until("a transaction to be in a block", || async {
            let receipt = self.rpc("eth_getTransactionReceipt", json!([sent])).await;
            (!receipt.is_null()).then_some(receipt)
        })
        .await;
        assert_eq!(receipt["status"], "0x1", "a transaction has failed: {receipt}");
    }
}
