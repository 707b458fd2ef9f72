//! Finds the agent of `--agent`: in the file first, then in the registry's database where there is one.

use anyhow::Context;
use domain::SpendingPolicy;
use registry::{Agent, Config, Registry};

/// Name, policy, and whether the agent is frozen.
pub(super) async fn find(config: &Config, asked: &str) -> anyhow::Result<(String, SpendingPolicy, bool)> {
    if let Some(entry) = config.agents.iter().find(|entry| entry.name == asked) {
        return Ok((entry.name.clone(), entry.policy.clone(), false));
    }
    let unknown = || format!("no agent is called `{asked}`, neither in the file nor in the registry");
    let stored = Registry::stored_agents(&config.data).await?.unwrap_or_default();
    let is_asked = |agent: &Agent| &*agent.name == asked || agent.id.to_string().eq_ignore_ascii_case(asked);
    let agent = stored.into_iter().find(is_asked).with_context(unknown)?;
    Ok((agent.name.to_string(), agent.policy, agent.frozen))
}
