//! `[[agents]]` of a setup: names, owners, wallets, signers and what they may spend, with the keys of the configuration file.
//!
//! Agents are never taken away, since payments name them. An agent without a `wallet` gets one of its own, called like it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::pin::pin;

use domain::Clock;
use futures_util::{StreamExt, TryStreamExt};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::keys::of_agent;
use super::lists;
use super::plan::{Call, Plan, Thing, change, freezing, frozen_by_owner};
use super::value::{Dollars, Moment, Signer, shown, table};
use super::wallets::Known as KnownWallet;
use crate::clock::SystemClock;
use crate::manage::Api;
use crate::manage::input::escape;
use crate::progress::Progress;

/// Members of an agent that are no policy.
const OWN: [&str; 5] = ["name", "owner", "wallet", "frozen", "signers"];

/// Members of a policy.
const POLICY: [&str; 8] =
    ["per_request", "per_hour", "per_day", "per_month", "limits", "routes", "providers", "expires_at"];

/// An agent of a file. Its policy is whole; what else it does not say stays as it is.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Agent {
    pub(super) name: String,
    owner: Option<String>,
    wallet: Option<String>,
    frozen: Option<bool>,
    frozen_by_owner: Option<bool>,
    signers: Option<Vec<Signer>>,
    per_request: Option<Dollars>,
    per_hour: Option<Dollars>,
    per_day: Option<Dollars>,
    per_month: Option<Dollars>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    limits: Vec<Limit>,
    routes: Option<Vec<String>>,
    providers: Option<Vec<String>>,
    expires_at: Option<Moment>,
}

/// The most that may be spent on a part of what is sold.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Limit {
    scope: String,
    per: Per,
    amount: Dollars,
}

/// The calendar window that a limit counts in.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Per {
    Hour,
    Day,
    Month,
}

/// Agents that are there, by name.
#[derive(Default)]
pub(super) struct Known {
    ids: BTreeMap<String, String>,
    /// As the API shows them: those that a file names.
    views: HashMap<String, Value>,
}

/// All agents as TOML, then their keys.
pub(super) async fn export(api: &Api, wallets: &[KnownWallet]) -> anyhow::Result<(String, String)> {
    let labels: HashMap<&str, &str> =
        wallets.iter().map(|wallet| (wallet.id.as_str(), wallet.label.as_str())).collect();
    let mut progress = Progress::of("agents");
    let (mut agents, mut keys) = (String::new(), String::new());
    let ids = ids(api).await?;
    let mut views = pin!(lists::each(api, ids.values().map(|id| path(id))));
    while let Some(view) = views.next().await {
        let view = view?;
        let mut agent = Agent::of(&view)?;
        agent.wallet = agent.wallet.and_then(|id| labels.get(id.as_str()).map(|label| (*label).to_owned()));
        agents.push_str(&table("agents", &agent)?);
        for key in of_agent(&agent.name, &view)? {
            keys.push_str(&table("agent_keys", &key)?);
        }
        progress.add(1);
    }
    Ok((agents, keys))
}

/// Makes agents what their documents say.
pub(super) fn plan(wanted: &[Agent], known: &Known, plan: &mut Plan) -> anyhow::Result<()> {
    for (place, agent) in wanted.iter().enumerate() {
        let at = format!("/agents/{place}");
        let thing = Thing::Agent(agent.name.clone());
        if plan.things.contains_key(&thing) {
            plan.mistakes.add(format!("{at}/name"), format!("`{}` stands here twice", agent.name));
            continue;
        }
        if let Some(label) = &agent.wallet {
            plan.expect_wallet(label, format!("{at}/wallet"));
        }
        plan.things.insert(thing.clone(), known.id(&agent.name).map(str::to_owned));
        match known.view(&agent.name) {
            Some(view) => agent.plan_changes(&at, view, &thing, plan)?,
            None => {
                agent.expect_policy(&at, plan);
                plan.add(change("agent", &agent.name, "added", &[]), agent.creation(&thing)?);
            }
        }
    }
    Ok(())
}

/// Ids by name.
async fn ids(api: &Api) -> anyhow::Result<BTreeMap<String, String>> {
    let rows: Vec<Value> = lists::all(api, "/v1/agents").await?;
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    Ok(rows.iter().map(|row| (text(row, "name"), text(row, "id"))).collect())
}

fn path(id: &str) -> String {
    format!("/v1/agents/{}", escape(id))
}

fn sign(thing: &Thing, signer: Signer) -> Call {
    Call::new(Method::POST, "/v1/agents/{}/signers").about(thing).body(json!({ "address": signer }))
}

// === impl Known ===

impl Known {
    /// All agents, those of these names as the API shows them.
    pub(super) async fn read(api: &Api, names: BTreeSet<&str>) -> anyhow::Result<Self> {
        if names.is_empty() {
            return Ok(Self::default());
        }
        let ids = ids(api).await?;
        let wanted: Vec<(&str, String)> =
            names.into_iter().filter_map(|name| Some((name, path(ids.get(name)?)))).collect();
        let paths: Vec<String> = wanted.iter().map(|(_, path)| path.clone()).collect();
        let views: Vec<Value> = lists::each(api, paths).try_collect().await?;
        let views = wanted.into_iter().map(|(name, _)| name.to_owned()).zip(views).collect();
        Ok(Self { ids, views })
    }

    pub(super) fn id(&self, name: &str) -> Option<&str> {
        self.ids.get(name).map(String::as_str)
    }

    /// An agent as the API shows it; none where there is none.
    pub(super) fn view(&self, name: &str) -> Option<&Value> {
        self.views.get(name)
    }
}

// === impl Agent ===

impl Agent {
    /// As the API shows one; its wallet is the id.
    fn of(view: &Value) -> anyhow::Result<Self> {
        let mut members = shown(view, &OWN);
        members.extend(frozen_by_owner(view).map(|by| ("frozen_by_owner".to_owned(), by.into())));
        members.extend(shown(&view["policy"], &POLICY));
        Ok(serde_json::from_value(members.into())?)
    }

    pub(super) fn signers(&self) -> &[Signer] {
        self.signers.as_deref().unwrap_or_default()
    }

    /// Whether it says who signs for it, and this address is not among them.
    pub(super) fn leaves(&self, signer: &str) -> bool {
        self.signers.as_ref().is_some_and(|listed| listed.iter().all(|listed| listed.to_string() != signer))
    }

    /// What it may spend, as the API takes it.
    fn policy(&self) -> anyhow::Result<Map<String, Value>> {
        Ok(shown(&serde_json::to_value(self)?, &POLICY))
    }

    fn creation(&self, thing: &Thing) -> anyhow::Result<Vec<Call>> {
        let body = json!({ "name": self.name, "owner": self.owner, "policy": self.policy()? });
        let create =
            Call::new(Method::POST, "/v1/agents").body(body).wallet(self.wallet.as_ref()).makes(thing);
        let mut calls = vec![create];
        if self.frozen == Some(true) {
            calls.push(freezing("agents", true, self.frozen_by_owner).about(thing));
        }
        calls.extend(self.signers.iter().flatten().map(|signer| sign(thing, *signer)));
        Ok(calls)
    }

    fn plan_changes(&self, at: &str, view: &Value, thing: &Thing, plan: &mut Plan) -> anyhow::Result<()> {
        let there = Self::of(view)?;
        // A tenant took the name first: what is meant for an agent of one's own must not land on theirs.
        let is_named = self.owner.is_some() || self.wallet.is_some();
        if let Some(owner) = there.owner.as_ref().filter(|_| !is_named) {
            let told =
                format!("an agent of this name is the owner `{owner}`'s: write its `owner`, or another name");
            plan.mistakes.add(format!("{at}/name"), told);
        } else if self.owner.is_some() && self.owner != there.owner {
            plan.mistakes.add(format!("{at}/owner"), "its owner is another one, and stays");
        }
        let wallet = self.wallet.clone().map(Thing::Wallet);
        if wallet.is_some_and(|wallet| plan.id(&wallet) != there.wallet.as_deref()) {
            plan.mistakes.add(format!("{at}/wallet"), "its wallet is another one, and stays: leave it out");
        }
        let (mut calls, mut places) = (Vec::new(), Vec::new());
        let policy = self.policy()?;
        if policy != there.policy()? {
            self.expect_policy(at, plan);
            let set = Call::new(Method::PUT, "/v1/agents/{}/policy");
            calls.push(set.about(thing).body(policy.into()));
            places.push("/policy");
        }
        if let Some(frozen) = self.frozen.filter(|frozen| Some(*frozen) != there.frozen) {
            calls.push(freezing("agents", frozen, self.frozen_by_owner).about(thing));
            places.push("/frozen");
        }
        if let Some(wanted) = &self.signers {
            let listed = there.signers.unwrap_or_default();
            let before = calls.len();
            let new = wanted.iter().filter(|signer| !listed.contains(signer));
            calls.extend(new.map(|signer| sign(thing, *signer)));
            let old = listed.iter().filter(|signer| !wanted.contains(signer));
            calls.extend(old.map(|signer| {
                Call::new(Method::DELETE, format!("/v1/agents/{{}}/signers/{signer}")).about(thing)
            }));
            places.extend((calls.len() > before).then_some("/signers"));
        }
        plan.add(change("agent", &self.name, "changed", &places), calls);
        Ok(())
    }

    /// A policy that has ended, or that names what is not there, is not given to anyone: the API refuses it, and better before
    /// anything is changed.
    fn expect_policy(&self, at: &str, plan: &mut Plan) {
        let Plan { names, mistakes, .. } = plan;
        if self.expires_at.is_some_and(|end| end.0 <= SystemClock.now()) {
            let told = "has passed: leave the agent out, or give it a later end";
            mistakes.add(format!("{at}/expires_at"), told);
        }
        let Some(names) = names else { return };
        for (place, name) in self.routes.iter().flatten().enumerate() {
            if !names.has_route(name) {
                mistakes.add(format!("{at}/routes/{place}"), format!("there is no route `{name}`"));
            }
        }
        for (place, name) in self.providers.iter().flatten().enumerate() {
            if !names.has_provider(name) {
                mistakes.add(format!("{at}/providers/{place}"), format!("there is no provider `{name}`"));
            }
        }
        for (place, limit) in self.limits.iter().enumerate() {
            if let Err(told) = names.expect_scope(&limit.scope) {
                mistakes.add(format!("{at}/limits/{place}/scope"), told);
            }
        }
    }
}
