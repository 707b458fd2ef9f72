//! Upstreams that are silent for longer than their call's payment can be settled: they are given up while it still could be, nobody pays, and
//! nobody waits for what would be worth nothing.

use tests::facilitator::Call;
use tests::wait::until;
use tests::{Clock, Gate, Payer, PublicWorld, Request, Response, Route, Script, Setting};

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
    async fn new(
        routes: impl IntoIterator<Item = Route>,
        (max_timeout, margin): (i64, i64),
        lines: &str,
    ) -> Self {
        let clock = Clock::new();
        clock.freeze();
        let lines = format!("max_timeout = \"{max_timeout}s\"\nmargin = \"{margin}s\"\n{lines}");
        let setting = Setting::new(routes).network(&lines).api("read_timeout = \"10m\"");
        let world = setting.clock(&clock).start().await;
        let mut payer = world.payer(10 * PRICE).await;
        payer.follow(&clock);
        world.network.approve_permit2(payer.address()).await;
        Self { world, payer, clock, max_timeout, margin }
    }

    /// Signed so long ago that little is left to serve it.
    async fn aged(&self, request: Request) -> Request {
        let challenge = until("an offer", || async {
            let challenge = self.world.challenge(&request).await;
            let offers = challenge["accepts"].as_array();
            offers.is_some_and(|offers| !offers.is_empty()).then_some(challenge)
        });
        let payment = self.payer.pay_challenge(&challenge.await);
        self.clock.step(self.max_timeout - self.margin - LEFT);
        request.paying(payment.header())
    }
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
