//! `[[agents]]` of a setup: names, owners, signers and what they may spend, with the keys of the configuration file.
//!
//! Keys are secrets and money is no setup: neither stands here. A new agent gets a wallet of its own. Agents are never taken
//! away, since payments name them.

use std::collections::HashMap;

use anyhow::Context;
use domain::Amount;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::manage::Api;
use crate::manage::input::{Input, escape};
use crate::progress::Progress;
use crate::random;

/// Members of a document that are no policy.
const OWN: [&str; 4] = ["name", "owner", "frozen", "signers"];

/// An agent of a document.
struct Wanted {
    name: String,
    document: Map<String, Value>,
}

/// All agents as TOML.
pub(super) async fn export(api: &Api) -> anyhow::Result<String> {
    let mut progress = Progress::of("agents");
    let mut toml = String::new();
    for (_, id) in ids(api).await? {
        let keys = document(&show(api, &id).await?);
        let lines = keys.iter().map(|(key, value)| format!("{key} = {}\n", inline(value)));
        toml.push_str(&format!("\n[[agents]]\n{}", lines.collect::<String>()));
        progress.add(1);
    }
    Ok(toml)
}

/// Takes the agents out of a setup.
pub(super) fn take(setup: &mut Map<String, Value>) -> anyhow::Result<Vec<Map<String, Value>>> {
    let Some(agents) = setup.remove("agents") else { return Ok(Vec::new()) };
    let objects = agents.as_array().context("agents must be a list")?.iter();
    objects.map(|agent| agent.as_object().cloned().context("each of agents must be a table")).collect()
}

/// Makes agents what their documents say; what changed, as the API tells of providers and routes.
pub(super) async fn apply(
    api: &Api,
    documents: Vec<Map<String, Value>>,
    dry_run: bool,
) -> anyhow::Result<Vec<Value>> {
    let wanted: Vec<Wanted> = documents.into_iter().map(Wanted::read).collect::<anyhow::Result<_>>()?;
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let known: HashMap<String, String> = ids(api).await?.into_iter().collect();
    let (mut progress, mut changes) = (Progress::of("agents"), Vec::new());
    for agent in wanted {
        let places = match known.get(&agent.name) {
            None => agent.create(api, dry_run).await.map(|()| Vec::new()),
            Some(id) => agent.change(api, id, dry_run).await,
        };
        let places = places.with_context(|| format!("the agent {}", agent.name))?;
        progress.add(1);
        if known.contains_key(&agent.name) && places.is_empty() {
            continue;
        }
        let change = if known.contains_key(&agent.name) { "changed" } else { "added" };
        let differences: Vec<Value> = places.iter().map(|place| json!({ "pointer": place })).collect();
        changes.push(
            json!({ "kind": "agent", "name": agent.name, "change": change, "differences": differences }),
        );
    }
    Ok(changes)
}

/// Names and ids, oldest first.
async fn ids(api: &Api) -> anyhow::Result<Vec<(String, String)>> {
    let list = Input::of(Method::GET, "/v1/agents", Vec::new());
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = api.ask(&list.page(Some(500), after.as_deref())).await?;
        for agent in page["data"].as_array().into_iter().flatten() {
            let text = |name: &str| agent[name].as_str().unwrap_or_default().to_owned();
            found.push((text("name"), text("id")));
        }
        after = page["next"].as_str().map(str::to_owned);
        if after.is_none() {
            found.reverse();
            return Ok(found);
        }
    }
}

async fn show(api: &Api, id: &str) -> anyhow::Result<Value> {
    api.ask(&Input::of(Method::GET, &format!("/v1/agents/{}", escape(id)), Vec::new())).await
}

async fn send(api: &Api, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
    let key = if method == Method::POST { Some(format!("cli-{}", random::hex()?)) } else { None };
    let input = Input { body, idempotency_key: key, ..Input::of(method, path, Vec::new()) };
    let text = api.text(&input).await?;
    if text.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_str(&text)?) }
}

/// An agent as the API shows it, as a document: what is not set is left out, money is as people write it.
fn document(agent: &Value) -> Map<String, Value> {
    let mut keys = Map::new();
    for name in OWN {
        let is_said = match &agent[name] {
            Value::Null | Value::Bool(false) => false,
            Value::Array(items) => !items.is_empty(),
            _ => true,
        };
        if is_said {
            keys.insert(name.to_owned(), agent[name].clone());
        }
    }
    keys.extend(policy_of(&agent["policy"]));
    keys
}

fn policy_of(policy: &Value) -> Map<String, Value> {
    let is_unset =
        |(name, value): &(&String, &Value)| value.is_null() || *name == "limits" && **value == json!([]);
    let said = policy.as_object().into_iter().flatten().filter(|member| !is_unset(member));
    said.map(|(name, value)| (name.clone(), written(value))).collect()
}

/// Money by what people write, at any depth, and everything else as it is.
fn written(value: &Value) -> Value {
    match value {
        Value::Object(members) => match (members.get("display"), members.get("asset")) {
            (Some(display), Some(_)) => display.clone(),
            _ => policy_of(value).into(),
        },
        Value::Array(items) => items.iter().map(written).collect(),
        // `$1` is `$1.00`.
        Value::String(text) => {
            let amount =
                Some(text).filter(|text| text.starts_with('$')).map(|text| Amount::parse_dollars(text));
            amount.and_then(Result::ok).map_or_else(|| value.clone(), |amount| amount.to_string().into())
        }
        other => other.clone(),
    }
}

/// A value as TOML on one line. What JSON escapes in a text, TOML reads.
fn inline(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| format!("{name} = {}", inline(value)));
            format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

// === impl Wanted ===

impl Wanted {
    fn read(document: Map<String, Value>) -> anyhow::Result<Self> {
        let name = document.get("name").and_then(Value::as_str).context("each of agents must have a name")?;
        Ok(Self { name: name.to_owned(), document })
    }

    fn policy(&self) -> Map<String, Value> {
        let rest = self.document.iter().filter(|(name, _)| !OWN.contains(&name.as_str()));
        rest.map(|(name, value)| (name.clone(), written(value))).collect()
    }

    fn signers(&self) -> Vec<String> {
        let listed = self.document.get("signers").and_then(Value::as_array).into_iter().flatten();
        listed.filter_map(Value::as_str).map(str::to_owned).collect()
    }

    async fn create(&self, api: &Api, dry_run: bool) -> anyhow::Result<()> {
        if dry_run {
            return Ok(());
        }
        let mut body = json!({ "name": self.name, "policy": self.policy() });
        if let Some(owner) = self.document.get("owner") {
            body["owner"] = owner.clone();
        }
        let made = send(api, Method::POST, "/v1/agents", Some(body)).await?;
        let id = made["id"].as_str().context("the API names no agent")?;
        self.change(api, id, false).await.map(drop)
    }

    /// Makes the agent what the document says; where it was something else.
    async fn change(&self, api: &Api, id: &str, dry_run: bool) -> anyhow::Result<Vec<String>> {
        let agent = show(api, id).await?;
        let path = format!("/v1/agents/{}", escape(id));
        let said = |name: &str| self.document.get(name);
        let owner = said("owner").unwrap_or(&agent["owner"]);
        anyhow::ensure!(*owner == agent["owner"], "its owner is another one, and stays");
        let mut calls: Vec<(&str, Method, String, Option<Value>)> = Vec::new();
        if self.policy() != policy_of(&agent["policy"]) {
            calls.push(("/policy", Method::PUT, format!("{path}/policy"), Some(self.policy().into())));
        }
        let frozen = said("frozen").and_then(Value::as_bool).unwrap_or(false);
        if said("frozen").is_some() && agent["frozen"] != frozen {
            let verb = if frozen { "freeze" } else { "thaw" };
            calls.push(("/frozen", Method::POST, format!("{path}/{verb}"), None));
        }
        if said("signers").is_some() {
            let listed = agent["signers"].as_array().into_iter().flatten();
            let there: Vec<&str> = listed.filter_map(Value::as_str).collect();
            let wanted = self.signers();
            let is = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
            for new in wanted.iter().filter(|new| !there.iter().any(|old| is(old, new))) {
                let body = Some(json!({ "address": new }));
                calls.push(("/signers", Method::POST, format!("{path}/signers"), body));
            }
            for old in there.iter().filter(|old| !wanted.iter().any(|new| is(old, new))) {
                calls.push(("/signers", Method::DELETE, format!("{path}/signers/{old}"), None));
            }
        }
        let mut places: Vec<String> = Vec::new();
        for (place, method, path, body) in calls {
            if !dry_run {
                send(api, method, &path, body).await?;
            }
            if places.last().is_none_or(|last| last != place) {
                places.push(place.to_owned());
            }
        }
        Ok(places)
    }
}
