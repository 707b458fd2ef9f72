//! `[[networks]]`, and what providers and routes may ask of them.

use std::fs;

use domain::{Amount, Network, Payee, Settle, TransferMethod};

use super::{DOCUMENTED, errors, parse};
use crate::config::{NetworkSettings, SettlerSettings};

const BASE: &str = "[[networks]]\nid = \"eip155:8453\"\nrpc = [\"https://node/c4n4ry\"]\n";
const FACILITATOR: &str = "[[networks.facilitators]]\nurl = \"https://f.example/x402/\"\n";

fn networks(text: &str) -> Vec<NetworkSettings> {
    parse(text).unwrap_or_else(|errors| panic!("{errors}")).config.networks.to_vec()
}

/// Keys of a network, tables below it, and what is told of which key.
const WRONG: &[(&str, &str, &str, &str)] = &[
    ("rpc_file = \"/x\"", FACILITATOR, "networks[0].rpc", "stands beside rpc_file"),
    ("confirmations = -1", FACILITATOR, "networks[0].confirmations", "from 0 to 10000"),
    ("max_timeout = \"2h\"", FACILITATOR, "networks[0].max_timeout", "from 1s to 1h"),
    ("max_timeout = \"1500ms\"\nmargin = \"0s\"", FACILITATOR, "networks[0].max_timeout", "whole seconds"),
    ("margin = \"60s\"", FACILITATOR, "networks[0].margin", "must be shorter than max_timeout (60s)"),
    ("max_timeout = \"10s\"", FACILITATOR, "networks[0].max_timeout", "every payment would come too late"),
    ("treasury = \"0x1\"", FACILITATOR, "networks[0].treasury", "is not an address"),
    (
        "treasury = \"0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913\"",
        FACILITATOR,
        "networks[0].treasury",
        "is the contract of a token on eip155:8453",
    ),
    ("payer_unsettled_max = \"$0\"", FACILITATOR, "networks[0].payer_unsettled_max", "nobody could pay"),
    ("refunds_per_day_max = \"much\"", FACILITATOR, "networks[0].refunds_per_day_max", "write dollars"),
    ("settler = \"other\"", FACILITATOR, "networks[0].settler", "none of \"facilitator\", \"evm\""),
    ("settler = \"evm\"", FACILITATOR, "networks[0].facilitators", "keep one"),
    ("settler = \"evm\"", "", "networks[0]", "write [networks.evm] with key_file"),
    ("", "", "networks[0]", "write [[networks.facilitators]] with a url"),
    ("", "[networks.evm]", "networks[0].evm", "keep one"),
    ("", "[[networks.facilitators]]\nurl = \"ftp://f\"", "networks[0].facilitators[0].url", "must be a URL"),
    (
        "",
        "[[networks.facilitators]]\nurl = \"https://f?c4n4ry\"",
        "networks[0].facilitators[0].url",
        "must be a URL",
    ),
    (
        "",
        "[[networks.facilitators]]\nurl = \"https://u:c4n4ry@f\"",
        "networks[0].facilitators[0].url",
        "holds a user",
    ),
    (
        "",
        "[[networks.facilitators]]\nurl = \"https://f\"\nweight = -1",
        "networks[0].facilitators[0].weight",
        "from 0 to",
    ),
    ("tokens = []", FACILITATOR, "networks[0].tokens", "must list 1 to 8 tokens"),
    (
        "tokens = [{ address = \"0x036CbD53842c5426634e7929541eC2318f3dCF7e\", name = \"T\", version = \"1\", decimals = 18 }]",
        FACILITATOR,
        "networks[0].tokens[0].decimals",
        "never rounded",
    ),
    (
        "tokens = [{ address = \"0x036CbD53842c5426634e7929541eC2318f3dCF7e\", name = \"T\", version = \"1\", methods = [] }]",
        FACILITATOR,
        "networks[0].tokens[0].methods",
        "or both",
    ),
    (
        "tokens = [{ address = \"0x036CbD53842c5426634e7929541eC2318f3dCF7e\", name = \"T\", version = \"1\", methods = [\"permit2\", \"permit2\"] }]",
        FACILITATOR,
        "networks[0].tokens[0].methods",
        "twice",
    ),
    (
        "tokens = [{ address = \"0x036CbD53842c5426634e7929541eC2318f3dCF7e\", name = \"T\", version = \"1\", methods = [\"permit3\"] }]",
        FACILITATOR,
        "networks[0].tokens[0].methods[0]",
        "none of \"eip3009\", \"permit2\"",
    ),
];

/// A file with Base, where `keys` are its own and `tables` stand below it.
fn base(keys: &str, tables: &str) -> String {
    format!("{BASE}{keys}\n{tables}\n")
}

fn provider(keys: &str, route: &str) -> String {
    format!(
        "[[providers]]\nname = \"acme\"\n{keys}\n[providers.upstream]\naddresses = [\"http://127.0.0.1:9\"]\n\
         [[providers.routes]]\nname = \"a\"\npath = \"/a\"\nprice = \"$0.01\"\n{route}\n"
    )
}

/// The one mistake, which says this at this key.
fn assert_told(text: &str, key: &str, expected: &str) {
    let said = errors(text);
    let is_told = said.len() == 1 && said[0].contains(&format!(": {key}: ")) && said[0].contains(expected);
    assert!(is_told, "{text}\n{said:?}");
    assert!(!said[0].contains("c4n4ry"), "{said:?}");
}

#[test]
fn a_network_needs_its_id_a_node_and_a_facilitator_and_has_usdc() {
    let [base] = networks(&base("", FACILITATOR)).try_into().unwrap();
    let Network { id, tokens, max_timeout_seconds, margin_seconds, treasury } = base.network;
    assert_eq!((&*id, max_timeout_seconds, margin_seconds, treasury), ("eip155:8453", 60, 10, None));
    assert_eq!(tokens[0].methods, [TransferMethod::Eip3009]);
    let tokens: Vec<_> = tokens.into_iter().map(|token| token.asset).collect();
    let usdc = (tokens[0].address.to_string(), &*tokens[0].name, &*tokens[0].version, tokens[0].chain_id);
    assert_eq!(
        usdc,
        ("0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913".to_owned(), "USD Coin", "2", 8_453),
        "what stock clients know there"
    );
    assert_eq!(base.nodes[0].expose(), "https://node/c4n4ry");
    assert_eq!((base.confirmations, base.payer_unsettled_max), (10, Amount::parse_dollars("$10").unwrap()));
    assert_eq!(base.refunds_per_day_max, None);
    let SettlerSettings::Facilitators(all) = base.settler else { panic!("it is another settler") };
    assert_eq!((&*all[0].url, all[0].weight), ("https://f.example/x402", 1));
    assert_eq!((all[0].verify_timeout.as_secs(), all[0].settle_timeout.as_secs()), (2, 30));
}

#[test]
fn a_token_is_moved_by_the_methods_of_its_own_in_their_order() {
    let token = "[[networks.tokens]]\naddress = \"0x036CbD53842c5426634e7929541eC2318f3dCF7e\"\nname = \"T\"\n\
                 version = \"1\"\n";
    let methods = |line: &str| {
        let [base] = networks(&base("", &format!("{FACILITATOR}{token}{line}"))).try_into().unwrap();
        base.network.tokens[0].methods.clone()
    };
    assert_eq!(methods(""), [TransferMethod::Eip3009]);
    let both = [TransferMethod::Permit2, TransferMethod::Eip3009];
    assert_eq!(methods("methods = [\"permit2\", \"eip3009\"]"), both);
}

#[test]
fn the_documented_networks_are_the_defaults() {
    let lines = DOCUMENTED.lines().skip_while(|line| *line != "#: [[networks]]");
    let lines = lines.take_while(|line| *line != "[control]").filter_map(|line| line.strip_prefix("#: "));
    let others = [
        "rpc_file",
        "headers",
        "verify =",
        "settle =",
        "supported =",
        "treasury",
        "refunds_per_day_max",
        "key_file",
        "factories",
    ];
    let kept = lines.filter(|line| !others.iter().any(|other| line.starts_with(other)));
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key");
    fs::write(&key, "11".repeat(32)).unwrap();
    let key_file = format!("key_file = \"{}\"", key.display());
    let written = kept.collect::<Vec<_>>().join("\n") + "\n" + &key_file;
    let least = format!(
        "[[networks]]\nid = \"eip155:8453\"\nrpc = [\"https://mainnet.base.org\"]\n\
         [[networks.facilitators]]\nurl = \"https://facilitator.example\"\n\
         [[networks]]\nid = \"eip155:84532\"\nrpc = [\"https://sepolia.base.org\"]\nsettler = \"evm\"\n\
         [networks.evm]\nmax_fee_per_gas = \"2gwei\"\n{key_file}"
    );
    assert_eq!(networks(&written), networks(&least));
}

#[test]
fn nodes_keys_and_tokens_of_facilitators_come_from_files_and_are_shown_nowhere() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let nodes = file("rpc", "https://a/c4n4ry\n\nhttps://b/c4n4ry\n");
    let token = file("token", "Bearer c4n4ry\n");
    let digits = "c4".repeat(32);
    let key = file("key", &format!("0x{}\n", digits.to_uppercase()));
    let text = format!(
        "[[networks]]\nid = \"eip155:8453\"\nrpc_file = \"{nodes}\"\n{FACILITATOR}\
         headers = {{ x-a = \"1\", authorization = \"all\" }}\nsettle = {{ headers_file = {{ authorization = \"{token}\" }} }}\n\
         [[networks]]\nid = \"eip155:84532\"\nrpc = [\"http://c\"]\nsettler = \"evm\"\n\
         [networks.evm]\nkey_file = \"{key}\"\nmax_fee_per_gas = \"0.05gwei\"\nbump_after = 7\nbatch_interval = \"0ms\"\nfirst_nonce = 9\n\
         factories = [\"0x0BA5ED0c6AA8c49038F819E587E2633c4A9F428a\"]\n"
    );
    let loaded = parse(&text).unwrap_or_else(|errors| panic!("{errors}"));
    let shown = format!("{:?}", loaded.config);
    assert!(!shown.contains("c4n4ry") && !shown.contains(&digits), "{shown}");
    let [base, sepolia] = &*loaded.config.networks else { panic!("two networks") };
    assert_eq!(
        base.nodes.iter().map(|node| node.expose()).collect::<Vec<_>>(),
        ["https://a/c4n4ry", "https://b/c4n4ry"]
    );
    let SettlerSettings::Facilitators(all) = &base.settler else { panic!("it is another settler") };
    let sent = |headers: &[(String, domain::Secret)]| {
        let mut sent: Vec<_> =
            headers.iter().map(|(name, value)| format!("{name}={}", value.expose())).collect();
        sent.sort();
        sent
    };
    assert_eq!(
        sent(&all[0].settle_headers),
        ["authorization=Bearer c4n4ry", "x-a=1"],
        "its own stands in front"
    );
    assert_eq!(sent(&all[0].verify_headers), ["authorization=all", "x-a=1"]);
    assert_eq!(sent(&all[0].supported_headers), ["authorization=all", "x-a=1"]);
    let SettlerSettings::Evm(evm) = &sepolia.settler else { panic!("it is another settler") };
    assert_eq!((evm.key.expose(), evm.max_fee_per_gas), (&*digits, 50_000_000));
    assert_eq!((evm.bump_after, evm.batch_interval.as_secs(), evm.first_nonce), (7, 0, 9));
    assert_eq!(evm.factories.len(), 1);
}

#[test]
fn what_is_no_network_says_what_to_write() {
    for (keys, tables, key, told) in WRONG {
        assert_told(&base(keys, tables), key, told);
    }
    let same =
        "[[networks.facilitators]]\nurl = \"https://f/\"\n[[networks.facilitators]]\nurl = \"https://f\"";
    assert_told(&base("", same), "networks[0].facilitators", "names https://f twice");
    for (id, told) in [
        ("base", "is no CAIP-2 id"),
        ("eip155:08453", "is no CAIP-2 id"),
        ("eip155:402402", "is the network of the wallet"),
    ] {
        let usdc = "tokens = [{ address = \"0x036CbD53842c5426634e7929541eC2318f3dCF7e\", name = \"T\", version = \"1\" }]";
        assert_told(&base(usdc, FACILITATOR).replace("eip155:8453", id), "networks[0].id", told);
    }
    assert_told(&base("", FACILITATOR).replace("8453", "31337"), "networks[0]", "no USDC is known there");
    let twice = base("", FACILITATOR).repeat(2);
    assert_told(&twice, "networks[1].id", "there is already a network eip155:8453");
    assert_told(
        &base("", FACILITATOR).replace("https://node", "node"),
        "networks[0].rpc[0]",
        "must be the URL of a node",
    );
}

#[test]
fn a_mistake_in_a_network_or_an_address_is_told_alone() {
    let own = "address = \"0x036CbD53842c5426634e7929541eC2318f3dCF7e\"";
    let sold = provider(own, "settle = \"deferred\"");
    assert_told(&format!("{}{sold}", base("margin = 1", FACILITATOR)), "networks[0].margin", "a string");
    assert_told(&format!("{}{sold}", base("", "")), "networks[0]", "has no facilitator");
    let wrong = provider("address = \"0x1\"", "settle = \"deferred\"");
    let network = base("max_timeout = \"5m\"", FACILITATOR);
    assert_told(&format!("{network}{wrong}"), "providers[0].address", "is not an address");
}

#[test]
fn what_others_on_the_way_could_change_is_warned_of() {
    let warned = |text: &str| {
        let loaded = parse(text).unwrap_or_else(|errors| panic!("{errors}"));
        let told = loaded.warnings.iter().filter(|warning| warning.message.contains("whoever is on the way"));
        told.map(|warning| warning.key.clone()).collect::<Vec<_>>()
    };
    let text = base("", FACILITATOR);
    assert!(warned(&text).is_empty());
    assert_eq!(warned(&text.replace("https://node", "http://node")), ["networks[0].rpc"]);
    assert_eq!(warned(&text.replace("https://f", "http://f")), ["networks[0].facilitators[0].url"]);
    assert!(warned(&text.replace("https://node", "http://127.0.0.1:8545")).is_empty());
}

#[test]
fn several_gateways_on_one_database_settle_through_facilitators_and_by_one_key() {
    let data = "[data]\ndatabase = \"postgres://u@h/d\"\ncoordination = \"db\"\n";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    fs::write(&file, "11".repeat(32)).unwrap();
    let evm = format!("[networks.evm]\nkey_file = \"{}\"\nmax_fee_per_gas = \"1gwei\"\n", file.display());
    for network in [base("", FACILITATOR), base("settler = \"evm\"", &evm)] {
        let loaded = parse(&format!("{data}{network}")).unwrap();
        assert_eq!(loaded.config.networks.len(), 1);
    }
}

/// On Base.
const USDC: &str = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913";

#[test]
fn a_providers_way_of_being_paid_needs_a_network_where_it_is_possible() {
    let own = "address = \"0x036CbD53842c5426634e7929541eC2318f3dCF7e\"";
    let treasury = "treasury = \"0x90F79bf6EB2c4f870365E785982E1f101E93b906\"";
    let with = |network: &str, keys: &str| base(network, FACILITATOR) + &provider(keys, "");
    let payee = |text: &str| parse(text).unwrap().config.catalog.providers[0].payee;
    assert_eq!(
        payee(&with("", own)),
        Some(Payee::Direct("0x036CbD53842c5426634e7929541eC2318f3dCF7e".parse().unwrap()))
    );
    assert_eq!(payee(&with(treasury, "custody = \"treasury\"")), Some(Payee::Treasury));
    assert_eq!(payee(&provider("", "")), None);
    assert_told(&provider(own, ""), "providers[0].address", "there is none: write [[networks]]");
    assert_told(&provider("custody = \"treasury\"", ""), "providers[0].custody", "there is none");
    assert_told(&with("", "custody = \"treasury\""), "providers[0].custody", "no network has one");
    assert_told(&with("", "custody = \"direct\""), "providers[0].custody", "no address is given");
    assert_told(
        &with(treasury, &format!("{own}\ncustody = \"treasury\"")),
        "providers[0].address",
        "leave it out",
    );
    let lost = format!("address = \"{USDC}\"");
    assert_told(&with("", &lost), "providers[0].address", "is the contract of a token on eip155:8453");
    let ours = treasury.replace("treasury", "address");
    assert_told(&with(treasury, &ours), "providers[0].address", "is the operator's treasury on eip155:8453");
}

#[test]
fn a_route_settles_as_its_provider_can_be_paid() {
    let own = "address = \"0x036CbD53842c5426634e7929541eC2318f3dCF7e\"";
    let network = base("treasury = \"0x90F79bf6EB2c4f870365E785982E1f101E93b906\"", FACILITATOR);
    let with = |keys: &str, route: &str| format!("{network}{}", provider(keys, route));
    let key = "providers[0].routes[0].settle";
    let before = with("custody = \"treasury\"", "settle = \"before\"");
    assert_told(&before, key, "nothing can be given back");
    let directory = tempfile::tempdir().unwrap();
    let key_file = directory.path().join("key");
    fs::write(&key_file, "11".repeat(32)).unwrap();
    let evm = format!("[networks.evm]\nkey_file = \"{}\"\nmax_fee_per_gas = \"1gwei\"", key_file.display());
    let treasury = "treasury = \"0x90F79bf6EB2c4f870365E785982E1f101E93b906\"\nsettler = \"evm\"";
    let own_key = base(treasury, &evm) + &provider("custody = \"treasury\"", "settle = \"before\"");
    assert_eq!(parse(&own_key).unwrap().config.catalog.routes[0].settle, Settle::Before);
    assert_told(&with(own, "settle = \"before\""), key, "could not give back what it does not have");
    assert_told(&with("", "settle = \"before\""), key, "its provider is not paid there");
    assert_told(
        &with("", "offer_order = \"wallet-first\""),
        "providers[0].routes[0].offer_order",
        "not paid there",
    );
    assert_told(&with(own, "settle = \"late\""), key, "none of \"after\", \"before\", \"deferred\"");
    assert_told(
        &with(own, "offer_order = \"none\""),
        "providers[0].routes[0].offer_order",
        "\"wallet-first\"",
    );
    let free = |route: &str| with(own, route).replace("\"$0.01\"", "\"free\"");
    assert_told(&free("settle = \"after\""), key, "this route is free");
    assert_told(
        &free("offer_order = \"chain-first\""),
        "providers[0].routes[0].offer_order",
        "this route is free",
    );
}

#[test]
fn what_is_settled_later_has_time_for_two_attempts() {
    let own = "address = \"0x036CbD53842c5426634e7929541eC2318f3dCF7e\"";
    let with = |times: &str| base(times, FACILITATOR) + &provider(own, "settle = \"deferred\"");
    let key = "providers[0].routes[0].settle";
    assert_told(&with(""), key, "payments on eip155:8453 are too short");
    assert_told(&with("max_timeout = \"69s\""), key, "too short");
    let loaded = parse(&with("max_timeout = \"70s\"")).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(loaded.config.catalog.routes[0].settle, Settle::Deferred);
    let directory = tempfile::tempdir().unwrap();
    let key_file = directory.path().join("key");
    fs::write(&key_file, "11".repeat(32)).unwrap();
    let evm = |keys: &str| {
        let evm = format!(
            "[networks.evm]\nkey_file = \"{}\"\nmax_fee_per_gas = \"1gwei\"\n{keys}",
            key_file.display()
        );
        base("settler = \"evm\"", &evm) + &provider(own, "settle = \"deferred\"")
    };
    assert!(parse(&evm("")).is_ok());
    assert_told(&evm("batch_interval = \"11s\""), key, "too short");
}
