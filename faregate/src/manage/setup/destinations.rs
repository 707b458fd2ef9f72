//! `[[payout_destinations]]` of a setup: where the money of each provider goes, those of the configuration file too.
//!
//! Only what is in force travels. One that still waits stays where it was asked for: the delay is there so that somebody looks
//! at it, and a copy would be in force at once. None is taken away.

use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::lists;
use super::plan::{Call, Plan, Thing, change};
use super::value::{shown, table};
use super::wallets::Known as KnownWallet;
use crate::manage::Api;
use crate::manage::input::{Input, escape};
use crate::manage::refusal::Refusal;

/// A destination of a file.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Destination {
    provider: String,
    rail: Rail,
    /// The label of a wallet, with the rail `ledger`.
    wallet: Option<String>,
    /// What whoever pays has to read, with the rail `manual`.
    reference: Option<String>,
    /// The network, with the rail `chain`; the same below.
    network: Option<String>,
    /// The address there.
    address: Option<String>,
    /// The token's address; the network's first one where not given.
    asset: Option<String>,
}

/// How it is paid.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Rail {
    /// Into a wallet.
    Ledger,
    /// By a person's hand.
    Manual,
    /// Out of the treasury on a public network.
    Chain,
}

/// What a provider has, with the ids of wallets.
#[derive(Default)]
struct Known {
    /// In force.
    current: Option<Destination>,
    /// Asked for, and waiting.
    pending: Option<Destination>,
}

/// All destinations as TOML.
pub(super) async fn export(api: &Api, wallets: &[KnownWallet]) -> anyhow::Result<String> {
    let mut toml = String::new();
    for provider in lists::all::<Value>(api, "/v1/providers").await? {
        let name = provider["name"].as_str().unwrap_or_default();
        if let Some(mut there) = Destination::read(api, name).await?.current {
            let label = |id: &String| wallets.iter().find(|wallet| wallet.id == *id);
            there.wallet =
                there.wallet.as_ref().and_then(label).map(|wallet| wallet.label.clone()).or(there.wallet);
            toml.push_str(&table("payout_destinations", &there)?);
        }
    }
    Ok(toml)
}

/// Sends payouts where their documents say. A provider that is not there yet must come with the file.
pub(super) async fn plan(
    api: &Api,
    wanted: &[Destination],
    providers: &[Map<String, Value>],
    plan: &mut Plan,
) -> anyhow::Result<()> {
    for (place, destination) in wanted.iter().enumerate() {
        let at = format!("/payout_destinations/{place}");
        let name = &destination.provider;
        if wanted.iter().take(place).any(|earlier| earlier.provider == *name) {
            plan.mistakes.add(format!("{at}/provider"), format!("`{name}` stands here twice"));
            continue;
        }
        if !destination.is_whole() {
            let told = "the rail `ledger` takes a `wallet`, `manual` a `reference`, `chain` a `network` and an `address`";
            plan.mistakes.add(&at, told);
        }
        if let Some(label) = &destination.wallet {
            plan.expect_wallet(label, format!("{at}/wallet"));
        }
        let Known { current, pending } = match Destination::read(api, name).await {
            Ok(known) => known,
            Err(error) if Refusal::is(StatusCode::NOT_FOUND, &error) => {
                if !providers.iter().any(|provider| provider.get("name") == Some(&json!(name))) {
                    plan.mistakes.add(format!("{at}/provider"), format!("there is no provider `{name}`"));
                }
                Known::default()
            }
            Err(error) => return Err(error),
        };
        let id = |label: &String| plan.id(&Thing::Wallet(label.clone())).map(str::to_owned);
        // What waits is asked for already.
        let is_there = [&current, &pending].into_iter().flatten().any(|there| {
            (&there.rail, &there.reference) == (&destination.rail, &destination.reference)
                && there.wallet == destination.wallet.as_ref().and_then(id)
                && there.is_account_of(destination)
        });
        if !is_there {
            let word = if current.is_some() { "changed" } else { "added" };
            plan.add(change("payout destination", name, word, &[]), vec![destination.call()]);
        }
    }
    Ok(())
}

fn path(provider: &str) -> String {
    format!("/v1/providers/{}/payout-destination", escape(provider))
}

// === impl Destination ===

impl Destination {
    async fn read(api: &Api, provider: &str) -> anyhow::Result<Known> {
        let both = api.ask(&Input::of(Method::GET, &path(provider), Vec::new())).await?;
        let read = |entry: &Value| -> anyhow::Result<Option<Self>> {
            if entry.is_null() {
                return Ok(None);
            }
            let mut members = shown(entry, &["rail", "wallet", "reference", "network", "address", "asset"]);
            members.insert("provider".to_owned(), provider.into());
            Ok(Some(serde_json::from_value(members.into())?))
        };
        Ok(Known { current: read(&both["current"])?, pending: read(&both["pending"])? })
    }

    /// Whether it says what its rail wants, and nothing else.
    fn is_whole(&self) -> bool {
        let is_chain = self.rail == Rail::Chain;
        self.wallet.is_some() == (self.rail == Rail::Ledger)
            && self.reference.is_some() == (self.rail == Rail::Manual)
            && (self.network.is_some(), self.address.is_some()) == (is_chain, is_chain)
            && (is_chain || self.asset.is_none())
    }

    /// Whether this is the account that another one asks for: digits in any case, and any token where that one names none.
    fn is_account_of(&self, wanted: &Self) -> bool {
        let same = |one: &Option<String>, other: &Option<String>| match (one, other) {
            (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
            (one, other) => one.is_none() && other.is_none(),
        };
        self.network == wanted.network
            && same(&self.address, &wanted.address)
            && (wanted.asset.is_none() || same(&self.asset, &wanted.asset))
    }

    fn call(&self) -> Call {
        let mut body = json!({ "rail": self.rail });
        let Self { reference, network, address, asset, .. } = self;
        for (name, given) in
            [("reference", reference), ("network", network), ("address", address), ("asset", asset)]
        {
            if let Some(given) = given {
                body[name] = given.as_str().into();
            }
        }
        Call::new(Method::PUT, path(&self.provider)).body(body).wallet(self.wallet.as_ref())
    }
}
