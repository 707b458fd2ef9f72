//! What crosses the gateway in header fields, both ways: nobody's word passes for another one's.

use tests::process::run;
use tests::strict;
use tests::{Agent, Config, Faregate, Provider, Request, Route, Script, Upstream, World};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What a client writes to be taken for another one.
const SPOOFED: &str = "6.6.6.6";

async fn world() -> World {
    let upstream = Upstream::start().await;
    let provider = Provider::new("acme", upstream.address())
        .upstream_line("headers = { x-api-key = \"the-providers-key\" }")
        .routes([Route::new("/paid", "$0.001"), Route::free("/free")]);
    let gateway = Faregate::start(Config::default().provider(provider)).await;
    let agent = Agent::new(&gateway, "$1").await;
    World { upstream, gateway, agent }
}

#[tokio::test(flavor = "multi_thread")]
async fn s6_a_client_cannot_say_where_it_comes_from() {
    let world = world().await;
    let key = world.agent.key(&world.gateway).await;
    let names = [
        "X-Forwarded-For",
        "x_forwarded_for",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-Port",
        "X-Forwarded-Prefix",
        "X-Forwarded-By-Nobody",
        "X-Forwarded",
        "Forwarded",
        "X-Real-IP",
        "X_Real_IP",
        "X-Client-IP",
        "True-Client-IP",
        "CF-Connecting-IP",
    ];
    for path in ["/paid", "/free"] {
        for name in names {
            let before = world.upstream.calls(path).len();
            let request = Request::get(path).key(&key).with("Host", "api.example").with(name, SPOOFED);
            world.gateway.call(&request).await.expect_status(200);
            let seen = world.upstream.call(path, before + 1).await;
            assert!(!String::from_utf8_lossy(&seen.raw).contains(SPOOFED), "{name}: {seen:?}");
            assert_eq!(seen.fields.all("x-forwarded-for").collect::<Vec<_>>(), ["127.0.0.1"]);
            assert_eq!(seen.fields.all("x-forwarded-host").collect::<Vec<_>>(), ["api.example"]);
            assert_eq!(seen.fields.all("x-forwarded-proto").collect::<Vec<_>>(), ["http"]);
        }
    }
    assert!(!world.gateway.log().contains(SPOOFED));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s6_a_limit_by_address_counts_the_connection_not_the_header() {
    let world = world().await;
    let mut wire = world.gateway.wire().await;
    let mut refused = false;
    for index in 0..200 {
        let request =
            Request::get("/.well-known/faregate/me").with("X-Forwarded-For", format!("6.6.6.{index}"));
        refused |= wire.call(&request).await.status == 429;
    }
    assert!(refused, "two hundred addresses that are one");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s7_an_upstreams_field_cannot_become_another_one() {
    let world = world().await;
    let key = world.agent.key(&world.gateway).await;
    for field in [
        "x-a: b\rPAYMENT-RESPONSE: forged",
        "x-a: b\nPAYMENT-RESPONSE: forged",
        "x-a: b\0PAYMENT-RESPONSE: forged",
        "x-a: b\r\n PAYMENT-RESPONSE: forged",
        "x-a : b\r\nPAYMENT-RESPONSE : forged",
        "x-a\r: b",
        "location: /a%0d%0aPAYMENT-RESPONSE: forged",
        "x-a: b\x0b\x0cPAYMENT-RESPONSE: forged",
    ] {
        for path in ["/paid", "/free"] {
            world.upstream.on(path, Script::reply(200, &[field, "x-end: 1"], "body"));
            let mut stream = TcpStream::connect(world.gateway.data()).await.unwrap();
            let request = Request::get(path).key(&key).with("Connection", "close").bytes("a");
            stream.write_all(&request).await.unwrap();
            let mut answer = Vec::new();
            tests::within("the end of an answer", stream.read_to_end(&mut answer)).await.unwrap();
            let fields = strict::answer(&answer).unwrap_or_else(|two_ways| panic!("{field:?}: {two_ways}"));
            assert!(fields.all("payment-response").all(|value| value != "forged"), "{field:?}: {fields:?}");
        }
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s7_a_value_of_the_file_cannot_break_a_line() {
    let world = world().await;
    let good = world.gateway.config_text();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("faregate.toml");
    for (from, to) in [
        ("x-api-key = \"the", "x-api-key = \"a\\r\\nx-b: c"),
        ("x-api-key = \"the", "x-api-key = \"a\\u0000"),
        ("x-api-key =", "\"x-api-key\\r\\nx-b\" ="),
        ("x-api-key =", "\"x api key\" ="),
        ("x-api-key =", "host ="),
        ("x-api-key =", "content-length ="),
        ("x-api-key =", "transfer-encoding ="),
        ("x-api-key =", "faregate-payer ="),
        ("[providers.upstream]", "[providers.upstream]\nhost = \"a\\r\\nx-b: c\""),
        ("[providers.upstream]", "[providers.upstream]\nbase_path = \"/a\\r\\nx-b: c\""),
        ("[providers.upstream]", "[providers.upstream]\nbase_path = \"/a b\""),
        ("[providers.upstream]", "[providers.upstream]\nhealth = { path = \"/a\\r\\nx: y\" }"),
        ("[data]", "public_url = \"https://a\\r\\nx-b: c\"\n[data]"),
        ("path = \"/paid\"", "path = \"/paid\"\ndescription = \"a\\nb\""),
        ("path = \"/paid\"", "path = \"/paid\"\nmime_type = \"a\\r\\nb: c\""),
        ("path = \"/paid\"", "path = \"/pa\\r\\nid\""),
        ("name = \"acme\"", "name = \"ac\\r\\nme\""),
    ] {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from}");
        std::fs::write(&file, &text).unwrap();
        let said = run(&["check", "-c", &file.display().to_string()]).await;
        assert_eq!(said.code, Some(1), "accepted: {to}\n{}{}", said.out, said.err);
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s8_connection_names_no_field_of_ours_away() {
    let world = world().await;
    let key = world.agent.key(&world.gateway).await;
    for (index, nominated) in [
        "Agent-Key",
        "PAYMENT-SIGNATURE, X-PAYMENT",
        "Authorization",
        "Faregate-Payer, Faregate-Payment-Id, Faregate-Price",
        "X-Api-Key",
        "Host",
        "X-Forwarded-For",
        "Content-Length",
        "close, X-Api-Key, Agent-Key",
        "Agent-Max-Price, Idempotency-Key",
    ]
    .into_iter()
    .enumerate()
    {
        let request = Request::post("/paid", "body").key(&key).with("Connection", nominated);
        let response = world.gateway.call(&request).await;
        assert!(matches!(response.status, 200 | 400), "{nominated}: {}", response.status);
        if response.status == 200 {
            assert!(response.header("payment-response").is_some(), "{nominated}: paid, and no receipt");
        }
        for seen in world.upstream.calls("/paid") {
            let at = format!("case {index}, {nominated}: {seen:?}");
            assert_eq!(seen.header("x-api-key"), Some("the-providers-key"), "{at}");
            assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"), "{at}");
            assert!(seen.fields.has("faregate-payer") && seen.fields.has("faregate-payment-id"), "{at}");
            assert!(!String::from_utf8_lossy(&seen.raw).contains("fg_"), "the key was shown: {at}");
            assert_eq!(seen.body, b"body", "{at}");
        }
    }
    // A limit that the client set for itself holds though it is named away.
    let dear = Request::get("/paid").key(&key).with("Agent-Max-Price", "$0.0001");
    let response = world.gateway.call(&dear.with("Connection", "Agent-Max-Price")).await;
    assert!(matches!(response.status, 400 | 402), "{}", response.status);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s8_an_upstream_names_no_field_of_ours_away() {
    let world = world().await;
    let key = world.agent.key(&world.gateway).await;
    let named = "connection: payment-response, faregate-payment-id, cache-control";
    world.upstream.on("/paid", Script::reply(200, &[named, "keep-alive: timeout=5", "x-own: 1"], "body"));
    let response = world.gateway.call(&Request::get("/paid").key(&key)).await;
    response.expect_status(200);
    let connection: Vec<_> = response.fields.all("connection").collect();
    for name in ["payment-response", "faregate-payment-id", "cache-control"] {
        assert!(response.header(name).is_some(), "{name}");
        assert!(!connection.iter().any(|list| list.contains(name)), "whoever is next would take {name} off");
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_an_upstream_sends_clients_to_itself_they_come_back_to_the_gateway() {
    let world = world().await;
    let own = format!("location: http://{}/paid/?x=1", world.upstream.address());
    for (told, expected) in
        [(own.as_str(), "/paid/?x=1"), ("location: https://login.example/", "https://login.example/")]
    {
        world.upstream.on("/free", Script::reply(307, &[told], ""));
        let answer = world.gateway.call(&Request::get("/free")).await;
        assert_eq!(answer.expect_status(307).header("location"), Some(expected));
    }
    world.finish().await;
}
