//! The oracle at the end of every test: do the books balance, in memory and on disk?

use std::path::Path;

use crate::faregate::Faregate;
use crate::process::run;

/// Asks the running process, whose memory must agree with its disk.
///
/// # Panics
/// With the violations.
pub async fn live(gateway: &Faregate) {
    let report = gateway.ask("GET", "/v1/audit", None).await;
    let violations = report["violations"].as_array().expect("a list of violations");
    assert!(violations.is_empty(), "the live audit found: {report}");
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
