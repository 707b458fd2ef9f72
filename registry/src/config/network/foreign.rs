//! Reads the non-EVM ones of `[[networks]]`: one facilitator verifies and settles there, and nodes show at most what landed.

use domain::{Amount, ForeignName, ForeignNetwork, Secret};

use super::read::{self, cap, times};
use super::{FacilitatorSettings, PAYER_UNSETTLED_MAX, SettlerSettings, settler};
use crate::config::key_path::printable;
use crate::config::settings::Coordination;
use crate::config::tree::{Item, Section};
use domain::chain::TOKEN_DECIMALS;

/// Tokens of one network.
const TOKENS_MAX: usize = 8;

/// Keys that say what such a network cannot do, and why.
const REFUSED: [(&str, &str); 4] = [
    ("confirmations", "counts blocks, and only final ones count on such a network: leave it out"),
    (
        "treasury",
        "is for money that Faregate sends on, and it sends nothing on such a network: providers are paid at addresses of their own",
    ),
    (
        "refunds_per_day_max",
        "is for money that Faregate gives back, and it sends nothing on such a network: leave it out",
    ),
    ("margin", "is what it takes to settle a payment, which only the facilitator knows there: leave it out"),
];

const NOT_READ: &str = "names nodes, and nothing of such a network is read here: its facilitator says what was settled; leave it out";

/// What CAIP-2 names of networks begin with whose nodes are asked.
const SOLANA: &str = "solana:";

/// A non-EVM network of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignSettings {
    /// What offers say of it.
    pub network: ForeignNetwork,
    /// The most that one payer may have verified and not settled yet.
    pub payer_unsettled_max: Amount,
    /// Nodes of Solana that show which payments landed, the preferred one first; there may be none. URLs hold API keys.
    pub nodes: Vec<Secret>,
    /// Who verifies and settles there. Its weight does not matter.
    pub facilitator: FacilitatorSettings,
}

/// Whether a network's name is that of a non-EVM one.
pub(super) fn is_named(text: &str) -> bool {
    text.split_once(':').is_some_and(|(namespace, _)| namespace != "eip155")
}

pub(super) fn one(
    section: Section<'_>,
    coordination: Coordination,
    ids: &mut Vec<String>,
) -> Option<ForeignSettings> {
    let item = section.item("id");
    let id = item.as_ref().and_then(|item| item.parse(caip2));
    if let (Some(item), Some(id)) = (&item, &id) {
        if ids.contains(id) {
            item.fail(format!("there is already a network {id}: make them one"));
        }
        ids.push(id.clone());
        if coordination == Coordination::Db {
            item.fail(
                "is a non-EVM network: of a payment there only the process that asked for its settlement knows that it did, so leave out \
                 coordination = \"db\" in [data], or this network",
            );
        }
    }
    for (key, told) in REFUSED {
        if let Some(item) = section.item(key) {
            item.fail(told);
        }
    }
    let nodes = nodes(&section, id.as_deref());
    let max_timeout = times(&section).map(|(max_timeout, _)| max_timeout);
    let payer_unsettled_max = section.item("payer_unsettled_max").and_then(|item| item.parse(cap));
    let tokens = tokens(&section);
    let facilitator = facilitator(&section);
    section.finish();
    let network = ForeignNetwork { id: id?.into(), tokens: tokens?, max_timeout_seconds: max_timeout? };
    let usual = || Amount::from_atomic(PAYER_UNSETTLED_MAX).unwrap_or_default();
    Some(ForeignSettings {
        network,
        payer_unsettled_max: payer_unsettled_max.unwrap_or_else(usual),
        nodes: nodes?,
        facilitator: facilitator?,
    })
}

/// CAIP-2: a namespace and a reference.
pub(in crate::config) fn caip2(text: &str) -> Result<String, String> {
    let malformed = || {
        format!(
            "`{}` is no CAIP-2 id of a network: write it as \"solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1\"",
            printable(text)
        )
    };
    let (namespace, reference) = text.split_once(':').ok_or_else(malformed)?;
    let is_namespace = (3..=8).contains(&namespace.len())
        && namespace.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let is_reference = (1..=32).contains(&reference.len())
        && reference.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if is_namespace && is_reference { Ok(text.to_owned()) } else { Err(malformed()) }
}

fn nodes(section: &Section<'_>, id: Option<&str>) -> Option<Vec<Secret>> {
    let named: Vec<_> = ["rpc", "rpc_file"].into_iter().filter_map(|key| section.item(key)).collect();
    if named.is_empty() {
        return Some(Vec::new());
    }
    if id.is_none_or(|id| id.starts_with(SOLANA)) {
        return read::nodes(section);
    }
    for item in named {
        item.fail(NOT_READ);
    }
    None
}

fn tokens(section: &Section<'_>) -> Option<Vec<ForeignName>> {
    let hint =
        "write [[networks.tokens]] with the address of each token that is taken, such as Solana's mint";
    let item = section.require("tokens", hint)?;
    let items = item.filled_list(TOKENS_MAX, format!("must list 1 to {TOKENS_MAX} tokens"))?;
    let tokens: Vec<ForeignName> = items.iter().filter_map(token).collect();
    for (index, token) in tokens.iter().enumerate() {
        if tokens[..index].contains(token) {
            item.fail(format!("names {token} twice"));
        }
    }
    (tokens.len() == items.len()).then_some(tokens)
}

fn token(item: &Item<'_>) -> Option<ForeignName> {
    let section = item.section()?;
    let address = section.require("address", "write the address of the token, as it is written there");
    let address = address.and_then(|item| item.parse(str::parse::<ForeignName>));
    let decimals = section.item("decimals");
    if let Some(item) = decimals
        && item.integer(0..=255).is_some_and(|decimals| decimals != u64::from(TOKEN_DECIMALS))
    {
        item.fail(format!(
            "must be {TOKEN_DECIMALS}: prices are whole millionths of a dollar, and are paid to the unit, never rounded"
        ));
    }
    section.finish();
    address
}

fn facilitator(section: &Section<'_>) -> Option<FacilitatorSettings> {
    match settler::read(section)? {
        SettlerSettings::Facilitators(all) => match <[FacilitatorSettings; 1]>::try_from(all) {
            Ok([one]) => Some(one),
            Err(_) => {
                section.report().fail(
                    &section.spot_of("facilitators"),
                    "must be one on such a network: payers sign for its account, and only it can be asked again",
                );
                None
            }
        },
        SettlerSettings::Evm(_) => {
            let told = "\"evm\" settles on EVM networks: name a facilitator here";
            section.report().fail(&section.spot_of("settler"), told);
            None
        }
    }
}
