//! Lists: each has a cursor and a CSV form.

use super::*;

async fn csv(house: &House, path: &str) -> Answer {
    let call = Call::new("GET", path).with("Authorization", &format!("Bearer {TOKEN}"));
    house.call(call.with("Accept", "text/csv")).await
}

#[test]
fn every_list_of_the_document_is_a_page() {
    let document = serde_json::to_value(control::openapi()).unwrap();
    let mut pages = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let schema = &item["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        assert_ne!(schema["type"], "array", "GET {path} has no cursor and no CSV");
        pages += usize::from(schema["$ref"].as_str().is_some_and(|name| name.contains("/Page_")));
    }
    assert!(pages > 10, "only {pages} lists are found in the document");
}

#[tokio::test]
async fn an_agent_s_keys_and_signers_are_pages_and_csv() {
    let house = House::control().await;
    let (id, _) = house.agent("buyer").await;
    let keys = format!("/v1/agents/{id}/keys");
    house.admin("POST", &keys, Some(json!({ "per_request": "$0.02" }))).await.expect(201);
    house.admin("POST", &keys, Some(json!({}))).await.expect(201);
    let first = house.admin("GET", &format!("{keys}?limit=1"), None).await.expect(200);
    assert_eq!((first["data"].as_array().map(Vec::len), &first["has_more"]), (Some(1), &json!(true)));
    let read = csv(&house, &keys).await;
    assert_eq!(read.body.lines().next(), Some("id,agent,per_request.display,scopes,expires_at,last_used_at"));
    assert_eq!(read.body.lines().count(), 3);

    let signers = format!("/v1/agents/{id}/signers");
    let signer = "0x52908400098527886E0F7030069857D2E4169EE7";
    house.admin("POST", &signers, Some(json!({ "address": signer }))).await.expect(201);
    let read = csv(&house, &signers).await;
    assert_eq!(read.body, format!("agent,address\n{id},{signer}\n"));
    house.end().await;
}

#[tokio::test]
async fn a_tenant_whose_exports_are_all_taken_reads_no_list_whole_and_still_reads_pages() {
    let mut exports = None;
    let house = House::open(|ledger, registry| {
        let state = state(ledger, registry);
        exports = Some(state.streams.exports().clone());
        control::router(state, Some(&Secret::new(TOKEN.to_owned())))
    });
    let (house, exports) = (house.await, exports.unwrap());
    let keys = ["lab", "rival"].map(|owner| registry::Role::Owner(owner.to_owned()));
    let [lab, rival] = [house.key_of(keys[0].clone(), true).await, house.key_of(keys[1].clone(), true).await];
    let read = async |key: &str, path: &str| {
        let call = Call::new("GET", path).with("Authorization", &format!("Bearer {key}"));
        house.call(call.with("Accept", "text/csv")).await
    };
    let lists = ["/v1/events?type=agent.created", "/v1/events", "/v1/payments", "/v1/agents", "/v1/wallets"];
    for path in lists {
        assert_eq!(read(&lab, path).await.status, 200, "{path}");
    }
    let taken: Vec<_> = std::iter::from_fn(|| exports.take(Some("owner lab".to_owned()))).collect();
    for path in lists {
        read(&lab, path).await.expect_problem(503, "overloaded");
        assert_eq!(read(&rival, path).await.status, 200, "{path}");
    }
    assert_eq!(read(&lab, "/v1/events?limit=1&type=agent.created").await.status, 200);
    drop(taken);
    assert_eq!(read(&lab, lists[0]).await.status, 200);
    house.end().await;
}
