//! Finds the agent of `--agent`: in the file first, then in the registry's database where there is one.

use std::sync::Arc;

use anyhow::Context;
use domain::SpendingPolicy;
use registry::{Agent, Config, Registry};

use crate::clock::SystemClock;

/// The registry's database in a data directory.
const REGISTRY_FILE: &str = "registry.db";

/// Name, policy, and whether the agent is frozen.
pub(super) async fn find(config: &Config, asked: &str) -> anyhow::Result<(String, SpendingPolicy, bool)> {
    if let Some(entry) = config.agents.iter().find(|entry| entry.name == asked) {
        return Ok((entry.name.clone(), entry.policy.clone(), false));
    }
    let directory = &config.data.directory;
    let unknown =
        || format!("no agent is called `{asked}`, neither in the file nor in {}", directory.display());
    if !directory.join(REGISTRY_FILE).exists() {
        anyhow::bail!(unknown());
    }
    let registry = Registry::open(directory, Arc::new(SystemClock)).await?;
    let agents = registry.agents().await;
    registry.close().await;
    let is_asked = |agent: &Agent| &*agent.name == asked || agent.id.to_string().eq_ignore_ascii_case(asked);
    let agent = agents?.into_iter().find(is_asked).with_context(unknown)?;
    Ok((agent.name.to_string(), agent.policy, agent.frozen))
}
