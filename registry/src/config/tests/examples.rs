//! What the documented file only shows, because it has no default.

use super::*;

#[test]
fn examples_without_a_default_load_when_they_are_taken_in() {
    let directory = tempfile::tempdir().unwrap();
    let secret = directory.path().join("secret");
    fs::write(&secret, "Bearer 0123456789abcdef\n").unwrap();
    let lines = DOCUMENTED.lines().map(|line| line.strip_prefix("#: ").unwrap_or(line));
    // One of each pair, https where a certificate is named, and files that are there.
    let others = ["admin_token =", "database =", "file =", "rpc_file ="];
    let lines = lines.filter(|line| !others.iter().any(|other| line.starts_with(other)));
    let text = lines.collect::<Vec<_>>().join("\n");
    let text = text.replace("http://127", "https://127");
    let mut text = text.replace("headers_file = { authorization", "headers_file = { x-other");
    for name in ["/etc/faregate/chain.pem", "/etc/faregate/key.pem", "/etc/faregate/internal-ca.pem"] {
        text = text.replace(name, secret.to_str().unwrap());
    }
    text = text.replace("/run/secrets/acme-authorization", secret.to_str().unwrap());
    for name in ["facilitator-authorization", "facilitator-settle"] {
        text = text.replace(&format!("/run/secrets/{name}"), secret.to_str().unwrap());
    }
    let key = directory.path().join("key");
    fs::write(&key, "11".repeat(32)).unwrap();
    text = text.replace("/run/secrets/settler-key", key.to_str().unwrap());
    let token = directory.path().join("token");
    fs::write(&token, "0123456789abcdef").unwrap();
    text = text.replace("/run/secrets/faregate-admin-token", token.to_str().unwrap());
    let url = directory.path().join("url");
    fs::write(&url, "postgres://u@h/d").unwrap();
    text = text.replace("/run/secrets/faregate-database", url.to_str().unwrap());
    let config = parse(&text).unwrap_or_else(|errors| panic!("{errors}")).config;
    assert_eq!(config.listeners.data.len(), 1);
    assert_eq!(config.catalog.providers[0].upstream.headers.len(), 2);
    assert_eq!(config.agents[0].keys.len(), 1);
    assert_eq!(config.networks.len(), 2);
    assert!(config.control.admin_token.is_some());
}
