//! Who may depend on whom. A crate that imports upwards, or pingora, sqlx or axum in a wrong place, is red here.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::root;

/// Each package and the packages of the workspace it may use.
const DIRECTION: [(&str, &[&str]); 12] = [
    ("domain", &[]),
    ("protocol", &["domain"]),
    ("ledger", &["domain", "test-postgres"]),
    ("registry", &["domain", "test-postgres"]),
    ("settlement", &["domain", "protocol", "ledger", "test-postgres"]),
    ("gateway", &["domain", "protocol", "ledger", "registry", "settlement", "test-postgres"]),
    ("control-plane", &["domain", "protocol", "ledger", "registry", "settlement", "test-postgres"]),
    ("faregate", &["domain", "protocol", "ledger", "registry", "settlement", "gateway", "control-plane"]),
    // These know the product from outside: words, wire formats and the binary; and what it says to others outside.
    ("tests", &["domain", "protocol", "settlement", "test-postgres"]),
    ("test-postgres", &[]),
    // Calls the parsers themselves.
    ("test-fuzz", &["domain", "protocol", "registry"]),
    ("benches", &["domain", "protocol", "test-postgres", "tests"]),
];

/// Each tool that has a place, and the packages that are its place.
const PLACES: [(&str, &[&str]); 5] = [
    ("pingora", &["gateway", "benches"]),
    // The bench writes rows by the million.
    ("sqlx", &["ledger", "registry", "benches"]),
    ("axum", &["control-plane", "tests", "benches", "faregate"]),
    ("secp256k1", &["protocol"]),
    // The tests speak to contracts that the product never calls.
    ("alloy-primitives", &["domain", "protocol", "registry", "settlement", "tests"]),
];

/// Packages that must appear nowhere: ring is the one TLS provider.
const BANNED: [&str; 5] = ["aws-lc-rs", "aws-lc-sys", "openssl", "openssl-sys", "native-tls"];

type Dependencies = BTreeMap<String, BTreeSet<String>>;

#[test]
fn every_crate_imports_downwards_only() {
    let found = dependencies();
    let known: BTreeSet<&str> = DIRECTION.iter().map(|(name, _)| *name).collect();
    let unknown: Vec<_> = found.keys().filter(|name| !known.contains(name.as_str())).collect();
    assert!(
        unknown.is_empty(),
        "give these packages a place in tests/house/layers.rs and DESIGN section 3: {unknown:?}"
    );
    for (package, allowed) in DIRECTION {
        let used = found[package].iter().filter(|name| known.contains(name.as_str()));
        let wrong: Vec<_> = used.filter(|name| !allowed.contains(&name.as_str())).collect();
        assert!(wrong.is_empty(), "{package} must not use {wrong:?}");
    }
}

#[test]
fn pingora_sqlx_and_axum_stay_where_they_belong() {
    let found = dependencies();
    for (tool, places) in PLACES {
        let family = |name: &String| name == tool || name.starts_with(&format!("{tool}-"));
        let wrong: Vec<_> = found
            .iter()
            .filter(|(package, used)| !places.contains(&package.as_str()) && used.iter().any(family))
            .map(|(package, _)| package)
            .collect();
        assert!(wrong.is_empty(), "{tool} belongs to {places:?}, not to {wrong:?}");
    }
}

#[test]
fn domain_and_protocol_do_no_io() {
    let found = dependencies();
    for package in ["domain", "protocol"] {
        for tool in ["tokio", "getrandom", "rand", "tracing", "log", "reqwest"] {
            assert!(!found[package].contains(tool), "{package} is pure and must not use {tool}");
        }
    }
}

#[test]
fn ring_is_the_one_tls_provider() {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).expect("Cargo.lock");
    for banned in BANNED {
        assert!(
            !lock.contains(&format!("name = \"{banned}\"\n")),
            "{banned} came into Cargo.lock: `cargo tree -i {banned}`"
        );
    }
}

/// The packages of the workspace and what each names in its manifest, tests and builds included.
fn dependencies() -> Dependencies {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["metadata", "--offline", "--no-deps", "--format-version", "1"])
        .current_dir(root())
        .output()
        .expect("cargo metadata");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let name = |value: &Value| value["name"].as_str().expect("a name").to_owned();
    let uses =
        |package: &Value| package["dependencies"].as_array().expect("a list").iter().map(name).collect();
    let packages = metadata["packages"].as_array().expect("a list");
    packages.iter().map(|package| (name(package), uses(package))).collect()
}
