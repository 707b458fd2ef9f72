//! What callers see and change of a part: a policy's members, events of a type, agents by name, prices for a provider's payer.

use serde_json::{Value, json};

use super::http::{Answer, Call};
use super::{House, catalog, text};
use domain::Clock;

async fn keyed(house: &House, body: Value) -> String {
    text(&house.admin("POST", "/v1/api-keys", Some(body)).await.expect(201)["key"])
}

async fn get(house: &House, key: &str, path: &str) -> Answer {
    house.call(Call::new("GET", path).with("Authorization", &format!("Bearer {key}"))).await
}

#[tokio::test]
async fn a_policy_keeps_what_a_change_does_not_name_though_it_would_not_be_let_in_today() {
    let house = House::control().await;
    house.registry.apply(&catalog(), super::Still.now()).await.unwrap();
    let policy = json!({
        "per_request": "$0.05", "per_day": "$1", "per_month": "$9", "routes": ["quotes"], "providers": ["acme"],
        "limits": [{ "scope": "route:quotes", "per": "hour", "amount": "$0.50" }], "expires_at": "2030-01-01T00:00:00Z",
    });
    let body = json!({ "name": "buyer", "policy": policy });
    let agent = text(&house.admin("POST", "/v1/agents", Some(body)).await.expect(201)["id"]);
    // The route goes, and the policy still names it.
    house.registry.apply(&Default::default(), super::Still.now()).await.unwrap();
    let path = format!("/v1/agents/{agent}/policy");
    let patch = async |body: Value| house.admin("PATCH", &path, Some(body)).await;
    let before = house.admin("GET", &path, None).await.expect(200);
    assert_eq!(patch(json!({})).await.expect(200), before);
    let after = patch(json!({ "per_day": null, "per_hour": "$0.20", "providers": null })).await.expect(200);
    assert_eq!((&after["per_day"], &after["providers"]), (&Value::Null, &Value::Null));
    assert_eq!(after["per_hour"]["display"], "$0.20");
    for kept in ["per_request", "per_month", "routes", "limits", "expires_at"] {
        assert_eq!(after[kept], before[kept], "{kept}");
    }
    let gone =
        patch(json!({ "limits": null, "expires_at": null, "per_request": null, "routes": null })).await;
    assert_eq!(gone.expect(200)["limits"], json!([]));
    let wrong =
        patch(json!({ "routes": ["quotes"], "per_hour": "x" })).await.expect_problem(422, "invalid_field");
    assert_eq!(wrong["errors"].as_array().unwrap().len(), 2, "{wrong}");
    house.end().await;
}

#[tokio::test]
async fn o3_an_agent_s_name_opens_it_to_its_owner_and_tells_nobody_else_that_it_is_there() {
    let house = House::control().await;
    let body = json!({ "name": "reader", "owner": "lab" });
    let agent = house.admin("POST", "/v1/agents", Some(body)).await.expect(201);
    let lab = keyed(&house, json!({ "name": "l", "role": "owner", "owner": "lab" })).await;
    let other = keyed(&house, json!({ "name": "o", "role": "owner", "owner": "other" })).await;
    for path in ["/v1/agents/reader", "/v1/agents/reader/policy", "/v1/payments?agent=reader"] {
        get(&house, &lab, path).await.expect(200);
        let foreign = get(&house, &other, path).await;
        let missing = get(&house, &other, &path.replace("reader", "raeder")).await;
        assert_eq!((foreign.status, &foreign.body), (404, &missing.body), "{path}");
    }
    assert_eq!(get(&house, &lab, "/v1/agents/reader").await.expect(200), agent);
    house.end().await;
}

#[tokio::test]
async fn who_is_not_there_and_what_a_call_needs_is_told() {
    let house = House::control().await;
    let detail = async |path: &str, status: u16, code: &str| {
        let problem = house.admin("GET", path, None).await.expect_problem(status, code);
        text(&problem["detail"])
    };
    let nobody = detail("/v1/agents/nobody", 404, "agent_not_found").await;
    assert_eq!(nobody, "there is no agent of this id or name");
    for (query, told) in [
        ("", "this call needs the parameters `from`, `to`"),
        ("?to=1", "this call needs the parameter `from`"),
        ("?from=1&to=2&limit=1", "this call takes no parameter `limit`"),
    ] {
        assert_eq!(detail(&format!("/v1/routes/x/diff{query}"), 400, "invalid_parameter").await, told);
    }
    house.end().await;
}

#[tokio::test]
async fn events_are_found_by_type_and_by_what_they_tell_of_page_by_page() {
    let house = House::control().await;
    let (first, _) = house.agent("first").await;
    let (second, _) = house.agent("second").await;
    for agent in [&first, &second, &first] {
        for verb in ["freeze", "thaw"] {
            house.admin("POST", &format!("/v1/agents/{agent}/{verb}"), None).await.expect(200);
        }
    }
    let list = async |query: &str| house.admin("GET", &format!("/v1/events?{query}"), None).await;
    let found = async |query: &str| {
        let page = list(query).await.expect(200);
        let rows = page["data"].as_array().unwrap();
        rows.iter().map(|row| format!("{} {}", text(&row["type"]), text(&row["subject"]))).collect::<Vec<_>>()
    };
    let frozen = |agent: &str| format!("agent.frozen {agent}");
    assert_eq!(found("type=agent.frozen").await, [frozen(&first), frozen(&second), frozen(&first)]);
    assert_eq!(found(&format!("type=agent.frozen&subject={second}")).await, [frozen(&second)]);
    assert_eq!(found(&format!("subject={second}")).await.len(), 3, "made, frozen, thawed");
    let page = list("type=agent.frozen&limit=2").await.expect(200);
    assert_eq!((page["data"].as_array().unwrap().len(), &page["has_more"]), (2, &json!(true)));
    let next = format!("type=agent.frozen&limit=2&after={}", text(&page["next"]));
    assert_eq!(found(&next).await, [frozen(&first)]);
    list("type=agent.melted").await.expect_problem(400, "invalid_parameter");
    let other = keyed(&house, json!({ "name": "o", "role": "owner", "owner": "other" })).await;
    let foreign = get(&house, &other, "/v1/events?type=agent.frozen").await.expect(200);
    assert_eq!(foreign["data"], json!([]));
    house.end().await;
}

#[tokio::test]
async fn o3_a_provider_learns_what_a_payer_pays_at_its_own_routes_and_nothing_else_of_it() {
    let house = House::control().await;
    for name in ["seller", "rival"] {
        let body = json!({ "name": name, "upstream": { "addresses": ["https://api.example.com"] } });
        house.admin("POST", "/v1/providers", Some(body)).await.expect(201);
        let route = json!({ "name": name, "provider": name, "path": format!("/{name}"), "price": "$0.01", "free_per_day": 2 });
        house.admin("POST", "/v1/routes", Some(route)).await.expect(201);
    }
    let body = json!({ "name": "secret-name", "owner": "secret-owner", "policy": { "per_day": "$0.77" } });
    let agent = text(&house.admin("POST", "/v1/agents", Some(body)).await.expect(201)["id"]);
    let seller = keyed(&house, json!({ "name": "s", "role": "provider", "provider": "seller" })).await;
    let preview = async |payer: &str, path: &str| {
        let path = format!("/v1/prices/preview?payer={payer}&method=GET&path={path}");
        get(&house, &seller, &path).await
    };
    let shown = preview(&agent, "/seller").await;
    for hidden in ["secret", "0.77", "770000", "wal_"] {
        assert!(!shown.body.contains(hidden), "{hidden} in {}", shown.body);
    }
    let shown = shown.expect(200);
    assert_eq!((&shown["list_price"]["display"], &shown["free_left"]), (&json!("$0.01"), &json!(2)));
    preview(&agent, "/rival").await.expect_problem(404, "route_not_found");
    preview("secret-name", "/seller").await.expect_problem(400, "invalid_identifier");
    let nobody = domain::AgentId::from_bytes([7; 16]).to_string();
    preview(&nobody, "/seller").await.expect_problem(404, "agent_not_found");
    get(&house, &seller, &format!("/v1/agents/{agent}")).await.expect_problem(403, "forbidden");
    house.end().await;
}
