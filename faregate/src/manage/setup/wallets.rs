//! `[[wallets]]` of a setup: names, owners, and the balances at which somebody wants to hear of them. Never what is in them:
//! money does not travel in a file.
//!
//! The names of wallets are not unique. In a file each has a label, by which agents and payout destinations name it: its
//! name, unless another one has that. Of several with the same name and owner the first in a file is the oldest there is.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;

use domain::Amount;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::lists;
use super::plan::{Call, Plan, Thing, change, freezing};
use super::value::{shown, table};
use crate::manage::Api;

/// A wallet of a file. What it does not say stays as it is.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wallet {
    name: String,
    label: Option<String>,
    owner: Option<String>,
    frozen: Option<bool>,
    frozen_by_owner: Option<bool>,
    alerts: Option<BTreeSet<Threshold>>,
}

/// What a balance is held against: `$5`, or `10%` of the last funding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(super) enum Threshold {
    Amount(Amount),
    Percent(u8),
}

/// A wallet that is there.
pub(super) struct Known {
    pub(super) id: String,
    pub(super) label: String,
    name: String,
    owner: Option<String>,
    frozen: bool,
    frozen_by_owner: Option<bool>,
    /// With the alert's id.
    alerts: Vec<(Threshold, String)>,
}

#[derive(Deserialize)]
struct Row {
    id: String,
    name: String,
    owner: Option<String>,
    frozen: bool,
    frozen_by_operator: Option<bool>,
}

/// All wallets, by name, owner and age.
pub(super) async fn read(api: &Api) -> anyhow::Result<Vec<Known>> {
    let mut rows: Vec<Row> = lists::all(api, "/v1/wallets").await?;
    // The list is newest first. Texts of ids are in no order.
    rows.reverse();
    rows.sort_by_cached_key(|row| (row.name.clone(), row.owner.clone()));
    let mut alerts: HashMap<String, Vec<(Threshold, String)>> = HashMap::new();
    for alert in lists::all::<Value>(api, "/v1/alerts").await? {
        let text = |name: &str| alert[name].as_str().unwrap_or_default().to_owned();
        alerts.entry(text("wallet")).or_default().push((Threshold::of(&alert)?, text("id")));
    }
    let mut labels = HashSet::new();
    let known = rows.into_iter().map(|Row { id, name, owner, frozen, frozen_by_operator }| {
        let numbered = (2_u64..).map(|number| format!("{name} ({number})"));
        let label = std::iter::once(name.clone()).chain(numbered).find(|label| labels.insert(label.clone()));
        let alerts = alerts.remove(&id).unwrap_or_default();
        let frozen_by_owner = (frozen && frozen_by_operator == Some(false)).then_some(true);
        Known { id, label: label.unwrap_or_default(), name, owner, frozen, frozen_by_owner, alerts }
    });
    Ok(known.collect())
}

/// Wallets as TOML.
pub(super) fn export(known: &[Known]) -> anyhow::Result<String> {
    known.iter().map(|wallet| table("wallets", &wallet.document())).collect()
}

/// Makes wallets what their documents say.
pub(super) fn plan(wanted: &[Wallet], known: &[Known], plan: &mut Plan) {
    let mut there: HashMap<(&str, Option<&str>), Vec<&Known>> = HashMap::new();
    for wallet in known.iter().rev() {
        there.entry((&wallet.name, wallet.owner.as_deref())).or_default().push(wallet);
    }
    for (place, wallet) in wanted.iter().enumerate() {
        let thing = Thing::Wallet(wallet.label().to_owned());
        if plan.things.contains_key(&thing) {
            let told = format!("another wallet here is called `{}`: give this one a `label`", wallet.label());
            plan.mistakes.add(format!("/wallets/{place}"), told);
            continue;
        }
        let same = there.get_mut(&(wallet.name.as_str(), wallet.owner.as_deref()));
        let known = same.and_then(Vec::pop);
        plan.things.insert(thing.clone(), known.map(|known| known.id.clone()));
        match known {
            Some(known) => {
                let (calls, places) = wallet.changes(known, &thing);
                plan.add(change("wallet", wallet.label(), "changed", &places), calls);
            }
            None => plan.add(change("wallet", wallet.label(), "added", &[]), wallet.creation(&thing)),
        }
    }
}

fn alert(thing: &Thing, threshold: Threshold) -> Call {
    Call::new(Method::POST, "/v1/wallets/{}/alerts").about(thing).body(threshold.body())
}

// === impl Wallet ===

impl Wallet {
    fn label(&self) -> &str {
        self.label.as_ref().unwrap_or(&self.name)
    }

    fn creation(&self, thing: &Thing) -> Vec<Call> {
        let body = json!({ "name": self.name, "owner": self.owner });
        let mut calls = vec![Call::new(Method::POST, "/v1/wallets").body(body).makes(thing)];
        if self.frozen == Some(true) {
            calls.push(freezing("wallets", true, self.frozen_by_owner).about(thing));
        }
        calls.extend(self.alerts.iter().flatten().map(|threshold| alert(thing, *threshold)));
        calls
    }

    fn changes(&self, known: &Known, thing: &Thing) -> (Vec<Call>, Vec<&'static str>) {
        let (mut calls, mut places) = (Vec::new(), Vec::new());
        if let Some(frozen) = self.frozen.filter(|frozen| *frozen != known.frozen) {
            calls.push(freezing("wallets", frozen, self.frozen_by_owner).about(thing));
            places.push("/frozen");
        }
        if let Some(wanted) = &self.alerts {
            let is_there = |threshold: &&Threshold| known.alerts.iter().any(|(there, _)| there == *threshold);
            let new = wanted.iter().filter(|threshold| !is_there(threshold));
            let old = known.alerts.iter().filter(|(there, _)| !wanted.contains(there));
            let before = calls.len();
            calls.extend(new.map(|threshold| alert(thing, *threshold)));
            calls.extend(old.map(|(_, id)| {
                Call::new(Method::DELETE, format!("/v1/wallets/{{}}/alerts/{id}")).about(thing)
            }));
            places.extend((calls.len() > before).then_some("/alerts"));
        }
        (calls, places)
    }
}

// === impl Known ===

impl Known {
    fn document(&self) -> Wallet {
        Wallet {
            name: self.name.clone(),
            label: (self.label != self.name).then(|| self.label.clone()),
            owner: self.owner.clone(),
            frozen: Some(self.frozen),
            frozen_by_owner: self.frozen_by_owner,
            alerts: Some(self.alerts.iter().map(|(threshold, _)| *threshold).collect()),
        }
    }
}

// === impl Threshold ===

impl Threshold {
    /// Of an alert as the API shows it.
    fn of(alert: &Value) -> anyhow::Result<Self> {
        let text = match shown(alert, &["amount"]).get("amount").and_then(Value::as_str) {
            Some(amount) => amount.to_owned(),
            None => format!("{}%", alert["percent"]),
        };
        Self::try_from(text).map_err(anyhow::Error::msg)
    }

    fn body(self) -> Value {
        match self {
            Self::Amount(amount) => json!({ "amount": amount.to_string() }),
            Self::Percent(percent) => json!({ "percent": percent }),
        }
    }
}

impl TryFrom<String> for Threshold {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        const TOLD: &str = "must be an amount such as $5, or 1% to 100% of the last funding";
        if let Some(percent) = text.strip_suffix('%') {
            let percent = percent.parse().ok().filter(|percent| (1..=100).contains(percent));
            return percent.map(Self::Percent).ok_or(TOLD);
        }
        let amount = Amount::parse_dollars(&text).ok().filter(|amount| !amount.is_zero());
        amount.map(Self::Amount).ok_or(TOLD)
    }
}

impl From<Threshold> for String {
    fn from(threshold: Threshold) -> Self {
        threshold.to_string()
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Amount(amount) => amount.fmt(out),
            Self::Percent(percent) => write!(out, "{percent}%"),
        }
    }
}
