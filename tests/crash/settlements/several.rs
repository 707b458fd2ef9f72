//! I8 with several processes: four gateways capture all the time, two control planes settle beside each other, and one or
//! the other is killed at random moments. Parts are given back meanwhile, and the platform keeps its fee.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tests::config::Provider;
use tests::wait::until;
use tests::{Agent, Config, Faregate, Request, Route, Several, Wire};
use tokio::task::JoinSet;

use super::{SECTION, all};
use crate::load::random_below;

const GATEWAYS: usize = 4;

/// Connections to each gateway.
const CLIENTS: usize = 2;

const ROUNDS: usize = 5;

/// The longest a round lasts before its kill, in milliseconds.
const ROUND_MS_MAX: u64 = 250;

/// What a provider has of a call, and what is taken back of that where a tenth of the call is given back.
const EARNED: i64 = 900;
const GIVEN_BACK: i64 = 90;

/// Calls in the end: more than is given back after the last settlement.
const LAST: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn i8_two_control_planes_of_which_one_is_killed_settle_each_payment_of_four_gateways_once() {
    let mut several = Several::with(test_postgres::fresh_database(), GATEWAYS, "$1000", |upstream| {
        let provider = Provider::new("acme", upstream).line("fee = \"10%\"");
        let provider = provider.routes([Route::new("/paid", "$0.001")]);
        Config::default().section(SECTION).provider(provider)
    })
    .await;
    let mut beside = several.another_control().await;
    let till = Agent::new(&beside, "$0").await;
    let wallet = json!({ "rail": "ledger", "wallet": till.wallet });
    beside.ask("PUT", "/v1/providers/acme/payout-destination", Some(&wallet)).await;
    let key = several.agent.key(&beside).await;
    let (mut paid, mut given_back) = (Vec::<String>::new(), HashSet::new());
    for _ in 0..ROUNDS {
        let load = Load::start(&several, &key);
        // Of what was paid in the rounds before, and may be settled by now.
        for payment in paid.iter().rev().step_by(10).take(4) {
            give_back(&beside, payment).await;
            given_back.insert(payment.clone());
        }
        // The one wait that is meant: the moment of the kill is random.
        tokio::time::sleep(Duration::from_millis(random_below(ROUND_MS_MAX))).await;
        several.control.kill().await;
        several.control.restart().await;
        paid.extend(load.stop().await);
        if random_below(2) == 0 {
            std::mem::swap(&mut several.control, &mut beside);
        }
    }
    paid.extend(Load::calls(&several, &key, LAST).await);
    let count = |some: usize| i64::try_from(some).unwrap();
    let earned = EARNED * count(paid.len()) - GIVEN_BACK * count(given_back.len());
    until("everything to be paid out", || async {
        (till.money(&beside).await.balance == earned).then_some(())
    })
    .await;
    expect_settled_once(&beside, &paid, earned).await;
    println!("{} payments, of which {} were given back in part", paid.len(), given_back.len());
    for control in [&several.control, &beside] {
        assert!(!control.log().contains("the last wall"), "a batch that should not have been tried");
    }
    beside.finish().await;
    several.finish().await;
}

/// Settlements without a gap, each payment in one, and each settlement paid out once.
async fn expect_settled_once(control: &Faregate, paid: &[String], earned: i64) {
    let mut settlements = all(control, "/v1/settlements").await;
    settlements.sort_by_key(|settlement| settlement["number"].as_u64());
    let numbers: Vec<u64> = settlements.iter().map(|found| found["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=settlements.len() as u64).collect::<Vec<_>>());
    let payouts = all(control, "/v1/payouts").await;
    let (mut members, mut net) = (Vec::new(), 0);
    for settlement in &settlements {
        let own =
            all(control, &format!("/v1/settlements/{}/members", settlement["id"].as_str().unwrap())).await;
        assert_eq!(settlement["payments"], own.len(), "{settlement}");
        members.extend(own.iter().map(|member| member["payment"].as_str().unwrap().to_owned()));
        net += units(&settlement["net"]);
        let own: Vec<_> = payouts.iter().filter(|payout| payout["settlement"] == settlement["id"]).collect();
        let [payout] = &own[..] else { panic!("not one payout of {settlement}: {own:?}") };
        assert_eq!((&payout["id"], &payout["state"]), (&settlement["payout"], &json!("paid")));
        assert_eq!(units(&payout["amount"]), units(&settlement["net"]));
    }
    assert_eq!(payouts.len(), settlements.len());
    assert_eq!(net, earned, "what is settled and what was earned");
    let distinct: HashSet<&String> = members.iter().collect();
    assert_eq!(
        (distinct.len(), members.len()),
        (paid.len(), paid.len()),
        "each payment is in one settlement"
    );
    assert_eq!(distinct, paid.iter().collect(), "all of them are");
    println!("{} settlements", settlements.len());
}

fn units(money: &Value) -> i64 {
    money["amount"].as_str().unwrap().parse().unwrap()
}

/// A tenth of a payment. Given once, however often it is asked for.
async fn give_back(control: &Faregate, payment: &str) {
    let request = Request::post(&format!("/v1/payments/{payment}/refund"), "{\"amount\":\"$0.0001\"}");
    let request = request.with("Content-Type", "application/json").with("Idempotency-Key", payment);
    control.admin(&request).await.expect_status(200);
}

/// Calls at all gateways without pause.
struct Load {
    stop: Arc<AtomicBool>,
    clients: JoinSet<Vec<String>>,
}

// === impl Load ===

impl Load {
    fn start(several: &Several, key: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut clients = JoinSet::new();
        for client in 0..GATEWAYS * CLIENTS {
            let gateway = several.gateways[client % GATEWAYS].data();
            let (stop, request) = (Arc::clone(&stop), Request::get("/paid").key(key));
            clients.spawn(async move {
                let (mut wire, mut paid) = (Wire::connect(gateway).await, Vec::new());
                while !stop.load(Ordering::Relaxed) {
                    paid.push(payment(&mut wire, &request).await);
                }
                paid
            });
        }
        Self { stop, clients }
    }

    /// The payments.
    async fn stop(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.join_all().await.into_iter().flatten().collect()
    }

    /// So many calls, one after the other.
    async fn calls(several: &Several, key: &str, count: usize) -> Vec<String> {
        let (mut wire, request) = (several.gateways[0].wire().await, Request::get("/paid").key(key));
        let mut paid = Vec::with_capacity(count);
        for _ in 0..count {
            paid.push(payment(&mut wire, &request).await);
        }
        paid
    }
}

/// Whatever becomes of control planes, gateways serve on.
async fn payment(wire: &mut Wire, request: &Request) -> String {
    let served = wire.call(request).await;
    served.expect_status(200).header("faregate-payment-id").expect("a payment").to_owned()
}
