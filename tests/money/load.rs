//! Too much at once: what is over a limit is refused before it is forwarded, nobody pays for others, and everything is
//! well again afterwards. Deadlines are generous; rates are `make bench`'s subject.

use std::sync::atomic::{AtomicUsize, Ordering};

use tests::crowd::{answers, begin_all, count, send_all};
use tests::{Agent, Config, Faregate, Gate, Request, Response, Route, Script, Upstream, Wire, World};
use tokio::task::JoinSet;

fn expect_shed(response: &Response) {
    response.expect_refusal(503, "overloaded");
    assert!(response.header("retry-after").is_some());
    assert_eq!(response.header("payment-required"), None);
}

async fn start(upstream: &Upstream, limits: &str) -> Faregate {
    let routes = [Route::new("/paid", "$0.001"), Route::new("/slow", "$0.001"), Route::new("/bad", "$0.001")];
    Faregate::start(Config::new(upstream.address(), routes).section(&format!("[limits]\n{limits}"))).await
}

/// Waits until all but so many calls are answered.
async fn all_but(calls: &[tokio::task::JoinHandle<Response>], waiting: usize) {
    tests::wait::until("the calls above the limit to be refused", || async {
        (calls.iter().filter(|call| !call.is_finished()).count() == waiting).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a4_one_payer_with_calls_that_hang_or_fail_takes_an_eighth_and_others_are_served() {
    const SHARE: usize = 8;
    let upstream = Upstream::start().await;
    let gateway = start(&upstream, "holds_max = 64").await;
    let (flood, honest) = (Agent::new(&gateway, "$1").await, Agent::new(&gateway, "$1").await);
    let (flood_key, honest_key) = (flood.key(&gateway).await, honest.key(&gateway).await);
    let gate = Gate::new();
    upstream.on("/slow", Script::reply(200, &[], "at last").after(&gate));
    upstream.on("/bad", Script::reply(500, &[], "never"));

    let slow = Request::get("/slow").key(&flood_key);
    let hanging = begin_all(gateway.data(), vec![slow; 5 * SHARE]);
    gate.reached_by(SHARE).await;
    all_but(&hanging, SHARE).await;
    let paid = Request::get("/paid").key(&honest_key);
    let served = send_all(gateway.data(), vec![paid.clone(); 40], 4).await;
    assert_eq!(count(&served, 200), 40);
    honest.buy(&gateway, &Request::get("/paid")).await.expect_status(200);
    assert_eq!(upstream.calls("/slow").len(), SHARE);

    gate.open();
    let responses = answers(hanging).await;
    assert_eq!(count(&responses, 200), SHARE);
    responses.iter().filter(|response| response.status != 200).for_each(expect_shed);

    let failing = begin_all(gateway.data(), vec![Request::get("/bad").key(&flood_key); 100]);
    let served = send_all(gateway.data(), vec![paid; 40], 4).await;
    assert_eq!(count(&served, 200), 40);
    for response in answers(failing).await {
        assert!(response.status == 500 || response.code() == "overloaded", "{response:?}");
    }
    flood.expect_balance(&gateway, 992_000).await;
    honest.expect_balance(&gateway, 919_000).await;
    gateway.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn m5_requests_above_the_limit_are_shed_before_they_are_forwarded_and_all_is_well_afterwards() {
    const LIMIT: usize = 16;
    let upstream = Upstream::start().await;
    let gateway = start(&upstream, "requests_in_flight_max = 16\nclients_per_address = 8").await;
    let agent = Agent::new(&gateway, "$1").await;
    let key = agent.key(&gateway).await;
    for round in 1..=3 {
        let gate = Gate::new();
        upstream.on("/slow", Script::reply(200, &[], "slow").after(&gate));
        gateway.idle().await;
        // Whoever is refused is counted for a moment and may cost a third its place, who comes again.
        let mut calls = begin_all(gateway.data(), vec![Request::get("/slow").key(&key); 4 * LIMIT]);
        loop {
            tests::wait::until("every call to be refused or at the gate", || async {
                let waiting = calls.iter().filter(|call| !call.is_finished()).count();
                (waiting == gate.arrived()).then_some(())
            })
            .await;
            if gate.arrived() == LIMIT {
                break;
            }
            calls.extend(begin_all(gateway.data(), vec![Request::get("/slow").key(&key); LIMIT]));
        }
        assert_eq!(upstream.calls("/slow").len(), round * LIMIT);
        gateway.counted("faregate_requests_in_flight", &[], 16).await;
        gate.open();
        let responses = answers(calls).await;
        assert_eq!(count(&responses, 200), LIMIT);
        responses.iter().filter(|response| response.status != 200).for_each(expect_shed);
    }
    gateway.idle().await;
    // No debt is left behind: as many as fit are served, again and again.
    let after = send_all(gateway.data(), vec![Request::get("/paid").key(&key); 300], LIMIT / 2).await;
    assert_eq!(count(&after, 200), 300);
    gateway.idle().await;
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.count("faregate_payments_total", &[("outcome", "captured")]), 348);
    assert_eq!(metrics.count("faregate_ledger_queue_depth", &[]), 0);
    agent.expect_balance(&gateway, 652_000).await;
    gateway.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn m5_a_full_queue_of_payments_sheds_before_forwarding_and_free_routes_go_on() {
    const PLACES: usize = 64;
    let upstream = Upstream::start().await;
    let routes = [Route::new("/slow", "$0.001"), Route::free("/free")];
    let config = Config::new(upstream.address(), routes).section("[limits]\nholds_max = 64");
    let gateway = Faregate::start(config).await;
    let mut keys = Vec::new();
    for _ in 0..10 {
        keys.push(Agent::new(&gateway, "$1").await.key(&gateway).await);
    }
    let gate = Gate::new();
    upstream.on("/slow", Script::reply(200, &[], "slow").after(&gate));
    let requests = (0..80).map(|call| Request::get("/slow").key(&keys[call % keys.len()]));
    let calls = begin_all(gateway.data(), requests);
    gate.reached_by(PLACES).await;
    all_but(&calls, PLACES).await;
    assert_eq!(gateway.metrics().await.count("faregate_ledger_queue_depth", &[]), 64);
    gateway.call(&Request::get("/free")).await.expect_status(200);

    gate.open();
    let responses = answers(calls).await;
    assert_eq!((count(&responses, 200), upstream.calls("/slow").len()), (PLACES, PLACES));
    responses.iter().filter(|response| response.status != 200).for_each(expect_shed);
    gateway.call(&Request::get("/slow").key(&keys[0])).await.expect_status(200);
    gateway.finish().await;
}

/// Clients that try again at once, over several connections, while the upstream fails: one delivery and one charge each.
#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_retries_delivers_and_charges_each_payment_once() {
    const PAYMENTS: usize = 20;
    const FAILURES: usize = 60;
    let world = World::paid().await;
    let fails = vec![Script::reply(503, &["retry-after: 0"], "not yet"); FAILURES];
    world.upstream.on_each("/paid", fails.into_iter().chain([Script::reply(200, &[], "now")]));
    let challenge = world.gateway.challenge("/paid").await;
    let delivered = std::sync::Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    for _ in 0..PAYMENTS {
        let request = Request::get("/paid").paying(world.agent.payer.pay(&challenge).header());
        for _ in 0..3 {
            let (request, address) = (request.clone(), world.gateway.data());
            let delivered = std::sync::Arc::clone(&delivered);
            clients.spawn(async move {
                let mut wire = Wire::connect(address).await;
                loop {
                    let response = wire.call(&request).await;
                    match response.status {
                        200 => {
                            delivered.fetch_add(1, Ordering::Relaxed);
                            return;
                        }
                        409 if response.code() == "already_delivered" => return,
                        409 => assert_eq!(response.code(), "payment_in_progress"),
                        status => assert_eq!(status, 503, "{}", response.text()),
                    }
                }
            });
        }
    }
    tests::within("every client to be content", clients.join_all()).await;
    assert_eq!(delivered.load(Ordering::Relaxed), PAYMENTS);
    assert_eq!(world.upstream.calls("/paid").len(), PAYMENTS + FAILURES);
    world.expect_balance(980_000).await;
    world.finish().await;
}
