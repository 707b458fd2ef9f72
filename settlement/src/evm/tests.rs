//! Steps of a sender against a node and an outbox that misbehave.

mod turns;

use std::collections::HashSet;
use std::time::Duration;

use async_trait::async_trait;

use super::*;
use crate::chain::Nodes;
use crate::mock::{Act, Mock};

/// An outbox in which nothing stands.
#[derive(Clone, Default)]
struct Empty;

#[async_trait]
impl Outbox for Empty {
    async fn resume(&self) -> Result<Resumed, OutboxError> {
        Ok(Resumed::default())
    }

    async fn recorded(&self, _first: u64) -> Result<u64, OutboxError> {
        Ok(0)
    }

    async fn record(&self, _transaction: &Recorded) -> Result<(), OutboxError> {
        Ok(())
    }

    async fn close(
        &self,
        _transaction: &Recorded,
        _landed: Option<Landed>,
        _outcomes: &[(Arc<str>, Settling)],
    ) -> Result<(), OutboxError> {
        Ok(())
    }

    async fn transfer(&self, _member: &str) -> Result<Option<Sent>, OutboxError> {
        Ok(None)
    }

    async fn known(&self, _members: &[Arc<str>]) -> Result<HashSet<Arc<str>>, OutboxError> {
        Ok(HashSet::new())
    }
}

/// A sender whose node does this, and who asks it.
async fn sender(act: Act) -> (Mock, EvmSettler, Task<Empty>) {
    // Fails where another test was faster.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let node = Mock::start().await;
    node.does(act);
    let nodes = Nodes::new(vec![node.url.clone()], Duration::from_secs(20)).unwrap();
    let settings = Settings {
        chain_id: 84_532,
        fee_cap: 1_000_000_000,
        bump_after: 10,
        poll: Duration::from_millis(200),
        gather: Duration::from_millis(20),
        factories: [].into(),
        first_nonce: 0,
    };
    let key = SigningKey::from_hex(&"11".repeat(32)).unwrap();
    let (settler, task) = EvmSettler::new(settings, key, Arc::new(Chain::new(nodes, 0)), Empty);
    (node, settler, task)
}
