//! Non-EVM networks: what they take, and what is refused there with words.

use super::{errors, parse};

const SOLANA: &str = "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1";
const OWN: &str = "EGBQqKn968sVv5cQh5Cr72pSTHfxsuzq7o7asqYB5uEV";
const FACILITATOR: &str = "[[networks.facilitators]]\nurl = \"https://f.example/\"\n";

/// A network with lines of its own, and tables below it.
fn network(lines: &str, tables: &str) -> String {
    let tokens = if lines.contains("tokens") { "" } else { "tokens = [{ address = \"mint\" }]\n" };
    format!("[[networks]]\nid = \"{SOLANA}\"\n{tokens}{lines}\n{tables}\n")
}

fn provider(lines: &str, route: &str) -> String {
    format!(
        "[[providers]]\nname = \"acme\"\n{lines}\nupstream = {{ addresses = [\"http://127.0.0.1:1\"] }}\n\
         [[providers.routes]]\nname = \"a\"\npath = \"/a\"\nprice = \"$1\"\n{route}\n"
    )
}

fn own() -> String {
    format!("foreign_addresses = {{ \"{SOLANA}\" = \"{OWN}\" }}")
}

#[test]
fn a_network_that_is_no_evm_one_needs_tokens_and_one_facilitator() {
    let text = network("max_timeout = \"30s\"", FACILITATOR) + &provider(&own(), "");
    let config = parse(&text).unwrap_or_else(|errors| panic!("{errors}")).config;
    let [settings] = &*config.foreign else { panic!("{:?}", config.foreign) };
    assert!(config.networks.is_empty());
    assert_eq!((&*settings.network.id, settings.network.max_timeout_seconds), (SOLANA, 30));
    assert_eq!(settings.network.tokens[0].as_str(), "mint");
    assert!(settings.nodes.is_empty(), "nobody needs to name any");
    assert_eq!(settings.facilitator.url, "https://f.example");
    let [(id, address)] = &*config.catalog.providers[0].foreign else { panic!("one address") };
    assert_eq!((&**id, address.as_str()), (SOLANA, OWN));
    // Beside an EVM network, whichever stands first.
    let evm = format!("[[networks]]\nid = \"eip155:8453\"\nrpc = [\"https://n\"]\n{FACILITATOR}");
    let both = parse(&format!("{}{evm}", network("", FACILITATOR))).unwrap().config;
    assert_eq!((both.networks.len(), both.foreign.len()), (1, 1));
}

#[test]
fn nodes_of_solana_may_be_named() {
    let text = network("rpc = [\"https://n/KEY\", \"http://m\"]", FACILITATOR);
    let parsed = parse(&text).unwrap_or_else(|errors| panic!("{errors}"));
    let nodes: Vec<_> = parsed.config.foreign[0].nodes.iter().map(|node| node.expose().to_owned()).collect();
    assert_eq!(nodes, ["https://n/KEY", "http://m"]);
    let warned: Vec<_> = parsed.warnings.iter().map(ToString::to_string).collect();
    assert!(warned.iter().any(|warning| warning.contains("without https")), "{warned:?}");
}

#[test]
fn what_cannot_be_done_there_is_refused_with_words() {
    let cases = [
        ("rpc = [\"n\"]", FACILITATOR, "rpc[0]", "must be the URL of a node"),
        ("rpc = [\"https://n\"]\nrpc_file = \"f\"", FACILITATOR, "rpc", "keep one of them"),
        ("confirmations = 3", FACILITATOR, "confirmations", "leave it out"),
        ("margin = \"3s\"", FACILITATOR, "margin", "only the facilitator knows"),
        ("treasury = \"x\"", FACILITATOR, "treasury", "addresses of their own"),
        ("refunds_per_day_max = \"$1\"", FACILITATOR, "refunds_per_day_max", "it sends nothing"),
        ("tokens = []", FACILITATOR, "tokens", "must list 1 to 8 tokens"),
        ("tokens = [{ address = \"a b\" }]", FACILITATOR, "tokens[0].address", "visible ASCII"),
        ("tokens = [{ address = \"a\", decimals = 9 }]", FACILITATOR, "tokens[0].decimals", "never rounded"),
        ("tokens = [{ address = \"a\" }, { address = \"a\" }]", FACILITATOR, "tokens", "names a twice"),
        ("", "", "", "write [[networks.facilitators]] with a url"),
    ];
    for (lines, tables, key, told) in cases {
        let all = errors(&network(lines, tables));
        let key = if key.is_empty() { "networks[0]".to_owned() } else { format!("networks[0].{key}") };
        let is_told = all.iter().any(|error| error.contains(&format!(": {key}: ")) && error.contains(told));
        assert!(is_told, "{lines}: {key}: {told}: {all:?}");
    }
    let two = format!("{FACILITATOR}[[networks.facilitators]]\nurl = \"https://g.example\"\n");
    assert!(errors(&network("", &two))[0].contains("must be one on such a network"));
    let elsewhere = network("rpc = [\"https://n\"]", FACILITATOR).replace(SOLANA, "other:1");
    assert!(errors(&elsewhere)[0].contains("nothing of such a network is read here"));
    let several = format!(
        "[data]\ncoordination = \"db\"\ndatabase = \"postgres://u@h/d\"\n{}",
        network("", FACILITATOR)
    );
    assert!(errors(&several).iter().any(|error| error.contains("leave out coordination")));
    assert!(
        errors(&network("", FACILITATOR).replace(SOLANA, "solana:?"))
            .iter()
            .any(|error| error.contains("no CAIP-2 id"))
    );
}

#[test]
fn a_provider_is_paid_on_networks_that_are_there_and_its_routes_settle_after_the_answer() {
    let networks = network("", FACILITATOR);
    let told = |lines: &str, route: &str| errors(&format!("{networks}{}", provider(lines, route))).remove(0);
    let other = told("foreign_addresses = { \"solana:other\" = \"a\" }", "");
    assert!(
        other.contains("providers[0].foreign_addresses") && other.contains("no such network"),
        "{other:?}"
    );
    let evm = told("foreign_addresses = { \"eip155:1\" = \"a\" }", "");
    assert!(evm.contains("write `address`"), "{evm:?}");
    for settle in ["before", "deferred"] {
        let error = told(&own(), &format!("settle = \"{settle}\""));
        assert!(error.contains("providers[0].routes[0].settle") && error.contains("must be"), "{error:?}");
    }
}
