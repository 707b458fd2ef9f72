//! `faregate reconcile`: do the public networks show what the books say? Of a stopped or running process, reading only.

use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use domain::{Clock, PaymentId};
use serde_json::{Value, json};
use settlement::comparison::{
    Chains, Comparison, Difference, PAGE_MAX, Stray, Way, behind, left_since, since,
};

use crate::clock::SystemClock;
use crate::config_file::ConfigFile;
use crate::database::place;
use crate::output::{Format, Verdict, print_json, print_text};
use crate::service::networks::chain;
use crate::service::settings::books;

/// Milliseconds.
const HOUR: i64 = 3_600_000;

/// Whose books, and how many of them.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: ConfigFile,
    /// How many hours back payments are compared.
    #[arg(long, value_name = "HOURS", default_value_t = 24)]
    hours: u32,
}

/// Exit code 1 where a network shows something else than the books say, or cannot be read.
pub(crate) async fn execute(arguments: Arguments, format: Format) -> anyhow::Result<Verdict> {
    let config = arguments.config.load()?.config;
    let unread = || format!("cannot read the books of {}", place(&config.data));
    let database = books(&config.data);
    let mut chains = Chains::new();
    for network in config.networks.iter() {
        chains.insert(Arc::clone(&network.network.id), chain(network)?);
    }
    let from = SystemClock.now().plus(-HOUR.saturating_mul(i64::from(arguments.hours)));
    let mut after = since(from);
    let mut comparison = Comparison::default();
    loop {
        let page = ledger::booked_of(&database, after, PAGE_MAX).await.with_context(unread)?;
        let Some(last) = page.last() else { break };
        after = last.open.payment;
        comparison.add(page, &database, &chains).await;
    }
    let mut after = left_since(from);
    loop {
        let page = ledger::outgoing_paid_of(&database, after, PAGE_MAX).await.with_context(unread)?;
        let Some(last) = behind(&page) else { break };
        after = last;
        comparison.add_left(page, &chains).await;
    }
    match format {
        Format::Json => print_json(&view(&comparison)),
        Format::Text => print_text(&text(&comparison)),
    }
    let is_right = comparison.differences.is_empty() && comparison.strays.is_empty();
    Ok((is_right && comparison.unread == 0).into())
}

fn view(comparison: &Comparison) -> Value {
    let names = |payments: &[PaymentId]| payments.iter().map(PaymentId::to_string).collect::<Vec<_>>();
    let difference = |found: &Difference| {
        let (booked, shown) = sides(found);
        json!({
            "payment": found.payment.to_string(), "network": found.network, "amount": found.amount.to_string(),
            "booked": booked, "shown": shown
        })
    };
    let stray = |found: &Stray| {
        json!({
            "outgoing": found.outgoing.to_string(), "network": found.network, "amount": found.amount.to_string(),
            "address": found.to.to_string(), "transaction": found.transaction.to_string()
        })
    };
    json!({
        "compared": comparison.compared,
        "unread": comparison.unread,
        "not_compared": comparison.not_compared,
        "held": names(&comparison.held),
        "due": names(&comparison.due),
        "differences": comparison.differences.iter().map(difference).collect::<Vec<_>>(),
        "left": comparison.left,
        "strays": comparison.strays.iter().map(stray).collect::<Vec<_>>(),
    })
}

fn text(comparison: &Comparison) -> String {
    let mut lines = Vec::new();
    lines.extend(comparison.held.iter().map(|payment| format!("{payment}  runs, or its outcome is unknown")));
    lines.extend(
        comparison.due.iter().map(|payment| format!("{payment}  captured, not settled for good yet")),
    );
    for found in &comparison.differences {
        let (booked, shown) = sides(found);
        let Difference { payment, network, amount, .. } = found;
        lines.push(format!(
            "{payment}  {amount} on {network}: the books say {booked}, the network shows {shown}"
        ));
    }
    if comparison.not_compared > 0 {
        lines.push(format!(
            "{} closed payments are not compared: their networks have no nodes here",
            comparison.not_compared
        ));
    }
    for Stray { outgoing, network, amount, to, transaction } in &comparison.strays {
        lines.push(format!(
            "{outgoing}  {amount} on {network}: the books say it left in {transaction}, the network shows no transfer to {to}"
        ));
    }
    let Comparison { compared, unread, held, due, differences, left, strays, .. } = comparison;
    if *left > 0 {
        let missing = if strays.is_empty() { "no".to_owned() } else { strays.len().to_string() };
        lines.push(format!("{left} outgoing transfers compared, {missing} differences"));
    }
    if *unread > 0 {
        lines.push(
            "what cannot be read is on a network that the configuration does not have any more, or whose nodes do not answer: \
             put it back with its `rpc`, or ask again"
                .to_owned(),
        );
    }
    let unread = if *unread == 0 { String::new() } else { format!(", {unread} CANNOT BE READ") };
    let verdict = if differences.is_empty() { "no".to_owned() } else { differences.len().to_string() };
    let (held, due) = (held.len(), due.len());
    lines
        .push(format!("{compared} payments compared{unread}, {verdict} differences; {held} held, {due} due"));
    lines.join("\n")
}

/// What the books say of it, and what its network shows.
fn sides(found: &Difference) -> (String, String) {
    match found.way {
        Way::NotMoved(booked) => (format!("it moved in {booked}"), "no transfer".to_owned()),
        Way::Elsewhere(shown) => ("it moved in another transaction".to_owned(), format!("{shown}")),
        Way::Collected(shown) => ("it was written off".to_owned(), format!("that it moved in {shown}")),
        Way::Unbooked(shown) => ("nothing was charged".to_owned(), format!("that it moved in {shown}")),
        Way::Returned(shown) => ("it did not move after all".to_owned(), format!("that it moved in {shown}")),
    }
}

#[cfg(test)]
mod tests {
    use domain::{Address, Amount, B256, OutgoingId};

    use super::*;

    #[test]
    fn what_differs_is_told_with_both_sides() {
        let payment = PaymentId::from_bytes([1; 16]);
        let amount = Amount::from_atomic(1_000).unwrap();
        let difference = |way| Difference { payment, network: "eip155:84532".into(), amount, way };
        let hash = B256::repeat_byte(7);
        let ways = [Way::NotMoved, Way::Elsewhere, Way::Collected, Way::Unbooked, Way::Returned];
        let comparison = Comparison {
            compared: 9,
            unread: 1,
            not_compared: 2,
            held: vec![payment],
            due: vec![payment, payment],
            differences: ways.map(|way| difference(way(hash))).to_vec(),
            suspense: 0,
            left: 3,
            strays: vec![Stray {
                outgoing: OutgoingId::from_bytes([2; 16]),
                network: "eip155:84532".into(),
                amount,
                to: Address::repeat_byte(9),
                transaction: hash,
            }],
            ..Comparison::default()
        };
        let text = text(&comparison);
        assert_eq!(text.lines().count(), 13);
        assert!(text.contains("put it back with its `rpc`"), "{text}");
        assert!(text.contains("2 closed payments are not compared"), "{text}");
        assert!(text.contains("\n3 outgoing transfers compared, 1 differences\n"), "{text}");
        assert!(
            text.ends_with("9 payments compared, 1 CANNOT BE READ, 5 differences; 1 held, 2 due"),
            "{text}"
        );
        let view = view(&comparison);
        assert_eq!(view["differences"][0]["booked"], format!("it moved in {hash}"));
        assert_eq!((&view["compared"], view["due"].as_array().unwrap().len()), (&json!(9), 2));
    }
}
