//! `[[webhooks]]` of a setup: who is told of events. Never their secrets: a webhook that is made gets one of its own, which is
//! shown then and never again.
//!
//! A webhook is known by its URL and by whose events it gets, and whose it is; of several that share all that, the one with
//! the same types is meant, else the oldest that no other document means.

use std::collections::HashMap;

use registry::webhook::WEBHOOKS_MAX;
use reqwest::{Method, Url};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::lists;
use super::plan::{Call, Plan, Thing, Trial, change};
use super::value::{shown, table};
use crate::manage::Api;

/// Whose events a webhook gets, and whether it is theirs.
type Keeper = (Option<String>, Option<String>, bool);

const MEMBERS: [&str; 6] = ["url", "provider", "owner", "of_tenant", "types", "enabled"];

/// A webhook of a file.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Webhook {
    url: String,
    provider: Option<String>,
    owner: Option<String>,
    /// False where not given.
    of_tenant: Option<bool>,
    /// Everything where not given.
    types: Option<Vec<String>>,
    /// Stays as it is where not given.
    enabled: Option<bool>,
}

/// A webhook that is there.
pub(super) struct Known {
    id: String,
    webhook: Webhook,
}

/// All webhooks, by URL, whose they are, and age.
pub(super) async fn read(api: &Api) -> anyhow::Result<Vec<Known>> {
    let mut known = Vec::new();
    for view in lists::all::<Value>(api, "/v1/webhooks").await? {
        let webhook = serde_json::from_value(shown(&view, &MEMBERS).into())?;
        known.push(Known { id: view["id"].as_str().unwrap_or_default().to_owned(), webhook });
    }
    // The list is newest first. Texts of ids are in no order.
    known.reverse();
    known.sort_by_cached_key(|known| known.webhook.identity());
    Ok(known)
}

/// Webhooks as TOML, in an order that does not hang on when they were made.
pub(super) fn export(known: Vec<Known>) -> anyhow::Result<String> {
    let mut webhooks: Vec<Webhook> = known.into_iter().map(|known| known.webhook).collect();
    webhooks.sort_by_cached_key(|webhook| (webhook.identity(), webhook.types(), webhook.enabled));
    webhooks.iter().map(|webhook| table("webhooks", &webhook.exported())).collect()
}

/// Makes webhooks what their documents say; `prune` takes away those that have none. What has to be tried before any of it is
/// done.
pub(super) fn plan(wanted: &[Webhook], mut known: Vec<Known>, prune: bool, plan: &mut Plan) -> Vec<Trial> {
    let mut found: Vec<Option<Known>> = Vec::new();
    for webhook in wanted {
        let same = |known: &Known| known.webhook.identity() == webhook.identity();
        let is_it = |known: &Known| same(known) && known.webhook.types() == webhook.types();
        found.push(known.iter().position(is_it).map(|place| known.remove(place)));
    }
    for (webhook, there) in wanted.iter().zip(&mut found).filter(|(_, there)| there.is_none()) {
        let same = |known: &Known| known.webhook.identity() == webhook.identity();
        *there = known.iter().position(same).map(|place| known.remove(place));
    }
    let mut of_keepers: HashMap<Keeper, u32> = HashMap::new();
    let there = known.iter().chain(found.iter().flatten());
    there.for_each(|known| *of_keepers.entry(known.webhook.keeper()).or_default() += 1);
    let mut trials = Vec::new();
    for (place, (webhook, there)) in wanted.iter().zip(found).enumerate() {
        let (thing, at) = (Thing::Webhook(place), format!("/webhooks/{place}"));
        match there {
            Some(Known { id, webhook: there }) => {
                let (body, places) = webhook.changes(&there);
                let path = format!("/v1/webhooks/{id}");
                let mut calls = Vec::new();
                if !places.is_empty() {
                    trials.push(Trial::new(Method::PATCH, &path, body.clone(), at));
                    calls.push(Call::new(Method::PATCH, path).body(body));
                }
                plan.things.insert(thing, Some(id));
                plan.add(change("webhook", &webhook.url, "changed", &places), calls);
            }
            None => {
                webhook.expect_provider(&at, plan);
                let number = of_keepers.entry(webhook.keeper()).or_default();
                *number += 1;
                if *number > WEBHOOKS_MAX {
                    plan.mistakes.add(
                        &at,
                        format!(
                            "{WEBHOOKS_MAX} webhooks are all that one may have, with those that are to go"
                        ),
                    );
                } else {
                    trials.push(Trial::new(Method::POST, "/v1/webhooks", webhook.made(), at));
                }
                plan.add(change("webhook", &webhook.url, "added", &[]), webhook.creation(&thing));
            }
        }
    }
    for Known { id, webhook } in known.into_iter().filter(|_| prune) {
        let remove = Call::new(Method::DELETE, format!("/v1/webhooks/{id}"));
        plan.add(change("webhook", &webhook.url, "removed", &[]), vec![remove]);
    }
    trials
}

// === impl Webhook ===

impl Webhook {
    /// What it is known by. URLs that are the same are spelled the same.
    fn identity(&self) -> (String, Option<String>, Option<String>, bool) {
        let url = Url::parse(&self.url).map_or_else(|_| self.url.clone(), |url| url.to_string());
        (url, self.provider.clone(), self.owner.clone(), self.of_tenant.unwrap_or(false))
    }

    /// Who keeps it, and may have so many.
    fn keeper(&self) -> Keeper {
        (self.provider.clone(), self.owner.clone(), self.of_tenant.unwrap_or(false))
    }

    /// Nothing happens to a provider that is not there.
    fn expect_provider(&self, at: &str, plan: &mut Plan) {
        let Some(name) = &self.provider else { return };
        if plan.names.as_ref().is_some_and(|names| !names.has_provider(name)) {
            plan.mistakes.add(format!("{at}/provider"), format!("there is no provider `{name}`"));
        }
    }

    /// In any order they are the same.
    fn types(&self) -> Option<Vec<String>> {
        let mut types = self.types.clone()?;
        types.sort_unstable();
        Some(types)
    }

    fn exported(&self) -> Self {
        Self { types: self.types(), of_tenant: self.of_tenant.filter(|is| *is), ..self.clone() }
    }

    fn made(&self) -> Value {
        json!({
            "url": self.url, "types": self.types, "provider": self.provider, "owner": self.owner,
            "of_tenant": self.of_tenant.unwrap_or(false),
        })
    }

    fn creation(&self, thing: &Thing) -> Vec<Call> {
        let mut calls = vec![Call::new(Method::POST, "/v1/webhooks").body(self.made()).makes(thing)];
        if self.enabled == Some(false) {
            let disable = Call::new(Method::PATCH, "/v1/webhooks/{}");
            calls.push(disable.about(thing).body(json!({ "enabled": false })));
        }
        calls
    }

    /// The body that makes it so, and the places that differ.
    fn changes(&self, there: &Self) -> (Value, Vec<&'static str>) {
        let mut body = serde_json::Map::new();
        let mut places = Vec::new();
        if self.types() != there.types() {
            body.insert("types".to_owned(), json!(self.types));
            places.push("/types");
        }
        if self.enabled.is_some() && self.enabled != there.enabled {
            body.insert("enabled".to_owned(), json!(self.enabled));
            places.push("/enabled");
        }
        (body.into(), places)
    }
}
