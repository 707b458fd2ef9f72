//! Rate limits: who is counted, what a refusal says, and that it is never charged. Limits here are so slow that no call
//! comes back while a test runs.

use tests::crowd::{count, send_all};
use tests::{Agent, Config, Payment, Provider, Request, Response, Route, World};

fn slow(burst: usize) -> String {
    format!("rate_limit = {{ calls = 1, per = \"1d\", burst = {burst} }}")
}

fn expect_limited(response: &Response, scope: &str) {
    response.expect_refusal(429, "rate_limited");
    assert_eq!(response.json()["limit_on"], scope);
    let seconds: u64 = response.header("retry-after").expect("Retry-After").parse().expect("seconds");
    assert!((1..=86_400).contains(&seconds), "{seconds}");
    let left = response.header("ratelimit").expect("RateLimit");
    assert!(left.contains(&format!("\"{scope}\";r=0;t=")), "{left}");
    let policy = response.header("ratelimit-policy").expect("RateLimit-Policy");
    assert!(policy.contains(&format!("\"{scope}\";q=")), "{policy}");
    assert_eq!(response.header("payment-required"), None, "it asks for no payment");
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_ten_times_the_burst_is_served_up_to_it_and_the_rest_is_never_charged() {
    let world = World::new("$1", [Route::new("/paid", "$0.001").line(&slow(20))]).await;
    let key = world.agent.key(&world.gateway).await;
    let requests = vec![Request::get("/paid").key(&key); 200];
    let answers = send_all(world.gateway.data(), requests, 16).await;
    assert_eq!((count(&answers, 200), count(&answers, 429)), (20, 180));
    for answer in &answers {
        match answer.status {
            200 => assert!(answer.header("ratelimit").expect("RateLimit").starts_with("\"route\";r=")),
            _ => expect_limited(answer, "route"),
        }
    }
    let refused = answers.iter().find(|answer| answer.status == 429).expect("a refusal");
    assert_eq!(refused.header("ratelimit-policy"), Some("\"route\";q=20;w=1728000"));
    assert_eq!(refused.header("ratelimit"), Some("\"route\";r=0;t=1728000"));
    assert_eq!(world.upstream.seen().len(), 20);
    world.gateway.counted("faregate_rate_limited_total", &[("scope", "route")], 180).await;
    let metrics = world.gateway.metrics().await;
    assert_eq!(metrics.count("faregate_payment_failures_total", &[("reason", "rate_limited")]), 180);
    assert_eq!(metrics.count("faregate_payments_total", &[("outcome", "captured")]), 20);
    world.expect_balance(1_000_000 - 20_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_what_is_not_verified_counts_on_the_address_and_disturbs_no_agent() {
    let world = World::new("$1", [Route::new("/paid", "$0.001").line(&slow(3))]).await;
    let (one, other) = (world.agent.key(&world.gateway).await, Agent::new(&world.gateway, "$1").await);
    let other = other.key(&world.gateway).await;
    // Well-formed, and unknown here.
    let elsewhere = World::paid().await;
    let forged = elsewhere.agent.key(&elsewhere.gateway).await;
    elsewhere.finish().await;
    let challenge = world.gateway.call(&Request::get("/paid")).await;
    challenge.expect_status(402);
    assert!(challenge.header("ratelimit").expect("RateLimit").starts_with("\"route\";r=2;"));
    let payment = world.agent.payer.pay(&challenge);
    let tampered = payment.clone().with("/payload/authorization/value", "1".into());

    world.gateway.call(&Request::get("/paid").key(&forged)).await.expect_refusal(401, "invalid_agent_key");
    world.gateway.call(&Request::get("/paid").paying(tampered.header())).await.expect_status(402);
    for unverified in [
        Request::get("/paid"),
        Request::get("/paid").key(&forged),
        Request::get("/paid").paying(tampered.header()),
        Request::get("/paid").key(&one).paying(payment.header()),
    ] {
        expect_limited(&world.gateway.call(&unverified).await, "route");
    }
    for key in [&one, &other] {
        for left in ["r=2", "r=1", "r=0"] {
            let served = world.gateway.call(&Request::get("/paid").key(key)).await;
            served.expect_status(200);
            assert!(served.header("ratelimit").expect("RateLimit").contains(left));
        }
        expect_limited(&world.gateway.call(&Request::get("/paid").key(key)).await, "route");
    }
    world.expect_balance(1_000_000 - 3_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_a_payment_that_was_captured_learns_its_outcome_however_often_it_is_asked() {
    let world = World::new("$1", [Route::new("/paid", "$0.001").line(&slow(2))]).await;
    let challenge = world.gateway.call(&Request::get("/paid")).await;
    let call = |payment: &Payment| Request::get("/paid").paying(payment.header());
    let paid = world.agent.payer.pay(&challenge);
    let late = world.agent.payer.pay(&challenge);
    world.gateway.call(&call(&paid)).await.expect_status(200);
    for _ in 0..5 {
        world.again(&call(&paid)).await.expect_refusal(409, "already_delivered");
    }
    expect_limited(&world.gateway.call(&call(&late)).await, "route");
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_providers_limit_is_one_for_all_its_routes_and_free_ones_count_on_the_address() {
    let world = World::with("$1", |upstream| {
        let acme = Provider::new("acme", upstream).line(&slow(3));
        let routes = [Route::new("/paid", "$0.001"), Route::free("/free"), Route::free("/other")];
        Config::default().provider(acme.routes(routes))
    })
    .await;
    let key = world.agent.key(&world.gateway).await;
    for target in ["/free", "/other", "/free"] {
        // A key is nothing that a free route looks at.
        let served = world.gateway.call(&Request::get(target).key(&key)).await;
        served.expect_status(200);
        assert!(served.header("ratelimit").expect("RateLimit").starts_with("\"provider\";r="));
    }
    expect_limited(&world.gateway.call(&Request::get("/other").key(&key)).await, "provider");
    expect_limited(&world.gateway.call(&Request::get("/paid")).await, "provider");
    world.gateway.call(&Request::get("/paid").key(&key)).await.expect_status(200);
    world.gateway.counted("faregate_rate_limited_total", &[("scope", "provider")], 2).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_gives_nobody_a_new_burst_unless_the_terms_changed() {
    let mut world = World::new("$1", [Route::free("/free").line(&slow(1))]).await;
    let upstream = world.upstream.address();
    world.gateway.call(&Request::get("/free")).await.expect_status(200);
    let more = [Route::free("/free").line(&slow(1)), Route::free("/more")];
    world.gateway.reload(Config::new(upstream, more)).await;
    world.gateway.call(&Request::get("/more")).await.expect_status(200);
    expect_limited(&world.gateway.call(&Request::get("/free")).await, "route");
    world.gateway.reload(Config::new(upstream, [Route::free("/free").line(&slow(2))])).await;
    world.gateway.call(&Request::get("/free")).await.expect_status(200);
    world.finish().await;
}
