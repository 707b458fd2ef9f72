//! Four gateways and a control plane on one PostgreSQL: what one of them knows binds them all.

mod bound;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;
use test_postgres::Cluster;
use tests::crowd::{answers, begin_all, count, send_all};
use tests::wait::until;
use tests::{Agent, Faregate, Gate, Request, Response, Route, Script, Several, Wire};
use tokio::task::JoinSet;

const GATEWAYS: usize = 4;

/// Connections to each gateway at once.
const CONNECTIONS: usize = 12;

fn paid() -> [Route; 1] {
    [Route::new("/paid", "$0.001")]
}

/// What all of them are called by, as behind one load balancer: a payment is bound to the host it was made for.
fn get(path: &str) -> Request {
    Request::get(path).with("Host", "api.example.com")
}

/// Shares requests out to all gateways, who work on them at the same time.
async fn send_to_all(several: &Several, requests: Vec<Request>) -> Vec<Response> {
    let mut shares = vec![Vec::new(); several.gateways.len()];
    for (number, request) in requests.into_iter().enumerate() {
        let share = number % shares.len();
        shares[share].push(request);
    }
    let mut senders = JoinSet::new();
    for (gateway, share) in several.gateways.iter().zip(shares) {
        senders.spawn(send_all(gateway.data(), share, CONNECTIONS));
    }
    senders.join_all().await.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_key_pays_through_two_gateways_and_the_balance_is_right() {
    let several = Several::new(2, "$1", paid()).await;
    let key = several.agent.key(&several.control).await;
    for gateway in &several.gateways {
        for _ in 0..3 {
            gateway.call(&Request::get("/paid").key(&key)).await.expect_status(200);
        }
        several.agent.buy(gateway, &Request::get("/paid")).await.expect_status(200);
    }
    assert_eq!(several.upstream.seen().len(), 8);
    several.expect_balance(992_000).await;
    several.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r2_one_payment_sent_to_four_gateways_at_once_is_served_once() {
    let several = Several::new(GATEWAYS, "$1", paid()).await;
    let gate = Gate::new();
    several.upstream.on("/paid", Script::reply(200, &[], "once").after(&gate));
    let payment = several.agent.sign(&several.gateways[0], &get("/paid")).await;
    let request = get("/paid").paying(payment.header());

    let mut running = JoinSet::new();
    for number in 0..100 {
        let gateway = &several.gateways[number % GATEWAYS];
        let (mut wire, request) = (gateway.wire().await, request.clone());
        running.spawn(async move { wire.call(&request).await });
    }
    for _ in 0..99 {
        let response = running.join_next().await.unwrap().unwrap();
        response.expect_refusal(409, "payment_in_progress");
        assert!(response.header("retry-after").is_some());
    }
    gate.open();
    let served = running.join_next().await.unwrap().unwrap();
    served.expect_status(200);

    for gateway in &several.gateways {
        let again = until("the first use of the payment to be over", || async {
            let response = gateway.call(&request).await;
            (response.status != 409 || response.code() != "payment_in_progress").then_some(response)
        });
        let again = again.await;
        again.expect_refusal(409, "already_delivered");
        assert_eq!(again.receipt()["extra"], served.receipt()["extra"], "the receipt of the first");
    }
    assert_eq!(several.upstream.calls("/paid").len(), 1);
    several.expect_balance(999_000).await;
    several.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r2_one_idempotency_key_at_four_gateways_is_one_call_and_all_of_them_have_its_answer() {
    let several = Several::new(GATEWAYS, "$1", paid()).await;
    let key = several.agent.key(&several.control).await;
    several.upstream.on("/paid", Script::reply(200, &[], "once"));
    let request = get("/paid").key(&key).with("Idempotency-Key", "the-only-one");
    let responses = send_to_all(&several, vec![request.clone(); 40]).await;
    for response in responses.iter().filter(|response| response.status != 200) {
        response.expect_refusal(409, "payment_in_progress");
    }
    for gateway in &several.gateways {
        let again = until("the first answer to be stored", || async {
            let response = gateway.call(&request).await;
            (response.status != 409).then_some(response)
        });
        let again = again.await;
        again.expect_status(200);
        assert_eq!(again.text(), "once");
    }
    assert_eq!(several.upstream.calls("/paid").len(), 1);
    several.expect_balance(999_000).await;
    several.finish().await;
}

/// How often all gateways together say that a policy was against a call.
async fn violations(several: &Several) -> u64 {
    let mut sum = 0;
    for gateway in &several.gateways {
        sum += gateway.metrics().await.count("faregate_spending_violations_total", &[]);
    }
    sum
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_a_daily_limit_of_a_thousand_units_holds_over_four_gateways() {
    let several = Several::new(GATEWAYS, "$0", [Route::new("/unit", "$0.000001")]).await;
    let agent = Agent::with_policy(&several.control, "$1", json!({ "per_day": "$0.001" })).await;
    let key = agent.key(&several.control).await;
    let responses = send_to_all(&several, vec![Request::get("/unit").key(&key); 1_001]).await;

    assert_eq!(count(&responses, 200), 1_000);
    let refused = responses.iter().find(|response| response.status != 200).unwrap();
    refused.expect_refusal(403, "spending_limit_exceeded");
    assert_eq!(refused.json()["remaining"]["amount"], "0");
    assert_eq!(violations(&several).await, 1);
    assert_eq!(several.upstream.seen().len(), 1_000);
    agent.expect_balance(&several.control, 999_000).await;
    several.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_an_hour_s_limit_on_a_route_holds_over_four_gateways_and_binds_no_other() {
    let routes = [Route::new("/unit", "$0.000001"), Route::new("/other", "$0.000001")];
    let several = Several::new(GATEWAYS, "$0", routes).await;
    let policy = json!({ "limits": [{ "scope": "route:unit", "per": "hour", "amount": "$0.0001" }] });
    let agent = Agent::with_policy(&several.control, "$1", policy).await;
    let key = agent.key(&several.control).await;
    let responses = send_to_all(&several, vec![Request::get("/unit").key(&key); 300]).await;

    assert_eq!(count(&responses, 200), 100);
    for refused in responses.iter().filter(|response| response.status != 200) {
        refused.expect_refusal(403, "spending_limit_exceeded");
    }
    assert_eq!(violations(&several).await, 200);
    assert_eq!(several.upstream.seen().len(), 100);
    let others = send_to_all(&several, vec![Request::get("/other").key(&key); 40]).await;
    assert_eq!(count(&others, 200), 40);
    agent.expect_balance(&several.control, 999_860).await;
    several.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn four_gateways_give_a_route_s_free_calls_of_a_day_away_once() {
    let unit = Route::new("/unit", "$0.000001").line("free_per_day = 20");
    let several = Several::new(GATEWAYS, "$1", [unit]).await;
    let key = several.agent.key(&several.control).await;
    let responses = send_to_all(&several, vec![Request::get("/unit").key(&key); 100]).await;
    assert_eq!(count(&responses, 200), 100);
    several.expect_balance(1_000_000 - 80).await;
    several.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_a_balance_of_ten_units_takes_ten_of_a_hundred_calls_at_four_gateways() {
    let several = Several::new(GATEWAYS, "$0.00001", [Route::new("/unit", "$0.000001")]).await;
    let challenge = several.gateways[0].challenge("/unit").await;
    let pay = |_| Request::get("/unit").paying(several.agent.payer.pay(&challenge).header());
    let responses = send_to_all(&several, (0..100).map(pay).collect()).await;

    assert_eq!(count(&responses, 200), 10);
    for refused in responses.iter().filter(|response| response.status != 200) {
        refused.expect_refusal(402, "insufficient_funds");
    }
    assert_eq!(several.upstream.seen().len(), 10);
    several.expect_balance(0).await;
    several.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_four_gateways_let_a_consumer_s_burst_through_once_and_disturb_no_other() {
    let slow = Route::new("/paid", "$0.001").line("rate_limit = { calls = 5, per = \"1d\", burst = 5 }");
    let several = Several::new(GATEWAYS, "$1", [slow]).await;
    let key = several.agent.key(&several.control).await;
    let responses = send_to_all(&several, vec![Request::get("/paid").key(&key); 50]).await;

    assert_eq!((count(&responses, 200), count(&responses, 429)), (5, 45));
    for refused in responses.iter().filter(|response| response.status == 429) {
        refused.expect_refusal(429, "rate_limited");
        let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=17_280).contains(&seconds), "{seconds}");
        assert_eq!(refused.header("ratelimit"), Some("\"route\";r=0;t=86400"));
        assert_eq!(refused.header("ratelimit-policy"), Some("\"route\";q=5;w=86400"));
    }
    assert_eq!(several.upstream.seen().len(), 5);
    let other = Agent::new(&several.control, "$1").await;
    let key = other.key(&several.control).await;
    let others = send_to_all(&several, vec![Request::get("/paid").key(&key); 5]).await;
    assert_eq!(count(&others, 200), 5);
    other.expect_balance(&several.control, 995_000).await;
    several.expect_balance(995_000).await;
    several.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_while_the_database_is_away_agents_are_refused_and_addresses_counted_by_each_gateway() {
    const BURST: usize = 3;
    let cluster = Cluster::start();
    let limit = "rate_limit = { calls = 3, per = \"1d\", burst = 3 }";
    let routes = [
        Route::new("/paid", "$0.001").line(limit),
        Route::free("/free").line(limit),
        Route::new("/again", "$0.001"),
    ];
    let several = Several::on(cluster.fresh_database(), 2, "$1", routes).await;
    let key = several.agent.key(&several.control).await;
    // Known to both, so that only the count is missing.
    for gateway in &several.gateways {
        gateway.call(&get("/paid").key(&key)).await.expect_status(200);
    }

    cluster.stop_fast();
    for gateway in &several.gateways {
        for _ in 0..2 * BURST {
            gateway.call(&get("/paid").key(&key)).await.expect_refusal(503, "ledger_unavailable");
        }
        let free = send_all(gateway.data(), vec![get("/free"); 2 * BURST], 1).await;
        assert_eq!((count(&free, 200), count(&free, 429)), (BURST, BURST));
    }
    assert_eq!(several.upstream.calls("/paid").len(), 2, "refused means not forwarded");

    cluster.start_again();
    for gateway in &several.gateways {
        until("the gateway to take payments again", || async {
            (gateway.call(&get("/again").key(&key)).await.status == 200).then_some(())
        })
        .await;
    }
    // What was counted before it went is still counted, and what was refused cost no call.
    let calls = vec![get("/paid").key(&key); 4 * BURST];
    let answers = send_to_all(&several, calls).await;
    assert_eq!((count(&answers, 200), count(&answers, 429)), (BURST - 2, 3 * BURST + 2));
    let paid = BURST + several.gateways.len();
    several.expect_balance(1_000_000 - 1_000 * i64::try_from(paid).unwrap()).await;
    several.finish().await;
}

/// What one gateway holds, another cannot: nothing is captured while all of them run.
#[tokio::test(flavor = "multi_thread")]
async fn r7_what_runs_at_four_gateways_never_holds_more_than_the_balance() {
    let several = Several::new(GATEWAYS, "$0.01", paid()).await;
    let gate = Gate::new();
    several.upstream.on("/paid", Script::reply(200, &[], "at last").after(&gate));
    let key = several.agent.key(&several.control).await;
    let mut calls = Vec::new();
    for gateway in &several.gateways {
        calls.extend(begin_all(gateway.data(), vec![Request::get("/paid").key(&key); 5]));
    }
    gate.reached_by(10).await;
    until("the others to be refused", || async {
        (calls.iter().filter(|call| call.is_finished()).count() == 10).then_some(())
    })
    .await;
    let money = several.agent.money(&several.control).await;
    assert_eq!((money.balance, money.held), (10_000, 10_000));
    gate.open();
    let responses = answers(calls).await;
    assert_eq!((count(&responses, 200), count(&responses, 402)), (10, 10));
    several.expect_balance(0).await;
    several.finish().await;
}

/// Its holds are nobody's: the others capture what was paid before the call, and void the rest.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_gateway_held_is_closed_by_the_others() {
    let before = Route::new("/before", "$0.01").line("capture = \"before\"");
    let mut several = Several::new(GATEWAYS, "$1", [Route::new("/after", "$0.001"), before]).await;
    let gate = Gate::new();
    for path in ["/after", "/before"] {
        several.upstream.on(path, Script::reply(200, &[], "never seen").after(&gate));
    }
    let key = several.agent.key(&several.control).await;
    let victim = several.gateways[0].data();
    let requests = ["/after", "/before", "/after"].map(|path| Request::get(path).key(&key));
    let calls: Vec<_> = requests
        .into_iter()
        .map(|request| tokio::spawn(async move { Wire::connect(victim).await.try_call(&request).await }))
        .collect();
    gate.reached_by(3).await;
    several.gateways[0].kill().await;
    for call in calls {
        assert!(call.await.unwrap().is_none(), "nobody was answered");
    }
    assert_eq!(several.agent.money(&several.control).await.held, 12_000);
    // Meanwhile the others serve.
    gate.open();
    several.gateways[1].call(&Request::get("/after").key(&key)).await.expect_status(200);
    several.expect_balance(989_000).await;
    several.gateways[0].restart().await;
    several.gateways[0].call(&Request::get("/after").key(&key)).await.expect_status(200);
    several.expect_balance(988_000).await;
    several.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateways_serve_on_while_the_control_plane_is_down() {
    let mut several = Several::new(2, "$1", paid()).await;
    let key = several.agent.key(&several.control).await;
    several.control.kill().await;
    for gateway in &several.gateways {
        several.agent.buy(gateway, &Request::get("/paid")).await.expect_status(200);
        gateway.call(&Request::get("/paid").key(&key)).await.expect_status(200);
        assert!(gateway.is_ready().await);
    }
    several.control.restart().await;
    several.expect_balance(996_000).await;
    several.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c11_gateways_restarted_one_after_the_other_refuse_nobody() {
    const CLIENTS: usize = 8;
    let several = Several::new(2, "$1000", paid()).await;
    let key = several.agent.key(&several.control).await;
    let addresses = [several.gateways[0].data(), several.gateways[1].data()];
    let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (stop, served) = (Arc::clone(&stop), Arc::clone(&served));
        let request = Request::get("/paid").key(&key).with("Connection", "close");
        clients.spawn(async move {
            for call in client.. {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let mut wire = Wire::try_connect(addresses[call % 2]).await.expect("never refused");
                let response = wire.try_call(&request).await.expect("never reset");
                response.expect_status(200);
                served.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let more = |count: usize| {
        let goal = served.load(Ordering::Relaxed) + count;
        let served = Arc::clone(&served);
        async move {
            until("calls to be served", || async { (served.load(Ordering::Relaxed) >= goal).then_some(()) })
                .await;
        }
    };
    for gateway in &several.gateways {
        more(4 * CLIENTS).await;
        gateway.signal(nix::sys::signal::Signal::SIGUSR2);
        until("the next process to serve", || async {
            (gateway.log().lines().filter(|line| line.contains("listen.ops")).count() == 2).then_some(())
        })
        .await;
    }
    more(4 * CLIENTS).await;
    stop.store(true, Ordering::Relaxed);
    clients.join_all().await;
    let paid = i64::try_from(served.load(Ordering::Relaxed)).unwrap() * 1_000;
    assert_eq!(several.upstream.seen().len(), served.load(Ordering::Relaxed));
    several.expect_balance(1_000_000_000 - paid).await;
    several.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_owns_its_books_alone_and_several_that_share_them_keep_each_other_out() {
    let several = Several::new(1, "$1", paid()).await;
    let url = several.database_url();
    let alone = tests::Config::new(several.upstream.address(), paid()).on(tests::Database::Postgres(url));
    let refused = tests::Faregate::try_start(alone).await.unwrap_err();
    assert!(refused.contains("belongs to several gateways"), "{refused}");
    several.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_plane_alone_needs_a_shared_database_and_says_so() {
    for command in ["gateway", "control-plane"] {
        let upstream = tests::Upstream::start().await;
        let config = tests::Config::new(upstream.address(), paid()).serving(command);
        let refused = tests::Faregate::try_start(config).await.unwrap_err();
        assert!(refused.contains("coordination = \"db\""), "{refused}");
    }
}
