//! [`Head`]: the last block of a network, or the last that counts, read once for all who ask for it at about the same time.

use std::time::Instant;

use tokio::sync::Mutex;

use crate::chain::{Block, Chain, Depth, RpcError};

/// The last block of some depth.
pub(super) struct Head {
    depth: Depth,
    /// When it was read, and what came of that. Locked while it is read.
    last: Mutex<Option<(Instant, Result<Block, RpcError>)>>,
}

// === impl Head ===

impl Head {
    pub(super) fn of(depth: Depth) -> Self {
        Self { depth, last: Mutex::new(None) }
    }

    /// It, no older than the question. Whoever asks while it is read for others waits, and all who wait have the next reading
    /// together: however many ask, nodes are asked once at a time.
    ///
    /// # Errors
    /// See [`RpcError`].
    pub(super) async fn get(&self, chain: &Chain) -> Result<Block, RpcError> {
        let asked_at = Instant::now();
        let mut last = self.last.lock().await;
        if let Some((begun_at, read)) = &*last
            && *begun_at >= asked_at
        {
            return read.clone();
        }
        let begun_at = Instant::now();
        let read = chain.block(self.depth).await;
        *last = Some((begun_at, read.clone()));
        read
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};
    use tokio::sync::Semaphore;

    use super::*;
    use crate::chain::Nodes;
    use crate::mock::{Act, Mock};
    use crate::rail::tests::LONG;

    #[tokio::test]
    async fn those_who_ask_while_it_is_read_have_the_next_reading_together_and_nobody_an_older_one() {
        let (node, gate) = (Mock::start().await, Arc::new(Semaphore::new(0)));
        let reply = Act::Reply(Arc::new(|question: &Value| {
            let block = json!({ "timestamp": "0x64" });
            let result = if question["method"] == "eth_blockNumber" { json!("0x14") } else { block };
            json!({ "jsonrpc": "2.0", "id": question["id"], "result": result }).to_string()
        }));
        node.does(Act::When(Arc::clone(&gate), Box::new(reply)));
        let chain = Chain::new(Nodes::new(vec![node.url.clone()], LONG).unwrap(), 0);
        let head = Head::of(Depth::Last);
        let ask = || head.get(&chain);
        // Polled in this order: the first reads, the others wait, and then the node answers.
        let (one, two, three, four, ()) =
            tokio::join!(biased; ask(), ask(), ask(), ask(), async { gate.add_permits(1) });
        let block = Ok(Block { number: 20, time: 100 });
        assert_eq!([&one, &two, &three, &four], [&block; 4]);
        assert_eq!(node.calls().len(), 2 * 2, "a number and a block, twice");
        assert_eq!(ask().await, block);
        assert_eq!(node.calls().len(), 3 * 2, "whoever asks later is told of a later block");
    }
}
