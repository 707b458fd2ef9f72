//! Rows of settlements and payouts as the tables have them, and what they mean.

use std::sync::Arc;

use domain::{B256, PayoutDestination, PayoutId, SettlementId, TransferId, UnixMillis, WalletId};
use sqlx::FromRow;

use super::rows::{Damaged, amount, fixed};
use crate::batch::{AccountId, GivenPayout, GivenProvider};
use crate::outgoing::OutgoingState;
use crate::settlement::{Paid, Payout, Sending, Settlement};

/// Settlements; ends before its condition.
macro_rules! settlements {
    () => {
        "
select s.id, a.provider, s.number, s.since, s.cut, s.payments, s.gross, s.fee, s.refunds, s.adjustments, s.net,
  o.id as payout, s.at, s.batch
from settlement s join account a on a.id = s.provider join payout o on o.settlement = s.id
"
    };
}
pub(crate) use settlements;

/// Payouts; ends before its condition.
macro_rules! payouts {
    () => {
        "
select o.id, o.settlement, a.provider, o.payable, o.rail, w.wallet, o.destination, o.amount, o.at, o.batch,
  t.id as transfer, t.external_reference, t.at as paid_at, o.paid_batch, g.state, g.hash, g.reason
from payout o join account a on a.id = o.provider left join account w on w.id = o.wallet
  left join transfer t on t.id = o.transfer left join outgoing g on g.id = o.id
"
    };
}
pub(crate) use payouts;

/// The payouts of these names.
pub(crate) const PAYOUT: &str = concat!(payouts!(), "where o.id in (select unhex(value) from json_each($1))");

/// Where the settlements of a provider of these names stand; the last one is found by its number.
pub(crate) const LAST_SETTLEMENT: &str = "
select a.provider, d.id as payable, s.number, s.cut, s.through
from account a left join account d on d.provider = a.provider and d.kind = 'payable'
  left join settlement s on s.provider = a.id
    and s.number = (select max(l.number) from settlement l where l.provider = a.id)
where a.kind = 'provider' and a.provider in (select value from json_each($1))";

#[derive(Debug, FromRow)]
pub(crate) struct SettlementColumns {
    id: Vec<u8>,
    provider: String,
    number: i64,
    since: i64,
    cut: i64,
    payments: i64,
    gross: i64,
    fee: i64,
    refunds: i64,
    adjustments: i64,
    net: i64,
    payout: Vec<u8>,
    at: i64,
    pub(crate) batch: i64,
}

#[derive(Debug, FromRow)]
pub(crate) struct PayoutColumns {
    id: Vec<u8>,
    settlement: Vec<u8>,
    provider: String,
    payable: i64,
    rail: String,
    wallet: Option<Vec<u8>>,
    destination: Option<String>,
    amount: i64,
    at: i64,
    pub(crate) batch: i64,
    transfer: Option<Vec<u8>>,
    external_reference: Option<String>,
    paid_at: Option<i64>,
    pub(crate) paid_batch: Option<i64>,
    state: Option<String>,
    hash: Option<Vec<u8>>,
    reason: Option<String>,
}

#[derive(Debug, FromRow)]
pub(crate) struct LastColumns {
    provider: String,
    payable: Option<i64>,
    number: Option<i64>,
    cut: Option<i64>,
    through: Option<i64>,
}

// === impl SettlementColumns ===

impl SettlementColumns {
    pub(crate) fn read(self) -> Result<Settlement, Damaged> {
        Ok(Settlement {
            id: SettlementId::from_bytes(fixed(&self.id)?),
            provider: Arc::from(self.provider),
            number: u32::try_from(self.number).map_err(|_| Damaged("number"))?,
            since: self.since,
            cut: self.cut,
            payments: u64::try_from(self.payments).map_err(|_| Damaged("count"))?,
            gross: amount(self.gross)?,
            fee: amount(self.fee)?,
            refunds: amount(self.refunds)?,
            adjustments: amount(self.adjustments)?,
            net: amount(self.net)?,
            payout: PayoutId::from_bytes(fixed(&self.payout)?),
            at: UnixMillis(self.at),
        })
    }
}

// === impl PayoutColumns ===

impl PayoutColumns {
    pub(crate) fn read(self) -> Result<Payout, Damaged> {
        let wallet = self.wallet.as_deref().map(fixed).transpose()?.map(WalletId::from_bytes);
        let destination = match (&*self.rail, wallet, self.destination) {
            ("ledger", Some(wallet), _) => PayoutDestination::Wallet(wallet),
            ("manual", None, Some(text)) => PayoutDestination::Manual(text),
            ("chain", None, Some(text)) => {
                PayoutDestination::Chain(text.parse().map_err(|_| Damaged("destination"))?)
            }
            _ => return Err(Damaged("destination")),
        };
        let transaction = self.hash.as_deref().map(fixed).transpose()?.map(B256::new);
        let state = self.state.as_deref().map(|text| OutgoingState::parse(text).ok_or(Damaged("state")));
        let sending = state.transpose()?.map(|state| Sending { state, transaction, reason: self.reason });
        let paid = match (self.transfer, self.paid_at) {
            (Some(transfer), Some(at)) => Some(Paid {
                transfer: TransferId::from_bytes(fixed(&transfer)?),
                reference: self.external_reference.unwrap_or_default(),
                at: UnixMillis(at),
            }),
            _ => None,
        };
        Ok(Payout {
            id: PayoutId::from_bytes(fixed(&self.id)?),
            settlement: SettlementId::from_bytes(fixed(&self.settlement)?),
            provider: Arc::from(self.provider),
            destination,
            amount: amount(self.amount)?,
            at: UnixMillis(self.at),
            paid,
            sending,
        })
    }

    pub(crate) fn given(self) -> Result<GivenPayout, Damaged> {
        let payable = AccountId(self.payable);
        Ok(GivenPayout { payout: self.read()?, payable })
    }
}

// === impl LastColumns ===

impl LastColumns {
    pub(crate) fn given(self) -> Result<(Arc<str>, GivenProvider), Damaged> {
        let given = GivenProvider {
            payable: self.payable.map(AccountId),
            number: u32::try_from(self.number.unwrap_or(0)).map_err(|_| Damaged("number"))?,
            cut: self.cut.unwrap_or(0),
            through: self.through.unwrap_or(0),
        };
        Ok((Arc::from(self.provider), given))
    }
}
