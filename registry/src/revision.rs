//! Numbers of routes: which revision a route is in, and which earlier prices are still payable. Pure.
//!
//! A number is given once and never again, not even to a route that was away: a quote names it, and a quote
//! that was ended must stay ended (DESIGN section 6).

use std::sync::Arc;

use domain::catalog::{SUPERSEDED_PRICES_MAX, SupersededPrice};
use domain::meter::{Metered, Unit, UnitPrice};
use domain::price::{Tier, Tiers};
use domain::{Amount, Price, UnixMillis};

use crate::catalog::QUOTE_TTL_MS;

/// One revision of one route, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Numbered {
    pub(crate) route: Arc<str>,
    pub(crate) revision: u32,
    /// The version of the catalog that brought it.
    pub(crate) since: u64,
    pub(crate) price: Price,
    /// The end of its quotes; none for the one in force.
    pub(crate) until: Option<UnixMillis>,
}

/// A route whose revision is to be numbered.
#[derive(Clone, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) route: &'a Arc<str>,
    pub(crate) price: &'a Price,
    /// Its quotes end at once, and it begins with a new number when it comes back.
    pub(crate) suspended: bool,
    /// It gets a new number though its price may be the same: something else about it changed.
    pub(crate) renewed: bool,
}

/// When it is: on the clock, and in versions of the catalog.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) at: UnixMillis,
    pub(crate) version: u64,
}

/// What a route gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Assigned {
    pub(crate) revision: u32,
    pub(crate) since: u64,
    pub(crate) superseded: Vec<SupersededPrice>,
}

/// Numbers one route, of which `rows` are kept, and says which rows changed. Rows that end stand before the one that begins.
pub(crate) fn number(rows: &[Numbered], wanted: &Wanted<'_>, moment: Moment) -> (Assigned, Vec<Numbered>) {
    let Moment { at, version } = moment;
    let last = rows.iter().map(|row| row.revision).max().unwrap_or(0);
    let begin = |until| Numbered {
        route: Arc::clone(wanted.route),
        // Past four billion changes the number stands still and the database refuses the row.
        revision: last.saturating_add(1),
        since: version,
        price: wanted.price.clone(),
        until,
    };
    let current = rows.iter().find(|row| row.until.is_none());
    let mut changed = Vec::new();
    if wanted.suspended {
        changed = end(rows, at);
        if wanted.renewed || rows.is_empty() {
            changed.push(begin(Some(at)));
        }
    } else if current.is_none_or(|current| wanted.renewed || current.price != *wanted.price) {
        changed.extend(
            current.map(|current| Numbered { until: Some(at.plus(QUOTE_TTL_MS)), ..current.clone() }),
        );
        changed.push(begin(None));
    }
    let kept = rows.iter().filter(|row| !changed.iter().any(|changed| changed.revision == row.revision));
    let all: Vec<Numbered> = kept.chain(&changed).cloned().collect();
    (assigned(&all, at), changed)
}

/// What a route has by its rows.
pub(crate) fn assigned(rows: &[Numbered], at: UnixMillis) -> Assigned {
    let Some(last) = rows.iter().max_by_key(|row| row.revision) else { return Assigned::default() };
    let mut earlier: Vec<&Numbered> =
        rows.iter().filter(|row| row.until.is_some_and(|until| at < until)).collect();
    earlier.sort_by_key(|row| std::cmp::Reverse(row.revision));
    let superseded = earlier.into_iter().filter_map(payable).take(SUPERSEDED_PRICES_MAX).collect();
    Assigned { revision: last.revision, since: last.since, superseded }
}

/// Ends all quotes of a route at once; says which rows changed.
pub(crate) fn end(rows: &[Numbered], at: UnixMillis) -> Vec<Numbered> {
    let running = rows.iter().filter(|row| row.until.is_none_or(|until| at < until));
    running.map(|row| Numbered { until: Some(at), ..row.clone() }).collect()
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
        Price::Metered(metered) => write_metered(metered),
    }
}

/// The price that [`write_price`] wrote.
pub(crate) fn read_price(text: &str) -> Option<Price> {
    if text == "free" {
        return Some(Price::Free);
    }
    if let Some(metered) = text.strip_prefix(METERED) {
        return read_metered(metered).map(Price::Metered);
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

/// What the text of a metered price begins with.
const METERED: &str = "metered ";

/// The most, what costs what cannot be read, and pairs of where a count stands and what one costs.
type MeteredText = (String, String, Vec<(String, String)>);

fn write_metered(metered: &Metered) -> String {
    let units = metered.units().iter().map(|unit| (unit.from.to_string(), unit.price.to_string()));
    let atomic = |amount: Amount| amount.atomic().to_string();
    let text: MeteredText = (atomic(metered.maximum()), atomic(metered.unread()), units.collect());
    // Strings always serialize.
    format!("{METERED}{}", serde_json::to_string(&text).unwrap_or_default())
}

fn read_metered(text: &str) -> Option<Metered> {
    let (maximum, unread, units): MeteredText = serde_json::from_str(text).ok()?;
    let unit = |(from, price): (String, String)| {
        Some(Unit { from: from.parse().ok()?, price: UnitPrice::parse(&price).ok()? })
    };
    let units = units.into_iter().map(unit).collect::<Option<Vec<_>>>()?;
    Metered::new(Amount::parse_atomic(&maximum)?, Amount::parse_atomic(&unread)?, units).ok()
}

/// Nobody was quoted a free price.
fn payable(row: &Numbered) -> Option<SupersededPrice> {
    let (until, price) = (row.until?, row.price.clone());
    (price != Price::Free).then_some(SupersededPrice {
        revision: row.revision,
        since: row.since,
        price,
        until,
    })
}

#[cfg(test)]
mod tests;
