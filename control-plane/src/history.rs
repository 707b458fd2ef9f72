//! [`History`]: what the ledger committed, as the sequencer and the dispatcher read it.

use async_trait::async_trait;
use domain::WalletId;
use ledger::{
    CapturedRange, Difference, Ledger, LedgerError, Order, Outgoing, Page, Paid, PaymentFilter,
    PaymentRecord, Payout, RefundChange, RefundReason, Resolution, Settlement, Transfer, TransferKind,
    Verdict,
};
use registry::Actor;
use registry::actor::NobodyError;
use registry::alert::Balance;
use serde::Serialize;
use serde_json::Value;

use crate::money::Money;
use crate::payments::OnChainView;
use crate::sequencer::movements::{Captured, Changes, Head, Movement, Movements, ReadError, What};
use crate::webhooks::message::{CapturedBatch, MEMBERS_MAX, Members, MembersError};

/// The ledger's committed rows.
#[derive(Clone)]
pub struct History(Ledger);

/// A payment in the body of a webhook. What can still change of it is not told, so that a body is the same each time it is sent, but for
/// the transaction of a payment that a public network settles later.
#[derive(Serialize)]
struct Member {
    id: String,
    seq: i64,
    agent: String,
    wallet: String,
    route: String,
    revision: u32,
    amount: Money,
    fee: Money,
    transaction: Option<String>,
    on_chain: Option<OnChainView>,
    captured_at: String,
}

// === impl History ===

impl History {
    /// That of one ledger.
    #[must_use]
    pub const fn new(ledger: Ledger) -> Self {
        Self(ledger)
    }

    fn member(&self, payment: &PaymentRecord) -> Result<Value, MembersError> {
        let (receipt, asset) = (&payment.receipt, self.0.asset());
        let member = Member {
            id: receipt.payment.to_string(),
            seq: payment.number,
            agent: receipt.agent.to_string(),
            wallet: payment.wallet.to_string(),
            route: receipt.route.to_string(),
            revision: payment.revision,
            amount: Money::paid(receipt.amount, receipt, asset),
            fee: Money::paid(receipt.fee, receipt, asset),
            transaction: receipt.moved_by(),
            on_chain: receipt.on_chain.as_deref().map(OnChainView::from),
            captured_at: receipt.captured_at.to_string(),
        };
        serde_json::to_value(member).map_err(|error| MembersError(error.to_string()))
    }
}

#[async_trait]
impl Movements for History {
    async fn head(&self) -> Result<Head, ReadError> {
        let head = self.0.head().await?;
        Ok(Head { batch: number(head.batch), seq: number(head.number) })
    }

    async fn captured(&self, after: u64, upto: u64) -> Result<Vec<Captured>, ReadError> {
        let ranges = self.0.captured_between((signed(after), signed(upto))).await?;
        Ok(ranges.into_iter().map(Captured::from).collect())
    }

    async fn changes(&self, after: u64, upto: u64, limit: u32) -> Result<Changes, ReadError> {
        let changes = self.0.changes((signed(after), signed(upto)), limit).await?;
        let mut items: Vec<(i64, Movement)> = Vec::new();
        let who = |name: &[u8; 16]| changes.movers.get(name).map(|who| who.parse::<Actor>()).transpose();
        for (batch, transfer) in changes.transfers {
            items.push((batch, transferred(who(transfer.id.as_bytes())?, transfer)));
        }
        for change in changes.refunds {
            items.push((change.batch, refunded(who(change.refunded.id.as_bytes())?, &change)));
        }
        for (batch, settlement) in changes.settlements {
            items.push((batch, settled(who(settlement.id.as_bytes())?, &settlement)));
        }
        items.extend(changes.payouts.into_iter().map(|(batch, made)| (batch, payout(None, &made, None))));
        for (batch, made) in changes.paid {
            let Some(paid) = made.paid.clone() else { continue };
            items.push((batch, payout(who(paid.transfer.as_bytes())?, &made, Some(paid))));
        }
        for (batch, difference) in &changes.differences {
            items.push((*batch, differed(difference)));
        }
        for (batch, resolution) in &changes.resolutions {
            items.push((*batch, resolved(who(resolution.id.as_bytes())?, resolution)));
        }
        for (batch, said) in &changes.verdicts {
            items.push((*batch, verdict(who(said.payment.as_bytes())?, said)));
        }
        for step in changes.outgoing {
            items.push((step.batch, outgoing(who(&step.name)?, step.outgoing)));
        }
        // Stable: within a batch what came of another thing stays behind it.
        items.sort_by_key(|(batch, _)| *batch);
        let items = items.into_iter().map(|(_, movement)| movement).collect();
        Ok(Changes { items, upto: number(changes.upto) })
    }

    async fn touched(&self, after: Head, upto: Head) -> Result<Vec<WalletId>, ReadError> {
        let place = |head: Head| ledger::Head { batch: signed(head.batch), number: signed(head.seq) };
        Ok(self.0.touched(place(after), place(upto)).await?)
    }

    async fn balances(&self, wallets: &[WalletId]) -> Result<Vec<Balance>, ReadError> {
        let at = self.0.time();
        let balances = self.0.committed_balances(wallets).await?.into_iter();
        Ok(balances
            .map(|(wallet, balance, batch)| Balance { wallet, balance, batch: number(batch), at })
            .collect())
    }
}

#[async_trait]
impl Members for History {
    async fn captured(&self, batch: &CapturedBatch) -> Result<Vec<Value>, MembersError> {
        let filter = PaymentFilter {
            provider: Some(batch.provider.as_str().into()),
            numbers: Some((signed(batch.first_seq), signed(batch.last_seq))),
            ..PaymentFilter::default()
        };
        let mut page = Page { after: None, limit: MEMBERS_MAX as usize, order: Order::Oldest };
        let mut members = Vec::new();
        loop {
            let listed = self.0.payments(&filter, page).await;
            let listed = listed.map_err(|error| MembersError(error.to_string()))?;
            for payment in listed.items.iter().take(MEMBERS_MAX as usize - members.len()) {
                members.push(self.member(payment)?);
            }
            match listed.next.filter(|_| members.len() < MEMBERS_MAX as usize) {
                Some(next) => page.after = Some(next),
                None => return Ok(members),
            }
        }
    }
}

fn transferred(who: Option<Actor>, transfer: Transfer) -> Movement {
    let Transfer { id, kind, wallet, amount, external_reference, at } = transfer;
    let incoming = kind != TransferKind::Withdrawal;
    let what = What::Transferred { id, wallet, amount, incoming, reference: external_reference };
    Movement { at, who, what }
}

fn refunded(who: Option<Actor>, change: &RefundChange) -> Movement {
    let refund = &change.refunded;
    if let (RefundReason::WrittenOff, Some(on_chain)) = (refund.reason, &change.on_chain) {
        let what = What::WrittenOff {
            payment: refund.payment,
            provider: change.provider.to_string(),
            network: on_chain.network.to_string(),
            token: on_chain.token.to_string(),
            payer: on_chain.payer.to_string(),
            custody: if on_chain.direct { "direct" } else { "treasury" },
            amount: refund.amount,
            fee: refund.fee,
        };
        return Movement { at: refund.at, who, what };
    }
    let what = What::Refunded {
        id: refund.id,
        payment: refund.payment,
        provider: change.provider.to_string(),
        wallet: change.wallet,
        token: change.on_chain.as_ref().map(|paid| (paid.network.to_string(), paid.token.to_string())),
        amount: refund.amount,
        fee: refund.fee,
        reason: refund.reason.name(),
    };
    Movement { at: refund.at, who, what }
}

fn differed(difference: &Difference) -> Movement {
    let what = What::Differed {
        payment: difference.payment,
        provider: difference.provider.to_string(),
        network: difference.network.to_string(),
        token: difference.token.to_string(),
        booked: difference.booked,
        way: difference.differs.name(),
        transaction: difference.differs.transaction().to_string(),
        amount: difference.amount,
        late: difference.late,
    };
    Movement { at: difference.at, who: None, what }
}

fn resolved(who: Option<Actor>, resolution: &Resolution) -> Movement {
    let what = What::Resolved {
        id: resolution.id,
        payment: resolution.payment,
        provider: resolution.provider.to_string(),
        network: resolution.network.to_string(),
        token: resolution.token.to_string(),
        to: resolution.owed,
        amount: resolution.amount,
        is_loss: resolution.is_loss,
        reason: resolution.reason.clone(),
        booked: resolution.booked,
    };
    Movement { at: resolution.at, who, what }
}

fn verdict(who: Option<Actor>, said: &Verdict) -> Movement {
    let what = What::Verdict {
        payment: said.payment,
        network: said.network.to_string(),
        token: said.token.to_string(),
        amount: said.amount,
        transaction: said.transaction.map(|transaction| transaction.to_string()),
    };
    Movement { at: said.at, who, what }
}

fn settled(who: Option<Actor>, settlement: &Settlement) -> Movement {
    let what = What::Settled {
        id: settlement.id,
        provider: settlement.provider.to_string(),
        payments: settlement.payments,
        gross: settlement.gross,
        fee: settlement.fee,
        refunds: settlement.refunds,
        adjustments: settlement.adjustments,
        net: settlement.net,
    };
    Movement { at: settlement.at, who, what }
}

/// Made, or with `paid` paid.
fn payout(who: Option<Actor>, payout: &Payout, paid: Option<Paid>) -> Movement {
    let at = paid.as_ref().map_or(payout.at, |paid| paid.at);
    let what = What::Payout {
        id: payout.id,
        settlement: payout.settlement,
        provider: payout.provider.to_string(),
        rail: payout.destination.rail(),
        amount: payout.amount,
        paid: paid.map(|paid| paid.reference),
    };
    Movement { at, who, what }
}

/// After a step.
fn outgoing(who: Option<Actor>, outgoing: Outgoing) -> Movement {
    let what = What::Outgoing {
        id: outgoing.id,
        payout: outgoing.payout(),
        payment: outgoing.refund_of,
        difference: outgoing.suspense_of,
        provider: outgoing.provider.to_string(),
        to: outgoing.to,
        amount: outgoing.amount,
        state: outgoing.state.name(),
        transaction: outgoing.transaction.map(|transaction| transaction.to_string()),
        reason: outgoing.reason,
    };
    Movement { at: outgoing.changed_at, who, what }
}

/// Numbers of batches and payments are never negative.
fn number(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or(0)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

// === impl Captured ===

impl From<CapturedRange> for Captured {
    fn from(range: CapturedRange) -> Self {
        Self {
            provider: range.provider.to_string(),
            first_seq: number(range.first),
            last_seq: number(range.last),
            count: range.count,
            gross: range.gross,
            fee: range.fee,
            at: range.at,
        }
    }
}

// === impl ReadError ===

impl From<LedgerError> for ReadError {
    fn from(error: LedgerError) -> Self {
        Self(error.to_string())
    }
}

impl From<NobodyError> for ReadError {
    /// Nobody is made up: events wait for whoever mends it.
    fn from(error: NobodyError) -> Self {
        Self(error.to_string())
    }
}

impl std::fmt::Debug for History {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("History").finish_non_exhaustive()
    }
}
