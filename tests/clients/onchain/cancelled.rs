//! `cancelAuthorization`: a payer has the token forget what it signed, after it was judged good and before it was settled. It was served for
//! it once at most, the chain has the last word whoever says otherwise, and who did so pays first from then on.

use domain::B256;
use serde_json::{Value, json};
use tests::crowd::begin_all;
use tests::facilitator::{Call, Conduct};
use tests::wait::until;
use tests::{Clock, Gate, Payer, Payment, PublicWorld, Request, Response, Route, Script, Setting};

/// What each call costs.
const PRICE: u64 = 1_000;

/// Time for two attempts of a settler, which `deferred` wants.
const LONG: &str = "max_timeout = \"2m\"";

/// Two payers, of whom one pays after its upstream has answered, and the other later.
struct Cancelling {
    world: PublicWorld,
    clock: Clock,
    payers: Vec<Payer>,
}

// === impl Cancelling ===

impl Cancelling {
    async fn new(of: impl FnOnce(Setting) -> Setting) -> Self {
        let clock = Clock::new();
        let routes = ["after", "deferred"]
            .map(|name| Route::new(&format!("/{name}"), "$0.001").line(&format!("settle = \"{name}\"")));
        let world = of(Setting::new(routes).network(LONG).clock(&clock)).start().await;
        let mut payers = world.network.payers(2, 2 * PRICE).await;
        payers.iter_mut().for_each(|payer| payer.follow(&clock));
        Self { world, clock, payers }
    }

    async fn signed(&self, payer: &Payer, path: &str) -> (Payment, Request) {
        let request = Request::get(path);
        let payment = payer.pay_challenge(&self.world.challenge(&request).await);
        let paying = request.paying(payment.header());
        (payment, paying)
    }

    /// A new call of one of them.
    async fn served(&self, payer: usize, path: &str) -> Response {
        until("a call to be served", || async {
            let response = self.world.buy(&self.payers[payer], &Request::get(path)).await;
            (response.status == 200).then_some(response)
        })
        .await
    }

    async fn listed(&self, what: &str) -> Vec<Value> {
        let listed = self.world.gateway.ask("GET", what, None).await;
        listed["data"].as_array().expect("a list").clone()
    }

    /// What was not delivered is void, what was is written off and told: nothing is booked, nothing moved. Both go on as they may then.
    async fn end(self, refused: &Response, served: &Response, go_on: impl Fn(&Clock)) {
        refused.expect_refusal(503, "settlement_unknown");
        assert_eq!(refused.header("payment-required"), None, "nobody is asked to pay again");
        let world = &self.world;
        until("both to be closed as unpaid", || async {
            go_on(&self.clock);
            let metrics = world.gateway.metrics().await;
            let closed = |how| metrics.count("faregate_chain_closed_total", &[("how", how)]);
            assert_eq!((closed("moved"), closed("settled")), (0, 0), "nothing has moved");
            ((closed("void"), closed("written_off")) == (1, 1)).then_some(())
        })
        .await;
        let [lost] = &self.listed("/v1/payments").await[..] else { panic!("the one that was served") };
        assert_eq!(lost["id"], json!(served.header("faregate-payment-id")));
        assert_eq!((&lost["state"], &lost["on_chain"]["transaction"]), (&json!("written_off"), &Value::Null));
        assert_eq!(lost["collection"], "written_off");
        let metrics = world.gateway.metrics().await;
        assert_eq!(metrics.count("faregate_payments_total", &[("outcome", "written_off")]), 1);
        assert_eq!(self.listed("/v1/payments?state=written_off").await, std::slice::from_ref(lost));
        assert_eq!(self.listed("/v1/payments?state=refunded").await, Vec::<Value>::new());
        until("the loss to be told", || async {
            let told = self.listed("/v1/events?type=payment.written_off").await;
            (told.len() == 1 && told[0]["subject"] == lost["id"]).then_some(())
        })
        .await;
        world.expect_received(0).await;

        world.facilitator.on(Call::Verify, Conduct::honest());
        world.facilitator.on(Call::Settle, Conduct::honest());
        self.served(0, "/after").await;
        assert_ne!(
            self.served(1, "/deferred").await.receipt()["transaction"],
            "",
            "settled before it was served"
        );
        world.settled(2 * PRICE).await;
        self.world.finish().await;
    }
}

/// Both were let in when they are cancelled, and nobody has verified either since.
async fn by_a_facilitator((verify, settle): (Conduct, Option<Conduct>), go_on: impl Fn(&Clock)) {
    // No answer of its is given up, whatever time passes.
    let cancelling = Cancelling::new(|setting| setting.facilitator("verify_timeout = \"20s\"")).await;
    let Cancelling { world, payers, clock } = &cancelling;
    let gate = Gate::new();
    world.upstream.on("/after", Script::reply(200, &[], "done").after(&gate));
    world.facilitator.on(Call::Verify, verify.at(&gate));
    let is_liar = settle.is_some();
    world.facilitator.on(Call::Settle, settle.unwrap_or(Conduct::honest()));
    let (after, paying) = cancelling.signed(&payers[0], "/after").await;
    let running = begin_all(world.gateway.data(), [paying]).remove(0);
    let (deferred, paying) = cancelling.signed(&payers[1], "/deferred").await;
    let served = world.gateway.call(&paying).await;
    served.expect_status(200);
    gate.reached_by(2).await;
    world.network.cancel(&payers[0], &after).await;
    world.network.cancel(&payers[1], &deferred).await;
    gate.open();
    if is_liar {
        world.facilitator.call(Call::Settle, 2).await;
    }
    until("the answer of what was running", || async {
        go_on(clock);
        running.is_finished().then_some(())
    })
    .await;
    let refused = running.await.expect("an answer");
    cancelling.end(&refused, &served, go_on).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a5_a12_what_its_payer_cancels_before_it_is_settled_is_void_or_written_off_and_it_pays_first() {
    by_a_facilitator((Conduct::honest(), None), |clock| clock.step(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a12_d10_what_its_payer_has_cancelled_is_not_booked_whatever_a_facilitator_says() {
    let liar = (Conduct::agreeing(None), Some(Conduct::agreeing(Some(B256::repeat_byte(7)))));
    // What it says is looked for on chain for as long as nodes may lag behind.
    by_a_facilitator(liar, |clock| clock.pass(4)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a5_a12_a_cancellation_that_overtakes_our_own_settler_takes_nothing_but_what_was_served_for_it() {
    let cancelling = Cancelling::new(Setting::settling_itself).await;
    let Cancelling { world, payers, .. } = &cancelling;
    let gate = Gate::new();
    world.upstream.on("/after", Script::reply(200, &[], "done").after(&gate));
    world.network.mine_each(false).await;
    let (deferred, paying) = cancelling.signed(&payers[1], "/deferred").await;
    // Nobody settles yet right after a start.
    let served = until("a call that is served", || async {
        let response = world.gateway.call(&paying).await;
        (response.status != 503).then_some(response)
    })
    .await;
    served.expect_status(200);
    until("its settlement to be on its way", || async {
        let waiting = world.network.rpc("txpool_status", json!([])).await;
        (waiting["pending"] != "0x0").then_some(())
    })
    .await;
    world.network.cancel(&payers[1], &deferred).await;
    world.network.mine_each(true).await;
    let (after, paying) = cancelling.signed(&payers[0], "/after").await;
    let running = begin_all(world.gateway.data(), [paying]).remove(0);
    gate.reached().await;
    world.network.cancel(&payers[0], &after).await;
    gate.open();
    let refused = running.await.expect("an answer");
    cancelling.end(&refused, &served, |clock| clock.step(1)).await;
}
