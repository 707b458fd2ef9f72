//! A10: what is sold is not given away by a cache, and what is asked for is asked for anew.

use tests::{Request, Route, Script, World};

async fn world() -> World {
    let routes = [
        Route::new("/paid", "$0.001"),
        Route::new("/open", "$0.001").line("cacheable = true"),
        Route::free("/free"),
    ];
    World::new("$1", routes).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a10_no_refusal_is_stored_by_any_cache() {
    let world = world().await;
    for (request, status) in [
        (Request::get("/paid"), 402),
        (Request::get("/open"), 402),
        (Request::get("/paid").with("Origin", "https://app.example"), 402),
        (Request::get("/paid").paying("e30="), 400),
        (Request::get("/paid").with("Agent-Key", "fg_none"), 401),
        (Request::get("/nothing"), 404),
        (Request::get("//paid"), 400),
        (Request::new("TRACE", "/paid"), 405),
    ] {
        let response = world.gateway.call(&request).await;
        response.expect_status(status);
        assert_eq!(response.header("cache-control"), Some("no-store"), "{request:?}");
    }
    world.upstream.on("/paid", Script::hang_up());
    let failed = world.buy(&Request::get("/paid")).await;
    failed.expect_status(502);
    assert_eq!(failed.header("cache-control"), Some("no-store"));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a10_a_paid_answer_is_private_whatever_its_upstream_says() {
    let world = world().await;
    let key = world.agent.key(&world.gateway).await;
    for (said, told) in [
        (&[][..], "private"),
        (&["cache-control: public, max-age=600"], "private, max-age=600"),
        (&["cache-control: s-maxage=900, Public"], "private"),
        (&["cache-control: PUBLIC", "cache-control: max-age=5, S-MaxAge=9"], "private, max-age=5"),
        (&["cache-control: private=\"set-cookie\", max-age=1"], "private, max-age=1"),
        (&["cache-control: no-store"], "no-store"),
        (&["cache-control: private, max-age=1"], "private, max-age=1"),
        (&["cdn-cache-control: max-age=900", "surrogate-control: max-age=900"], "private"),
        (&["cloudflare-cdn-cache-control: max-age=900"], "private"),
        (&["expires: Thu, 01 Dec 2094 16:00:00 GMT"], "private"),
        (&["x-accel-expires: 600", "cache-control: max-age=5"], "private, max-age=5"),
        (
            &["x-litespeed-cache-control: public, max-age=600", "edge-control: !no-store, max-age=600"],
            "private",
        ),
    ] {
        for status in [200, 206, 204, 304] {
            world.upstream.on("/paid", Script::begin(status, said).before_the_body().close());
            let request = Request::get("/paid").key(&key);
            let Some(response) = world.gateway.wire().await.try_call(&request).await else { continue };
            response.expect_status(status);
            let directives: Vec<_> = response.fields.all("cache-control").collect();
            assert_eq!(directives, [told], "{status}, {said:?}");
            let others = response.fields.0.iter().filter(|(name, _)| {
                name.ends_with("expires") || (name.ends_with("control") && name != "cache-control")
            });
            assert_eq!(others.count(), 0, "{status}, {said:?}: {:?}", response.fields);
        }
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a10_only_a_route_that_says_so_is_publicly_cached() {
    let world = world().await;
    let key = world.agent.key(&world.gateway).await;
    let public = "cache-control: public, max-age=600";
    for path in ["/open", "/free"] {
        world.upstream.on(path, Script::reply(200, &[public], "x"));
        let response = world.gateway.call(&Request::get(path).key(&key)).await;
        assert_eq!(response.header("cache-control"), Some("public, max-age=600"), "{path}");
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a10_what_depends_on_the_origin_says_so() {
    let world = world().await;
    let key = world.agent.key(&world.gateway).await;
    world.upstream.on("/open", Script::reply(200, &["cache-control: public", "vary: accept"], "x"));
    for origin in [None, Some("https://app.example")] {
        let request = Request::get("/open").key(&key);
        let request = match origin {
            Some(origin) => request.with("Origin", origin),
            None => request,
        };
        let response = world.gateway.call(&request).await;
        response.expect_status(200);
        assert_eq!(response.header("access-control-allow-origin"), origin.map(|_| "*"));
        let varies: Vec<_> = response.fields.all("vary").map(str::to_ascii_lowercase).collect();
        assert_eq!(varies, ["accept", "origin"], "with origin {origin:?}");
    }
    world.finish().await;
}
