use std::path::Path;

use registry::{Config, Environment};
use serde_json::{Value, json};

use super::*;

const FILE: &str = "\
[[providers]]
name = \"acme\"
[providers.upstream]
addresses = [\"http://127.0.0.1:9\"]
[[providers.routes]]
name = \"quotes\"
methods = [\"GET\"]
path = \"/v1/Quotes/{symbol}\"
tiers = [{ from = 1, price = \"$0.01\" }, { from = 11, price = \"$0.005\" }]
capture = \"before\"
rate_limit = { calls = 10, per = \"1m\" }
[[providers.routes]]
name = \"chat\"
path = \"/v1/chat\"
metered = { up_to = \"$0.10\", unread = \"$0.02\", units = [{ from = \"json:/usage/n\", price = \"$0.0000005\" }] }
[[providers.routes]]
name = \"rest\"
methods = [\"GET\"]
path = \"/{*rest}\"
price = \"free\"

[[providers]]
name = \"elsewhere\"
hosts = [\"other.example\"]
suspended = true
[providers.upstream]
addresses = [\"http://127.0.0.1:10\"]
[[providers.routes]]
name = \"other\"
path = \"/only/there\"
price = \"$1\"

[[agents]]
name = \"buyer\"
per_request = \"$0.005\"
per_day = \"$1\"
";

fn config() -> Config {
    Config::parse(Path::new("f.toml"), FILE, &Environment::default()).unwrap().config
}

async fn explain(method: &str, url: &str, agent: Option<&str>) -> Value {
    let config = config();
    let catalog = Catalog::new(0, config.catalog.providers.clone(), config.catalog.routes.clone()).unwrap();
    let target = Target::parse(url).unwrap();
    let mut outcome = find(&catalog, &config, method, &target);
    if let (Ok(found), Some(name)) = (&mut outcome, agent) {
        let (name, policy, frozen) = agent::find(&config, name).await.unwrap();
        let violation = violation(found, &policy);
        found.payer = Some(Payer { name, policy, frozen, violation });
    }
    let explanation = Explanation {
        method: method.to_owned(),
        host: target.host,
        path: target.path,
        outcome,
        unseen: None,
    };
    let object = print::object(&explanation);
    assert!(!print::text(&explanation).is_empty());
    object
}

/// As text and as JSON, of a GET by this file.
fn explained(file: &str, path: &str) -> (String, Value) {
    let config = Config::parse(Path::new("f.toml"), file, &Environment::default()).unwrap().config;
    let catalog = Catalog::new(0, config.catalog.providers.clone(), config.catalog.routes.clone()).unwrap();
    let target = Target::parse(path).unwrap();
    let outcome = find(&catalog, &config, "GET", &target);
    let Target { host, path } = target;
    let explanation = Explanation { method: "GET".to_owned(), host, path, outcome, unseen: None };
    (print::text(&explanation), print::object(&explanation))
}

#[tokio::test]
async fn a_route_is_shown_with_every_tier() {
    let shown = explain("HEAD", "http://any.example:8402/v1/Quotes/%41CME?x=1", None).await;
    assert_eq!(shown["route"], "quotes");
    assert_eq!(shown["canonical_path"], "/v1/Quotes/ACME");
    assert_eq!(shown["provider"], "acme");
    assert_eq!(shown["price"]["tiers"][0]["price"]["amount"], "10000");
    assert_eq!(shown["price"]["tiers"][1]["from_call"], 11);
    assert_eq!(shown["capture"], "before");
    assert_eq!(
        shown["rate_limits"],
        serde_json::json!([{ "of": "route", "calls": 10, "seconds": 60, "burst": 10 }])
    );
}

#[tokio::test]
async fn a_refusal_says_why() {
    let refused = async |method: &str, url: &str| {
        let shown = explain(method, url, None).await;
        (shown["status"].as_u64().unwrap(), shown["message"].as_str().unwrap().to_owned())
    };
    assert_eq!(refused("GET", "/a/../v1").await.0, 400);
    assert_eq!(refused("GET", "/v1/Quotes/a%2Fb").await.0, 400);
    assert_eq!(refused("TRACE", "/v1").await.0, 405);
    assert_eq!(refused("GET", "http://other.example/only/there").await.0, 503);
    let no_route = async |method: &str, url: &str, because: &str| {
        let (status, reason) = refused(method, url).await;
        assert_eq!(status, 404, "{url}: {reason}");
        assert!(reason.contains(because), "{url}: {reason}");
    };
    no_route("GET", "http://other.example/v1/nothing", "which another provider named for itself").await;
    // A free wildcard is no way around a priced path.
    no_route("GET", "/v1/quotes/ACME", "case and a trailing slash count").await;
    no_route("GET", "/v1/Quotes/ACME/", "case and a trailing slash count").await;
    let (status, reason) = refused("POST", "http://third.example/only").await;
    assert_eq!((status, reason.contains("does not answer POST")), (405, true), "{reason}");
    no_route("GET", "http://third.example/", "no route has this path").await;
}

#[tokio::test]
async fn the_policy_of_an_agent_is_asked() {
    let shown = explain("GET", "/v1/Quotes/ACME", Some("buyer")).await;
    assert_eq!(shown["agent"]["allowed"], false);
    assert_eq!(shown["agent"]["policy"]["per_day"]["display"], "$1.00");
    assert!(shown["agent"]["verdict"].as_str().unwrap().contains("above the limit of $0.005 per request"));
    let free = explain("GET", "/free", Some("buyer")).await;
    assert_eq!(free["agent"]["allowed"], true);
}

#[tokio::test]
async fn a_metered_price_is_told_with_its_units() {
    let shown = explain("POST", "/v1/chat", None).await;
    let price = &shown["price"];
    assert_eq!((&price["kind"], &price["up_to"]["amount"]), (&json!("metered"), &json!("100000")));
    assert_eq!(
        (&price["unread"]["amount"], &price["units"][0]["price"]),
        (&json!("20000"), &json!("$0.0000005"))
    );
}

#[tokio::test]
async fn a_route_on_public_networks_is_shown_with_every_offer_in_order() {
    let own = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
    let text = format!(
        "[[networks]]\nid = \"eip155:84532\"\nrpc = [\"https://node.example/\"]\n\
         [[networks.facilitators]]\nurl = \"https://f.example\"\n\
         [[providers]]\nname = \"acme\"\naddress = \"{own}\"\nupstream = {{ addresses = [\"http://127.0.0.1:9\"] }}\n\
         [[providers.routes]]\nname = \"a\"\npath = \"/a\"\nprice = \"$0.01\"\n\
         [[providers.routes]]\nname = \"b\"\npath = \"/b\"\nprice = \"$0.01\"\noffer_order = \"wallet-first\"\n"
    );
    let shown = |path: &str| explained(&text, path);
    let (said, object) = shown("/a");
    assert_eq!((&object["custody"], &object["settle"]), (&json!("direct"), &json!("after")));
    assert_eq!(
        (&object["offers"][0]["network"], &object["offers"][0]["pay_to"]),
        (&json!("eip155:84532"), &json!(own))
    );
    assert_eq!(object["offers"][1]["network"], Value::Null);
    assert!(said.contains(&format!("on eip155:84532, exact by EIP-3009, to {own}")), "{said}");
    assert_eq!(shown("/b").1["offers"][0]["network"], Value::Null);
}

#[tokio::test]
async fn offers_on_a_network_that_is_no_evm_one_stand_behind_the_others_on_public_networks() {
    let (solana, own) =
        ("solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1", "EGBQqKn968sVv5cQh5Cr72pSTHfxsuzq7o7asqYB5uEV");
    let text = format!(
        "[[networks]]\nid = \"{solana}\"\ntokens = [{{ address = \"mint\" }}]\n\
         [[networks.facilitators]]\nurl = \"https://f.example\"\n\
         [[providers]]\nname = \"acme\"\nforeign_addresses = {{ \"{solana}\" = \"{own}\" }}\n\
         upstream = {{ addresses = [\"http://127.0.0.1:9\"] }}\n\
         [[providers.routes]]\nname = \"a\"\npath = \"/a\"\nprice = \"$0.01\"\n"
    );
    let evm = "[[networks]]\nid = \"eip155:84532\"\nrpc = [\"https://node.example/\"]\n\
               [[networks.facilitators]]\nurl = \"https://f.example\"\n";
    let also = text.replace(
        "foreign_addresses",
        "address = \"0x70997970C51812dc3A010C7d01b50e0d17dc79C8\"\nforeign_addresses",
    );
    let (said, object) = explained(&text, "/a");
    assert_eq!((&object["custody"], &object["settle"]), (&json!("direct"), &json!("after")));
    assert!(
        said.contains(&format!("mint on {solana}, exact, where its facilitator takes it, to {own}")),
        "{said}"
    );
    assert_eq!(
        (&object["offers"][0]["token"], &object["offers"][0]["token_name"], &object["offers"][1]["network"]),
        (&json!("mint"), &Value::Null, &Value::Null)
    );
    let networks = |object: &Value| {
        object["offers"].as_array().unwrap().iter().map(|offer| offer["network"].clone()).collect::<Vec<_>>()
    };
    let both = explained(&format!("{also}{evm}"), "/a").1;
    assert_eq!(networks(&both), [json!("eip155:84532"), json!(solana), Value::Null]);
}
