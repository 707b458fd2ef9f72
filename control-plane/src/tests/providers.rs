//! Providers over the API.

use registry::Role;

use super::*;

#[tokio::test]
async fn o3_a_provider_writes_its_own_profile_and_nobody_elses() {
    let house = House::control().await;
    for name in ["acme", "blue"] {
        let upstream = json!({ "addresses": [format!("https://{name}.example.com")] });
        let body = json!({ "name": name, "upstream": upstream });
        house.admin("POST", "/v1/providers", Some(body)).await.expect(201);
    }
    let key = house.key_of(Role::Provider("acme".to_owned()), false).await;
    let as_acme = async |method: &str, name: &str, body: Option<Value>| {
        let call = Call::new(method, &format!("/v1/providers/{name}"));
        let call = call.with("Authorization", &format!("Bearer {key}"));
        house.call(body.iter().fold(call, |call, body| call.json(body))).await
    };
    let profile = json!({
        "display_name": "Acme Quotes",
        "website": "https://www.acme.example",
        "contact": "api@acme.example",
        "description": "Stock quotes.",
    });
    let change = json!({ "profile": profile });
    let changed = as_acme("PATCH", "acme", Some(change.clone())).await.expect(200);
    assert_eq!(changed["changes"][0]["differences"], json!([{ "pointer": "/profile", "new": profile }]));
    assert_eq!(as_acme("GET", "acme", None).await.expect(200)["document"]["profile"], profile);
    as_acme("PATCH", "blue", Some(change)).await.expect_problem(404, "provider_not_found");

    let wrong = json!({ "profile": { "website": "javascript:alert(1)" } });
    let problem = as_acme("PATCH", "acme", Some(wrong)).await.expect_problem(422, "invalid_field");
    assert_eq!(problem["errors"][0]["pointer"], "/profile/website");
    let path = "/v1/changes?subject_kind=provider&subject=acme&limit=1";
    let noted = house.admin("GET", path, None).await.expect(200);
    let noted = &noted["data"][0];
    assert_eq!((&noted["action"], &noted["actor_kind"]), (&json!("provider.updated"), &json!("key")));
    assert_eq!((&noted["before"]["profile"], &noted["after"]["profile"]), (&Value::Null, &profile));
    house.end().await;
}
