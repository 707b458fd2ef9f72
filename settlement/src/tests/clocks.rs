//! Clocks that are apart from the chain's time: what can be settled still is.

use domain::Settle;

use super::open::{Both, transaction_of};
use crate::rail::Closed;
use crate::rail::tests::VALID_BEFORE;

#[tokio::test]
async fn a_clock_that_is_ahead_of_the_chains_time_keeps_nothing_from_being_settled_that_still_can_be() {
    let mut both = Both::new().await;
    let payment = both.captured(1, Settle::Deferred).await;
    both.world.later(30_000 + 60_000);
    both.round().await;
    assert_eq!(both.moved(payment).await, transaction_of(1));
    // What its time is over for by the chain, too, is asked of nobody.
    both.captured(2, Settle::Deferred).await;
    both.world.chain.lock().time = VALID_BEFORE - 18;
    both.round().await;
    assert_eq!(
        (both.world.asked(0, "settle"), both.world.seen.closed.lock().clone()),
        (1, vec![Closed::Settled])
    );
    both.house.finish().await;
}
