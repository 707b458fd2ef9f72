//! Who settles on a network: `settler`, with `[[networks.facilitators]]` or `[networks.evm]`.

use std::time::Duration;

use domain::{Address, Secret};

use super::{EvmSettings, FacilitatorSettings, SettlerSettings};
use crate::config::header;
use crate::config::section::{duration, secret_file};
use crate::config::tree::{Item, Section};
use crate::config::value::{self, one_of};

/// Facilitators of one network.
const FACILITATORS_MAX: usize = 16;

/// Settlements at once that one facilitator is asked for.
const RUNNING_MAX: u64 = 10_000;

/// How many that are where nothing is said.
const RUNNING: usize = 256;

/// Most blocks until more is offered for gas.
const BUMP_AFTER_MAX: u64 = 1_000;

/// How many that are where nothing is said.
const BUMP_AFTER: u64 = 3;

/// Factories of one network.
const FACTORIES_MAX: usize = 64;

/// Longest time for which payments are collected.
const BATCH_INTERVAL_MAX: Duration = Duration::from_secs(60);

/// For how long they are where nothing is said.
const BATCH_INTERVAL: Duration = Duration::from_millis(200);

/// Most transactions that a key can have sent before.
const FIRST_NONCE_MAX: u64 = 1_000_000_000_000;

/// Shortest time that a facilitator is waited for.
const TIMEOUT_MIN: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Facilitator,
    Evm,
}

pub(super) fn read(section: &Section<'_>) -> Option<SettlerSettings> {
    let kind_item = section.item("settler");
    let facilitators_item = section.item("facilitators");
    let evm_item = section.item("evm");
    let kind = kind_item.map_or(Some(Kind::Facilitator), |item| item.parse(kind))?;
    let (other, told) = match kind {
        Kind::Facilitator => (&evm_item, "is for settler = \"evm\", and here facilitators settle: keep one"),
        Kind::Evm => {
            (&facilitators_item, "are for settler = \"facilitator\", and here it is \"evm\": keep one")
        }
    };
    if let Some(other) = other {
        other.fail(told);
        return None;
    }
    match (kind, facilitators_item, evm_item) {
        (Kind::Facilitator, Some(item), _) => facilitators(&item).map(SettlerSettings::Facilitators),
        (Kind::Evm, _, Some(item)) => evm(item.section()?).map(SettlerSettings::Evm),
        (Kind::Facilitator, None, _) => {
            missing(section, "has no facilitator: write [[networks.facilitators]] with a url")
        }
        (Kind::Evm, _, None) => {
            missing(section, "settles by itself without a key: write [networks.evm] with key_file")
        }
    }
}

fn missing(section: &Section<'_>, told: &str) -> Option<SettlerSettings> {
    section.report().fail(section.spot(), told);
    None
}

fn kind(text: &str) -> Result<Kind, String> {
    match text {
        "facilitator" => Ok(Kind::Facilitator),
        "evm" => Ok(Kind::Evm),
        _ => Err(one_of(text, &["facilitator", "evm"]).to_string()),
    }
}

fn facilitators(item: &Item<'_>) -> Option<Vec<FacilitatorSettings>> {
    let told = format!("must list 1 to {FACILITATORS_MAX} facilitators");
    let items = item.filled_list(FACILITATORS_MAX, told)?;
    let all: Vec<_> = items.iter().filter_map(|item| facilitator(item.section()?)).collect();
    for (index, one) in all.iter().enumerate() {
        if all[..index].iter().any(|other| other.url == one.url) {
            item.fail(format!("names {} twice", one.url));
        }
    }
    (all.len() == items.len()).then_some(all)
}

fn facilitator(section: Section<'_>) -> Option<FacilitatorSettings> {
    let hint = "write where it is, such as url = \"https://facilitator.example\"";
    let url = section.require("url", hint).and_then(|item| item.parse(value::base_url));
    if url.as_deref().is_some_and(value::is_open) {
        let told = "is not https: whoever is on the way can read its token, and answer in its place";
        section.report().warn(&section.spot_of("url"), told);
    }
    let weight = section.item("weight").and_then(|item| item.integer(0..=1_000));
    let running = section.item("running_max").and_then(|item| item.integer(1..=RUNNING_MAX));
    let time = |key, default: u64, most: u64| {
        let item = section.item(key);
        let given = item.and_then(|item| duration(&item, TIMEOUT_MIN, Duration::from_secs(most)));
        given.unwrap_or(Duration::from_secs(default))
    };
    let verify_timeout = time("verify_timeout", 2, 60);
    let settle_timeout = time("settle_timeout", 30, 600);
    let common = header::read(&section);
    let of_call = |key| {
        let own = section.item(key).and_then(|item| item.section()).map(|section| {
            let own = header::read(&section);
            section.finish();
            own
        });
        together(&common, own.unwrap_or_default())
    };
    let (verify_headers, settle_headers, supported_headers) =
        (of_call("verify"), of_call("settle"), of_call("supported"));
    section.finish();
    Some(FacilitatorSettings {
        url: url?,
        weight: weight.and_then(|weight| u32::try_from(weight).ok()).unwrap_or(1),
        running_max: running.and_then(|count| usize::try_from(count).ok()).unwrap_or(RUNNING),
        verify_timeout,
        settle_timeout,
        verify_headers,
        settle_headers,
        supported_headers,
    })
}

/// A call's own fields stand in front of those of all calls.
fn together(common: &[(String, Secret)], own: Vec<(String, Secret)>) -> Vec<(String, Secret)> {
    let mut all = own;
    for (name, value) in common {
        if !all.iter().any(|(other, _)| other == name) {
            all.push((name.clone(), value.clone()));
        }
    }
    all
}

fn evm(section: Section<'_>) -> Option<EvmSettings> {
    let hint = "name a file with the private key of an account that holds only what gas costs";
    let key_item = section.require("key_file", hint);
    let key = key_item.as_ref().and_then(secret_file).map(|key| {
        let digits = key.expose().strip_prefix("0x").unwrap_or(key.expose()).to_ascii_lowercase();
        Secret::new(digits)
    });
    if let (Some(item), Some(key)) = (&key_item, &key) {
        let digits = key.expose();
        let is_key = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_key || digits.bytes().all(|byte| byte == b'0') {
            let file = item.text().unwrap_or_default();
            item.fail(format!(
                "{file} holds no private key: write 64 hexadecimal digits into it, with 0x or without"
            ));
        }
    }
    let hint = "write the most that a unit of gas may cost, such as \"2gwei\": more is not paid, it waits";
    let fee = section.require("max_fee_per_gas", hint).and_then(|item| item.parse(value::gwei));
    let bump_after = section.item("bump_after").and_then(|item| item.integer(1..=BUMP_AFTER_MAX));
    let interval = section.item("batch_interval");
    let interval = interval.and_then(|item| duration(&item, Duration::ZERO, BATCH_INTERVAL_MAX));
    let factories = section.item("factories").map(|item| factories(&item)).unwrap_or_default();
    let first_nonce = section.item("first_nonce").and_then(|item| item.integer(0..=FIRST_NONCE_MAX));
    section.finish();
    Some(EvmSettings {
        key: key?,
        max_fee_per_gas: fee?,
        bump_after: bump_after.unwrap_or(BUMP_AFTER),
        batch_interval: interval.unwrap_or(BATCH_INTERVAL),
        factories,
        first_nonce: first_nonce.unwrap_or(0),
    })
}

fn factories(item: &Item<'_>) -> Vec<Address> {
    let told = format!("must list 1 to {FACTORIES_MAX} addresses; leave it out to make no wallets of payers");
    let listed = item.filled_list(FACTORIES_MAX, told).unwrap_or_default();
    listed.iter().filter_map(|item| item.parse(value::address)).collect()
}
