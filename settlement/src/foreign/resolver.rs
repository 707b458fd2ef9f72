//! [`run`]: closes payments of which nobody knows, on networks that are not read here, by what their facilitator says.
//!
//! Asking for one again may move its value now. So that is done only while its payer wants it, who sent the same payment again; else not
//! before what was signed cannot land any more, when asking moves nothing and may find out. Only a success closes one: what is refused
//! now may have been settled before. What is never answered so waits for a person.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use domain::{PaymentId, UnixMillis};
use ledger::{Close, Ledger, OpenIntent};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Foreign, Unread};
use crate::rail::Closed;
use crate::ticks::Ticks;

/// The first pause before one is asked for again, and the longest; each is twice the one before.
const PAUSE_MS: i64 = 1_000;
const PAUSE_MS_MAX: i64 = 300_000;

/// How long one is asked for that its payer does not want, from when on it cannot land.
const ASKED_MS: i64 = 3_600_000;

/// Payments that are asked for at once.
const RUNNING_MAX: usize = 32;

/// When one is asked for again, and the pause after that.
#[derive(Clone, Copy, Debug)]
struct Turn {
    at: UnixMillis,
    pause_ms: i64,
}

/// Looks every `interval`, until `stop` says so.
pub async fn run(ledger: Ledger, foreign: Foreign, interval: Duration, stop: watch::Receiver<bool>) {
    let mut ticks = Ticks::new(interval, stop);
    let mut turns: HashMap<PaymentId, Turn> = HashMap::new();
    let mut running = JoinSet::new();
    while ticks.next().await {
        while running.try_join_next().is_some() {}
        let unknown = foreign.unknown();
        let names: HashSet<PaymentId> = unknown.iter().map(|open| open.payment).collect();
        turns.retain(|payment, _| names.contains(payment));
        let now = foreign.now();
        for open in unknown {
            if running.len() >= RUNNING_MAX {
                break;
            }
            if !is_asked_for(&foreign, &open, now) {
                continue;
            }
            let turn = turns.entry(open.payment).or_insert(Turn { at: now, pause_ms: PAUSE_MS });
            if now < turn.at {
                continue;
            }
            *turn = Turn {
                at: now.plus(turn.pause_ms),
                pause_ms: turn.pause_ms.saturating_mul(2).min(PAUSE_MS_MAX),
            };
            running.spawn(close(ledger.clone(), foreign.clone(), open));
        }
    }
}

/// Whether its facilitator may be asked for it now, or was heard already.
fn is_asked_for(foreign: &Foreign, open: &OpenIntent, now: UnixMillis) -> bool {
    let over = open.intent.over_at();
    foreign.is_wanted(open.payment)
        || foreign.heard_of(open.payment).is_some()
        || (now >= over && now < over.plus(ASKED_MS))
}

async fn close(ledger: Ledger, foreign: Foreign, open: OpenIntent) {
    let (payment, network) = (open.payment, &open.intent.network);
    let unread = match Unread::of(&open.intent) {
        Ok(unread) => unread,
        Err(error) => return tracing::error!(%payment, %error, "an open payment cannot be followed"),
    };
    let Some(transaction) = foreign.ask_again(payment, &unread).await else { return };
    match ledger.close(payment, Close::Moved(transaction)).await {
        Ok(()) => {
            tracing::info!(%payment, %network, %transaction, "settled, its facilitator says when asked again");
            foreign.inner.observer.closed(network, Closed::Moved);
        }
        Err(error) => {
            tracing::error!(%payment, %transaction, %error, "what its facilitator says is not written down");
        }
    }
}
