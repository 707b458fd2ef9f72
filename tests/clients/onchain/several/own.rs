//! Several processes that settle by one key: one of them sends at a time, and whoever is killed leaves its transactions to the next one.

use nix::sys::signal::Signal;
use tests::{Payer, PublicWorld, Route};
use tokio::task::JoinSet;

use super::firm::{Called, DIRECT, Firm, at_last};

const PRICE: u64 = 1_000;

/// Long enough for turns to pass on while payments wait for a block.
const LONG: &str = "max_timeout = \"10m\"\npayer_unsettled_max = \"$1\"";

/// Kills.
const ROUNDS: u64 = 3;

/// Payments of a round.
const CALLS: u64 = 6;

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_are_paid_by_one_key_of_their_own_and_each_payment_moves_once() {
    let routes =
        [Route::new("/paid", "$0.001"), Route::new("/later", "$0.001").line("settle = \"deferred\"")];
    let firm = Firm::start((LONG, "", DIRECT), routes).await;
    firm.mine().await;
    let payers = firm.network.payers(12, PRICE).await;
    let paying = async |gateway: usize| {
        for (number, payer) in payers.iter().enumerate().filter(|(number, _)| 1 + number % 2 == gateway) {
            let path = if number % 4 < 2 { "/paid" } else { "/later" };
            let request = firm.signed(gateway, payer, path).await;
            // Nobody settles yet right after a start.
            firm.served_at_last(gateway, &request).await;
        }
    };
    tokio::join!(paying(1), paying(2));
    assert_eq!(firm.upstream.calls("/paid").len() + firm.upstream.calls("/later").len(), 12);
    at_last("all to be settled", async || {
        (firm.network.balance(PublicWorld::provider()).await == 12 * PRICE).then_some(())
    })
    .await;
    assert_eq!(firm.network.received(PublicWorld::provider()).await.len(), 12);
    firm.finish(PublicWorld::provider()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c7_whoever_settles_is_killed_with_its_transactions_on_their_way_and_the_next_one_finishes_them() {
    killed_on_its_way(Route::new("/paid", "$0.001")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c7_whoever_settles_later_is_killed_with_its_transactions_on_their_way_and_the_next_one_finishes_them()
 {
    killed_on_its_way(Route::new("/paid", "$0.001").line("settle = \"deferred\"")).await;
}

/// It wakes up with all that it knew while the next one sends.
#[tokio::test(flavor = "multi_thread")]
async fn t3_whoever_settles_is_frozen_with_transactions_on_their_way_and_wakes_up_and_each_payment_moves_once()
 {
    let mut firm = Firm::start((LONG, "", DIRECT), [Route::new("/paid", "$0.001")]).await;
    let payers = firm.network.payers(CALLS, PRICE).await;
    let owner = firm.next_owner().await;
    firm.warm_up(2 * PRICE).await;
    let calls = on_their_way(&firm, &payers).await;
    firm.all[owner].signal(Signal::SIGSTOP);
    firm.next_owner().await;
    firm.wake(owner).await;
    firm.mine().await;
    all_served(&firm, calls, firm.other_gateway(owner)).await;
    moved_once(&firm, &payers, (CALLS + 2) * PRICE).await;
    firm.finish(PublicWorld::provider()).await;
}

async fn killed_on_its_way(route: Route) {
    let mut firm = Firm::start((LONG, "", DIRECT), [route]).await;
    let payers = firm.network.payers(CALLS, ROUNDS * PRICE).await;
    let mut owner = firm.next_owner().await;
    for round in 0..ROUNDS {
        firm.warm_up((round * (CALLS + 2) + 2) * PRICE).await;
        let calls = on_their_way(&firm, &payers).await;
        firm.all[owner].kill().await;
        let heir = firm.next_owner().await;
        firm.mine().await;
        all_served(&firm, calls, firm.other_gateway(owner)).await;
        firm.all[owner].restart().await;
        owner = heir;
    }
    moved_once(&firm, &payers, ROUNDS * (CALLS + 2) * PRICE).await;
    firm.finish(PublicWorld::provider()).await;
}

/// Each payer calls, and what that takes waits for a block.
async fn on_their_way(firm: &Firm, payers: &[Payer]) -> JoinSet<Called> {
    let mut requests = Vec::new();
    for (number, payer) in payers.iter().enumerate() {
        requests.push(firm.signed(1 + number % 2, payer, "/paid").await);
    }
    firm.stop_mining().await;
    let calls = firm.send(requests);
    // All of them are left, and the first transaction is on its way.
    firm.counted("errand where answer is null", CALLS).await;
    firm.counted("sent_transaction where closed = 0", 1).await;
    calls
}

/// Whoever is not served at once is told that nobody knows, or nothing, and is served by another gateway for the same payment.
async fn all_served(firm: &Firm, calls: JoinSet<Called>, other: usize) {
    for call in calls.join_all().await {
        if let Some(response) = call.response {
            if response.status == 200 {
                continue;
            }
            response.expect_refusal(503, "settlement_unknown");
        }
        firm.served_at_last(other, &call.request).await;
    }
}

/// All that each of these had, and to the provider.
async fn moved_once(firm: &Firm, payers: &[Payer], received: u64) {
    at_last("all to be settled", async || {
        (firm.network.balance(PublicWorld::provider()).await == received).then_some(())
    })
    .await;
    for payer in payers {
        assert_eq!(firm.network.balance(payer.address()).await, 0, "{}", payer.address());
    }
    let received = firm.network.received(PublicWorld::provider()).await;
    assert!(received.iter().all(|one| one.value == PRICE), "{received:?}");
}
