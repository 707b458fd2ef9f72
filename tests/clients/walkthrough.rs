//! `docs/from-free-api-to-usdc.md`, every command as it is printed, on a local chain in place of Base Sepolia. The test is what a reader
//! cannot paste: the faucet, and an npm that finds what the lock file has in place of a registry.

use std::time::Duration;

use domain::Address;
use tests::chain::Network;
use tests::packages::{Packages, node, source};
use tests::wait::until;
use tests::walkthrough::Walkthrough;

/// Who is paid.
const PROVIDER: Address = Address::repeat_byte(0x90);

/// Stands in for `npm install`: the packages are those that `tests/setup.sh` installed, where they are the versions that are asked for.
const NPM: &str = r#"#!/bin/sh
set -eu
ln -s "$CLIENTS/node_modules" node_modules
for asked; do
  case "$asked" in
    *@[0-9]*) grep -q "\"version\": \"${asked##*@}\"" "node_modules/${asked%@*}/package.json" ;;
  esac
done
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_free_api_earns_usdc_for_its_providers_own_address_line_by_line() {
    // A transfer counts when ten blocks lie on its own, and a chain that is shorter shows nothing.
    let network = Network::start().await;
    network.mine(20).await;
    let _blocks = network.ticking(Duration::from_secs(1));
    let official = network.official().await;
    let clients = Packages::clients().folder().display().to_string();
    // A busy machine: the default of two seconds is meant for one that is not.
    let facilitator = format!("{}\"\\nverify_timeout = \"20s", official.url());
    let page = Walkthrough::of("from-free-api-to-usdc.md")
        .with("ADDRESS", &PROVIDER.to_checksum(None))
        .with("RPC", &network.url())
        .with("FACILITATOR", &facilitator)
        .with("CLIENTS", &clients)
        .program("npm", NPM)
        .link("node", &which(&node()));
    std::os::unix::fs::symlink(source("../configs"), page.folder().join("configs")).unwrap();
    let payer = page.folder().join("usdc/payer");
    let faucet = async {
        let asked = || async {
            let text = std::fs::read_to_string(&payer).ok()?;
            text.trim().parse::<Address>().ok()
        };
        network.fund(until("a payer to ask for money", asked).await, 1_000_000).await;
    };
    let (out, ()) = tokio::join!(page.run("usdc/gateway.log"), faucet);
    assert!(out.contains("\n2 payments compared, no differences; 0 held, 0 due"), "{out}");
    assert!(out.contains("the books balance"), "{out}");
    assert_eq!(network.balance(PROVIDER).await, 12_500);
}

/// A program by its path, or where the `PATH` has it.
fn which(program: &std::path::Path) -> std::path::PathBuf {
    let folders = std::env::var_os("PATH").expect("a PATH");
    let mut found = std::env::split_paths(&folders).map(|folder| folder.join(program));
    found.find(|path| path.exists()).expect("the program")
}
