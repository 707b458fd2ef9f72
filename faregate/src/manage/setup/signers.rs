//! The signers of a setup's agents: each address signs for one agent, whoever has it now.

use std::collections::HashMap;
use std::pin::pin;

use futures_util::StreamExt;

use super::agents::Agent;
use super::file::Mistakes;
use super::lists;
use crate::manage::Api;

/// A mistake at each address that signs for another agent when its turn comes. Agents that the key may not see are not found.
pub(super) async fn expect_free(api: &Api, agents: &[Agent], mistakes: &mut Mistakes) -> anyhow::Result<()> {
    let mut wanted = Vec::new();
    let mut first: HashMap<String, &str> = HashMap::new();
    for (place, agent) in agents.iter().enumerate() {
        for (index, signer) in agent.signers().iter().enumerate() {
            let (signer, at) = (signer.to_string(), format!("/agents/{place}/signers/{index}"));
            match first.insert(signer.clone(), &agent.name) {
                Some(other) => mistakes.add(at, told(other)),
                None => wanted.push((signer, at, place)),
            }
        }
    }
    let paths = wanted.iter().map(|(signer, ..)| format!("/v1/agents?signer={signer}"));
    let mut answers = pin!(lists::each(api, paths.collect::<Vec<_>>()));
    for (signer, at, place) in &wanted {
        let Some(answer) = answers.next().await else { break };
        let answer = answer?;
        let Some(holder) = answer["data"][0]["name"].as_str() else { continue };
        // An agent that stands before takes it off first.
        let gives_up = |agent: &Agent| agent.name == holder && agent.leaves(signer);
        let is_own = agents[*place].name == holder;
        if !is_own && !agents.iter().take(*place).any(gives_up) {
            mistakes.add(at, told(holder));
        }
    }
    Ok(())
}

fn told(holder: &str) -> String {
    format!("already signs for the agent `{holder}`: each address signs for one agent")
}
