//! Upstreams that are silent for longer than their call's payment can be settled: they are given up while it still could be, nobody pays, and
//! nobody waits for what would be worth nothing.

use tests::facilitator::{Call, Conduct};
use tests::wait::until;
use tests::{Clock, Gate, Payer, PublicWorld, Request, Response, Route, Script, Setting, Speaks};

const PRICE: u64 = 1_000;

/// Each is settled when its name says.
const PATHS: [&str; 2] = ["/after", "/deferred"];

/// What is left to an upstream here: real seconds, beside a clock that stands.
const LEFT: i64 = 6;

/// A world whose clock stands, and whose upstream may be silent for longer than any payment is good.
struct Patient {
    world: PublicWorld,
    payer: Payer,
    clock: Clock,
    max_timeout: i64,
    /// What settling takes of a payment's time.
    margin: i64,
}

impl Patient {
    async fn new(routes: impl IntoIterator<Item = Route>, times: (i64, i64), lines: &str) -> Self {
        Self::of(Setting::new(routes).network(lines), times).await
    }

    /// The same with what the test wants to be different.
    async fn of(setting: Setting, (max_timeout, margin): (i64, i64)) -> Self {
        let clock = Clock::new();
        clock.freeze();
        let lines = format!("max_timeout = \"{max_timeout}s\"\nmargin = \"{margin}s\"");
        let setting = setting.network(&lines).api("read_timeout = \"10m\"");
        let world = setting.clock(&clock).start().await;
        let mut payer = world.payer(10 * PRICE).await;
        payer.follow(&clock);
        world.network.approve_permit2(payer.address()).await;
        Self { world, payer, clock, max_timeout, margin }
    }

    /// Signed so long ago that little is left to serve it.
    async fn aged(&self, request: Request) -> Request {
        let signed = self.signed(request).await;
        self.age();
        signed
    }

    /// Little is left to serve what was signed.
    fn age(&self) {
        self.clock.step(self.max_timeout - self.margin - LEFT);
    }

    async fn signed(&self, request: Request) -> Request {
        signed(&self.world, &self.payer, request).await
    }
}

async fn signed(world: &PublicWorld, payer: &Payer, request: Request) -> Request {
    let challenge = until("an offer", || async {
        let challenge = world.challenge(&request).await;
        let offers = challenge["accepts"].as_array();
        offers.is_some_and(|offers| !offers.is_empty()).then_some(challenge)
    });
    let payment = payer.pay_challenge(&challenge.await);
    request.paying(payment.header())
}

/// It failed: nobody is asked to pay for it, and nobody gets a receipt.
fn expect_given_up(answer: &Response) {
    answer.expect_refusal(504, "upstream_timeout");
    assert!(!answer.fields.has("payment-response") && !answer.fields.has("payment-required"));
}

#[tokio::test(flavor = "multi_thread")]
async fn u4_an_upstream_whose_header_does_not_come_while_its_payment_can_be_settled_is_given_up() {
    let routes = PATHS.map(|path| {
        Route::new(path, "$0.001").line(&format!("settle = \"{}\"", path.trim_start_matches('/')))
    });
    // What is settled later has time for it, and half of all of it is left.
    let patient = Patient::new(routes, (112, 51), "").await;
    let Patient { world, payer, .. } = &patient;
    for path in PATHS {
        world.upstream.on(path, Script::hang());
        let paying = patient.aged(Request::get(path)).await;
        expect_given_up(&world.gateway.call(&paying).await);
        world.upstream.left(path).await;
        // Nor whoever does not send all of what they ask for.
        let paying = patient.aged(Request::post(path, "work")).await;
        let mut wire = world.gateway.wire().await;
        wire.send(&paying.with("Content-Length", "200000")).await;
        expect_given_up(&wire.response("POST").await);
    }
    assert_eq!(world.facilitator.asked().iter().filter(|asked| asked.call == Call::Settle).count(), 0);
    for path in PATHS {
        world.upstream.on(path, Script::reply(200, &[], "served"));
        world.buy(payer, &Request::get(path)).await.expect_status(200);
    }
    world.settled(2 * PRICE).await;
    patient.world.finish().await;
}

fn metered() -> (Route, String) {
    let counted = r#"{ up_to = "$0.002", units = [{ from = "json:/used", price = "$0.000001" }] }"#;
    (Route::metered("/counted", counted), PublicWorld::moved_by("\"eip3009\", \"permit2\""))
}

#[tokio::test(flavor = "multi_thread")]
async fn u4_a_body_that_says_what_it_costs_and_does_not_come_is_given_up() {
    let (route, lines) = metered();
    let patient = Patient::new([route], (60, 20), &lines).await;
    let world = &patient.world;
    let gate = Gate::new();
    let begun = Script::begin(200, &["content-type: application/json", "content-length: 100"]).send("{");
    world.upstream.on("/counted", begun.pass(&gate));
    let paying = patient.aged(Request::get("/counted")).await;
    expect_given_up(&world.gateway.call(&paying).await);
    world.settled(0).await;
    patient.world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u4_a_stream_that_falls_silent_is_ended_and_charged_while_its_payment_can_be_settled() {
    let (route, lines) = metered();
    let patient = Patient::new([route], (60, 20), &lines).await;
    let world = &patient.world;
    let gate = Gate::new();
    world.upstream.on("/counted", Script::events().event("{\"used\":700}").pass(&gate));
    let paying = patient.aged(Request::get("/counted")).await;
    let mut wire = world.gateway.wire().await;
    wire.send(&paying).await;
    assert_eq!(wire.head("GET").await.unwrap().0, 200);
    wire.piece().await.unwrap();
    assert_eq!(wire.piece().await, None, "nobody waits for the rest");
    world.settled(700).await;
    patient.world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u4_a_stream_whose_client_asked_to_upgrade_has_as_long_as_any_other() {
    let (route, lines) = metered();
    let routes = [route, Route::free("/silent")];
    let world = Setting::new(routes).network(&lines).api("read_timeout = \"1s\"").start().await;
    let payer = world.payer(10 * PRICE).await;
    world.network.approve_permit2(payer.address()).await;
    let gate = Gate::new();
    let stream = Script::events().event("{}").pass(&gate).event("{\"used\":700}").last_chunk();
    world.upstream.on("/counted", stream);
    world.upstream.on("/silent", Script::hang());
    let mut wire = world.gateway.wire().await;
    wire.send(&signed(&world, &payer, Request::get("/counted")).await.upgrading()).await;
    assert_eq!(wire.head("GET").await.unwrap().0, 200);
    wire.piece().await.unwrap();
    // Whoever came later has waited for a header for as long as one is waited for.
    world.gateway.call(&Request::get("/silent")).await.expect_refusal(504, "upstream_timeout");
    gate.open();
    assert_eq!(wire.piece().await.unwrap(), b"data: {\"used\":700}\n\n");
    assert_eq!(wire.piece().await, Some(Vec::new()), "the end");
    world.settled(700).await;
    world.finish().await;
}

/// What it read is told first, and what it wrote last: nobody waits for that.
#[tokio::test(flavor = "multi_thread")]
async fn u4_a_stream_that_is_ended_before_all_was_counted_owes_what_is_owed_without_a_count() {
    let counted = r#"{ up_to = "$0.002", units = [{ from = "json:/read", price = "$0.000001" }, { from = "json:/written", price = "$0.000001" }] }"#;
    let lines = PublicWorld::moved_by("\"eip3009\", \"permit2\"");
    let patient = Patient::new([Route::metered("/counted", counted)], (60, 20), &lines).await;
    let world = &patient.world;
    let gate = Gate::new();
    world.upstream.on("/counted", Script::events().event("{\"read\":700}").pass(&gate));
    let mut wire = world.gateway.wire().await;
    wire.send(&patient.aged(Request::get("/counted")).await).await;
    assert_eq!(wire.head("GET").await.unwrap().0, 200);
    wire.piece().await.unwrap();
    assert_eq!(wire.piece().await, None, "nobody waits for the rest");
    world.settled(2_000).await;
    patient.world.finish().await;
}

/// Over connections of their own as over all others: each ends with its exchange, and what comes next works.
async fn given_up_over(speaks: Speaks) {
    let (counted, lines) = metered();
    let routes = [Route::new("/header", "$0.001"), Route::new("/request", "$0.001"), counted];
    let setting = Setting::new(routes).network(&lines).speaking(speaks).api("idle_timeout = \"10m\"");
    let patient = Patient::of(setting, (112, 51)).await;
    let (world, front) = (&patient.world, patient.world.front.as_ref().unwrap());
    let gate = Gate::new();
    let begun = Script::begin(200, &["content-type: application/json", "content-length: 100"]).send("{");
    world.upstream.on("/header", Script::hang());
    world.upstream.on("/counted", begun.pass(&gate));
    let header = patient.signed(Request::get("/header")).await;
    let request = patient.signed(Request::post("/request", "work").with("Content-Length", "200000")).await;
    let body = patient.signed(Request::get("/counted")).await;
    patient.age();
    let mut wire = world.gateway.wire().await;
    wire.send(&request).await;
    let answers = tokio::join!(world.gateway.call(&header), wire.response("POST"), world.gateway.call(&body));
    for answer in <[Response; 3]>::from(answers) {
        expect_given_up(&answer);
    }
    for path in ["/header", "/counted"] {
        world.upstream.left(path).await;
    }
    front.at_rest().await;
    let (given_up, used) = (front.accepted(), "{\"used\":700}");
    assert!(given_up >= 3, "each has a connection of its own");
    world.upstream.on("/header", Script::reply(200, &[], "served"));
    world.upstream.on("/counted", Script::reply(200, &["content-type: application/json"], used));
    world.buy(&patient.payer, &Request::get("/header")).await.expect_status(200);
    world.buy(&patient.payer, &Request::post("/request", "work")).await.expect_status(200);
    world.buy(&patient.payer, &Request::get("/counted")).await.expect_status(200);
    assert!(front.accepted() > given_up, "none is used again");
    // Nor is one that came to its end: it would end in the midst of another call.
    front.at_rest().await;
    world.settled(2 * PRICE + 700).await;
    patient.world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u4_an_upstream_over_tls_is_given_up_as_any_other() {
    given_up_over(Speaks::Tls).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u4_an_upstream_over_http2_is_given_up_as_any_other() {
    given_up_over(Speaks::Http2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u4_an_upstream_over_http2_and_tls_is_given_up_as_any_other() {
    given_up_over(Speaks::Http2OverTls).await;
}

/// A WebSocket may be silent for long once it is there; until then it is a call like any other.
#[tokio::test(flavor = "multi_thread")]
async fn u4_an_upgrade_that_nobody_agrees_to_is_given_up_while_its_payment_can_be_settled() {
    let patient = Patient::new([Route::new("/socket", "$0.001")], (112, 51), "").await;
    let world = &patient.world;
    world.upstream.on("/socket", Script::hang());
    let mut wire = world.gateway.wire().await;
    wire.send(&patient.aged(Request::get("/socket").upgrading()).await).await;
    expect_given_up(&wire.response("GET").await);
    world.upstream.left("/socket").await;
    world.settled(0).await;
    patient.world.finish().await;
}

/// While its payment is settled nobody minds how long the rest of an answer takes.
#[tokio::test(flavor = "multi_thread")]
async fn u4_a_body_may_take_its_time_from_the_moment_that_its_header_came_in_time() {
    let routes = [Route::new("/after", "$0.001"), Route::new("/silent", "$0.001")];
    let patient = Patient::new(routes, (112, 51), "").await;
    let world = &patient.world;
    let (settling, rest) = (Gate::new(), Gate::new());
    world.facilitator.on(Call::Settle, Conduct::honest().at(&settling));
    let begun = Script::begin(200, &["content-length: 10"]).send("first");
    world.upstream.on("/after", begun.pass(&rest).send("later"));
    world.upstream.on("/silent", Script::hang());
    let paying = patient.signed(Request::get("/after")).await;
    let silent = patient.signed(Request::get("/silent")).await;
    patient.age();
    let mut wire = world.gateway.wire().await;
    wire.send(&paying).await;
    settling.reached().await;
    // It began later, so that the time of the first one is over when its own is.
    expect_given_up(&world.gateway.call(&silent).await);
    settling.open();
    rest.open();
    let whole = wire.response("GET").await;
    assert_eq!((whole.expect_status(200).text(), whole.complete), ("firstlater".to_owned(), true));
    world.settled(PRICE).await;
    patient.world.finish().await;
}
