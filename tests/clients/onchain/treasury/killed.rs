//! The gateway is killed again and again while money leaves the treasury: each payout and each refund is one transfer on chain.
//! `FAREGATE_CRASH_ROUNDS=100` for more.

use std::time::Duration;

use super::*;

/// Kills when nothing else is said.
const ROUNDS: u64 = 6;

/// Payments of a round.
const CALLS: u64 = 4;

/// Of so many of them a part is given back: together with what the provider earned less than what came.
const GIVEN_BACK: usize = 3;

/// What each payer has beside what it pays: what does not count on chain yet is held against it.
const SPARE: u64 = 20_000;

/// The longest that a round lasts before its kill, in milliseconds.
const ROUND_MS_MAX: u64 = 600;

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_each_payout_and_each_refund_is_one_transfer_on_chain() {
    let rounds = std::env::var("FAREGATE_CRASH_ROUNDS").ok().and_then(|text| text.parse().ok());
    let rounds: u64 = rounds.unwrap_or(ROUNDS);
    let mut house = House::new("confirmations = 2\npayer_unsettled_max = \"$1\"", AT_ONCE).await;
    house.0.network.mine_every(1).await;
    let payers = house.0.network.payers(CALLS, rounds * 2_000 + SPARE).await;
    house.pay_out_to(till()).await;
    let (mut bought, mut given_back) = (0_usize, 0_usize);
    for round in 0..rounds {
        for (number, payer) in payers.iter().enumerate() {
            let payment = house.buy(payer).await;
            bought += 1;
            if number < GIVEN_BACK {
                // It may be settled with the provider already: the operator gives it back all the same.
                let key = format!("{round}-{number}");
                house.refund(&payment, Some("$0.0002"), &key).await.expect_status(200);
                given_back += 1;
            }
        }
        // The one wait that is meant: the moment of the kill is random.
        tokio::time::sleep(Duration::from_millis(random_below(ROUND_MS_MAX))).await;
        house.0.gateway.kill().await;
        house.0.gateway.restart().await;
    }
    let settled = until("everything to be settled", || async {
        let position = house.0.gateway.ask("GET", "/v1/outgoing?limit=500", None).await;
        let all = position["data"].as_array().unwrap();
        let refunds = all.iter().filter(|one| one["payment"].is_string());
        let is_over = |one: &Value| one["state"] == "paid";
        (refunds.count() == given_back && all.iter().all(is_over)).then_some(all.len())
    })
    .await;
    assert!(settled > given_back, "at least one payout");
    for (number, payer) in payers.iter().enumerate() {
        let left = house.0.network.balance(payer.address()).await;
        let back = if number < GIVEN_BACK { rounds * 200 } else { 0 };
        assert_eq!(left, SPARE + back, "payer {number}");
    }
    let payouts = house.0.gateway.ask("GET", "/v1/payouts?state=paid&limit=500", None).await;
    let payouts: Vec<u64> = payouts["data"].as_array().unwrap().iter().map(units).collect();
    assert_eq!(house.0.network.received(till()).await.len(), payouts.len(), "one transfer for each payout");
    assert_eq!(house.0.network.balance(till()).await, payouts.iter().sum::<u64>());
    assert_eq!(house.0.network.received(PublicWorld::treasury()).await.len(), bought);
    house.finish().await;
}

fn random_below(limit: u64) -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("randomness");
    u64::from_ne_bytes(bytes) % limit
}
