//! Rows of `hold`, as a start finds them: what a crash left on its way to the upstream.

use std::collections::HashMap;
use std::sync::Arc;

use domain::price::{Tier, Tiers};
use domain::{
    AgentId, B256, BasisPoints, Capture, Fingerprint, IdempotencyKey, PaymentId, Price, ReplayKey,
    UnixMillis, WalletId,
};
use sqlx::FromRow;

use super::intents::{IntentColumns, intents};
use super::rows::{Damaged, amount, fixed};
use super::session::{Session, on_either};
use super::windows::read_limits;
use crate::batch::{FoundHold, HeldAt};
use crate::hold::HoldRequest;
use crate::intent::Intent;

/// Holds, with other columns of theirs where some are named; ends before its condition.
macro_rules! holds {
    ($($more:literal)?) => {
        concat!(
            "
select h.payment, h.agent, w.wallet, o.provider, h.route, h.price, h.capture, h.revision, h.fee_points, h.per_day,
  h.per_month, h.limits, h.free, h.owed, h.replay_key, h.digest, h.fingerprint, h.idempotency, h.held_at",
            $(", ", $more,)?
            "
from hold h join account w on w.id = h.wallet join account o on o.id = h.provider
"
        )
    };
}
pub(crate) use holds;

#[derive(Debug, FromRow)]
pub(crate) struct HoldColumns {
    payment: Vec<u8>,
    agent: Vec<u8>,
    wallet: Vec<u8>,
    provider: String,
    route: String,
    price: String,
    capture: String,
    revision: i64,
    fee_points: i64,
    per_day: Option<i64>,
    per_month: Option<i64>,
    limits: String,
    free: i64,
    owed: Option<i64>,
    replay_key: Option<Vec<u8>>,
    digest: Option<Vec<u8>>,
    fingerprint: Vec<u8>,
    idempotency: Option<Vec<u8>>,
    held_at: i64,
}

/// Intents of holds.
const SIGNED: &str = concat!(intents!(), "where i.payment in (select payment from hold)");

/// Every hold on disk, with its intent where it has one.
pub(super) async fn found(session: &mut Session<'_>) -> Result<Vec<FoundHold>, sqlx::Error> {
    let rows: Vec<HoldColumns> = on_either!(session, c => sqlx::query_as(holds!()).fetch_all(c))?;
    let signed: Vec<IntentColumns> = on_either!(session, c => sqlx::query_as(SIGNED).fetch_all(c))?;
    Ok(read(rows, signed))
}

/// Holds that can be read, each with its intent where it has one.
pub(crate) fn read(rows: Vec<HoldColumns>, signed: Vec<IntentColumns>) -> Vec<FoundHold> {
    let signed = signed.into_iter().map(|columns| {
        let payment = columns.payment.clone();
        (payment, columns.read().map(|open| open.intent))
    });
    let mut signed: HashMap<Vec<u8>, Result<Arc<Intent>, Damaged>> = signed.collect();
    let with_intent = |columns: HoldColumns| {
        // One whose intent cannot be read is not one without.
        let intent = signed.remove(&columns.payment);
        readable(columns, intent)
    };
    rows.into_iter().filter_map(with_intent).collect()
}

/// A hold, if it can be read. One that cannot stays held by its row: nobody knows what to do about it, and it keeps nobody from looking
/// after the others.
pub(crate) fn readable(
    columns: HoldColumns,
    intent: Option<Result<Arc<Intent>, Damaged>>,
) -> Option<FoundHold> {
    let payment = fixed(&columns.payment).map(PaymentId::from_bytes).ok();
    let hold = columns.read().and_then(|mut hold| {
        hold.request.intent = intent.transpose()?;
        Ok(hold)
    });
    let tell = |damaged: &Damaged| {
        let payment = payment.map(tracing::field::display);
        tracing::error!(payment, column = damaged.0, "a hold on disk cannot be read: nobody looks after it");
    };
    hold.inspect_err(tell).ok()
}

/// A price as the table keeps it.
pub(crate) fn price(price: &Price) -> String {
    let steps: Vec<(u64, i64)> = match price {
        // Nothing is held on a free route.
        Price::Free => Vec::new(),
        Price::Fixed(amount) => vec![(1, amount.atomic())],
        // What it used is said when it is captured.
        Price::Metered(metered) => vec![(1, metered.maximum().atomic())],
        Price::Tiered(tiers) => {
            tiers.as_slice().iter().map(|tier| (tier.from_call, tier.amount.atomic())).collect()
        }
    };
    // Pairs of numbers always serialize.
    serde_json::to_string(&steps).unwrap_or_default()
}

/// When a hold is captured, as the table keeps it.
pub(crate) const fn capture(capture: Capture) -> &'static str {
    match capture {
        Capture::Before => "before",
        Capture::After => "after",
    }
}

fn read_capture(text: &str) -> Result<Capture, Damaged> {
    let known = [Capture::Before, Capture::After].into_iter().find(|known| capture(*known) == text);
    known.ok_or(Damaged("capture"))
}

fn read_price(text: &str) -> Result<Price, Damaged> {
    let steps: Vec<(u64, i64)> = serde_json::from_str(text).map_err(|_| Damaged("price"))?;
    let tier = |(from_call, units): (u64, i64)| Ok(Tier { from_call, amount: amount(units)? });
    let tiers = steps.into_iter().map(tier).collect::<Result<Vec<Tier>, Damaged>>()?;
    match tiers.as_slice() {
        [Tier { from_call: 1, amount }] => Ok(Price::Fixed(*amount)),
        _ => Tiers::new(tiers).map(Price::Tiered).map_err(|_| Damaged("price")),
    }
}

// === impl HoldColumns ===

impl HoldColumns {
    pub(crate) fn read(self) -> Result<FoundHold, Damaged> {
        let limit = |units: Option<i64>| units.map(amount).transpose();
        let fee = u16::try_from(self.fee_points).ok().and_then(BasisPoints::new).ok_or(Damaged("fee"))?;
        let request = HoldRequest {
            payment: PaymentId::from_bytes(fixed(&self.payment)?),
            agent: AgentId::from_bytes(fixed(&self.agent)?),
            wallet: WalletId::from_bytes(fixed(&self.wallet)?),
            provider: Arc::from(self.provider),
            route: Arc::from(self.route),
            price: read_price(&self.price)?,
            capture: read_capture(&self.capture)?,
            revision: u32::try_from(self.revision).map_err(|_| Damaged("revision"))?,
            fee,
            per_day: limit(self.per_day)?,
            per_month: limit(self.per_month)?,
            limits: read_limits(&self.limits)?,
            // Decided already, one way or the other.
            free_per_day: 0,
            replay: self.replay_key.as_deref().map(fixed).transpose()?.map(ReplayKey::from_bytes),
            digest: self.digest.as_deref().map(fixed).transpose()?.map(B256::new),
            fingerprint: Fingerprint::from_bytes(fixed(&self.fingerprint)?),
            intent: None,
            idempotency: self.idempotency.as_deref().map(fixed).transpose()?.map(IdempotencyKey::from_bytes),
            unsettled_max: None,
        };
        let held = HeldAt::new(UnixMillis(self.held_at));
        Ok(FoundHold { request, held, free: self.free == 1, owed: limit(self.owed)? })
    }
}

#[cfg(test)]
mod tests {
    use domain::Amount;

    use super::*;

    #[test]
    fn a_price_is_read_as_it_was_written() {
        let units = |units| Amount::from_atomic(units).unwrap();
        let tier = |from_call, amount| Tier { from_call, amount: units(amount) };
        let tiered = Price::Tiered(Tiers::new(vec![tier(1, 90), tier(3, 80), tier(9, 0)]).unwrap());
        for kept in [Price::Fixed(units(2_500)), tiered] {
            assert_eq!(read_price(&price(&kept)).unwrap(), kept);
        }
        for damaged in ["", "[]", "[[2,1]]", "[[1,-5]]", "[[1,5],[2,6]]"] {
            assert!(read_price(damaged).is_err(), "{damaged}");
        }
    }
}
