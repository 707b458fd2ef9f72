//! Rows of transfers out of our treasury as the tables have them, and what they mean.

use std::sync::Arc;

use domain::{Address, B256, ChainAccount, OutgoingId, PaymentId, UnixMillis};
use sqlx::FromRow;

use super::rows::{Damaged, amount, fixed};
use crate::batch::GivenOutgoing;
use crate::outgoing::{Outgoing, OutgoingState, Stepped};

/// Transfers out of our treasury, each as it stands (`o`) or as it was after a step (`s`); ends before its condition.
macro_rules! outgoing {
    () => {
        outgoing!("o", "o.steps", "o.changed_at", "o.batch", "")
    };
    (steps) => {
        outgoing!("s", "s.number", "s.at", "s.batch", "join outgoing_step s on s.outgoing = o.id")
    };
    ($of:literal, $steps:literal, $changed_at:literal, $batch:literal, $join:literal) => {
        concat!(
            "
select o.id, a.provider, p.id as payment, o.network, o.token, o.recipient, o.amount, ",
            $of,
            ".state, ",
            $of,
            ".hash, ",
            $of,
            ".reason, o.tries, ",
            $steps,
            " as steps, o.at, o.suspense, ",
            $changed_at,
            " as changed_at, ",
            $batch,
            " as batch
from outgoing o join account a on a.id = o.provider left join payment p on p.seq = o.payment ",
            $join,
            "
"
        )
    };
}
pub(crate) use outgoing;

/// Those of these names.
pub(crate) const OUTGOING: &str =
    concat!(outgoing!(), "where o.id in (select unhex(value) from json_each($1))");

/// Those that left by these transactions, or may have.
pub(crate) const LEFT: &str =
    "select o.id, o.hash from outgoing o where o.hash in (select unhex(value) from json_each($1))";

/// Refunds of these payments that were not sent yet.
pub(crate) const UNSENT: &str =
    concat!(outgoing!(), "where o.state = 'due' and p.id in (select unhex(value) from json_each($1))");

/// `$1` the day's start: what people gave back since, by network.
pub(crate) const REFUNDED_TODAY: &str = "
select b.network, cast(sum(b.amount) as bigint) from (
  select o.network, o.amount from outgoing o join refund r on r.id = o.id
  where o.payment is not null and o.at >= $1 and o.state <> 'void' and r.idempotency_key is not null
  union all select o.network, o.amount from outgoing o where o.suspense is not null and o.at >= $1) b
group by b.network";

#[derive(Debug, FromRow)]
pub(crate) struct OutgoingColumns {
    id: Vec<u8>,
    provider: String,
    payment: Option<Vec<u8>>,
    network: String,
    token: Vec<u8>,
    recipient: Vec<u8>,
    amount: i64,
    state: String,
    hash: Option<Vec<u8>>,
    reason: Option<String>,
    tries: i64,
    steps: i64,
    at: i64,
    suspense: Option<Vec<u8>>,
    changed_at: i64,
    pub(crate) batch: i64,
}

// === impl OutgoingColumns ===

impl OutgoingColumns {
    pub(crate) fn read(self) -> Result<Outgoing, Damaged> {
        Ok(Outgoing {
            id: OutgoingId::from_bytes(fixed(&self.id)?),
            provider: Arc::from(self.provider),
            refund_of: self.payment.as_deref().map(fixed).transpose()?.map(PaymentId::from_bytes),
            suspense_of: self.suspense.as_deref().map(fixed).transpose()?.map(PaymentId::from_bytes),
            to: ChainAccount {
                network: Arc::from(self.network),
                token: Address::new(fixed(&self.token)?),
                address: Address::new(fixed(&self.recipient)?),
            },
            amount: amount(self.amount)?,
            state: OutgoingState::parse(&self.state).ok_or(Damaged("state"))?,
            transaction: self.hash.as_deref().map(fixed).transpose()?.map(B256::new),
            reason: self.reason,
            tries: u32::try_from(self.tries).map_err(|_| Damaged("count"))?,
            at: UnixMillis(self.at),
            changed_at: UnixMillis(self.changed_at),
        })
    }

    /// One after a step.
    pub(crate) fn stepped(self) -> Result<Stepped, Damaged> {
        let number = u64::try_from(self.steps).map_err(|_| Damaged("count"))?;
        let (batch, outgoing) = (self.batch, self.read()?);
        Ok(Stepped { batch, name: outgoing.id.step(number), outgoing })
    }

    pub(crate) fn given(self) -> Result<GivenOutgoing, Damaged> {
        let steps = self.steps;
        Ok(GivenOutgoing { outgoing: self.read()?, steps })
    }
}
