//! The oracle at the end of every test: do the books balance, in memory and on disk?

use std::path::Path;

use domain::Address;
use serde_json::Value;

use crate::chain::Network;
use crate::faregate::Faregate;
use crate::process::run;
use crate::solana::Solana;
use crate::wait::until;

/// Asks the running process, whose memory must agree with its disk.
///
/// # Panics
/// With the violations.
pub async fn live(gateway: &Faregate) {
    let report = gateway.ask("GET", "/v1/audit", None).await;
    let violations = report["violations"].as_array().expect("a list of violations");
    assert!(violations.is_empty(), "the live audit found: {report}");
}

/// Waits for an audit that a process makes of itself from now on, where it has no management API: its memory must agree with its disk too,
/// and must have agreed whenever it looked.
///
/// # Panics
/// With what it wrote.
pub async fn its_own(gateway: &Faregate) {
    let audits = async |result: &str| {
        gateway.metrics().await.count("faregate_ledger_audits_total", &[("result", result)])
    };
    // The next one may have begun before now.
    let enough = audits("clean").await + 2;
    until("a gateway's audits of itself", || async {
        (audits("clean").await >= enough || audits("broken").await > 0).then_some(())
    })
    .await;
    let broken = audits("broken").await;
    assert_eq!(broken, 0, "a gateway's audit of itself found: {}", gateway.log());
}

/// Asks the command, on the database of a stopped gateway. `config` is a file that names it. Gives the number of holds on
/// disk.
///
/// # Panics
/// With what it said.
pub async fn stopped(config: &Path) -> u64 {
    let said = run(&["audit", "-c", &config.display().to_string(), "-o", "json"]).await;
    assert_eq!(said.code, Some(0), "the audit of the stopped ledger found: {}{}", said.out, said.err);
    let report: serde_json::Value = serde_json::from_str(&said.out).expect("a report");
    report["holds"].as_u64().expect("a number of holds")
}

/// Looks whether the books and a chain tell the same: every payment to an address that the books have as settled is a transfer there,
/// and the other way round. One that is still to be settled is in neither.
///
/// # Panics
/// With what differs.
pub async fn chain(gateway: &Faregate, network: &Network, recipient: Address) {
    let transfers = network.received(recipient).await.into_iter();
    let moved = transfers.map(|one| (one.transaction.to_string(), one.from.to_checksum(None), one.value));
    compare(gateway, moved.collect()).await;
}

/// The same on Solana, by the signatures of transactions.
///
/// # Panics
/// With what differs.
pub async fn solana(gateway: &Faregate, solana: &Solana) {
    let transfers = solana.transfers().await.into_iter();
    compare(gateway, transfers.map(|one| (one.signature, one.from, one.units)).collect()).await;
}

async fn compare(gateway: &Faregate, mut moved: Vec<(String, String, u64)>) {
    let mut booked: Vec<_> = payments(gateway).await.iter().filter_map(settled).collect();
    moved.sort();
    booked.sort();
    assert_eq!(booked, moved, "the books, and the chain");
}

/// Transaction, payer and units of a payment that was settled on a public network.
fn settled(payment: &Value) -> Option<(String, String, u64)> {
    let transaction = payment["on_chain"]["transaction"].as_str()?;
    let payer = payment["on_chain"]["payer"].as_str().expect("a payer");
    let units = payment["amount"]["amount"].as_str().expect("an amount").parse().expect("atomic units");
    Some((transaction.to_owned(), payer.to_owned(), units))
}

/// Every payment in the books.
async fn payments(gateway: &Faregate) -> Vec<Value> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let page = gateway.ask("GET", &format!("/v1/payments?limit=500{after}"), None).await;
        all.extend_from_slice(page["data"].as_array().expect("payments"));
        let Some(next) = page["next"].as_str() else { return all };
        after = format!("&after={next}");
    }
}
