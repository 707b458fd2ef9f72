//! [`run`]: writes down what a facilitator has said of payments of which nobody knows, where that failed at first, and what nodes show of them.
//!
//! Nobody is asked to settle anything here: to ask again may move value now, for a call that has ended and whose payer may have bought anew.

use std::time::Duration;

use tokio::sync::watch;

use super::Foreign;
use crate::ticks::Ticks;

/// Looks every `interval`, until `stop` says so.
pub async fn run(foreign: Foreign, interval: Duration, stop: watch::Receiver<bool>) {
    let mut ticks = Ticks::new(interval, stop);
    while ticks.next().await {
        for open in foreign.unknown() {
            if foreign.heard_of(open.payment).is_some() {
                foreign.look_for(open).await;
            }
        }
    }
}

/// Looks at nodes every `interval`, for one payment after the other, until `stop` says so. What has not landed by its end never will.
pub async fn watch(foreign: Foreign, interval: Duration, stop: watch::Receiver<bool>) {
    let mut ticks = Ticks::new(interval, stop.clone());
    while ticks.next().await {
        for open in foreign.unknown() {
            if *stop.borrow() {
                return;
            }
            if foreign.is_watched(&open) {
                foreign.look_for(open).await;
            }
        }
    }
}
