//! Reads how a provider is paid on public networks, and how a route settles such payments.

use std::sync::Arc;

use domain::party::is_evm;
use domain::{ForeignName, OfferOrder, Payee, Price, Settle};

use super::network::caip2;
use super::tree::{Item, Section};
use super::value::{self, one_of};

/// `custody` and `address` of a provider; without both, it is not paid on public networks.
pub(super) fn read(section: &Section<'_>) -> Option<Payee> {
    let word = |text: &str| match text {
        "direct" => Ok(true),
        "treasury" => Ok(false),
        _ => Err(one_of(text, &["direct", "treasury"]).to_string()),
    };
    let custody_item = section.item("custody");
    let is_direct = custody_item.as_ref().map_or(Some(true), |item| item.parse(word))?;
    let address_item = section.item("address");
    match (address_item, is_direct) {
        (Some(item), true) => item.parse(value::address).map(Payee::Direct),
        (Some(item), false) => {
            item.fail("stands beside custody = \"treasury\", where payments are made out to the operator: leave it out");
            None
        }
        (None, false) => Some(Payee::Treasury),
        (None, true) => {
            if let Some(item) = custody_item {
                item.fail(
                    "is \"direct\", and no address is given: write address = \"0x...\", the provider's own",
                );
            }
            None
        }
    }
}

/// `foreign_addresses` of a provider: its own address on each non-EVM network.
pub(super) fn read_foreign(section: &Section<'_>) -> Vec<(Arc<str>, ForeignName)> {
    let entries = section.section("foreign_addresses", false).entries();
    let read = |(network, item): (String, Item<'_>)| match caip2(&network) {
        Ok(network) if is_evm(&network) => {
            item.fail("is for non-EVM networks: write `address`");
            None
        }
        Ok(network) => item.parse(str::parse::<ForeignName>).map(|address| (Arc::from(network), address)),
        Err(told) => {
            item.fail(told);
            None
        }
    };
    entries.into_iter().filter_map(read).collect()
}

/// Whether a provider says anything of it, which may have been told as wrong.
pub(super) fn is_written(section: &Section<'_>) -> bool {
    section.item("custody").is_some() || section.item("address").is_some()
}

/// `settle` and `offer_order` of a route.
pub(super) fn of_route(section: &Section<'_>, price: Option<&Price>) -> (Settle, OfferOrder) {
    let paid = |key, told| {
        let item = section.item(key)?;
        if price == Some(&Price::Free) {
            item.fail(told);
        }
        Some(item)
    };
    let settle = paid("settle", "says when payments are settled, but this route is free: leave it out")
        .and_then(|item| item.parse(settle));
    let order = paid("offer_order", "orders the offers of a 402, but this route is free: leave it out")
        .and_then(|item| item.parse(offer_order));
    (settle.unwrap_or_default(), order.unwrap_or_default())
}

fn settle(text: &str) -> Result<Settle, String> {
    let words = [Settle::After, Settle::Before, Settle::Deferred];
    let known = words.into_iter().find(|word| word.name() == text);
    known.ok_or_else(|| one_of(text, &words.map(Settle::name)).to_string())
}

fn offer_order(text: &str) -> Result<OfferOrder, String> {
    let words = [OfferOrder::ChainFirst, OfferOrder::WalletFirst];
    let known = words.into_iter().find(|word| word.name() == text);
    known.ok_or_else(|| one_of(text, &words.map(OfferOrder::name)).to_string())
}
