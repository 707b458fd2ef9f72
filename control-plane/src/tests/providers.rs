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

/// What a change of `acme` by a key of its own, or by the administrator, is answered with.
async fn change(house: &House, key: &str, patch: Value) -> Answer {
    let call = Call::new("PATCH", "/v1/providers/acme").with("Authorization", &format!("Bearer {key}"));
    house.call(call.json(&patch)).await
}

fn pointers(problem: &Value) -> Vec<String> {
    problem["errors"].as_array().unwrap().iter().map(|error| text(&error["pointer"])).collect()
}

#[tokio::test]
async fn o5_a_secret_that_is_kept_is_not_sent_to_another_place() {
    const KEPT: &str = "/upstream/headers/x-api-key";
    let house = House::control().await;
    let secret = json!({ "x-api-key": "hunter2", "x-team": "blue" });
    let upstream = json!({ "addresses": ["https://a.example.com", "https://b.example.com"],
                           "server_name": "a.example.com", "headers": secret });
    let acme = json!({ "name": "acme", "upstream": upstream });
    house.admin("POST", "/v1/providers", Some(acme)).await.expect(201);
    let desk = house.key_of(Role::Provider("acme".to_owned()), false).await;
    let elsewhere = [
        json!({ "addresses": ["https://evil.example.com"] }),
        json!({ "addresses": ["https://a.example.com", "https://evil.example.com"] }),
        json!({ "addresses": ["https://a.example.com:8443"] }),
        json!({ "addresses": ["http://a.example.com"], "server_name": null }),
        json!({ "server_name": "evil.example.com" }),
        json!({ "host": "evil.example.com" }),
        json!({ "base_path": "/evil" }),
    ];
    for key in [desk.as_str(), TOKEN] {
        for place in &elsewhere {
            let refused = change(&house, key, json!({ "upstream": place })).await;
            let problem = refused.expect_problem(422, "invalid_field");
            assert_eq!(pointers(&problem), [KEPT, "/upstream/headers/x-team"], "{place}");
            let mut half = place.clone();
            half["headers"] = json!({ "x-api-key": "[secret]", "x-team": "red" });
            let problem = change(&house, key, json!({ "upstream": half })).await;
            assert_eq!(pointers(&problem.expect_problem(422, "invalid_field")), [KEPT], "{place}");
        }
    }
    let upstream = || house.registry.provider("acme").unwrap().provider.upstream.clone();
    assert_eq!(upstream().headers[0].1.expose(), "hunter2");

    // What sends it to nobody new keeps it: one address less, and all that is no place.
    let fewer = json!({ "addresses": ["https://a.example.com"], "connect_timeout": "1s" });
    change(&house, &desk, json!({ "upstream": fewer })).await.expect(200);
    assert_eq!(upstream().headers[0].1.expose(), "hunter2");
    let again = json!({ "addresses": ["https://c.example.com"], "server_name": null,
                        "headers": { "x-api-key": "hunter3", "x-team": null } });
    change(&house, &desk, json!({ "upstream": again })).await.expect(200);
    let now = upstream();
    assert_eq!((now.addresses[0].host.as_str(), now.headers.len()), ("c.example.com", 1));
    assert_eq!(now.headers[0].1.expose(), "hunter3");
    house.end().await;
}

#[tokio::test]
async fn o5_an_export_with_another_address_takes_no_secret_along() {
    let house = House::control().await;
    let upstream = json!({ "addresses": ["https://a.example.com"], "headers": { "x-api-key": "hunter2" } });
    let acme = json!({ "name": "acme", "upstream": upstream });
    house.admin("POST", "/v1/providers", Some(acme)).await.expect(201);
    let mut setup = house.registry.export().to_json();
    house.admin("POST", "/v1/catalog/apply", Some(setup.clone())).await.expect(200);
    setup["providers"][0]["upstream"]["addresses"] = json!(["https://evil.example.com"]);
    let refused = house.admin("POST", "/v1/catalog/apply", Some(setup.clone())).await;
    let problem = refused.expect_problem(422, "invalid_field");
    assert_eq!(pointers(&problem), ["/providers/0/upstream/headers/x-api-key"]);
    setup["providers"][0]["upstream"]["headers"]["x-api-key"] = json!("hunter3");
    house.admin("POST", "/v1/catalog/apply", Some(setup)).await.expect(200);
    house.end().await;
}
