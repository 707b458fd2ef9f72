//! [`run`]: gives back what moved before its call was served and was never delivered.
//!
//! A crash between the two, or an upstream that broke its answer off, leaves such a payment: until its time is over the same one may come
//! once more, and is served. Nothing is kept that a crash could lose: the books know what was not delivered.

use std::time::Duration;

use ledger::Ledger;
use tokio::sync::watch;

use crate::ticks::Ticks;

/// Looks every `interval`, until `stop` says so.
pub async fn run(ledger: Ledger, interval: Duration, stop: watch::Receiver<bool>) {
    let mut ticks = Ticks::new(interval, stop);
    while ticks.next().await {
        match ledger.give_back_undelivered().await {
            Ok(0) => {}
            Ok(payments) => {
                tracing::warn!(payments, "paid before they were served, never delivered: given back");
            }
            Err(error) => tracing::warn!(%error, "what was not delivered cannot be read; it is tried again"),
        }
    }
}
