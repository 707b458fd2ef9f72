//! What goes into a batch and what comes out: [`Operation`] in, [`Outcome`] and [`Delta`] out.
//!
//! Plain data between `decide`, the memory and the store. A [`Delta`] holds rows and changes only, no states of
//! anything else: a store writes it without knowing why.

mod counts;
mod difference;
mod free;
mod given;
mod hold;
mod intent;
mod mover;
mod outgoing;
mod refusal;
mod resolution;
mod settlement;
mod transfer;
mod window;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use domain::{
    AgentId, Amount, B256, Fingerprint, IdempotencyKey, OutgoingId, PaymentId, PayoutDestination, ReplayKey,
    TransferId, UnixMillis, WalletId,
};

use crate::account::{Funding, RefundReason, Refunded, Transfer, Withdrawal};
use crate::difference::{Difference, Shown};
use crate::hold::HoldRequest;
use crate::intent::{OnChain, Token};
use crate::outgoing::{Outgoing, Step};
use crate::receipt::{ReceiptRecord, StoredResponse};
use crate::resolution::{Resolution, Resolving};
use crate::settlement::{Closing, Payout, PayoutPayment, Settlement};
use crate::share::{Moved, Share};
use crate::verdict::Verdict;
pub(crate) use counts::{CallChange, CallKey, Usage, UsageKey};
pub(crate) use difference::{DifferenceRow, GivenClosed, SUSPENSE, SUSPENSE_WALLET};
pub(crate) use free::{Cost, FreeKey};
pub(crate) use given::{Given, GivenBack, GivenPayment, GivenPayout, GivenProvider};
pub(crate) use hold::{FoundHold, HoldRow};
pub(crate) use intent::{ClosedRow, End, IntentRow};
pub(crate) use mover::MoverRow;
pub(crate) use outgoing::{GivenOutgoing, OutgoingRow, StepRow};
pub(crate) use refusal::Refusal;
pub(crate) use resolution::{GivenSuspended, ResolutionRow};
pub(crate) use settlement::{PaidRow, PayoutRow, SettlementNames, SettlementRow};
pub(crate) use transfer::{RefundRow, TransferRow};
pub(crate) use window::{Charged, HeldAt, WindowChange, WindowKey};

/// A row of `account`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AccountId(pub(crate) i64);

/// Where money comes from and goes to; made by the migration.
pub(crate) const EXTERNAL: AccountId = AccountId(1);

/// For how long an identifier and a stored response are kept.
pub(crate) const KEPT_MS: i64 = 24 * 3600 * 1000;

/// One thing to do, in commit order.
#[derive(Clone, Debug)]
pub(crate) enum Operation<'a> {
    Capture {
        request: &'a HoldRequest,
        held: HeldAt,
        cost: Cost,
        /// What is taken of it; none: all that it costs.
        used: Option<Amount>,
        /// Whether it has a row, which ends with it.
        recorded: bool,
        /// What the chain shows of it, where it has an intent.
        moved: Option<End>,
        /// Of what moved it, where that does not name it.
        share: Option<&'a Share>,
    },
    /// Write the row of a hold.
    Hold {
        request: &'a HoldRequest,
        held: HeldAt,
        cost: Cost,
        /// What it costs in any case.
        owed: Option<Amount>,
    },
    /// Write into the row of a hold what it costs in any case.
    Keep {
        payment: PaymentId,
        owed: Amount,
    },
    /// Delete it, and its intent where it has one.
    Void {
        payment: PaymentId,
        signed: bool,
    },
    /// The value of a captured payment moved, in this transaction.
    CloseIntent {
        payment: PaymentId,
        moved: &'a Moved,
    },
    Refund {
        payment: PaymentId,
        id: TransferId,
        /// None: all that is left.
        amount: Option<Amount>,
        reason: RefundReason,
        key: Option<&'a str>,
    },
    Fund {
        funding: &'a Funding,
        id: TransferId,
    },
    Withdraw {
        withdrawal: &'a Withdrawal,
        id: TransferId,
        /// Whether memory has its funds held.
        covered: bool,
    },
    Settle {
        closing: &'a Closing,
        destination: &'a PayoutDestination,
        names: SettlementNames,
    },
    Pay {
        payment: &'a PayoutPayment,
        id: TransferId,
    },
    /// What a chain shows of a payment that is closed.
    Differ {
        payment: PaymentId,
        shown: Shown,
        /// Names what books it, where it was written off and arrived.
        late: PaymentId,
    },
    /// What a person decides of money in suspense.
    Resolve {
        resolving: &'a Resolving,
        id: TransferId,
        late: PaymentId,
    },
    /// What became of a transfer out of our treasury.
    Step {
        /// Which, and which try of it.
        tried: (OutgoingId, u32),
        step: &'a Step,
        /// Of the payout, where it is paid by this.
        transfer: TransferId,
    },
    CreateWallet(WalletId),
    OpenProvider(&'a Arc<str>),
    /// The accounts of a provider that is paid at its own address.
    OpenDirect(&'a Arc<str>),
    OpenToken(&'a Token),
    Store {
        payment: PaymentId,
        response: &'a StoredResponse,
    },
}

/// What became of one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Captured(ReceiptRecord),
    Refunded(Refunded),
    /// A funding or a withdrawal.
    Moved(Transfer),
    Settled(Box<Settlement>),
    PaidOut(Box<Payout>),
    Differed(Box<Difference>),
    Stepped(Box<Outgoing>),
    Resolved(Box<Resolution>),
    Done,
    Refused(Refusal),
}

/// The last batch on disk, and sums that its audit checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marker {
    pub(crate) batch: i64,
    pub(crate) at: UnixMillis,
    /// The last payment's; they have no gaps, so it is their number too.
    pub(crate) seq: i64,
    pub(crate) gross: i64,
}

/// Everything that one commit changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Delta {
    pub(crate) marker: Marker,
    pub(crate) accounts: Vec<NewAccount>,
    pub(crate) payments: Vec<PaymentRow>,
    pub(crate) refunds: Vec<RefundRow>,
    pub(crate) transfers: Vec<TransferRow>,
    pub(crate) settlements: Vec<SettlementRow>,
    pub(crate) payouts: Vec<PayoutRow>,
    /// Payouts of earlier batches that are paid.
    pub(crate) paid: Vec<PaidRow>,
    /// What chains show otherwise.
    pub(crate) differences: Vec<DifferenceRow>,
    /// What persons decided of money in suspense.
    pub(crate) resolutions: Vec<ResolutionRow>,
    /// Transfers out of our treasury that begin, and what became of those and of earlier ones.
    pub(crate) outgoing: Vec<OutgoingRow>,
    pub(crate) steps: Vec<StepRow>,
    /// Who asked for what moves.
    pub(crate) movers: Vec<MoverRow>,
    /// What persons say became of payments of which nobody knew.
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) balances: BTreeMap<AccountId, Movement>,
    /// Net change of wallet balances: `balances` by wallet, for the memory.
    pub(crate) wallets: HashMap<WalletId, i64>,
    pub(crate) windows: BTreeMap<WindowKey, WindowChange>,
    pub(crate) calls: BTreeMap<CallKey, CallChange>,
    /// Net change of free calls, for the memory: the rows of payments say it too.
    pub(crate) free: BTreeMap<FreeKey, i64>,
    pub(crate) usage: BTreeMap<UsageKey, Usage>,
    pub(crate) responses: Vec<(PaymentId, StoredResponse)>,
    /// Identifiers that become free again, because their payment was refunded.
    pub(crate) released: Vec<(IdempotencyKey, PaymentId)>,
    /// Holds that begin.
    pub(crate) holds: Vec<HoldRow>,
    /// Earlier ones, and what they cost in any case from now on.
    pub(crate) kept: Vec<(PaymentId, Amount)>,
    /// Rows of holds that are over, captured or voided.
    pub(crate) ended: Vec<PaymentId>,
    /// Intents that begin with their holds.
    pub(crate) intents: Vec<IntentRow>,
    /// What the chain shows of earlier ones.
    pub(crate) closed: Vec<ClosedRow>,
    /// Earlier ones that went with a hold that was voided.
    pub(crate) unsigned: Vec<PaymentId>,
    /// Payments whose delivery is unconfirmed as this batch is written, its own included.
    pub(crate) open: Vec<PaymentId>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewAccount {
    pub(crate) id: AccountId,
    pub(crate) owner: Owner,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Wallet(WalletId),
    Provider(Arc<str>),
    Fee(Arc<str>),
    /// What a provider was promised and not paid yet.
    Payable(Arc<str>),
    /// What came in a token on a public network.
    Chain(Token),
    /// What a provider was paid at its own address.
    Direct(Arc<str>),
    /// The platform's share of that.
    Receivable(Arc<str>),
}

/// A row of `payment`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PaymentRow {
    pub(crate) seq: i64,
    pub(crate) id: PaymentId,
    pub(crate) agent: AgentId,
    pub(crate) wallet: WalletId,
    pub(crate) wallet_account: AccountId,
    pub(crate) provider: Arc<str>,
    pub(crate) provider_account: AccountId,
    pub(crate) fee_account: AccountId,
    pub(crate) route: Arc<str>,
    pub(crate) gross: Amount,
    pub(crate) fee: Amount,
    pub(crate) revision: u32,
    pub(crate) call: u64,
    pub(crate) replay: Option<ReplayKey>,
    pub(crate) digest: Option<B256>,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) idempotency: Option<IdempotencyKey>,
    pub(crate) held_at: UnixMillis,
    pub(crate) captured_at: UnixMillis,
    /// Those it was charged to beside its day and month.
    pub(crate) windows: Vec<Charged>,
    /// It was one of the day's free calls.
    pub(crate) free: bool,
    /// Where it was paid, if on a public network.
    pub(crate) on_chain: Option<Arc<OnChain>>,
    /// See [`ReceiptRecord::late_in`].
    pub(crate) late_in: Option<(Arc<str>, Arc<str>)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Movement {
    pub(crate) debit: i64,
    pub(crate) credit: i64,
}

// === impl Outcome ===

impl Outcome {
    /// Whether nothing is left of a payment, now or since before.
    pub(crate) const fn is_refunded(&self) -> bool {
        match self {
            Self::Refunded(refunded) => refunded.is_whole(),
            Self::Refused(refusal) => matches!(refusal, Refusal::RefundedBefore),
            _ => false,
        }
    }
}

// === impl Delta ===

impl Delta {
    /// Nothing yet, as the batch after `last`.
    pub(crate) fn after(last: Marker, at: UnixMillis) -> Self {
        let marker = Marker { batch: last.batch + 1, at: at.max(last.at), ..last };
        Self { marker, ..Self::default() }
    }

    /// Whether there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.payments.is_empty() && !self.has_holds() && !self.is_rare()
    }

    /// Whether holds on disk begin or end in it.
    pub(crate) fn has_holds(&self) -> bool {
        !(self.holds.is_empty() && self.kept.is_empty() && self.ended.is_empty() && self.closed.is_empty())
    }

    /// Whether holds for public networks are signed, change or end in it.
    pub(crate) fn has_intents(&self) -> bool {
        !(self.intents.is_empty()
            && self.unsigned.is_empty()
            && self.closed.is_empty()
            && self.kept.is_empty())
    }

    /// Whether there is more than captures and holds in it.
    pub(crate) fn is_rare(&self) -> bool {
        !(self.accounts.is_empty()
            && self.refunds.is_empty()
            && self.transfers.is_empty()
            && self.settlements.is_empty()
            && self.differences.is_empty()
            && self.resolutions.is_empty()
            && self.steps.is_empty()
            && self.verdicts.is_empty()
            && self.responses.is_empty())
    }
}

// === impl PaymentRow ===

impl PaymentRow {
    pub(crate) fn receipt(&self) -> ReceiptRecord {
        ReceiptRecord {
            payment: self.id,
            agent: self.agent,
            provider: Arc::clone(&self.provider),
            route: Arc::clone(&self.route),
            amount: self.gross,
            fee: self.fee,
            transaction: self.transaction(),
            captured_at: self.captured_at,
            on_chain: self.on_chain.clone(),
            late_in: self.late_in.clone(),
        }
    }

    fn transaction(&self) -> B256 {
        let moved = self.on_chain.as_ref().and_then(|on_chain| on_chain.transaction?.evm());
        moved.or(self.digest).unwrap_or_else(|| self.id.digest())
    }

    /// Whether the same request can be recognised when it comes again.
    pub(crate) fn is_keyed(&self) -> bool {
        self.replay.is_some() || self.idempotency.is_some()
    }
}
