//! Numbers of prices: which revision a route's price has, and which earlier prices are still payable. Pure.
//!
//! A number is given once and never again, not even to a route that was away: a quote names it, and a quote
//! that was ended must stay ended (DESIGN section 6).

use std::collections::HashMap;
use std::sync::Arc;

use domain::catalog::{SUPERSEDED_PRICES_MAX, SupersededPrice};
use domain::price::{Tier, Tiers};
use domain::{Amount, Price, UnixMillis};

use crate::catalog::QUOTE_TTL_MS;

/// One price of one route, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Numbered {
    pub(crate) route: Arc<str>,
    pub(crate) revision: u32,
    pub(crate) price: Price,
    /// The end of its quotes; none for the price in force.
    pub(crate) until: Option<UnixMillis>,
}

/// A route whose price is to be numbered.
#[derive(Clone, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) route: &'a Arc<str>,
    pub(crate) price: &'a Price,
    /// Its quotes end at once, and it begins with a new number when it comes back.
    pub(crate) suspended: bool,
}

/// What a route gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Assigned {
    pub(crate) revision: u32,
    pub(crate) superseded: Vec<SupersededPrice>,
}

/// Numbers every wanted route, in order, and says which rows changed. Rows that end stand before those that
/// begin.
pub(crate) fn assign(
    kept: &[Numbered],
    wanted: &[Wanted<'_>],
    at: UnixMillis,
) -> (Vec<Assigned>, Vec<Numbered>) {
    let mut by_route: HashMap<&str, Vec<&Numbered>> = HashMap::new();
    for row in kept {
        by_route.entry(&row.route).or_default().push(row);
    }
    let mut ended = Vec::new();
    let mut begun = Vec::new();
    let assigned = wanted
        .iter()
        .map(|route| {
            let rows = by_route.remove(&**route.route).unwrap_or_default();
            number(&rows, route, at, &mut ended, &mut begun)
        })
        .collect();
    // What is left has no route any more.
    ended.extend(by_route.into_values().flat_map(|rows| end_all(&rows, at)));
    ended.append(&mut begun);
    (assigned, ended)
}

/// The text of a price in the database.
pub(crate) fn write_price(price: &Price) -> String {
    match price {
        Price::Free => "free".to_owned(),
        Price::Fixed(amount) => amount.atomic().to_string(),
        Price::Tiered(tiers) => {
            let steps = tiers.as_slice().iter();
            let steps: Vec<_> =
                steps.map(|tier| format!("{}:{}", tier.from_call, tier.amount.atomic())).collect();
            steps.join(",")
        }
    }
}

/// The price that [`write_price`] wrote.
pub(crate) fn read_price(text: &str) -> Option<Price> {
    if text == "free" {
        return Some(Price::Free);
    }
    if !text.contains(':') {
        return Amount::parse_atomic(text).map(Price::Fixed);
    }
    let step = |text: &str| {
        let (from_call, amount) = text.split_once(':')?;
        Some(Tier { from_call: from_call.parse().ok()?, amount: Amount::parse_atomic(amount)? })
    };
    let tiers = text.split(',').map(step).collect::<Option<Vec<_>>>()?;
    Tiers::new(tiers).ok().map(Price::Tiered)
}

fn number(
    rows: &[&Numbered],
    wanted: &Wanted<'_>,
    at: UnixMillis,
    ended: &mut Vec<Numbered>,
    begun: &mut Vec<Numbered>,
) -> Assigned {
    let last = rows.iter().map(|row| row.revision).max().unwrap_or(0);
    if wanted.suspended {
        ended.extend(end_all(rows, at));
        return Assigned { revision: last, superseded: Vec::new() };
    }
    let current = rows.iter().find(|row| row.until.is_none());
    let mut superseded: Vec<Numbered> = rows
        .iter()
        .filter(|row| row.until.is_some_and(|until| at < until))
        .map(|row| (*row).clone())
        .collect();
    let revision = match current {
        Some(current) if current.price == *wanted.price => current.revision,
        _ => {
            if let Some(current) = current {
                let over = Numbered { until: Some(at.plus(QUOTE_TTL_MS)), ..(*current).clone() };
                ended.push(over.clone());
                superseded.push(over);
            }
            let (route, price) = (Arc::clone(wanted.route), wanted.price.clone());
            // Past four billion changes the number stands still and the database refuses the row.
            let revision = last.saturating_add(1);
            begun.push(Numbered { route, revision, price, until: None });
            revision
        }
    };
    superseded.sort_by_key(|row| std::cmp::Reverse(row.revision));
    let superseded = superseded.into_iter().filter_map(payable).take(SUPERSEDED_PRICES_MAX).collect();
    Assigned { revision, superseded }
}

/// Nobody was quoted a free price.
fn payable(row: Numbered) -> Option<SupersededPrice> {
    let until = row.until?;
    (row.price != Price::Free).then_some(SupersededPrice { revision: row.revision, price: row.price, until })
}

fn end_all(rows: &[&Numbered], at: UnixMillis) -> Vec<Numbered> {
    let running = rows.iter().filter(|row| row.until.is_none_or(|until| at < until));
    running.map(|row| Numbered { until: Some(at), ..(*row).clone() }).collect()
}

#[cfg(test)]
mod tests;
