//! Reads `metered` of a route: the most that a call costs, what is counted, and what a call costs whose use cannot be read.

use domain::meter::{Metered, MeteredError, Reading, Unit, UnitPrice};
use domain::{Amount, Price};

use super::tree::{Item, Section};

/// `{ up_to = "$0.10", units = [{ from = "json:/usage/total_tokens", price = "$0.000002" }], unread = "$0.05" }`
pub(super) fn read(item: &Item<'_>) -> Option<Price> {
    let section = item.section()?;
    let up_to = section.require("up_to", "write the most that a call costs, such as up_to = \"$0.10\"");
    let maximum = up_to.as_ref().and_then(|item| item.parse(Amount::parse_dollars));
    let unread_item = section.item("unread");
    let unread = match &unread_item {
        Some(item) => item.parse(Amount::parse_dollars),
        None => maximum,
    };
    let units_item = section.item("units");
    let units = units_item.as_ref().map_or(Some(Vec::new()), units);
    section.finish();
    match Metered::new(maximum?, unread?, units?) {
        Ok(metered) => Some(Price::Metered(metered)),
        Err(error) => {
            let at = match error {
                MeteredError::Free => up_to.as_ref(),
                MeteredError::Unread => unread_item.as_ref(),
                MeteredError::Units
                | MeteredError::Twice(_)
                | MeteredError::Reading(_)
                | MeteredError::Price(_) => units_item.as_ref(),
            };
            at.unwrap_or(item).fail(error);
            None
        }
    }
}

fn units(item: &Item<'_>) -> Option<Vec<Unit>> {
    let listed = item.list();
    let units: Vec<Unit> = listed.iter().filter_map(|unit| read_unit(unit.section()?)).collect();
    (units.len() == listed.len()).then_some(units)
}

fn read_unit(section: Section<'_>) -> Option<Unit> {
    let from = section.require("from", "write where its count stands, such as \"json:/usage/total_tokens\"");
    let from = from.and_then(|item| item.parse(str::parse::<Reading>));
    let price = section.require("price", "write what one of it costs, such as \"$0.000002\"");
    let price = price.and_then(|item| item.parse(UnitPrice::parse));
    section.finish();
    Some(Unit { from: from?, price: price? })
}
