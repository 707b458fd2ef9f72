//! [`run`]: gives back what moved before its call was served and was never delivered.
//!
//! A crash between the two, or an upstream that broke its answer off, leaves such a payment: until its time is over the same one may come
//! once more, and is served. Nothing is kept that a crash could lose: the books know what was not delivered.

use std::sync::Arc;
use std::time::Duration;

use ledger::Ledger;
use ledger::ledger::undelivered::GivenBack;
use tokio::sync::watch;

use crate::rail::RailObserver;
use crate::ticks::Ticks;

/// Looks to leave out where something could not be given back: what hinders it seldom goes away at once.
const PAUSE: u32 = 30;

/// Looks every `interval`, until `stop` says so.
pub async fn run(
    ledger: Ledger,
    observer: Arc<dyn RailObserver>,
    interval: Duration,
    stop: watch::Receiver<bool>,
) {
    let mut ticks = Ticks::new(interval, stop);
    let mut left_out = 0_u32;
    while ticks.next().await {
        if left_out > 0 {
            left_out -= 1;
            continue;
        }
        match ledger.give_back_undelivered().await {
            Ok(GivenBack { payments, failed, dropped }) => {
                observer.dropped(dropped);
                if payments > 0 {
                    tracing::warn!(payments, "paid before they were served, never delivered: given back");
                }
                left_out = if failed > 0 { PAUSE } else { 0 };
            }
            Err(error) => tracing::warn!(%error, "what was not delivered cannot be read; it is tried again"),
        }
    }
}
