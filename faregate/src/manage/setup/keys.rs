//! `[[agent_keys]]` and `[[api_keys]]` of a setup: what keys there are, on which terms. They cannot be made of a file: only
//! hashes are kept, and a new key is shown to whoever makes it. What is missing is told, with the command that makes it.

use std::collections::BTreeSet;

use domain::Clock;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::agents::Known as Agents;
use super::lists;
use super::plan::{Plan, Thing};
use super::value::{Dollars, Moment, quoted, shown, table};
use crate::clock::SystemClock;
use crate::manage::Api;

/// Stands before the keys of a file.
pub(super) const NOTE: &str = "# Keys cannot be copied: `faregate apply` says which of these are missing, and the command that makes each.\n";

const OF_AGENTS: [&str; 3] = ["per_request", "scopes", "expires_at"];
const OF_THE_API: [&str; 7] = ["name", "role", "provider", "owner", "read_only", "scopes", "expires_at"];

/// A key that an agent pays with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AgentKey {
    pub(super) agent: String,
    per_request: Dollars,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    scopes: Vec<String>,
    expires_at: Option<Moment>,
}

/// A key of the management API.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ApiKey {
    name: String,
    role: String,
    provider: Option<String>,
    owner: Option<String>,
    #[serde(default)]
    read_only: bool,
    scopes: Option<Vec<String>>,
    expires_at: Option<Moment>,
}

/// Keys that a file names and that are not there.
#[derive(Default)]
pub(super) struct Missing {
    agent_keys: Vec<AgentKey>,
    api_keys: Vec<ApiKey>,
}

/// All keys of the API that have not ended, as TOML. Those of agents come with the agents.
pub(super) async fn export(api: &Api) -> anyhow::Result<String> {
    of_the_api(api).await?.iter().map(|key| table("api_keys", key)).collect()
}

/// What is missing of the keys that a file names. Agents are planned before.
pub(super) async fn missing(
    api: &Api,
    agent_keys: Vec<AgentKey>,
    api_keys: Vec<ApiKey>,
    agents: &Agents,
    plan: &mut Plan,
) -> anyhow::Result<Missing> {
    let mut there = Vec::new();
    let names: BTreeSet<&str> = agent_keys.iter().map(|key| key.agent.as_str()).collect();
    for (name, view) in names.into_iter().filter_map(|name| Some((name, agents.view(name)?))) {
        there.extend(of_agent(name, view)?);
    }
    for (place, key) in agent_keys.iter().enumerate() {
        let is_planned = plan.things.contains_key(&Thing::Agent(key.agent.clone()));
        if !is_planned && agents.id(&key.agent).is_none() {
            let told = format!("there is no agent `{}`", key.agent);
            plan.mistakes.add(format!("/agent_keys/{place}/agent"), told);
        }
    }
    // What has ended since, such as the old half of a rotation, is not made again.
    let lasting = agent_keys.into_iter().filter(|key| is_alive(key.expires_at));
    let agent_keys = without(lasting.map(AgentKey::sorted), there);
    let there = if api_keys.is_empty() { Vec::new() } else { of_the_api(api).await? };
    let lasting = api_keys.into_iter().filter(|key| is_alive(key.expires_at));
    Ok(Missing { agent_keys, api_keys: without(lasting.map(ApiKey::sorted), there) })
}

/// Each of `there` stands for one of `wanted`.
fn without<T: PartialEq>(wanted: impl Iterator<Item = T>, mut there: Vec<T>) -> Vec<T> {
    let is_missing = |key: &T| match there.iter().position(|known| known == key) {
        Some(place) => {
            there.swap_remove(place);
            false
        }
        None => true,
    };
    wanted.filter(is_missing).collect()
}

/// Keys of an agent as the API shows it, those that have not ended.
pub(super) fn of_agent(name: &str, view: &Value) -> anyhow::Result<Vec<AgentKey>> {
    let mut keys = Vec::new();
    for view in view["keys"].as_array().into_iter().flatten() {
        let mut members = shown(view, &OF_AGENTS);
        members.insert("agent".to_owned(), name.into());
        keys.push(read(members.into(), AgentKey::sorted)?);
    }
    keys.retain(|key| is_alive(key.expires_at));
    keys.sort();
    Ok(keys)
}

async fn of_the_api(api: &Api) -> anyhow::Result<Vec<ApiKey>> {
    let mut keys = Vec::new();
    for view in lists::all::<Value>(api, "/v1/api-keys").await? {
        if view["revoked_at"].is_null() {
            keys.push(read(shown(&view, &OF_THE_API).into(), ApiKey::sorted)?);
        }
    }
    keys.retain(|key| is_alive(key.expires_at));
    keys.sort();
    Ok(keys)
}

fn read<T: DeserializeOwned>(members: Value, sorted: impl Fn(T) -> T) -> anyhow::Result<T> {
    Ok(sorted(serde_json::from_value(members)?))
}

fn is_alive(end: Option<Moment>) -> bool {
    end.is_none_or(|end| end.0 > SystemClock.now())
}

/// A command line of flags with their values.
fn command(words: &[&str], flags: &[(&str, Option<&String>)], scopes: &[String]) -> String {
    let given = flags.iter().filter_map(|(flag, value)| Some(format!(" --{flag} {}", quoted((*value)?))));
    let scopes = scopes.iter().map(|scope| format!(" --scopes {}", quoted(scope)));
    format!("faregate {}{}", words.join(" "), given.chain(scopes).collect::<String>())
}

// === impl Missing ===

impl Missing {
    /// Whose each is, and the command that makes it.
    pub(super) fn told(&self) -> Vec<Value> {
        let of_agents =
            self.agent_keys.iter().map(|key| json!({ "agent": key.agent, "command": key.command() }));
        let of_the_api =
            self.api_keys.iter().map(|key| json!({ "api_key": key.name, "command": key.command() }));
        of_agents.chain(of_the_api).collect()
    }
}

// === impl AgentKey ===

impl AgentKey {
    /// Scopes in any order are the same.
    fn sorted(mut self) -> Self {
        self.scopes.sort_unstable();
        self
    }

    fn command(&self) -> String {
        let (per_request, end) = (self.per_request.to_string(), self.expires_at.map(|end| end.to_string()));
        let flags = [("per-request", Some(&per_request)), ("expires-at", end.as_ref())];
        command(&["key", "create", &quoted(&self.agent)], &flags, &self.scopes)
    }
}

// === impl ApiKey ===

impl ApiKey {
    /// Scopes in any order are the same.
    fn sorted(mut self) -> Self {
        self.scopes.iter_mut().for_each(|scopes| scopes.sort_unstable());
        self
    }

    fn command(&self) -> String {
        let end = self.expires_at.map(|end| end.to_string());
        let flags = [
            ("name", Some(&self.name)),
            ("role", Some(&self.role)),
            ("provider", self.provider.as_ref()),
            ("owner", self.owner.as_ref()),
            ("expires-at", end.as_ref()),
        ];
        let line = command(&["api-key", "create"], &flags, self.scopes.as_deref().unwrap_or_default());
        if self.read_only { line + " --read-only" } else { line }
    }
}
