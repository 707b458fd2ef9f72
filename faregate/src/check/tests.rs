use std::path::Path;

use registry::{Config, Environment};

use super::*;

const WRONG: &str = "\
[wallett]
chain_id = 1

[[providers]]
name = \"acme\"
[providers.upstream]
addresses = [\"http://127.0.0.1:9\"]

[[providers.routes]]
name = \"quotes\"
path = \"/q\"
price = 0.5
";

#[test]
fn every_mistake_is_printed_with_file_line_and_key() {
    let errors = Config::parse(Path::new("wrong.toml"), WRONG, &Environment::default()).unwrap_err();
    let objects: Vec<Value> = errors.iter().map(object).collect();
    assert_eq!(objects.len(), 2, "{objects:?}");
    assert_eq!(objects[0]["file"], "wrong.toml");
    assert_eq!((&objects[0]["line"], &objects[0]["column"]), (&json!(1), &json!(2)));
    assert!(objects[0]["message"].as_str().unwrap().contains("did you mean `wallet`"), "{}", objects[0]);
    assert_eq!(objects[1]["line"], 12);
    assert_eq!(objects[1]["key"], "providers[0].routes[0].price");
    let line = errors.iter().nth(1).unwrap().to_string();
    assert!(line.starts_with("wrong.toml:12:9: providers[0].routes[0].price: "), "{line}");
}

#[test]
fn a_mistake_in_the_environment_names_its_variable() {
    let environment = Environment::from_pairs([("FAREGATE__LISTEN__OPS", "nowhere")]);
    let errors = Config::parse(Path::new("f.toml"), "", &environment).unwrap_err();
    let first = object(errors.iter().next().unwrap());
    assert_eq!(first["variable"], "FAREGATE__LISTEN__OPS");
    assert_eq!(first.get("line"), None);
}

#[tokio::test]
async fn the_exit_code_says_whether_the_file_may_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let verdict = async |text: &str, require_database: bool| {
        let path = folder.path().join("f.toml");
        std::fs::write(&path, text).unwrap();
        execute(&Arguments { config: ConfigFile { path }, require_database }, Format::Json).await
    };
    let data = format!("[data]\ndirectory = \"{}/data\"\n", folder.path().display());
    assert_eq!(verdict(&data, false).await, Verdict::Yes);
    assert!(!folder.path().join("data").exists(), "a look makes no database");
    assert_eq!(verdict(&data, true).await, Verdict::No, "there is none, and one is asked for");
    assert_eq!(verdict(WRONG, false).await, Verdict::No);
    let missing =
        Arguments { config: ConfigFile { path: folder.path().join("none.toml") }, require_database: false };
    assert_eq!(execute(&missing, Format::Text).await, Verdict::No);
}

#[tokio::test]
async fn a_database_that_cannot_be_read_is_told_and_keeps_nobody_from_using_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let data = format!("[data]\ndirectory = \"{}\"\n", folder.path().display());
    let config = Config::parse(Path::new("f.toml"), &data, &Environment::default()).unwrap().config;
    let none = Findings::beside(&config).await;
    let told = format!("there is no database yet ({})", folder.path().display());
    assert_eq!(none.unseen, Some(told));
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let below = format!("[data]\ndirectory = \"{}/below\"\n", file.display());
    let config_below = Config::parse(Path::new("f.toml"), &below, &Environment::default()).unwrap().config;
    let unseen = Findings::beside(&config_below).await.unseen.unwrap();
    assert!(unseen.contains("cannot look for") && unseen.contains("Not a directory"), "{unseen}");
    std::fs::write(folder.path().join("registry.db"), "this is no database, however long it is read")
        .unwrap();
    let broken = Findings::beside(&config).await;
    assert!(broken.errors.is_empty());
    let lines: Vec<String> = broken.lines().collect();
    assert!(lines.len() == 1 && lines[0].starts_with("not seen: "), "{lines:?}");
    assert_eq!(broken.object()["ok"], true);
}

/// A file with one such network, that has this line.
fn with_foreign(id: &str, line: &str) -> Config {
    let text = format!(
        "[[networks]]\nid = \"{id}\"\ntokens = [{{ address = \"mint\" }}]\n{line}\n[[networks.facilitators]]\nurl = \"https://f\"\n"
    );
    Config::parse(Path::new("f.toml"), &text, &Environment::default()).unwrap().config
}

#[test]
fn a_network_of_solana_whose_offers_outlive_what_is_signed_is_told() {
    let told = |id: &str, line: &str| outlived(&with_foreign(id, line)).collect::<Vec<_>>();
    let long = told("solana:devnet", "max_timeout = \"61s\"");
    assert!(
        long.len() == 1 && long[0].starts_with("networks: solana:devnet: max_timeout is 61 s"),
        "{long:?}"
    );
    assert_eq!(told("solana:devnet", "max_timeout = \"60s\""), [""; 0]);
    assert_eq!(told("solana:devnet", ""), [""; 0], "it is so by default");
    assert_eq!(told("aptos:1", "max_timeout = \"61s\""), [""; 0]);
}

#[test]
fn whoever_stands_in_front_and_has_everybody_s_address_is_told_of() {
    let told = |more: &str| {
        let text = format!("public_url = \"https://pay.example.com\"\n{more}");
        fronted(&Config::parse(Path::new("f.toml"), &text, &Environment::default()).unwrap().config)
    };
    assert!(told("").is_some_and(|words| words.contains("clients_per_address = 8")));
    assert_eq!(told("[limits]\nclients_per_address = 8"), None);
    let file = tempfile::NamedTempFile::new().unwrap();
    let name = file.path().display();
    let tls = format!("tls = {{ certificate = \"{name}\", key = \"{name}\" }}");
    assert_eq!(told(&format!("[[listen.data]]\naddress = \"127.0.0.1:0\"\n{tls}")), None);
}

#[test]
fn a_network_of_solana_without_nodes_is_told() {
    let told = |id: &str, line: &str| unshown(&with_foreign(id, line)).collect::<Vec<_>>();
    let blind = told("solana:devnet", "");
    assert!(
        blind.len() == 1 && blind[0].starts_with("networks: solana:devnet: rpc names no nodes"),
        "{blind:?}"
    );
    assert_eq!(told("solana:devnet", "rpc = [\"https://n\"]"), [""; 0]);
    assert_eq!(told("aptos:1", ""), [""; 0], "there are none to name");
}

#[test]
fn whoever_sells_and_is_paid_on_no_public_network_is_told_so() {
    let networks = "[[networks]]\nid = \"eip155:84532\"\nrpc = [\"https://n\"]\n[[networks.facilitators]]\nurl = \"https://f\"\n";
    let provider = |more: &str, price: &str| {
        format!(
            "[[providers]]\nname = \"acme\"\n{more}upstream = {{ addresses = [\"http://127.0.0.1:9\"] }}\n\
             [[providers.routes]]\nname = \"r\"\npath = \"/r\"\nprice = \"{price}\"\n"
        )
    };
    let told = |text: String| {
        let config = Config::parse(Path::new("f.toml"), &text, &Environment::default()).unwrap().config;
        unsold(&config).collect::<Vec<_>>()
    };
    let silent = told(format!("{networks}{}", provider("", "$0.01")));
    assert!(silent.len() == 1 && silent[0].contains("acme: is not sold on public networks"), "{silent:?}");
    let paid = provider("address = \"0x90F79bf6EB2c4f870365E785982E1f101E93b906\"\n", "$0.01");
    let solana = "[[networks]]\nid = \"solana:devnet\"\ntokens = [{ address = \"mint\" }]\n[[networks.facilitators]]\nurl = \"https://f\"\n";
    let named = provider("foreign_addresses = { \"solana:devnet\" = \"own\" }\n", "$0.01");
    assert_eq!(told(format!("{solana}{}", provider("", "$0.01"))).len(), 1);
    for text in [
        format!("{networks}{paid}"),
        format!("{networks}{}", provider("", "free")),
        provider("", "$0.01"),
        format!("{networks}{solana}{named}"),
    ] {
        assert_eq!(told(text), [""; 0]);
    }
}
