//! What somebody asks of a network who sends transactions to it.

use alloy_primitives::{Address, B256, Bytes};
use serde::Deserialize;
use serde_json::{Value, json};

use super::rpc::{self, Receipt, RpcError};
use super::{Chain, hex};

/// JSON-RPC's code for a call that was reverted, as most nodes have it.
const REVERTED: i64 = 3;

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
        (to, data): (Address, &Bytes),
        block: Option<u64>,
    ) -> Result<Bytes, RpcError> {
        let block = block.map_or_else(|| "latest".to_owned(), hex);
        self.nodes.call("eth_call", json!([{ "from": from, "to": to, "data": data }, block])).await
    }
}

// === impl RpcError ===

impl RpcError {
    /// Why a call was reverted, where the node tells of that and does not fail itself.
    pub(crate) fn revert(&self) -> Option<&str> {
        match self {
            Self::Refused { code, message, .. } if *code == REVERTED || message.contains("revert") => {
                Some(message.strip_prefix("execution reverted: ").unwrap_or(message))
            }
            _ => None,
        }
    }
}
