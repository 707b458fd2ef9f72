//! [`Command`]: what goes through the writer's queue, with the one who waits for it.

use std::sync::Arc;

use domain::{AgentId, Amount, PaymentId, PayoutDestination, TransferId, UnixMillis, WalletId};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::account::{Funding, RefundReason, Refunded, Transfer};
use crate::batch::{Operation, Refusal, SettlementNames};
use crate::commit::Wanted;
use crate::difference::{Difference, Shown};
use crate::error::{CaptureError, HoldError, LedgerError, VoidError};
use crate::facts::Facts;
use crate::hold::{Hold, Holding, Stage};
use crate::intent::Token;
use crate::outgoing::{Outgoing, Step};
use crate::receipt::{Receipt, StoredResponse};
use crate::resolution::{Resolution, Resolving};
use crate::settlement::{Closing, Payout, PayoutPayment, Settlement};
use crate::share::Moved;
use crate::withdrawal::Withdrawing;

pub(crate) type Reply<T> = oneshot::Sender<Result<T, LedgerError>>;

/// A command that becomes an operation of a batch brings its permit; the others do not pile up: each sender waits
/// for its answer and has a permit or a connection of its own.
#[derive(Debug)]
pub(crate) enum Command {
    Operation(Work),
    /// Decide and answer, and write nothing.
    DryRun(Work),
    /// Read these facts into memory.
    Load {
        wallet: WalletId,
        agent: AgentId,
        reply: Reply<()>,
    },
    /// Stand still between two batches until the given sender is used or dropped.
    Pause(oneshot::Sender<oneshot::Sender<()>>),
    /// Look at the phase.
    Wake,
}

/// An operation, who waits for it, and the place in the queue that it lets go of when it is over.
#[derive(Debug)]
pub(crate) enum Work {
    Capture {
        holding: Box<Holding>,
        /// None: nobody waits.
        reply: Option<oneshot::Sender<Result<Receipt, CaptureError>>>,
    },
    /// Write the row of a hold that is to outlive the process.
    Hold {
        holding: Box<Holding>,
        reply: oneshot::Sender<Result<Hold, HoldError>>,
    },
    /// Delete it: nothing is charged.
    Void {
        holding: Box<Holding>,
        /// None: nobody waits.
        reply: Option<oneshot::Sender<Result<(), VoidError>>>,
    },
    Refund {
        payment: PaymentId,
        id: TransferId,
        /// None: all that is left.
        amount: Option<Amount>,
        reason: RefundReason,
        /// The idempotency key of a person who asks.
        key: Option<String>,
        /// Who asks; none where the gateway gives it back by itself. The same below.
        who: Option<Arc<str>>,
        /// None: nobody waits, and it is tried again until it stands.
        reply: Option<Reply<Refunded>>,
        _permit: Option<OwnedSemaphorePermit>,
    },
    Fund {
        funding: Funding,
        id: TransferId,
        who: Option<Arc<str>>,
        reply: Reply<Transfer>,
        _permit: OwnedSemaphorePermit,
    },
    Withdraw {
        withdrawing: Withdrawing,
        id: TransferId,
        who: Option<Arc<str>>,
        reply: Reply<Transfer>,
        _permit: OwnedSemaphorePermit,
    },
    Settle {
        closing: Box<Closing>,
        destination: PayoutDestination,
        names: SettlementNames,
        who: Option<Arc<str>>,
        reply: Reply<Settlement>,
        _permit: OwnedSemaphorePermit,
    },
    Pay {
        payment: PayoutPayment,
        id: TransferId,
        who: Option<Arc<str>>,
        reply: Reply<Payout>,
        _permit: OwnedSemaphorePermit,
    },
    Differ {
        payment: PaymentId,
        shown: Shown,
        late: PaymentId,
        reply: Reply<Option<Difference>>,
        _permit: OwnedSemaphorePermit,
    },
    Resolve {
        resolving: Box<Resolving>,
        id: TransferId,
        late: PaymentId,
        who: Option<Arc<str>>,
        reply: Reply<Resolution>,
        _permit: OwnedSemaphorePermit,
    },
    /// What became of a transfer out of our treasury.
    Step {
        outgoing: Box<Outgoing>,
        step: Step,
        transfer: TransferId,
        who: Option<Arc<str>>,
        reply: Reply<Outgoing>,
        _permit: OwnedSemaphorePermit,
    },
    CreateWallet {
        wallet: WalletId,
        reply: Reply<()>,
        _permit: OwnedSemaphorePermit,
    },
    OpenProvider {
        name: Arc<str>,
        reply: Reply<()>,
        _permit: OwnedSemaphorePermit,
    },
    /// The accounts of a provider that is paid at its own address.
    OpenDirect {
        name: Arc<str>,
        reply: Reply<()>,
        _permit: OwnedSemaphorePermit,
    },
    OpenToken {
        token: Token,
        reply: Reply<()>,
        _permit: OwnedSemaphorePermit,
    },
    /// The value of a captured payment moved.
    CloseIntent {
        payment: PaymentId,
        moved: Box<Moved>,
        reply: Reply<()>,
        _permit: OwnedSemaphorePermit,
    },
    Store {
        payment: PaymentId,
        response: StoredResponse,
        _permit: Option<OwnedSemaphorePermit>,
    },
}

/// Why a whole batch, or one operation that was alone in it, came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// A constraint refused it.
    Refused,
    /// It is known not to stand.
    Failed,
    /// Nobody knows.
    Unknown,
}

// === impl Work ===

impl Work {
    pub(crate) fn operation(&self) -> Operation<'_> {
        match self {
            Self::Capture { holding, .. } => {
                let recorded = holding.stage == Stage::Recorded;
                let (held, cost, used) = (holding.held, holding.cost, holding.used.or(holding.owed));
                Operation::Capture {
                    request: &holding.request,
                    held,
                    cost,
                    used,
                    recorded,
                    moved: holding.moved,
                    share: holding.share.as_ref(),
                }
            }
            Self::Hold { holding, .. } => {
                let (request, held, cost) = (&holding.request, holding.held, holding.cost);
                match holding.owed.filter(|_| holding.stage == Stage::Recorded) {
                    Some(owed) => Operation::Keep { payment: request.payment, owed },
                    None => Operation::Hold { request, held, cost, owed: holding.owed },
                }
            }
            Self::Void { holding, .. } => {
                let request = &holding.request;
                Operation::Void { payment: request.payment, signed: request.intent.is_some() }
            }
            Self::Refund { payment, id, amount, reason, key, .. } => {
                let (amount, reason, key) = (*amount, *reason, key.as_deref());
                Operation::Refund { payment: *payment, id: *id, amount, reason, key }
            }
            Self::Fund { funding, id, .. } => Operation::Fund { funding, id: *id },
            Self::Withdraw { withdrawing, id, .. } => {
                let (withdrawal, covered) = (withdrawing.withdrawal(), withdrawing.is_covered());
                Operation::Withdraw { withdrawal, id: *id, covered }
            }
            Self::Settle { closing, destination, names, .. } => {
                Operation::Settle { closing, destination, names: *names }
            }
            Self::Pay { payment, id, .. } => Operation::Pay { payment, id: *id },
            Self::Differ { payment, shown, late, .. } => {
                Operation::Differ { payment: *payment, shown: *shown, late: *late }
            }
            Self::Resolve { resolving, id, late, .. } => {
                Operation::Resolve { resolving, id: *id, late: *late }
            }
            Self::Step { outgoing, step, transfer, .. } => {
                let tried = (outgoing.id, outgoing.tries);
                Operation::Step { tried, step, transfer: *transfer }
            }
            Self::CreateWallet { wallet, .. } => Operation::CreateWallet(*wallet),
            Self::OpenProvider { name, .. } => Operation::OpenProvider(name),
            Self::OpenDirect { name, .. } => Operation::OpenDirect(name),
            Self::OpenToken { token, .. } => Operation::OpenToken(token),
            Self::CloseIntent { payment, moved, .. } => Operation::CloseIntent { payment: *payment, moved },
            Self::Store { payment, response, .. } => Operation::Store { payment: *payment, response },
        }
    }

    /// When it was held, where it may have been long ago.
    pub(crate) fn held_at(&self) -> Option<UnixMillis> {
        match self {
            Self::Capture { holding, .. } => Some(holding.held.at),
            _ => None,
        }
    }

    /// The payment on a public network of which nothing is open any more once this is committed.
    pub(crate) fn ends_intent(&self) -> Option<PaymentId> {
        match self {
            Self::Void { holding, .. } => Some(holding.request.payment),
            Self::Capture { holding, .. } if holding.moved.is_some() => Some(holding.request.payment),
            Self::CloseIntent { payment, .. } => Some(*payment),
            _ => None,
        }
    }

    /// Adds what must be read before this can be decided.
    pub(crate) fn want(&self, facts: &Facts, wanted: &mut Wanted) {
        match self {
            Self::Capture { holding, .. } | Self::Hold { holding, .. } => {
                wanted.wallet(facts, holding.request.wallet);
                wanted.agent(facts, holding.request.agent);
                if let Some(wallet) = holding.request.intent.as_ref().and_then(|intent| intent.deposit) {
                    wanted.wallet(facts, wallet);
                }
                wanted.spent.extend(holding.request.spends(holding.moved));
                wanted.shares.extend(holding.share.as_ref().map(|share| share.alike.clone()));
            }
            Self::Refund { payment, key, .. } => {
                wanted.payments.insert(*payment);
                wanted.refunds.extend(key.clone());
            }
            Self::Fund { funding, .. } => {
                wanted.transfers.insert(funding.idempotency_key.clone());
                wanted.wallet(facts, funding.wallet);
            }
            Self::Withdraw { withdrawing, .. } => {
                wanted.transfers.insert(withdrawing.withdrawal().idempotency_key.clone());
                wanted.wallet(facts, withdrawing.withdrawal().wallet);
            }
            Self::Settle { closing, destination, .. } => {
                wanted.providers.insert(Arc::clone(&closing.provider));
                match destination {
                    PayoutDestination::Wallet(wallet) => wanted.wallet(facts, *wallet),
                    PayoutDestination::Chain(to) => {
                        wanted.wallet(facts, Token::new(&to.network, to.token).wallet);
                    }
                    PayoutDestination::Manual(_) => {}
                }
            }
            Self::Pay { payment, .. } => {
                wanted.payouts.insert(payment.payout);
                wanted.outgoing.insert(Outgoing::of_payout(payment.payout));
                wanted.transfers.insert(payment.idempotency_key.clone());
            }
            Self::Differ { payment, .. } => {
                wanted.payments.insert(*payment);
                wanted.closed.insert(*payment);
            }
            Self::Resolve { resolving, .. } => {
                wanted.payments.insert(resolving.payment);
                wanted.suspended.insert(resolving.payment);
                wanted.resolutions.insert(resolving.idempotency_key.clone());
            }
            Self::Step { outgoing, step, .. } => {
                wanted.outgoing.insert(outgoing.id);
                if let Step::Left(hash) | Step::Pay(hash) = step {
                    wanted.left.insert(*hash);
                }
                if let Step::Left(_) = step {
                    wanted.payments.extend(outgoing.refund_of);
                }
                wanted.payouts.extend(outgoing.payout());
                wanted.wallet(facts, outgoing.token().wallet);
            }
            Self::CreateWallet { wallet, .. } => wanted.wallet(facts, *wallet),
            Self::OpenToken { token, .. } => wanted.wallet(facts, token.wallet),
            Self::CloseIntent { moved, .. } => {
                wanted.shares.extend(moved.share.as_ref().map(|share| share.alike.clone()));
            }
            Self::OpenProvider { .. } | Self::OpenDirect { .. } | Self::Store { .. } | Self::Void { .. } => {}
        }
    }
}

// === impl Wanted ===

impl Wanted {
    pub(crate) fn wallet(&mut self, facts: &Facts, wallet: WalletId) {
        if !facts.wallets.contains(&wallet) {
            self.wallets.insert(wallet);
        }
    }

    pub(crate) fn agent(&mut self, facts: &Facts, agent: AgentId) {
        if !facts.agents.contains(&agent) {
            self.agents.insert(agent);
        }
    }
}

// === impl Failure ===

impl From<Failure> for CaptureError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused => Self::Refused,
            Failure::Failed => Self::Failed,
            Failure::Unknown => Self::Unknown,
        }
    }
}

impl From<Refusal> for LedgerError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::UnknownWallet => Self::UnknownWallet,
            Refusal::UnknownPayment => Self::UnknownPayment,
            Refusal::UnknownPayout => Self::UnknownPayout,
            Refusal::UnknownProvider => Self::UnknownProvider,
            Refusal::RefundedBefore => Self::RefundedBefore,
            Refusal::RefundExceeds => Self::RefundExceeds,
            Refusal::RefundPart { least, left } => Self::RefundPart { least, left },
            Refusal::Earnings => Self::Earnings,
            Refusal::PaidBefore => Self::PaidBefore,
            Refusal::Stale => Self::Stale,
            Refusal::Conflict => Self::Conflict,
            Refusal::Amount => Self::Amount,
            Refusal::Funds => Self::Funds,
            Refusal::OnChain => Self::OnChain,
            Refusal::Deposit => Self::Deposit,
            Refusal::OutOfSuspense => Self::OutOfSuspense,
            Refusal::NotOpen => Self::NotOpen,
            Refusal::NoOutlet => Self::NoOutlet,
            Refusal::RefundLimit => Self::RefundLimit,
            Refusal::UnknownOutgoing => Self::UnknownOutgoing,
            Refusal::Step => Self::Step,
            Refusal::UnknownDifference => Self::UnknownDifference,
            Refusal::NotInSuspense => Self::NotInSuspense,
            Refusal::OperatorOnly => Self::OperatorOnly,
            Refusal::NoPayer => Self::NoPayer,
            Refusal::OnItsWay => Self::OnItsWay,
            Refusal::TransactionUsed => Self::TransactionUsed,
            Refusal::TransactionSpent => Self::TransactionSpent,
            // Only captures are refused for these, and they have their own error.
            Refusal::Duplicate | Refusal::Limit => Self::Unavailable,
        }
    }
}
