//! Two gateways and a control plane on one PostgreSQL, paid on chain: a payment is one payment wherever it comes, and what a gateway
//! leaves that is gone the others close.

mod firm;
mod own;
mod treasury;

use serde_json::Value;
use tests::chain::{NETWORK, Network, Official};
use tests::crowd::{answers, begin_all, count};
use tests::facilitator::{Call, Conduct, Facilitator};
use tests::wait::until;
use tests::{
    Database, Faregate, Gate, Payer, Payment, PublicWorld, Request, Response, Route, Script, Upstream, Wire,
    audit,
};

const PRICE: u64 = 1_000;

/// What is held in vain is free again soon.
const SHORT: &str = "max_timeout = \"15s\"\nmargin = \"2s\"\npayer_unsettled_max = \"$1\"";

struct Two {
    network: Network,
    _official: Official,
    facilitator: Facilitator,
    upstream: Upstream,
    control: Faregate,
    gateways: Vec<Faregate>,
}

// === impl Two ===

impl Two {
    async fn start(lines: &str, route: Route) -> Self {
        Self::facilitated(lines, "", route).await
    }

    /// With lines more about the facilitator.
    async fn facilitated(lines: &str, of_facilitator: &str, route: Route) -> Self {
        let network = Network::start().await;
        let official = network.official().await;
        let facilitator = Facilitator::before(official.address()).await;
        let upstream = Upstream::start().await;
        let section = network.section(lines, &[&facilitator.url()]) + of_facilitator;
        let database = Database::Shared(test_postgres::fresh_database());
        let config = PublicWorld::config(upstream.address(), &section, [route]).on(database);
        let control = Faregate::start(config.clone().serving("control-plane")).await;
        let mut gateways = Vec::new();
        for _ in 0..2 {
            gateways.push(Faregate::start(config.clone().serving("gateway")).await);
        }
        Self { network, _official: official, facilitator, upstream, control, gateways }
    }

    /// A payment of its own, by the offer of one of the gateways, and the call that carries it.
    async fn signed(&self, gateway: usize, payer: &Payer) -> (Payment, Request) {
        let response = until("the gateway to read its network", || async {
            let response = self.gateways[gateway].call(&paid()).await;
            (response.status == 402).then_some(response)
        });
        let mut challenge: Value = response.await.challenge();
        let offers = challenge["accepts"].as_array_mut().expect("offers");
        offers.retain(|offer| offer["network"] == NETWORK);
        let payment = payer.pay_challenge(&challenge);
        let request = paid().paying(payment.header());
        (payment, request)
    }

    /// Sends the same payment to a gateway until it is served. It is never asked to pay again.
    async fn served_at_last(&self, gateway: usize, request: &Request) -> Response {
        until("the payment to be served", || async {
            let response = self.gateways[gateway].call(request).await;
            let code = if response.status == 200 { String::new() } else { response.code().to_owned() };
            match (response.status, code.as_str()) {
                (200, _) => Some(response),
                (503, "settlement_unknown" | "rail_unavailable") | (409, "payment_in_progress") => None,
                (status, code) => panic!("{status} {code}: {}", response.text()),
            }
        })
        .await
    }

    async fn finish(self, received: u64) {
        let open = async || {
            let mut sum = 0.0;
            for process in self.gateways.iter().chain([&self.control]) {
                let metrics = process.metrics().await;
                let open = |what: &str| metrics.sum(&format!("faregate_chain_payments_{what}"), &[]);
                sum += open("unknown") + open("due");
            }
            sum
        };
        until("everything to be settled", || async { (open().await < 1.0).then_some(()) }).await;
        until("the books to say what the chain says", || async {
            let due = self.control.ask("GET", "/v1/payments?limit=500", None).await;
            let all = due["data"].as_array().expect("payments");
            let is_over = |payment: &Value| {
                payment["on_chain"]["transaction"].is_string()
                    || ["refunded", "written_off"].iter().any(|over| payment["state"] == *over)
            };
            all.iter().all(is_over).then_some(())
        })
        .await;
        assert_eq!(self.network.balance(PublicWorld::provider()).await, received);
        audit::chain(&self.control, &self.network, PublicWorld::provider()).await;
        for gateway in self.gateways {
            gateway.finish().await;
        }
        self.control.finish().await;
    }
}

/// As behind one load balancer: a payment is bound to the host it was made for.
fn paid() -> Request {
    Request::get("/paid").with("Host", "api.example.com")
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_are_paid_on_chain_and_a_payment_that_both_get_is_served_once() {
    let two = Two::start("payer_unsettled_max = \"$1\"", Route::new("/paid", "$0.001")).await;
    let payers = two.network.payers(3, PRICE).await;
    for (gateway, payer) in payers.iter().take(2).enumerate() {
        let (_, request) = two.signed(gateway, payer).await;
        two.gateways[gateway].call(&request).await.expect_status(200);
    }
    let gate = Gate::new();
    two.upstream.on("/paid", Script::reply(200, &[], "once").after(&gate));
    let (payment, request) = two.signed(0, &payers[2]).await;
    let mut running = tokio::task::JoinSet::new();
    for number in 0..20 {
        let (gateway, request) = (two.gateways[number % 2].data(), request.clone());
        running.spawn(async move { Wire::connect(gateway).await.call(&request).await });
    }
    for _ in 0..19 {
        let response = running.join_next().await.unwrap().unwrap();
        response.expect_refusal(409, "payment_in_progress");
    }
    gate.open();
    running.join_next().await.unwrap().unwrap().expect_status(200);
    assert_eq!(two.upstream.calls("/paid").len(), 3);
    let nonce = payment.payload["payload"]["authorization"]["nonce"].as_str().unwrap();
    assert_eq!(two.facilitator.count(Call::Settle, nonce), 1);
    two.finish(3 * PRICE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a2_one_payment_for_a_hundred_resources_at_two_gateways_at_once_buys_one() {
    let two = Two::start("payer_unsettled_max = \"$1\"", Route::new("/{id}", "$0.001")).await;
    let payer = two.network.payers(1, 2 * PRICE).await.remove(0);
    let (mut payment, _) = two.signed(0, &payer).await;
    // Nothing but the first use binds it.
    payment.payload["accepted"]["extra"].as_object_mut().unwrap().remove("quote");
    let at = |path: &str| Request::get(path).with("Host", "api.example.com").paying(payment.header());
    let mut running = Vec::new();
    for number in 0..100 {
        running.extend(begin_all(two.gateways[number % 2].data(), [at(&format!("/{number}"))]));
    }
    let told = answers(running).await;
    assert_eq!((count(&told, 200), count(&told, 409)), (1, 99));
    assert_eq!(two.upstream.seen().len(), 1);
    for gateway in &two.gateways {
        let other = until("the first use of the payment to be over", || async {
            let response = gateway.call(&at("/other")).await;
            (response.code() != "payment_in_progress").then_some(response)
        })
        .await;
        other.expect_refusal(409, "payment_reused");
        assert_eq!((other.header("payment-response"), other.header("payment-required")), (None, None));
    }
    assert_eq!(two.facilitator.count(Call::Settle, &payment.nonce().to_string()), 1);
    two.finish(PRICE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a4_what_one_payer_may_have_open_is_counted_over_all_gateways() {
    let two = Two::start("payer_unsettled_max = \"$0.003\"", Route::new("/paid", "$0.001")).await;
    let payer = two.network.payers(1, 10 * PRICE).await.remove(0);
    let gate = Gate::new();
    let hanging = || Conduct::honest().at(&gate);
    two.facilitator.on_each(Call::Settle, [hanging(), hanging(), hanging(), Conduct::honest()]);
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..3 {
        let gateway = two.gateways[number % 2].data();
        let (_, request) = two.signed(number % 2, &payer).await;
        calls.spawn(async move { Wire::connect(gateway).await.call(&request).await });
    }
    gate.reached_by(3).await;
    // Neither of them has let it in with so much.
    for gateway in [0, 1] {
        let (_, more) = two.signed(gateway, &payer).await;
        two.gateways[gateway].call(&more).await.expect_refusal(429, "unsettled_payments");
    }
    assert_eq!(two.upstream.calls("/paid").len(), 3);
    gate.open();
    for answer in calls.join_all().await {
        answer.expect_status(200);
    }
    for gateway in [0, 1] {
        let (_, next) = two.signed(gateway, &payer).await;
        two.gateways[gateway].call(&next).await.expect_status(200);
    }
    two.finish(5 * PRICE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a3_what_a_payer_has_open_at_all_gateways_is_never_more_than_it_has_on_chain() {
    let route = Route::new("/paid", "$0.001").line("settle = \"deferred\"");
    let two = Two::start("max_timeout = \"2m\"", route).await;
    let payer = two.network.payers(1, 4 * PRICE + PRICE / 2).await.remove(0);
    // Nothing is settled while they come.
    let gate = Gate::new();
    two.facilitator.on(Call::Settle, Conduct::honest().at(&gate));
    let mut requests = Vec::new();
    for number in 0..20 {
        requests.push((two.gateways[number % 2].data(), two.signed(number % 2, &payer).await.1));
    }
    let mut calls = tokio::task::JoinSet::new();
    for (gateway, request) in requests {
        calls.spawn(async move { Wire::connect(gateway).await.call(&request).await });
    }
    let (served, refused): (Vec<Response>, Vec<Response>) =
        calls.join_all().await.into_iter().partition(|answer| answer.status == 200);
    assert_eq!((served.len(), two.upstream.calls("/paid").len()), (4, 4));
    for answer in refused {
        answer.expect_refusal(402, "insufficient_funds");
        assert!(answer.fields.has("payment-required"));
    }
    gate.open();
    two.finish(4 * PRICE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_gateways_serve_and_settle_later_is_settled_once() {
    let route = Route::new("/paid", "$0.001").line("settle = \"deferred\"");
    let two = Two::start("payer_unsettled_max = \"$1\"\nmax_timeout = \"90s\"", route).await;
    let payers = two.network.payers(16, PRICE).await;
    for (number, payer) in payers.iter().enumerate() {
        let (_, request) = two.signed(number % 2, payer).await;
        two.gateways[number % 2].call(&request).await.expect_status(200);
    }
    two.network.mine_every(1).await;
    let all = 16 * PRICE;
    until("all to be settled", || async {
        (two.network.balance(PublicWorld::provider()).await == all).then_some(())
    })
    .await;
    let asked = two.facilitator.asked().iter().filter(|asked| asked.call == Call::Settle).count();
    assert_eq!(asked, 16, "one process looks after what is due");
    two.finish(all).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c7_a_gateway_killed_while_it_settles_leaves_what_the_others_close_by_the_chain() {
    let mut two = Two::start(SHORT, Route::new("/paid", "$0.001")).await;
    let payers = two.network.payers(2, PRICE).await;
    two.network.mine_every(1).await;
    // Of two payments one is settled and never told, the other is not settled.
    two.facilitator
        .on_each(Call::Settle, [Conduct::silent().after_doing(), Conduct::silent(), Conduct::honest()]);
    let mut calls = Vec::new();
    let mut cut_off = Vec::new();
    for (number, payer) in payers.iter().enumerate() {
        let (_, request) = two.signed(0, payer).await;
        let (gateway, sent) = (two.gateways[0].data(), request.clone());
        cut_off.push(tokio::spawn(async move { Wire::connect(gateway).await.try_call(&sent).await }));
        two.facilitator.call(Call::Settle, number + 1).await;
        calls.push(request);
    }
    two.facilitator.done(Call::Settle, 1).await;
    two.gateways[0].kill().await;
    for call in cut_off {
        assert!(call.await.unwrap().is_none(), "killed before it could answer");
    }
    two.served_at_last(1, &calls[0]).await;
    // Nobody knows of the other until its time is over on chain; then it may be signed anew.
    until("the other to be void", || async {
        (two.gateways[1].call(&calls[1]).await.status == 402).then_some(())
    })
    .await;
    let (_, again) = two.signed(1, &payers[1]).await;
    two.served_at_last(1, &again).await;
    two.gateways[0].restart().await;
    two.finish(2 * PRICE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a5_whoever_did_not_pay_one_gateway_pays_first_at_each() {
    let route = Route::new("/paid", "$0.001").line("settle = \"deferred\"");
    let two = Two::facilitated(SHORT, "settle_timeout = \"4s\"\n", route).await;
    two.network.mine_every(1).await;
    let payer = two.network.payers(1, 1_000 * PRICE).await.remove(0);
    two.facilitator.on(Call::Settle, Conduct::down());
    let (_, request) = two.signed(0, &payer).await;
    two.gateways[0].call(&request).await.expect_status(200);
    until("the loss to be told", || async {
        let page = two.control.ask("GET", "/v1/events?type=payment.written_off", None).await;
        page["data"].as_array().expect("events").first().map(drop)
    })
    .await;
    two.facilitator.on(Call::Settle, Conduct::honest());
    for gateway in [0, 1] {
        until("its payer to pay first", || async {
            let (_, request) = two.signed(gateway, &payer).await;
            let answer = two.gateways[gateway].call(&request).await;
            (answer.expect_status(200).receipt()["transaction"] != "").then_some(())
        })
        .await;
    }
    let served = u64::try_from(two.upstream.calls("/paid").len()).unwrap();
    two.finish((served - 1) * PRICE).await;
}
