//! Limits on parts of what is sold, scopes of keys, and what would be, over the API.

use super::*;

const FEW_AGENTS: &str = "[limits]\nagents_per_owner_max = 2\n";

fn sold() -> RawCatalog {
    let text = "[[providers]]\nname = \"acme\"\n[providers.upstream]\naddresses = [\"http://127.0.0.1:9\"]\n\
        [[providers.routes]]\nname = \"quotes\"\npath = \"/q\"\nprice = \"$0.01\"\ncategory = \"data\"\n\
        [[providers.routes]]\nname = \"tiered\"\npath = \"/t\"\nfree_per_day = 3\n\
        tiers = [{ from = 1, price = \"$0.05\" }, { from = 2, price = \"$0.02\" }]\n\
        [[providers.routes]]\nname = \"status\"\npath = \"/s\"\nprice = \"free\"\n";
    Config::parse(Path::new("test.toml"), text, &Environment::default()).unwrap().config.catalog
}

async fn house() -> House {
    let house = House::control().await;
    house.registry.apply(&sold(), Still.now()).await.unwrap();
    house
}

#[tokio::test]
async fn limits_and_scopes_are_written_read_and_refused_with_their_place() {
    let house = house().await;
    let limit =
        |scope: &str, per: &str, amount: &str| json!({ "scope": scope, "per": per, "amount": amount });
    let limits = json!([limit("route:quotes", "hour", "$0.5"), limit("category:data", "month", "$9")]);
    let body = json!({ "name": "buyer", "policy": { "per_hour": "$2", "limits": limits } });
    let made = house.admin("POST", "/v1/agents", Some(body)).await.expect(201);
    assert_eq!(made["policy"]["per_hour"]["display"], "$2.00");
    assert_eq!(made["policy"]["limits"][1]["scope"], "category:data");
    assert_eq!(made["policy"]["limits"][1]["amount"]["display"], "$9.00");
    let spending = &made["spending"]["limits"];
    assert_eq!((&spending[0]["scope"], &spending[0]["per"]), (&Value::Null, &json!("hour")));
    assert_eq!(spending[1]["remaining"]["amount"], "500000");

    let path = format!("/v1/agents/{}/policy", text(&made["id"]));
    for (limits, told) in [
        (json!([limit("route:quotse", "day", "$1")]), "0: the catalog has no route called `quotse`"),
        (json!([limit("data", "day", "$1")]), "0: a scope is route:NAME"),
        (json!([limit("category:data", "week", "$1")]), "0: `per` must be hour, day or month"),
        (json!([limit("category:data", "day", "1e3")]), "0: "),
        (
            json!([limit("category:data", "day", "$1"), limit("category:data", "day", "$2")]),
            "already a limit on category:data per day",
        ),
    ] {
        let problem = house.admin("PUT", &path, Some(json!({ "limits": limits }))).await;
        let problem = problem.expect_problem(422, "invalid_field");
        assert_eq!(problem["errors"][0]["pointer"], "/limits");
        assert!(text(&problem["errors"][0]["detail"]).contains(told), "{problem}");
    }

    let keys = format!("/v1/agents/{}/keys", text(&made["id"]));
    let body = json!({ "scopes": ["provider:acme", "category:data"] });
    let key = house.admin("POST", &keys, Some(body.clone())).await.expect(201);
    assert_eq!(key["scopes"], body["scopes"]);
    let rotate = format!("{keys}/{}/rotate", text(&key["id"]));
    let rotated = house.admin("POST", &rotate, Some(json!({}))).await.expect(201);
    assert_eq!(rotated["scopes"], body["scopes"]);
    let agent = house.admin("GET", &format!("/v1/agents/{}", text(&made["id"])), None).await.expect(200);
    let old = agent["keys"].as_array().unwrap().iter().find(|known| known["id"] == key["id"]).unwrap();
    assert!(old["expires_at"].is_string());
    assert_eq!(rotated["old_key"], json!({ "id": old["id"], "ends_at": old["expires_at"] }));
    let wrong = json!({ "scopes": ["category:dtaa"] });
    let problem = house.admin("POST", &keys, Some(wrong)).await.expect_problem(422, "invalid_field");
    assert_eq!(problem["errors"][0]["pointer"], "/scopes");
    let twice = json!({ "scopes": ["category:data", "provider:acme", "category:data"] });
    let problem = house.admin("POST", &keys, Some(twice)).await.expect_problem(422, "invalid_field");
    assert_eq!(problem["errors"][0]["detail"], "names `category:data` twice");
    house.end().await;
}

#[tokio::test]
async fn a_policy_names_each_once_and_not_more_than_the_file_may() {
    let house = house().await;
    let (id, _) = house.agent("buyer").await;
    let path = format!("/v1/agents/{id}/policy");
    for (list, told) in [
        (json!({ "routes": ["quotes", "status", "quotes"] }), "names `quotes` twice"),
        (json!({ "providers": vec!["acme"; 257] }), "lists more than 256"),
    ] {
        for method in ["PUT", "PATCH"] {
            let problem = house.admin(method, &path, Some(list.clone())).await;
            let problem = problem.expect_problem(422, "invalid_field");
            assert_eq!(problem["errors"].as_array().unwrap().len(), 1, "{problem}");
            assert_eq!(problem["errors"][0]["detail"], told);
        }
    }
    house.end().await;
}

#[tokio::test]
async fn a_preview_names_the_tier_and_the_free_calls_of_this_payer() {
    let house = house().await;
    let (id, wallet) = house.agent("buyer").await;
    let preview = async |path: &str| {
        let path = format!("/v1/prices/preview?payer={id}&method=GET&path={path}");
        house.admin("GET", &path, None).await
    };
    let told = preview("/t").await.expect(200);
    assert_eq!((&told["price"]["amount"], &told["list_price"]["amount"]), (&json!("0"), &json!("50000")));
    assert_eq!((&told["free_left"], &told["call"]), (&json!(3), &json!(1)));
    assert_eq!(told["next_tier"]["from_call"], 2);
    house.fund(&wallet, "f", json!({ "amount": "$1", "external_reference": "x" })).await.expect(200);
    house.pay(&id, &wallet, "$0.10").await;
    let told = preview("/t").await.expect(200);
    assert_eq!((&told["call"], &told["next_tier"]), (&json!(2), &Value::Null));
    assert_eq!(preview("/s").await.expect(200)["price"]["amount"], "0");
    preview("/none").await.expect_problem(400, "invalid_parameter");
    house.end().await;
}

#[tokio::test]
async fn a_simulation_of_what_is_not_served_or_costs_nothing_says_so() {
    let house = house().await;
    let (id, _) = house.agent("buyer").await;
    let simulate =
        async |body: Value| house.admin("POST", &format!("/v1/agents/{id}/simulate"), Some(body)).await;
    let told = simulate(json!({ "method": "GET", "path": "/none" })).await.expect(200);
    assert_eq!(
        (&told["would_pass"], &told["reasons"][0]["code"]),
        (&json!(false), &json!("route_not_found"))
    );
    let told = simulate(json!({ "method": "GET", "path": "/a//b" })).await.expect(200);
    assert_eq!(told["reasons"][0]["code"], "ambiguous_path");
    let told = simulate(json!({ "method": "GET", "path": "/s" })).await.expect(200);
    assert_eq!((&told["would_pass"], &told["price"]["amount"]), (&json!(true), &json!("0")));
    let told = simulate(json!({ "method": "GET", "path": "/q" })).await.expect(200);
    assert_eq!(told["reasons"][0]["code"], "insufficient_funds");
    assert_eq!((&told["route"], &told["provider"]), (&json!("quotes"), &json!("acme")));
    let asked =
        json!({ "method": "GET", "path": "/q", "key_id": domain::KeyId::from_bytes([7; 16]).to_string() });
    simulate(asked).await.expect_problem(404, "key_not_found");
    house.end().await;
}

#[tokio::test]
async fn a_simulation_says_what_was_spent_also_where_that_is_more_than_a_limit_that_was_lowered() {
    let house = house().await;
    let (id, wallet) = house.agent("buyer").await;
    house.fund(&wallet, "f", json!({ "amount": "$1", "external_reference": "x" })).await.expect(200);
    house.pay(&id, &wallet, "$0.10").await;
    let policy = json!({ "per_day": "$0.05" });
    house.admin("PUT", &format!("/v1/agents/{id}/policy"), Some(policy)).await.expect(200);
    let asked = json!({ "method": "GET", "path": "/q" });
    let told = house.admin("POST", &format!("/v1/agents/{id}/simulate"), Some(asked)).await.expect(200);
    let reason = &told["reasons"][0];
    assert_eq!((&reason["code"], &reason["window"]), (&json!("spending_limit_exceeded"), &json!("day")));
    assert_eq!((&reason["limit"]["amount"], &reason["spent"]["amount"]), (&json!("50000"), &json!("100000")));
    assert_eq!(reason["remaining"]["amount"], "0");
    house.end().await;
}

#[tokio::test]
async fn an_owner_has_so_many_agents_and_so_many_times_what_a_route_gives_each_for_nothing() {
    let house = House::control().await;
    let config = Config::parse(Path::new("test.toml"), FEW_AGENTS, &Environment::default()).unwrap().config;
    house.registry.apply(&config.catalog, Still.now()).await.unwrap();
    let desk = house.key_of(registry::Role::Owner("lab".to_owned()), false).await;
    let make = async |key: &str, body: Value| {
        let call = Call::new("POST", "/v1/agents").with("Authorization", &format!("Bearer {key}"));
        house.call(call.json(&body)).await
    };
    make(&desk, json!({ "name": "one" })).await.expect(201);
    let two = make(TOKEN, json!({ "name": "two", "owner": "lab" })).await.expect(201);
    // A wallet that is shared makes no difference, nor who asks; a frozen agent is one too.
    house.admin("POST", &format!("/v1/agents/{}/freeze", text(&two["id"])), None).await.expect(200);
    let wallets = house.rows(TOKEN, "/v1/wallets").await.len();
    for (key, body) in [
        (&*desk, json!({ "name": "three" })),
        (&*desk, json!({ "name": "three", "wallet": two["wallet"] })),
        (TOKEN, json!({ "name": "three", "owner": "lab" })),
    ] {
        let problem = make(key, body).await.expect_problem(409, "too_many");
        assert!(text(&problem["detail"]).contains("2 agents of this owner"), "{problem}");
    }
    assert_eq!(house.rows(TOKEN, "/v1/wallets").await.len(), wallets, "none was left behind");
    // Others, and the operator's own, are not the owner's.
    make(TOKEN, json!({ "name": "three", "owner": "rival" })).await.expect(201);
    for name in ["four", "five", "six"] {
        make(TOKEN, json!({ "name": name })).await.expect(201);
    }
    house.end().await;
}
