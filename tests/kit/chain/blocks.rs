//! Blocks of a [`Network`]: when they come, what time they have, and blocks that were and are no more.

use serde_json::json;

use super::{Network, number};

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

    /// A reorganization: as many empty blocks take the place of the last ones, whose transactions never were.
    pub async fn drop_blocks(&self, blocks: u64) {
        self.rpc("anvil_reorg", json!([blocks, []])).await;
    }
}
