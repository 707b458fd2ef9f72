//! Blocks of a [`Network`]: when they come, what time they have, and blocks that were and are no more.

use std::time::Duration;

use serde_json::json;
use tokio::task::JoinHandle;

use super::{Network, number, question};
use crate::wire::Wire;

/// Blocks that come by themselves, until it is dropped.
#[derive(Debug)]
pub struct Ticking(JoinHandle<()>);

// === impl Network ===

impl Network {
    /// The last block's height.
    pub async fn height(&self) -> u64 {
        number(&self.rpc("eth_blockNumber", json!([])).await)
    }

    /// The last block's time, in Unix seconds.
    pub async fn time(&self) -> u64 {
        number(&self.rpc("eth_getBlockByNumber", json!(["latest", false])).await["timestamp"])
    }

    /// So many blocks more, at once.
    pub async fn mine(&self, blocks: u64) {
        self.rpc("anvil_mine", json!([format!("{blocks:#x}")])).await;
    }

    /// One block more, at this time in Unix seconds; those after it go on from there.
    pub async fn mine_at(&self, time: u64) {
        self.rpc("evm_setNextBlockTimestamp", json!([time])).await;
        self.mine(1).await;
    }

    /// Whether each transaction is mined at once, in a block of its own. Where not, it waits for [`Network::mine`].
    pub async fn mine_each(&self, each: bool) {
        self.rpc("evm_setAutomine", json!([each])).await;
    }

    /// A block each so many seconds, with what has come until then. 0: none by itself.
    pub async fn mine_every(&self, seconds: u64) {
        self.rpc("evm_setIntervalMining", json!([seconds])).await;
    }

    /// A block each so often beside those of transactions, as a public chain goes on where nobody pays. viem's clients ask for a receipt
    /// when a block comes: one that they missed by a moment they never see where no other block follows.
    #[must_use]
    pub fn ticking(&self, every: Duration) -> Ticking {
        let (node, request) = (self.address, question("evm_mine", &json!([])));
        Ticking(tokio::spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                if let Some(mut wire) = Wire::try_connect(node).await {
                    let _ = wire.try_call(&request).await;
                }
            }
        }))
    }

    /// A reorganization: as many empty blocks take the place of the last ones, whose transactions never were.
    pub async fn drop_blocks(&self, blocks: u64) {
        self.rpc("anvil_reorg", json!([blocks, []])).await;
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        self.0.abort();
    }
}
