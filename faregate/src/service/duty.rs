//! Whose work it is, where several processes share the books: the registry's database says so.

use std::sync::Arc;

use async_trait::async_trait;
use ledger::Ledger;
use registry::Registry;
use settlement::duty::{Alone, Duty};

/// To settle what is due on public networks.
pub(super) const COLLECT: &str = "collect";

/// To compare the books with the chains.
pub(super) const COMPARE: &str = "compare";

struct Turn(registry::duty::Duty);

/// A kind of work, of which this process is to do all where it is alone.
///
/// # Errors
/// The system gives no random bytes.
pub(super) fn duty(
    name: &'static str,
    ledger: &Ledger,
    registry: &Registry,
) -> anyhow::Result<Arc<dyn Duty>> {
    Ok(match ledger.is_one_of_several() {
        true => turn(registry.duty(name)?),
        false => Arc::new(Alone),
    })
}

/// The same for one that is known.
pub(super) fn turn(duty: registry::duty::Duty) -> Arc<dyn Duty> {
    Arc::new(Turn(duty))
}

#[async_trait]
impl Duty for Turn {
    async fn is_ours(&self) -> bool {
        self.0.take().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "whose turn it is on public networks cannot be told now");
            false
        })
    }
}
