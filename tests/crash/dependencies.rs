//! The database fails: gone (D1), slow (D2), its connections cut (D3). Paid requests are refused before anything is
//! forwarded, free ones are served, and nothing is lost or charged twice.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use test_postgres::Cluster;
use tests::wait::until;
use tests::{
    Agent, Clock, Config, Database, Faregate, Request, Response, Route, Upstream, Wire, World, within,
};
use tokio::task::{JoinHandle, JoinSet};

use crate::journal::{Journal, Outcome};
use crate::load::{self, DOLLARS, FUNDS, Load, PRICE, random_below};

/// Until a refusal of a paid request must be there; the promise is a second, the rest is the busy machine's.
const REFUSAL_MAX: Duration = Duration::from_secs(5);

/// Payments are signed for a minute, and every one is asked for again after the load.
const LOAD_MAX: Duration = Duration::from_secs(10);

/// What the gateway may grow by while it refuses, in KiB.
const GROWTH_KIB_MAX: u64 = 64 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn d1_postgresql_stops_and_paid_requests_get_503_unforwarded_until_it_is_back() {
    let cluster = Cluster::start();
    let world = on_database(Database::Postgres(cluster.fresh_database()), "").await;
    let first = Outage::begins(&world, || cluster.stop_fast()).await;
    refuses_without_forwarding(&world).await;
    cluster.start_again();
    first.expect_over(&world).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d1_another_process_locks_the_sqlite_file_and_paid_requests_get_503_unforwarded_until_it_lets_go() {
    let world = on_database(Database::Sqlite, "").await;
    let mut locker = None;
    let first = Outage::begins(&world, || locker = Some(Locker::hold(&world))).await;
    refuses_without_forwarding(&world).await;
    drop(locker);
    first.expect_over(&world).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d1_while_postgresql_is_gone_an_expired_payment_that_was_captured_is_not_asked_for_again() {
    let cluster = Cluster::start();
    let clock = Clock::new();
    let mut config = config(Database::Postgres(cluster.fresh_database())).await;
    config.1.clock = Some(clock.clone());
    let mut world = serve(config).await;
    world.agent.payer.follow(&clock);
    let payment = world.agent.sign(&world.gateway, &Request::get("/items/0")).await;
    let paid = Request::get("/items/0").paying(payment.header());
    world.gateway.call(&paid).await.expect_status(200);
    // The payment expires, and so does what is remembered of its signer.
    clock.step(300);
    cluster.stop_fast();
    world.gateway.call(&paid).await.expect_refusal(503, "ledger_unavailable");
    cluster.start_again();
    until("the payment to be known again", || async {
        (world.gateway.call(&paid).await.status == 409).then_some(())
    })
    .await;
    world.expect_balance(FUNDS - PRICE).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d1_while_postgresql_is_gone_the_management_api_says_503_does_nothing_and_says_so() {
    let cluster = Cluster::start();
    let world = on_database(Database::Postgres(cluster.fresh_database()), "").await;
    let (agent, wallet) = (&world.agent.id, &world.agent.wallet);
    let document = world.gateway.ask("GET", "/openapi.json", None).await;
    let paths = document["paths"].as_object().unwrap().iter();
    let lists = paths.filter(|(path, calls)| !path.contains(['{']) && calls.get("get").is_some());
    let mut calls: Vec<Request> = lists
        .filter(|(path, _)| !path.ends_with("/stream"))
        .map(|(path, _)| Request::get(path))
        .chain(
            [format!("/v1/agents/{agent}"), format!("/v1/wallets/{wallet}/transfers")]
                .map(|path| Request::get(&path)),
        )
        .collect();
    let posts = [
        ("/v1/agents".to_owned(), r#"{"name":"second"}"#),
        (format!("/v1/agents/{agent}/freeze"), ""),
        (format!("/v1/wallets/{wallet}/fund"), r#"{"amount":"$1","external_reference":"wire"}"#),
    ];
    let post =
        |(path, body): (String, &str)| Request::post(&path, body).with("Content-Type", "application/json");
    calls.extend(posts.map(|both| post(both).with("Idempotency-Key", "gone")));
    cluster.stop_fast();
    let mut answers = JoinSet::new();
    for call in calls.iter().map(Faregate::as_admin) {
        let control = world.gateway.addresses()[1];
        answers.spawn(async move { (call.clone(), Wire::connect(control).await.call(&call).await) });
    }
    let mut refused = 0;
    while let Some(answer) = answers.join_next().await {
        let (call, response) = answer.unwrap();
        // What is in memory is told, and what lacks a parameter is refused before.
        if matches!(response.status, 200 | 400) {
            continue;
        }
        assert_eq!(response.json()["code"], "ledger_unavailable", "{call:?}: {}", response.text());
        response.expect_status(503);
        assert_eq!(response.header("retry-after"), Some("5"), "{call:?}");
        refused += 1;
    }
    assert!(refused > 10, "{refused} calls were refused");
    cluster.start_again();
    until("the API to answer again", || async {
        let response = world.gateway.admin(&Request::get("/v1/agents")).await;
        (response.status == 200)
            .then(|| assert!(!response.text().contains("second"), "it said that nothing was done"))
    })
    .await;
    world.expect_balance(FUNDS).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d2_commits_that_hang_fill_the_queue_to_its_bound_and_the_rest_is_refused_unforwarded() {
    const BOUND: usize = 32;
    const REQUESTS: usize = 4 * BOUND;
    let target = |number: usize| format!("/items/frozen-{number}");
    let cluster = Cluster::start();
    let section = format!("[limits]\nholds_max = {BOUND}\n");
    let world = on_database(Database::Postgres(cluster.fresh_database()), &section).await;
    world.buy(&Request::get("/items/0")).await.expect_status(200);
    let challenge = world.gateway.challenge("/items/0").await.challenge();
    cluster.freeze();
    let mut calls = JoinSet::new();
    for number in 0..REQUESTS {
        let payment = world.agent.payer.pay_challenge(&challenge);
        let request = Request::get(&target(number)).paying(payment.header());
        let gateway = world.gateway.data();
        calls.spawn(async move {
            let response = Wire::connect(gateway).await.call(&request).await;
            (request, response)
        });
    }
    let mut journal = Journal::default();
    let mut answered = 0;
    while let Some(call) = calls.join_next().await {
        let (request, response) = call.unwrap();
        match Outcome::of(&response) {
            Outcome::Charged(payment) => journal.acknowledged.push(payment),
            Outcome::Again => journal.unknown.push(request),
        }
        answered += 1;
        if answered == REQUESTS - BOUND {
            let forwarded =
                (0..REQUESTS).map(|number| world.upstream.calls(&target(number)).len()).sum::<usize>();
            assert!(forwarded <= BOUND, "{forwarded} requests were forwarded on {BOUND} places");
            assert!(journal.acknowledged.is_empty(), "nothing was committed");
            cluster.thaw();
        }
    }
    let mut charged = Journal::default();
    charged.acknowledged.push("the payment before the freeze".to_owned());
    load::verify(&world, journal, &mut charged, 0).await;
    assert_eq!(load::expect_agreement(&world, &charged).await, REQUESTS + 1);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d3_connections_cut_under_load_lose_no_payment_and_charge_none_twice() {
    cut_under_load("", 40).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d3_the_same_where_every_hold_is_on_disk() {
    cut_under_load("capture = \"before\"", 20).await;
}

async fn cut_under_load(line: &str, rounds: usize) {
    let rounds =
        std::env::var("FAREGATE_CRASH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(rounds);
    let cluster = Cluster::start();
    let url = cluster.fresh_database();
    let upstream = Upstream::start().await;
    let routes = [Route::new("/items/{id}", "$0.001").line(line)];
    let config = Config::new(upstream.address(), routes).on(Database::Postgres(url.clone()));
    let world = serve((upstream, config)).await;
    let challenge = Arc::new(world.gateway.challenge("/items/0").await.challenge());
    let load = Load::start(&world, &challenge).await;
    let (mut cut, began) = (0, std::time::Instant::now());
    while cut < rounds && (cut == 0 || began.elapsed() < LOAD_MAX) {
        // The one wait that is meant: the moment is random.
        tokio::time::sleep(Duration::from_millis(random_below(60))).await;
        let url = url.clone();
        cut += tokio::task::spawn_blocking(move || test_postgres::terminate_backends(&url)).await.unwrap();
    }
    let journal = load.stop().await;
    let mut charged = Journal::default();
    load::verify(&world, journal, &mut charged, 0).await;
    let count = load::expect_agreement(&world, &charged).await;
    println!("{count} payments, {cut} connections cut");
    assert!(count > 0, "nobody paid");
    world.finish().await;
}

/// A gateway on this database, with a priced route, a free one, and an agent with money.
async fn on_database(database: Database, section: &str) -> World {
    let (upstream, config) = config(database).await;
    serve((upstream, config.section(section))).await
}

async fn config(database: Database) -> (Upstream, Config) {
    let upstream = Upstream::start().await;
    let routes = [Route::new("/items/{id}", "$0.001"), Route::free("/free")];
    let config = Config::new(upstream.address(), routes).on(database);
    (upstream, config)
}

async fn serve((upstream, config): (Upstream, Config)) -> World {
    let gateway = Faregate::start(config).await;
    let agent = Agent::new(&gateway, DOLLARS).await;
    World { upstream, gateway, agent }
}

/// The call that finds out, at its commit: it was forwarded, and nobody knows its outcome yet.
struct Outage {
    request: Request,
    call: JoinHandle<Option<Response>>,
}

// === impl Outage ===

impl Outage {
    /// One call is paid, the fault begins, and another call runs into it.
    async fn begins(world: &World, fault: impl FnOnce()) -> Self {
        world.buy(&Request::get("/items/0")).await.expect_status(200);
        let payment = world.agent.sign(&world.gateway, &Request::get("/items/1")).await;
        let request = Request::get("/items/1").paying(payment.header());
        fault();
        let (gateway, sent) = (world.gateway.data(), request.clone());
        let call = tokio::spawn(async move { Wire::connect(gateway).await.try_call(&sent).await });
        until("the gateway to see that its ledger is closed", || async {
            (!world.gateway.is_ready().await).then_some(())
        })
        .await;
        Self { request, call }
    }

    /// Paid calls work again. That first call and one more were charged, nothing else was.
    async fn expect_over(self, world: &World) {
        let began = Instant::now();
        let payment = world.agent.sign(&world.gateway, &Request::get("/items/2")).await;
        load::known(world, &Request::get("/items/2").paying(payment.header())).await;
        println!("paid calls worked {:?} after the fault", began.elapsed());
        if let Some(response) = within("the first call's answer", self.call).await.unwrap() {
            Outcome::of(&response);
        }
        load::known(world, &self.request).await;
        world.expect_balance(FUNDS - 3 * PRICE).await;
    }
}

/// Refused at once, without a byte to the upstream, while free routes are served, and at no cost of memory.
async fn refuses_without_forwarding(world: &World) {
    const CALLS: usize = 500;
    let challenge = world.gateway.challenge("/items/refused").await.challenge();
    let before = resident_kib(world);
    let mut wire = world.gateway.wire().await;
    for _ in 0..CALLS {
        let payment = world.agent.payer.pay_challenge(&challenge);
        let began = Instant::now();
        let response = wire.call(&Request::get("/items/refused").paying(payment.header())).await;
        response.expect_refusal(503, "ledger_unavailable");
        assert!(began.elapsed() < REFUSAL_MAX, "a refusal took {:?}", began.elapsed());
        wire.call(&Request::get("/free")).await.expect_status(200);
    }
    assert!(world.upstream.calls("/items/refused").is_empty(), "refused means not forwarded");
    assert_eq!(world.upstream.calls("/free").len(), CALLS);
    let grown = resident_kib(world).saturating_sub(before);
    assert!(grown < GROWTH_KIB_MAX, "refusing cost {grown} KiB");
}

/// What the gateway has in memory.
fn resident_kib(world: &World) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", world.gateway.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Another process with a write transaction on the ledger's file, until dropped.
struct Locker(Child);

// === impl Locker ===

impl Locker {
    fn hold(world: &World) -> Self {
        const SCRIPT: &str = "import sqlite3, sys\n\
            books = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=20)\n\
            books.execute('begin immediate')\n\
            print('held', flush=True)\n\
            sys.stdin.read()\n";
        let file = world.gateway.data_directory().join("ledger.db");
        let mut python = Command::new("python3");
        python.args(["-c", SCRIPT]).arg(file).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = python.spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said.trim(), "held");
        Self(child)
    }
}

impl Drop for Locker {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
