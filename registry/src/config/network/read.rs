//! Reads `[[networks]]`. URLs of nodes hold API keys: no message repeats any part of one.

use std::sync::Arc;
use std::time::Duration;

use domain::{Amount, Network, Secret, Token};

use super::{
    CONFIRMATIONS, ForeignSettings, MARGIN_SECONDS, MAX_TIMEOUT_SECONDS, NetworkSettings,
    PAYER_UNSETTLED_MAX, foreign, settler, token,
};
use crate::catalog::misfit::to_a_token;
use crate::config::key_path::printable;
use crate::config::section::secret_file;
use crate::config::settings::Coordination;
use crate::config::tree::{Item, Section};
use crate::config::value::{self, within};

/// Networks of one file.
const NETWORKS_MAX: usize = 16;

/// Nodes of one network.
const NODES_MAX: usize = 8;

/// Most blocks on top of one that can be asked for.
const CONFIRMATIONS_MAX: u64 = 10_000;

/// Longest time of a payment: for so long its nonce is kept at hand.
const TIMEOUT_MAX: Duration = Duration::from_secs(60 * 60);

/// Public networks of a file.
#[derive(Clone, Debug, Default)]
pub(in crate::config) struct Public {
    pub(in crate::config) networks: Arc<[NetworkSettings]>,
    /// The non-EVM ones.
    pub(in crate::config) foreign: Arc<[ForeignSettings]>,
}

/// All networks of a file, beside the number of the wallet's own network; none where one of them could not be read.
pub(in crate::config) fn all(root: &Section<'_>, wallet: u64, coordination: Coordination) -> Option<Public> {
    let sections = root.sections("networks");
    if let Some(beyond) = sections.get(NETWORKS_MAX) {
        root.report().fail(beyond.spot(), format!("more than {NETWORKS_MAX} networks"));
    }
    let (mut ids, mut names): (Vec<u64>, Vec<String>) = (Vec::new(), Vec::new());
    let (mut networks, mut others) = (Vec::new(), Vec::new());
    for section in sections.into_iter().take(NETWORKS_MAX) {
        let is_foreign = section
            .item("id")
            .filter(Item::is_text)
            .and_then(|item| item.text().map(|text| foreign::is_named(&text)));
        if is_foreign == Some(true) {
            others.push(foreign::one(section, coordination, &mut names));
        } else {
            networks.push(one(section, wallet, &mut ids));
        }
    }
    let networks: Option<Arc<[_]>> = networks.into_iter().collect();
    let foreign: Option<Arc<[_]>> = others.into_iter().collect();
    Some(Public { networks: networks?, foreign: foreign? })
}

fn one(section: Section<'_>, wallet: u64, ids: &mut Vec<u64>) -> Option<NetworkSettings> {
    let chain_id = chain_id(&section, wallet, ids);
    let nodes = nodes(&section);
    let confirmations = section.item("confirmations").and_then(|item| item.integer(0..=CONFIRMATIONS_MAX));
    let times = times(&section);
    let treasury_item = section.item("treasury");
    let treasury = treasury_item.as_ref().and_then(|item| item.parse(value::address));
    let payer_unsettled_max = section.item("payer_unsettled_max").and_then(|item| item.parse(cap));
    let refunds_per_day_max = section.item("refunds_per_day_max").and_then(|item| item.parse(refunds));
    let tokens = token::all(&section, chain_id);
    let settler = settler::read(&section);
    section.finish();
    let id: Arc<str> = format!("eip155:{}", chain_id?).into();
    let is_treasury = |token: &Token| Some(token.asset.address) == treasury;
    if let Some(item) = treasury_item.filter(|_| tokens.iter().flatten().any(is_treasury)) {
        item.fail(to_a_token(&id));
    }
    let (max_timeout_seconds, margin_seconds) = times?;
    Some(NetworkSettings {
        network: Network { id, tokens: tokens?, max_timeout_seconds, margin_seconds, treasury },
        nodes: nodes?,
        confirmations: confirmations.unwrap_or(CONFIRMATIONS),
        payer_unsettled_max: payer_unsettled_max
            .or(Amount::from_atomic(PAYER_UNSETTLED_MAX))
            .unwrap_or_default(),
        refunds_per_day_max,
        settler: settler?,
    })
}

fn chain_id(section: &Section<'_>, wallet: u64, ids: &mut Vec<u64>) -> Option<u64> {
    let hint = "name the network by its CAIP-2 id, such as id = \"eip155:84532\" (Base Sepolia, for tests)";
    let item = section.require("id", hint)?;
    let chain_id = item.parse(caip2)?;
    if chain_id == wallet {
        item.fail(format!(
            "is the network of the wallet ([wallet] chain_id = {chain_id}), whose signatures could be used here: give the wallet \
             another number"
        ));
    }
    if ids.contains(&chain_id) {
        item.fail(format!("there is already a network eip155:{chain_id}: make them one"));
    }
    ids.push(chain_id);
    Some(chain_id)
}

/// The number of an EVM network.
fn caip2(text: &str) -> Result<u64, String> {
    let malformed = || {
        format!(
            "`{}` is no CAIP-2 id of a network: write it as \"eip155:84532\", which is Base Sepolia",
            printable(text)
        )
    };
    match text.split_once(':') {
        Some(("eip155", number)) => {
            // EIP-2294 keeps chain ids below this; without a leading zero there is one way to write each.
            let parsed = number.parse().ok().filter(|id| (1..=4_503_599_627_370_476).contains(id));
            parsed.filter(|id: &u64| id.to_string() == number).ok_or_else(malformed)
        }
        Some(_) | None => Err(malformed()),
    }
}

/// At least one.
pub(super) fn nodes(section: &Section<'_>) -> Option<Vec<Secret>> {
    let nodes = named_nodes(section)?;
    if nodes.iter().any(|node| value::is_open(node.expose())) {
        let told = "names a node without https: whoever is on the way can say what the chain shows";
        section.report().warn(&section.spot_of("rpc"), told);
    }
    Some(nodes)
}

fn named_nodes(section: &Section<'_>) -> Option<Vec<Secret>> {
    let given = section.item("rpc");
    let in_file = section.item("rpc_file");
    match (given, in_file) {
        (Some(item), Some(_)) => {
            item.fail("stands beside rpc_file: keep one of them");
            None
        }
        (Some(item), None) => {
            let told =
                format!("must list 1 to {NODES_MAX} URLs of nodes, such as [\"https://node.example\"]");
            let items = item.filled_list(NODES_MAX, told)?;
            let nodes: Vec<Secret> = items.iter().filter_map(|item| item.parse(node)).collect();
            (nodes.len() == items.len()).then_some(nodes)
        }
        (None, Some(item)) => nodes_in_file(&item),
        (None, None) => {
            let told = "names no node: write rpc = [\"https://...\"], or rpc_file with one URL a line";
            section.report().fail(section.spot(), told);
            None
        }
    }
}

fn nodes_in_file(item: &Item<'_>) -> Option<Vec<Secret>> {
    let text = secret_file(item)?;
    let lines = text.expose().lines().map(str::trim).filter(|line| !line.is_empty());
    let nodes: Result<Vec<Secret>, String> = lines.map(node).collect();
    match nodes {
        Ok(nodes) if (1..=NODES_MAX).contains(&nodes.len()) => Some(nodes),
        Ok(_) => {
            item.fail(format!("must name a file with 1 to {NODES_MAX} URLs of nodes, one a line"));
            None
        }
        Err(told) => {
            item.fail(format!("each line of the file {told}"));
            None
        }
    }
}

fn node(text: &str) -> Result<Secret, String> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    let named = host.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', '?', '#', ':']));
    if plain && named {
        return Ok(Secret::new(text.to_owned()));
    }
    Err("must be the URL of a node, such as \"https://node.example/v3/KEY\"".to_owned())
}

/// How long a payment may be valid, and how much of that must be left, in seconds.
pub(super) fn times(section: &Section<'_>) -> Option<(u64, u64)> {
    let (item, margin_item) = (section.item("max_timeout"), section.item("margin"));
    let seconds = |item: &Option<Item<'_>>, least, or| {
        item.as_ref().map_or(Some(or), |item| item.parse_in("s", |text| whole_seconds(text, least)))
    };
    let max_timeout = seconds(&item, 1, MAX_TIMEOUT_SECONDS);
    let margin = seconds(&margin_item, 0, MARGIN_SECONDS);
    let (max_timeout, margin) = max_timeout.zip(margin)?;
    if let (true, Some(item)) = (margin >= max_timeout, margin_item.or(item)) {
        item.fail(format!(
            "margin ({margin}s) must be shorter than max_timeout ({max_timeout}s): every payment would come too late"
        ));
        return None;
    }
    Some((max_timeout, margin))
}

fn whole_seconds(text: &str, least: u64) -> Result<u64, String> {
    let given =
        within(value::duration(text)?, (Duration::from_secs(least), TIMEOUT_MAX), value::print_duration)?;
    if given.subsec_nanos() == 0 {
        return Ok(given.as_secs());
    }
    Err("must be whole seconds: offers say it so".to_owned())
}

pub(super) fn cap(text: &str) -> Result<Amount, String> {
    match Amount::parse_dollars(text) {
        Ok(amount) if amount.is_zero() => {
            Err("is nothing, so that nobody could pay: write it as \"$10\"".to_owned())
        }
        Ok(amount) => Ok(amount),
        Err(error) => Err(error.to_string()),
    }
}

/// Zero: nobody gives anything back.
fn refunds(text: &str) -> Result<Amount, String> {
    Amount::parse_dollars(text).map_err(|error| error.to_string())
}
