//! What somebody asks of a network who sends transactions to it.

use alloy_primitives::{Address, B256, Bytes, U256};
use serde::Deserialize;
use serde_json::{Value, json};

use super::rpc::{self, Receipt, RpcError};
use super::{Chain, hex};

/// JSON-RPC's code for a call that was reverted, as most nodes have it.
const REVERTED: i64 = 3;

/// What nodes say where they have no code for it.
const FAILED: [&str; 3] = ["revert", "out of gas", "OutOfGas"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct History {
    base_fee_per_gas: Vec<String>,
}

// === impl Chain ===

impl Chain {
    /// The last block.
    pub(crate) async fn head(&self) -> Result<u64, RpcError> {
        self.quantity("eth_blockNumber", json!([])).await
    }

    /// The last block that counts, where this one is the last.
    pub(crate) const fn settled_below(&self, head: u64) -> Option<u64> {
        head.checked_sub(self.confirmations)
    }

    /// How many transactions of an address there are up to a block; the last one, where none is named.
    pub(crate) async fn transactions_of(&self, sender: Address, block: Option<u64>) -> Result<u64, RpcError> {
        let block = block.map_or_else(|| "latest".to_owned(), hex);
        self.quantity("eth_getTransactionCount", json!([sender, block])).await
    }

    /// The same, with those that wait to be included.
    pub(crate) async fn transactions_waiting_of(&self, sender: Address) -> Result<u64, RpcError> {
        self.quantity("eth_getTransactionCount", json!([sender, "pending"])).await
    }

    /// Whether there is a contract at an address.
    pub(crate) async fn has_code(&self, contract: Address) -> Result<bool, RpcError> {
        let code: Bytes = self.nodes.call("eth_getCode", json!([contract, "latest"])).await?;
        Ok(!code.is_empty())
    }

    /// Wei that an address has for gas.
    ///
    /// # Errors
    /// See [`RpcError`].
    pub async fn coins(&self, owner: Address) -> Result<U256, RpcError> {
        self.nodes.call("eth_getBalance", json!([owner, "latest"])).await
    }

    /// What the next block takes for a unit of gas, in wei, and what its maker likes on top.
    pub(crate) async fn fees(&self) -> Result<(u64, u64), RpcError> {
        let history = self.nodes.call::<History>("eth_feeHistory", json!(["0x1", "latest", []]));
        let tip = self.quantity("eth_maxPriorityFeePerGas", json!([]));
        let (history, tip) = tokio::try_join!(history, tip)?;
        let base = history.base_fee_per_gas.last().and_then(|text| rpc::quantity(text));
        Ok((base.ok_or(RpcError::Malformed("eth_feeHistory"))?, tip))
    }

    /// Hands a signed transaction in. That it was taken says nothing yet; neither does that it was not.
    pub(crate) async fn send(&self, raw: &Bytes) -> Result<(), RpcError> {
        self.nodes.call::<Value>("eth_sendRawTransaction", json!([raw])).await.map(drop)
    }

    /// What a transaction did, where it is in a block.
    pub(crate) async fn receipt(&self, transaction: B256) -> Result<Option<Receipt>, RpcError> {
        self.nodes.call("eth_getTransactionReceipt", json!([transaction])).await
    }

    /// What a call would answer, if this address made it after a block; the last one, where none is named.
    pub(crate) async fn call(
        &self,
        from: Address,
        to: Address,
        data: &Bytes,
        block: Option<u64>,
    ) -> Result<Bytes, RpcError> {
        let block = block.map_or_else(|| "latest".to_owned(), hex);
        self.nodes.call("eth_call", json!([{ "from": from, "to": to, "data": data }, block])).await
    }

    /// The same after the last block, with no more gas than that.
    pub(crate) async fn call_with(
        &self,
        from: Address,
        to: Address,
        data: &Bytes,
        gas: u64,
    ) -> Result<Bytes, RpcError> {
        let call = json!([{ "from": from, "to": to, "data": data, "gas": hex(gas) }, "latest"]);
        self.nodes.call("eth_call", call).await
    }
}

// === impl RpcError ===

impl RpcError {
    /// Why a call failed, where the node tells of that and does not fail itself: it was reverted, or took too much gas.
    pub(crate) fn revert(&self) -> Option<&str> {
        let Self::Refused { code, message, .. } = self else { return None };
        let is_it = *code == REVERTED || FAILED.iter().any(|word| message.contains(word));
        is_it.then(|| message.strip_prefix("execution reverted: ").unwrap_or(message))
    }
}
