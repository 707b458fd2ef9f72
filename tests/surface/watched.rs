//! What operators watch: the alerts fire and clear, have runbooks, and like the dashboard name only metrics that exist.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::Value;
use tests::{Config, Payer, Provider, Request, Route, Script, World};

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(shipped(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Prometheus' own judgement.
fn promtool(arguments: &[&str]) -> String {
    let output = Command::new("promtool").args(arguments).output();
    let output = output.expect("promtool: run `sh tests/setup.sh prometheus`");
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "promtool {arguments:?}: {said}");
    said
}

fn path(name: &str) -> String {
    shipped(name).display().to_string()
}

/// The names of all alerts, in order.
fn alerts() -> Vec<String> {
    let text = read("prometheus/alerts.yml");
    text.lines().filter_map(|line| line.trim().strip_prefix("- alert: ").map(str::to_owned)).collect()
}

/// All words that are names of our metrics, without what Prometheus adds to those of histograms.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    let ours = words.filter(|word| word.starts_with("faregate_"));
    ours.map(|word| {
        let ends = ["_bucket", "_sum", "_count"];
        ends.iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word).to_owned()
    })
    .collect()
}

fn expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("expr").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|field| expressions(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| expressions(item, found)),
        _ => {}
    }
}

fn dashboard() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&read("grafana/faregate.json")).expect("JSON");
    let variables = dashboard["templating"]["list"].as_array().expect("variables");
    assert!(
        variables.iter().any(|variable| variable["type"] == "datasource"),
        "the data source is chosen by its user"
    );
    let mut found = Vec::new();
    expressions(&dashboard, &mut found);
    found
}

#[test]
fn m1_every_alert_fires_and_clears_in_prometheus_own_tests() {
    promtool(&["check", "config", &path("prometheus/prometheus.yml")]);
    promtool(&["test", "rules", &path("prometheus/alerts_test.yml")]);
    let tested = read("prometheus/alerts_test.yml");
    for alert in alerts() {
        let fires = format!("- alertname: {alert}\n");
        let clears =
            |line: &str| line.contains(&format!("alertname: {alert},")) && line.ends_with("exp_alerts: [] }");
        assert!(tested.contains(&fires), "{alert} is not seen to fire");
        let after = tested.split(&fires).nth(1).unwrap_or_default();
        assert!(after.lines().any(clears), "{alert} is not seen to clear");
    }
}

#[test]
fn every_alert_has_a_runbook() {
    let text = read("prometheus/alerts.yml");
    let operations = std::fs::read_to_string(shipped("../docs/operations.md")).unwrap();
    let alerts = alerts();
    assert!(alerts.len() >= 7);
    for alert in alerts {
        let anchor = format!("runbook_url: docs/operations.md#{}\n", alert.to_lowercase());
        assert!(text.contains(&anchor), "{alert} names no runbook");
        assert!(operations.lines().any(|line| line == format!("### {alert}")), "{alert} has no runbook");
    }
}

#[test]
fn every_expression_of_the_dashboard_is_one() {
    let mut rules = "groups:\n  - name: dashboard\n    rules:\n".to_owned();
    for (index, expression) in dashboard().iter().enumerate() {
        let expression = expression.replace("$__rate_interval", "5m").replace("$instance", ".*");
        let expression = expression.replace('\'', "''");
        rules.push_str(&format!("      - record: panel:{index}\n        expr: '{expression}'\n"));
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dashboard.yml");
    std::fs::write(&file, rules).unwrap();
    promtool(&["check", "rules", &file.display().to_string()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_that_is_watched_is_exported() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("settler-key");
    let world = World::with("$1", |upstream| {
        let acme =
            Provider::new("acme", upstream).routes([Route::new("/paid", "$0.001"), Route::free("/free")]);
        // Nothing answers there: what is counted of it is exported all the same.
        let network = "[[networks]]\nid = \"eip155:84532\"\nrpc = [\"http://127.0.0.1:9\"]\n\
            [[networks.facilitators]]\nurl = \"http://127.0.0.1:9\"\n";
        // Here our own key settles, and what is in its treasury may leave.
        let settler = Payer::numbered(1);
        std::fs::write(&key, settler.private_key()).unwrap();
        let own = format!(
            "[[networks]]\nid = \"eip155:8453\"\nrpc = [\"http://127.0.0.1:9\"]\ntreasury = \"{}\"\nsettler = \"evm\"\n\
            [networks.evm]\nkey_file = \"{}\"\nmax_fee_per_gas = \"1gwei\"\n",
            settler.address().to_checksum(None),
            key.display(),
        );
        Config::default().section(network).section(&own).provider(acme)
    })
    .await;
    // What has a route, a reason or a section as its label is there once it happened.
    world.buy(&Request::get("/paid")).await.expect_status(200);
    world.upstream.on("/paid", Script::reply(503, &[], "busy"));
    world.buy(&Request::get("/paid")).await.expect_status(503);
    let key = world.agent.key(&world.gateway).await;
    let dear = Request::get("/paid").key(&key).with("Agent-Max-Price", "$0.0001");
    world.gateway.call(&dear).await.expect_status(402);
    let text = world.gateway.config_text();
    world.gateway.overwrite(&format!("{text}\n[limits]\nconnections_max = 500\n"));
    world.gateway.signal(Signal::SIGHUP);
    world.gateway.counted("faregate_restart_pending", &[("section", "limits")], 1).await;
    world.gateway.idle().await;
    let scrape = world.gateway.metrics().await.0;
    let types = scrape.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let exported: BTreeSet<String> =
        types.filter_map(|line| line.split(' ').next().map(str::to_owned)).collect();
    for (place, text) in
        [("the alerts", read("prometheus/alerts.yml")), ("the dashboard", dashboard().join("\n"))]
    {
        let unknown: Vec<_> = metrics_in(&text).difference(&exported).cloned().collect();
        assert!(unknown.is_empty(), "{place} name metrics that are not exported: {unknown:?}");
    }
    let unseen: Vec<_> = exported.difference(&metrics_in(&dashboard().join("\n"))).cloned().collect();
    assert!(unseen.is_empty(), "the dashboard does not show {unseen:?}");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_names_the_database() {
    let world = World::paid().await;
    let [_, _, ops] = world.gateway.addresses();
    let mut wire = tests::Wire::connect(ops).await;
    let ready = wire.call(&Request::get("/readyz")).await;
    ready.expect_status(200);
    let kinds = ["sqlite", "postgresql"];
    assert!(kinds.iter().any(|kind| ready.json()["database"]["kind"] == *kind), "{}", ready.text());
    world.finish().await;
}
