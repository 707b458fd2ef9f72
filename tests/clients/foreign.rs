//! Non-EVM networks, through a facilitator whose word is all there is: what it takes is forwarded, what it says it settled is
//! served, what nobody knows stays unknown, and no payment buys two calls.

mod killed;
mod rotated;
mod stock;
mod strangers;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tests::facilitator::{Call, Conduct, FEE_PAYER, Facilitator, SOLANA_DEVNET, SOLANA_PAYER as PAYER};
use tests::message::base64;
use tests::wait::until;
use tests::{Config, Faregate, Gate, Provider, Request, Response, Route, Script, Upstream, audit};

const MINT: &str = "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU";
const OWN: &str = "EGBQqKn968sVv5cQh5Cr72pSTHfxsuzq7o7asqYB5uEV";

/// A gateway whose provider is paid on Solana, by a facilitator that a test makes fail.
struct Solana {
    facilitator: Facilitator,
    upstream: Upstream,
    gateway: Faregate,
}

// === impl Solana ===

impl Solana {
    async fn new() -> Self {
        Self::with("").await
    }

    /// With a line more about its facilitator.
    async fn with(line: &str) -> Self {
        let (facilitator, upstream) = (Facilitator::alone().await, Upstream::start().await);
        let network = format!(
            "[[networks]]\nid = \"{SOLANA_DEVNET}\"\ntokens = [{{ address = \"{MINT}\", decimals = 6 }}]\n\
             [[networks.facilitators]]\nurl = \"{}\"\n{line}\n",
            facilitator.url()
        );
        let provider = Provider::new("acme", upstream.address())
            .line(&format!("foreign_addresses = {{ \"{SOLANA_DEVNET}\" = \"{OWN}\" }}"))
            .routes([Route::new("/paid", "$0.001")]);
        let gateway = Faregate::start(Config::default().section(&network).provider(provider)).await;
        Self { facilitator, upstream, gateway }
    }

    /// The offer on Solana, once its facilitator has said what it must carry.
    async fn offer(&self) -> Value {
        until("an offer on Solana", || async {
            let challenge = self.gateway.call(&Request::get("/paid")).await.expect_status(402).challenge();
            let offers = challenge["accepts"].as_array()?.clone();
            offers.into_iter().find(|offer| offer["network"] == SOLANA_DEVNET)
        })
        .await
    }

    async fn buy(&self, header: &str) -> Response {
        self.gateway.call(&Request::get("/paid").paying(header)).await
    }

    /// The same, once nobody is at work on it any more.
    async fn buy_at_rest(&self, header: &str) -> Response {
        self.call_at_rest(&Request::get("/paid").paying(header)).await
    }

    /// The same, once its facilitator may be asked for it again.
    async fn buy_unknown(&self, header: &str) {
        until("its facilitator to be asked again", || async {
            (self.buy_at_rest(header).await.status == 200).then_some(())
        })
        .await;
    }

    async fn call_at_rest(&self, request: &Request) -> Response {
        until("nobody to be at work on the payment", || async {
            let response = self.gateway.call(request).await;
            (response.status != 409 || response.code() != "payment_in_progress").then_some(response)
        })
        .await
    }

    /// How often its facilitator was asked to settle a transaction.
    fn settles(&self, transaction: &str) -> usize {
        let asked = self.facilitator.asked();
        let named = |body: &Value| body["paymentPayload"]["payload"]["transaction"] == transaction;
        asked.iter().filter(|asked| asked.call == Call::Settle && named(&asked.body)).count()
    }

    async fn unknown(&self) -> u64 {
        self.gateway.metrics().await.count("faregate_chain_payments_unknown", &[])
    }

    async fn finish(self) {
        audit::live(&self.gateway).await;
        self.gateway.finish().await;
    }
}

/// A transaction with two signatures of this byte, over a message of two keys and one instruction that says this.
fn transaction(signature: u8, text: &str) -> String {
    let length = u8::try_from(text.len()).unwrap();
    let keys = [&[0x80, 2, 0, 1, 2][..], &[1; 64], &[2; 32]].concat();
    let instruction = [&[1, 1, 1, 0, length][..], text.as_bytes()].concat();
    base64(&[&[2][..], &[signature; 128], &keys, &instruction, &[0]].concat())
}

fn payment(offer: &Value, transaction: &str) -> String {
    // With more than was signed.
    let payload = json!({ "transaction": transaction, "transactions": ["another one"] });
    let extensions = json!({ "bazaar": { "info": "mine" } });
    let payment =
        json!({ "x402Version": 2, "accepted": offer, "payload": payload, "extensions": extensions });
    base64(payment.to_string().as_bytes())
}

fn paying_in_v1(text: &str) -> Request {
    let payload = json!({ "transaction": transaction(1, text) });
    let payment =
        json!({ "x402Version": 1, "scheme": "exact", "network": "solana-devnet", "payload": payload });
    Request::get("/paid").with("X-PAYMENT", base64(payment.to_string().as_bytes()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_on_solana_is_shown_as_far_as_it_was_read_and_served_once_its_facilitator_says_that_it_settled_it()
 {
    let solana = Solana::new().await;
    let offer = solana.offer().await;
    assert_eq!(
        (&offer["asset"], &offer["payTo"], &offer["amount"], &offer["extra"]["feePayer"]),
        (&json!(MINT), &json!(OWN), &json!("1000"), &json!(FEE_PAYER))
    );
    let body = solana.gateway.call(&Request::get("/paid")).await.json();
    assert_eq!(body["accepts"][0]["network"], "solana-devnet", "v1 has a name for it");
    let signed = transaction(1, "the first payment");
    let header = payment(&offer, &signed);
    let response = solana.buy(&header).await;
    response.expect_status(200);
    let receipt = response.receipt();
    assert_eq!(
        (&receipt["success"], &receipt["payer"], &receipt["network"]),
        (&json!(true), &json!(PAYER), &json!(SOLANA_DEVNET))
    );
    let asked = solana.facilitator.call(Call::Settle, 1).await;
    let shown = json!({ "x402Version": 2, "accepted": offer, "payload": { "transaction": signed } });
    assert_eq!((&asked.body["paymentPayload"], &asked.body["paymentRequirements"]), (&shown, &offer));
    let listed = solana.gateway.ask("GET", "/v1/payments", None).await["data"][0].clone();
    assert_eq!(listed["on_chain"]["transaction"], receipt["transaction"]);
    assert_eq!(
        (&listed["on_chain"]["payer"], &listed["on_chain"]["custody"]),
        (&json!(PAYER), &json!("direct"))
    );
    assert_eq!(solana.upstream.seen()[0].header("faregate-payer"), Some(PAYER));

    // The same message under another signature is the same payment.
    solana
        .buy_at_rest(&payment(&offer, &transaction(2, "the first payment")))
        .await
        .expect_refusal(409, "already_delivered");
    solana.buy(&payment(&offer, &transaction(1, "the second payment"))).await.expect_status(200);
    assert_eq!(solana.upstream.calls("/paid").len(), 2);
    solana.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_in_v1_is_answered_in_kind() {
    let solana = Solana::new().await;
    solana.offer().await;
    let response = solana.gateway.call(&paying_in_v1("in v1")).await;
    response.expect_status(200);
    assert!(response.header("x-payment-response").is_some() && response.header("payment-response").is_none());
    solana.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r1_twenty_calls_with_one_payment_at_once_are_one_call() {
    let solana = Arc::new(Solana::new().await);
    let (offer, gate) = (solana.offer().await, Gate::new());
    solana.upstream.on("/paid", Script::reply(200, &[], "done").after(&gate));
    let calls: Vec<_> = (0..20)
        .map(|number| {
            let solana = Arc::clone(&solana);
            // As many signatures of the one message.
            let header = payment(&offer, &transaction(number, "one"));
            tokio::spawn(async move { solana.buy(&header).await.status })
        })
        .collect();
    gate.reached().await;
    gate.open();
    let mut served = 0;
    for call in calls {
        match call.await.unwrap() {
            200 => served += 1,
            409 => {}
            other => panic!("{other}"),
        }
    }
    assert_eq!((served, solana.upstream.calls("/paid").len()), (1, 1));
    // Before it is held, and before it is settled.
    let asked = solana.facilitator.asked();
    assert_eq!(asked.iter().filter(|asked| asked.call == Call::Verify).count(), 2);
    Arc::try_unwrap(solana).ok().unwrap().finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_its_facilitator_does_not_take_or_cannot_be_asked_about_is_not_forwarded() {
    let solana = Solana::with("verify_timeout = \"500ms\"").await;
    let offer = solana.offer().await;
    let header = payment(&offer, &transaction(1, "refused"));
    solana.facilitator.on(Call::Verify, Conduct::denying());
    solana.buy(&header).await.expect_refusal(402, "invalid_payment");
    for conduct in [Conduct::silent(), Conduct::failing(500)] {
        solana.facilitator.on(Call::Verify, conduct);
        solana.buy(&header).await.expect_refusal(503, "settlement_unavailable");
    }
    let other = json!({ "payTo": "somebody else" });
    let mut wrong = offer.clone();
    wrong["payTo"] = other["payTo"].clone();
    solana.facilitator.on(Call::Verify, Conduct::honest());
    solana.buy(&payment(&wrong, &transaction(1, "wrong"))).await.expect_status(402);
    assert!(solana.upstream.seen().is_empty());
    // The same one may come again.
    solana.buy(&header).await.expect_status(200);
    solana.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d8_what_is_refused_before_it_is_sent_is_void_and_what_may_have_been_sent_is_unknown() {
    let solana = Solana::new().await;
    let offer = solana.offer().await;
    let header = payment(&offer, &transaction(1, "drained"));
    solana.facilitator.on_each(Call::Verify, [Conduct::honest(), Conduct::denying()]);
    let response = solana.buy(&header).await;
    response.expect_refusal(402, "settlement_failed");
    assert_eq!(response.receipt()["success"], false);
    assert_eq!(solana.facilitator.asked().iter().filter(|asked| asked.call == Call::Settle).count(), 0);
    solana.facilitator.on(Call::Verify, Conduct::honest());

    // It says that it did not, with a word for what comes after sending.
    let no = json!({ "success": false, "errorReason": "transaction_failed", "transaction": "", "network": SOLANA_DEVNET });
    solana.facilitator.on(Call::Settle, Conduct::saying_bytes(no.to_string()));
    let sent = payment(&offer, &transaction(1, "sent"));
    let response = solana.buy(&sent).await;
    response.expect_refusal(503, "settlement_unknown");
    assert!(response.header("retry-after").is_some());
    solana.buy(&sent).await.expect_refusal(503, "settlement_unknown");
    until("it is counted", || async { (solana.unknown().await == 1).then_some(()) }).await;
    // Asked again it says that it did: it is delivered now, and was paid for once.
    solana.facilitator.on(Call::Settle, Conduct::honest());
    solana.buy_unknown(&sent).await;
    solana.buy_at_rest(&sent).await.expect_refusal(409, "already_delivered");
    solana.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d10_a_transaction_that_paid_for_one_payment_pays_for_no_other() {
    let solana = Solana::new().await;
    let offer = solana.offer().await;
    let yes = json!({ "success": true, "payer": PAYER, "transaction": "one", "network": SOLANA_DEVNET });
    solana.facilitator.on(Call::Settle, Conduct::saying_bytes(yes.to_string()));
    solana.buy(&payment(&offer, &transaction(1, "a"))).await.expect_status(200);
    solana.buy(&payment(&offer, &transaction(1, "b"))).await.expect_refusal(503, "settlement_unknown");
    // A success without a transaction is none.
    solana.facilitator.on(Call::Settle, Conduct::agreeing(None));
    solana.buy(&payment(&offer, &transaction(1, "c"))).await.expect_refusal(503, "settlement_unknown");
    until("both are unknown", || async { (solana.unknown().await == 2).then_some(()) }).await;
    solana.facilitator.on(Call::Settle, Conduct::honest());
    for text in ["b", "c"] {
        solana.buy_at_rest(&payment(&offer, &transaction(1, text))).await.expect_status(200);
    }
    solana.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d8_what_nobody_knows_is_asked_for_again_only_while_its_payer_waits_for_what_can_be_delivered() {
    let solana = Solana::new().await;
    let offer = solana.offer().await;
    let (left, wanted, unsafe_one) =
        (transaction(1, "left"), transaction(1, "wanted"), transaction(1, "post"));
    solana.facilitator.on(Call::Settle, Conduct::failing(500));
    for signed in [&left, &wanted] {
        solana.buy(&payment(&offer, signed)).await.expect_refusal(503, "settlement_unknown");
    }
    let post = Request::post("/paid", "work").paying(&*payment(&offer, &unsafe_one));
    solana.gateway.call(&post).await.expect_refusal(503, "settlement_unknown");
    until("all are unknown", || async { (solana.unknown().await == 3).then_some(()) }).await;
    solana.facilitator.on(Call::Settle, Conduct::honest());
    solana.buy_at_rest(&payment(&offer, &wanted)).await.expect_status(200);
    solana.gateway.call(&post).await.expect_refusal(503, "settlement_unknown");
    until("one is settled", || async { (solana.unknown().await == 2).then_some(()) }).await;
    // Their payers may have bought again since: nothing is to move by them.
    assert_eq!((solana.settles(&left), solana.settles(&unsafe_one), solana.settles(&wanted)), (1, 1, 2));
    // The operator finds them, and says what the network shows.
    let unknown = solana.gateway.ask("GET", "/v1/payments/unknown", None).await["data"].clone();
    for (number, open) in unknown.as_array().unwrap().iter().enumerate() {
        let path = format!("/v1/payments/{}/resolve", open["id"].as_str().unwrap());
        let moved = json!({ "outcome": "moved", "transaction": format!("shown-{number}") });
        solana.gateway.ask("POST", &path, Some(&moved)).await;
    }
    solana.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d5_what_a_facilitator_answers_to_strangers_keeps_nobody_else_out() {
    let solana = Solana::new().await;
    let offer = solana.offer().await;
    solana.facilitator.on(Call::Verify, Conduct::failing(500));
    for text in ["a", "b", "c", "d"] {
        let junk = payment(&offer, &transaction(1, text));
        solana.buy(&junk).await.expect_refusal(503, "settlement_unavailable");
    }
    solana.facilitator.on(Call::Verify, Conduct::honest());
    solana.buy(&payment(&offer, &transaction(1, "honest"))).await.expect_status(200);
    solana.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d5_nothing_is_forwarded_while_settlements_get_no_answer_however_well_a_facilitator_verifies() {
    let solana = Solana::new().await;
    let offer = solana.offer().await;
    // Whoever guards it lets no settlement in: nothing was sent.
    solana.facilitator.on(Call::Settle, Conduct::failing(401));
    let locked_out = payment(&offer, &transaction(1, "locked out"));
    solana.buy(&locked_out).await.expect_refusal(503, "settlement_unavailable");
    assert_eq!(solana.unknown().await, 0);
    solana.facilitator.on(Call::Settle, Conduct::failing(500));
    for text in ["a", "b"] {
        let lost = payment(&offer, &transaction(1, text));
        solana.buy(&lost).await.expect_refusal(503, "settlement_unknown");
    }
    // Now and then one shows whether it settles again; the others are spared.
    let tries = AtomicUsize::new(0);
    let spared = until("a call to be spared", || async {
        let worked = solana.upstream.calls("/paid").len();
        let text = format!("try {}", tries.fetch_add(1, Ordering::Relaxed));
        let header = payment(&offer, &transaction(1, &text));
        let response = solana.buy(&header).await;
        let is_spared = solana.upstream.calls("/paid").len() == worked;
        assert_eq!(response.code(), if is_spared { "settlement_unavailable" } else { "settlement_unknown" });
        is_spared.then_some(header)
    })
    .await;
    solana.facilitator.on(Call::Settle, Conduct::honest());
    until("it is tried again", || async { (solana.buy_at_rest(&spared).await.status == 200).then_some(()) })
        .await;
    for text in ["a", "b"] {
        solana.buy_unknown(&payment(&offer, &transaction(1, text))).await;
    }
    solana.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d11_an_answer_about_another_payer_is_no_success() {
    let solana = Solana::new().await;
    let offer = solana.offer().await;
    let other = json!({ "success": true, "payer": OWN, "transaction": "other", "network": SOLANA_DEVNET });
    solana.facilitator.on(Call::Settle, Conduct::saying_bytes(other.to_string()));
    let header = payment(&offer, &transaction(1, "mine"));
    solana.buy(&header).await.expect_refusal(503, "settlement_unknown");
    solana.facilitator.on(Call::Settle, Conduct::honest());
    solana.buy_at_rest(&header).await.expect_status(200);
    solana.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r1_one_name_under_another_signature_is_one_call() {
    let solana = Solana::new().await;
    let offer = solana.offer().await;
    let buy = async |text: &str| {
        let header = payment(&offer, &transaction(1, text));
        let request = Request::get("/paid").paying(&*header).with("Idempotency-Key", "order-1");
        solana.call_at_rest(&request).await
    };
    let first = buy("first").await;
    first.expect_status(200);
    let again = buy("signed anew").await;
    assert_eq!((again.status, &again.body), (200, &first.body));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(
        (solana.upstream.calls("/paid").len(), solana.settles(&transaction(1, "signed anew"))),
        (1, 0)
    );
    solana.finish().await;
}
