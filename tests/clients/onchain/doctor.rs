//! `faregate doctor` and public networks: a provider hears before its callers do why nobody could pay.

use tests::chain::{NETWORK, Network};
use tests::process::run;

/// What the doctor says of a file with these networks.
async fn examined(section: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("faregate.toml");
    std::fs::write(&file, section).unwrap();
    let said = run(&["doctor", "-c", &file.display().to_string()]).await;
    assert_eq!(said.code, Some(1), "nothing runs: {}", said.out);
    said.out
}

/// The line about something.
fn line<'a>(said: &'a str, what: &str) -> &'a str {
    said.lines().find(|line| line.starts_with(what)).unwrap_or_else(|| panic!("{what}: {said}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_asks_nodes_and_facilitators_and_says_what_is_wrong_with_each() {
    let network = Network::start().await;
    let official = network.official().await;
    let node = format!("node 127.0.0.1 of {NETWORK}");
    let facilitator = format!("facilitator 127.0.0.1 on {NETWORK}");

    let well = examined(&network.section("", &[&official.url()])).await;
    assert!(line(&well, &node).ends_with("  ok"), "{well}");
    assert!(line(&well, &facilitator).ends_with("  ok"), "{well}");

    let dead = examined(&network.section("", &["http://127.0.0.1:1"])).await;
    assert!(line(&dead, &facilitator).contains("WRONG: the facilitator cannot be reached"), "{dead}");

    let elsewhere = network.section("", &[&official.url()]).replace(NETWORK, "eip155:8453");
    let other = examined(&elsewhere).await;
    assert!(line(&other, "node 127.0.0.1 of eip155:8453").contains("WRONG: "), "{other}");
    assert!(
        line(&other, "facilitator 127.0.0.1 on eip155:8453").contains("it settles no `exact`"),
        "{other}"
    );

    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, "1".repeat(64)).unwrap();
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let key = key.display();
    let ours =
        format!("settler = \"evm\"\n[networks.evm]\nkey_file = \"{key}\"\nmax_fee_per_gas = \"100gwei\"\n");
    let poor = examined(&network.section(&ours, &[])).await;
    assert!(line(&poor, &format!("settler on {NETWORK}")).contains("has no coins for gas"), "{poor}");
}
