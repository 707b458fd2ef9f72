//! What is taken from an agent at the control plane is gone at every gateway, long before what they remember is old.

use std::time::Duration;

use serde_json::json;
use tests::wait::until;
use tests::{Request, Route, Several};

/// A gateway remembers an agent for 30 seconds: what takes longer than this was not told.
const TOLD: Duration = Duration::from_secs(15);

/// Waits until both gateways answer the key with this status.
async fn expect(several: &Several, key: &str, status: u16, what: &str) {
    for gateway in &several.gateways {
        let answered = until(what, || async {
            (gateway.call(&Request::get("/paid").key(key)).await.status == status).then_some(())
        });
        assert!(tokio::time::timeout(TOLD, answered).await.is_ok(), "{what}: no gateway was told");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_from_an_agent_at_the_control_plane_is_gone_at_every_gateway() {
    let several = Several::new(2, "$10", [Route::new("/paid", "$0.000002")]).await;
    let key = several.agent.key(&several.control).await;
    let (id, wallet) = (&several.agent.id, &several.agent.wallet);
    let ask = async |method: &str, path: String, body| several.control.ask(method, &path, body).await;
    expect(&several, &key, 200, "the key to pay").await;
    for thing in [format!("/v1/agents/{id}"), format!("/v1/wallets/{wallet}")] {
        ask("POST", format!("{thing}/freeze"), None).await;
        expect(&several, &key, 403, "the frost to arrive").await;
        ask("POST", format!("{thing}/thaw"), None).await;
        expect(&several, &key, 200, "the thaw to arrive").await;
    }
    let policy = format!("/v1/agents/{id}/policy");
    let (low, none) = (json!({ "per_request": "$0.000001" }), json!({}));
    ask("PUT", policy.clone(), Some(&low)).await;
    expect(&several, &key, 403, "the lower limit to arrive").await;
    ask("PUT", policy, Some(&none)).await;
    expect(&several, &key, 200, "the limit to be gone").await;
    let known = ask("GET", format!("/v1/agents/{id}"), None).await["keys"][0]["id"].clone();
    let revoke = format!("/v1/agents/{id}/keys/{}/revoke", known.as_str().unwrap());
    let revoked = several.control.admin(&Request::new("POST", &revoke)).await;
    revoked.expect_status(204);
    expect(&several, &key, 401, "the end of the key to arrive").await;
    several.finish().await;
}
