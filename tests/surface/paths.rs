//! The path that is priced is the path that is forwarded: a free wildcard beside a priced path, in every spelling.

use tests::{Config, Faregate, Request, Route, Upstream, World};

/// Ways to write `/paid` and `/items/7` that some parser somewhere reads as the same.
const SPELLINGS: [&str; 46] = [
    "/PAID",
    "/Paid",
    "/paid/",
    "/PAID/",
    "//paid",
    "/paid//",
    "/./paid",
    "/paid/.",
    "/x/../paid",
    "/../paid",
    "/%2e/paid",
    "/x/%2e%2e/paid",
    "/x/.%2E/paid",
    "/%70aid",
    "/p%61id",
    "/%50AID",
    "/pa%69d",
    "/%2570aid",
    "/%252570aid",
    "/paid%2f",
    "/paid%2F",
    "/%2fpaid",
    "/%2Fpaid",
    "/paid%5c",
    "/%5cpaid",
    "/\\paid",
    "/paid\\",
    "/paid%00",
    "/paid%00.html",
    "/paid;x=1",
    "/paid;",
    "/paid%3bx",
    "/paid%20",
    "/paid%09",
    "/paid%0a",
    "/paid.",
    "/items%2f7",
    "/items%2F7",
    "/ITEMS/7",
    "/items//7",
    "/items/./7",
    "/items/7/",
    "/x/..%2fitems/7",
    "/items\\7",
    "/%69tems/7",
    "/items/%37",
];

/// The same, as bytes that are no ASCII.
const RAW_SPELLINGS: [&[u8]; 4] = [b"/pa\xc4\xb1d", b"/paid\xff", b"/%c0%afpaid", b"/\xef\xbc\x8fpaid"];

fn routes() -> [Route; 4] {
    [
        Route::new("/paid", "$0.001"),
        Route::new("/items/{id}", "$0.001"),
        Route::new("/files/{*path}", "$0.001"),
        Route::free("/{*rest}"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_no_spelling_of_a_priced_path_is_served_free_by_a_wildcard() {
    let world = World::new("$1", routes()).await;
    let mut raw: Vec<Vec<u8>> = SPELLINGS.iter().map(|path| path.as_bytes().to_vec()).collect();
    raw.extend(RAW_SPELLINGS.iter().map(|path| path.to_vec()));
    for path in raw {
        let shown = String::from_utf8_lossy(&path).into_owned();
        let mut wire = world.gateway.wire().await;
        let request = [b"GET ", path.as_slice(), b" HTTP/1.1\r\nHost: api.example\r\n\r\n"].concat();
        wire.send_bytes(&request).await;
        if let Some(response) = wire.try_response("GET").await {
            let free = response.status == 200;
            assert!(!free || !is_priced(&reread(&shown)), "{shown} was served free");
            assert!(matches!(response.status, 200 | 400 | 402 | 404), "{shown}: {}", response.status);
        }
    }
    for seen in world.upstream.seen() {
        let read = reread(&seen.target);
        assert!(!is_priced(&read), "{} reached the upstream unpaid; it may read it as {read}", seen.target);
    }
    world.gateway.call(&Request::get("/other")).await.expect_status(200);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_the_canonical_path_is_what_is_priced_and_forwarded() {
    let world = World::new("$1", routes()).await;
    let response = world.buy(&Request::get("/%70a%69d?x=%2F..%2e//y")).await;
    response.expect_status(200);
    let seen = world.upstream.call("/paid", 1).await;
    assert_eq!(seen.target, "/paid?x=%2F..%2e//y", "path canonical, query untouched");
    world.buy(&Request::get("/items/a%c3%a4")).await.expect_status(200);
    assert_eq!(world.upstream.seen()[1].target, "/items/a%C3%A4");
    world.expect_balance(998_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_what_two_parsers_could_read_in_two_ways_is_400() {
    let world = World::new("$1", [Route::free("/{*rest}")]).await;
    for path in [
        "//a",
        "/a//b",
        "/./a",
        "/a/..",
        "/%2e%2e/a",
        "/a%00",
        "/a%2",
        "/a%zz",
        "/a;b",
        "/a%5cb",
        "/%252e%252e/a",
        "/%25%32%65%25%32%65/a",
    ] {
        let response = world.gateway.call(&Request::get(path)).await;
        response.expect_refusal(400, "ambiguous_path");
    }
    world.gateway.call(&Request::get("/a%2fb")).await.expect_refusal(400, "escaped_slash");
    assert!(world.upstream.seen().is_empty());
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unmatched_path_is_404_and_never_forwarded() {
    let world = World::paid().await;
    for path in ["/", "/other", "/paid/more", "/pai", "/PAID", "/paid/"] {
        world.gateway.call(&Request::get(path)).await.expect_refusal(404, "route_not_found");
    }
    assert!(world.upstream.seen().is_empty());
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_absolute_target_is_priced_like_its_path() {
    let world = World::new("$1", routes()).await;
    let host = world.gateway.data().to_string();
    world.gateway.call(&Request::get(&format!("http://{host}/paid"))).await.expect_status(402);
    let other = world.gateway.call(&Request::get("http://elsewhere.example/paid")).await;
    assert!(matches!(other.status, 400 | 402), "{}", other.status);
    assert!(world.upstream.seen().is_empty());
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a9_no_header_makes_a_request_another_one_than_was_priced() {
    let routes = [Route::free("/free").line("methods = [\"GET\", \"POST\"]"), Route::new("/paid", "$0.001")];
    let world = World::new("$1", routes).await;
    let names = [
        "X-HTTP-Method-Override",
        "X-HTTP-Method",
        "X-Method-Override",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Original-Host",
        "X-Forwarded-Host",
        "X-Forwarded-Prefix",
        "Forwarded",
        "x_original_url",
    ];
    let request = names.iter().fold(Request::get("/free"), |request, name| request.with(name, "/paid"));
    world.gateway.call(&request).await.expect_status(200);
    let seen = world.upstream.call("/free", 1).await;
    for name in names {
        assert_ne!(seen.header(name), Some("/paid"), "{name} reached the upstream");
    }
    assert_eq!(seen.header("x-forwarded-host"), Some(world.gateway.data().to_string().as_str()));
    assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
    for (method, status) in
        [("HEAD", 402), ("DELETE", 402), ("PATCH", 402), ("TRACE", 405), ("CONNECT", 405), ("BREW", 402)]
    {
        let response = world.gateway.wire().await.try_call(&Request::new(method, "/paid")).await;
        let found = response.map(|response| response.status);
        assert!(found == Some(status) || (method == "CONNECT" && found != Some(200)), "{method}: {found:?}");
    }
    assert!(world.upstream.calls("/paid").is_empty());
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a9_a_known_host_never_falls_through_to_another_ones_routes() {
    let upstream = Upstream::start().await;
    let named = tests::Provider::new("named", upstream.address())
        .line("hosts = [\"api.example\"]")
        .routes([Route::new("/x", "$0.001").named("priced")]);
    let open = Upstream::start().await;
    let every = tests::Provider::new("every", open.address()).routes([Route::free("/{*rest}")]);
    let gateway = Faregate::start(Config::default().provider(named).provider(every)).await;
    let at = |host: &str, path: &str| Request::get(path).with("Host", host);
    gateway.call(&at("api.example", "/x")).await.expect_status(402);
    gateway.call(&at("API.Example:80", "/x")).await.expect_status(402);
    gateway.call(&at("api.example", "/y")).await.expect_status(404);
    gateway.call(&at("other.example", "/x")).await.expect_status(200);
    let trailing_dot = gateway.call(&at("api.example.", "/x")).await;
    assert!(trailing_dot.status != 200 || upstream.seen().is_empty(), "a dot opened the priced upstream");
    assert!(upstream.seen().is_empty());
    gateway.finish().await;
}

/// Whether a server that reads so would serve something priced.
fn is_priced(read: &str) -> bool {
    read == "/paid" || read.strip_prefix("/items/").is_some_and(|id| !id.contains('/'))
}

/// A path as the most careless server reads it: decoded until nothing changes, lower case, cleaned.
fn reread(target: &str) -> String {
    let mut text = target.split('?').next().unwrap_or_default().to_lowercase();
    for _ in 0..4 {
        text = decoded(&text);
    }
    let text = text.replace('\\', "/");
    let text = text.split([';', '\0']).next().unwrap_or_default().to_owned();
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            ".." => {
                parts.pop();
            }
            "" | "." => {}
            kept => parts.push(kept),
        }
    }
    format!("/{}", parts.join("/"))
}

fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut index = 0;
    while index < bytes.len() {
        let escape = text.get(index + 1..index + 3).filter(|_| bytes[index] == b'%');
        match escape.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                found.push(byte);
                index += 3;
            }
            None => {
                found.push(bytes[index]);
                index += 1;
            }
        }
    }
    String::from_utf8_lossy(&found).to_lowercase()
}

#[tokio::test(flavor = "multi_thread")]
async fn a9_no_method_and_no_host_spelling_makes_a_priced_path_free() {
    let priced = Route::new("/paid", "$0.001").line("methods = [\"GET\"]");
    let world = World::new("$1", [Route::free("/{*rest}"), priced]).await;
    for method in ["get", "Get", "trace", "cOnnect", "TRACE"] {
        let refused = world.gateway.call(&Request::new(method, "/paid")).await;
        refused.expect_refusal(405, "method_not_allowed");
        assert_eq!(refused.header("allow"), Some("GET, HEAD"), "{method}");
        let refused = world.gateway.call(&Request::new(method, "/other")).await;
        assert_eq!(refused.header("allow"), Some("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"), "{method}");
    }
    for (method, target) in
        [("POST", "/paid/"), ("POST", "/PAID"), ("OPTIONS", "/Paid"), ("GETX", "/paid%20")]
    {
        world.gateway.call(&Request::new(method, target)).await.expect_refusal(404, "route_not_found");
    }
    for method in ["POST", "PUT", "OPTIONS", "GETX"] {
        let refused = world.gateway.call(&Request::new(method, "/paid")).await;
        refused.expect_refusal(405, "method_not_allowed");
        assert_eq!(refused.header("allow"), Some("GET, HEAD"));
    }
    for target in ["/paid%3Fx=1", "/paid%23", "/paid%20", "/paid."] {
        world.gateway.call(&Request::get(target)).await.expect_refusal(404, "route_not_found");
    }
    for host in ["a:80:80", "a,b", "a%2e", "[::1"] {
        world.gateway.call(&Request::get("/paid").with("Host", host)).await.expect_status(400);
    }
    world.gateway.call(&Request::get("/paid").with("Host", "any.example.")).await.expect_status(402);
    assert!(world.upstream.seen().is_empty());
    world.gateway.call(&Request::post("/other", "x")).await.expect_status(200);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_401_says_by_which_scheme_one_signs_in() {
    let world = World::paid().await;
    let nobody = Request::get("/paid").with("Agent-Key", "fg_none");
    let manager = Request::get("/paid").with("Agent-Key", "fgm_none");
    for (request, code, scheme) in [
        (nobody, "invalid_agent_key", "Bearer realm=\"faregate\", error=\"invalid_token\""),
        (manager, "management_key", "Bearer realm=\"faregate\""),
        (
            Request::get("/.well-known/faregate/me"),
            "sign_in_required",
            "Faregate realm=\"faregate\", Bearer realm=\"faregate\"",
        ),
    ] {
        let refused = world.gateway.call(&request).await;
        refused.expect_refusal(401, code);
        assert_eq!(refused.header("www-authenticate"), Some(scheme));
    }
    world.finish().await;
}
