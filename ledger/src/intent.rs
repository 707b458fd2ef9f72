//! [`Intent`]: what a payer signed for a public network, and all that is needed to settle it later, whoever asks.
//!
//! It is committed with its hold before anything is forwarded, and it outlives the process: value may move by it whatever becomes of
//! us. A hold with an intent is voided only where it is certain that nothing moved ([`crate::Hold::void`]); where nobody knows it
//! stays held ([`crate::Hold::leave_unknown`]), until somebody who has seen the chain closes it ([`crate::Ledger::close`]).
//! Nothing here asks a chain. Next: `ledger::unknown` for the handle.

use std::sync::Arc;

use domain::party::is_evm;
use domain::{AgentId, Amount, B256, Custody, Party, PaymentId, Settle, TransactionId, UnixMillis, WalletId};

use crate::share::Moved;

/// How long after its time is over what was signed may still land, where nothing is read: in milliseconds.
const LANDS_MS: i64 = 600_000;

/// A payment on a public network, as it is settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// CAIP-2.
    pub network: Arc<str>,
    /// The token's address.
    pub token: Party,
    /// Who signed.
    pub payer: Party,
    /// Who is paid.
    pub pay_to: Party,
    /// Who has what is paid.
    pub custody: Custody,
    /// The wallet that is funded with it, where it is a deposit: then no provider is paid.
    pub deposit: Option<WalletId>,
    /// When value is to move.
    pub settle: Settle,
    /// The first Unix second at which the signature is void; where its network is not read here, from which on it is taken for that.
    pub valid_before: u64,
    /// A block that is older than the payment: where evidence of it is looked for, if its network is read here.
    pub since_block: u64,
    /// The payment as it came, JSON.
    pub payload: Arc<str>,
    /// What was asked for, JSON.
    pub requirements: Arc<str>,
}

/// An intent by which value may still move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenIntent {
    /// Its payment.
    pub payment: PaymentId,
    /// Atomic units of its token: what is due once it was captured; before that what was asked for, or the most that may move.
    pub amount: Amount,
    /// Ledger time of the hold.
    pub held_at: UnixMillis,
    /// The transaction in which the chain showed that its value moved, in a block that may still be undone.
    pub seen: Option<TransactionId>,
    /// What was signed.
    pub intent: Arc<Intent>,
}

/// A captured payment that is still to be settled, as its row was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Which.
    pub payment: PaymentId,
    /// Where it stands among those of its network.
    pub place: DuePlace,
    /// None where the row cannot be read. It is due all the same.
    pub open: Option<OpenIntent>,
}

/// A place among what is due on a network: the earliest to expire comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DuePlace {
    /// See [`Intent::valid_before`].
    pub(crate) seconds: i64,
    /// Of one time, before all of them or behind this one.
    pub(crate) payment: Option<PaymentId>,
}

/// An intent, and what the books say of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookedIntent {
    /// What was signed.
    pub open: OpenIntent,
    /// What became of it.
    pub outcome: Booked,
    /// In which transaction its value moved, if it did, as a closed one stands with all differences that were written down; none where
    /// its network is not read here.
    pub moved: Option<B256>,
    /// How much of it moved, where it did.
    pub stands: Amount,
    /// How many payments before it were booked for the same transaction that it does not tell apart ([`crate::Share`]).
    pub earlier: u64,
}

/// What the books say of an intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Booked {
    /// Its hold stands: the call runs, or nobody knows what became of it.
    Held,
    /// Captured; value is to move by it, or may be taken back.
    Due,
    /// Its value moved for good, in this transaction.
    Settled(TransactionId),
    /// It was served, and can never be collected.
    WrittenOff,
    /// Nothing was charged, not long ago.
    Void,
}

/// What became of the value of a captured payment on a public network, as the books closed it: what the chain shows otherwise since is a
/// [`crate::Difference`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collection {
    /// It is still to move, or may still be taken back there.
    Due,
    /// It moved for good: when the books were told.
    Moved(UnixMillis),
    /// It never will: since when.
    WrittenOff(UnixMillis),
}

/// A payer that was served for what could never be collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Debtor {
    /// Its address.
    pub payer: Party,
    /// When the last such payment was written off.
    pub at: UnixMillis,
}

/// Who signs on a network.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Signer {
    /// CAIP-2.
    pub(crate) network: Arc<str>,
    pub(crate) payer: Party,
}

/// What the chain shows of a payment whose outcome was unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Close {
    /// Its value moved for good, in this transaction.
    Moved(Moved),
    /// So much of it did; the rest never will.
    MovedPart(Moved, Amount),
    /// It did not, and never will.
    Void,
}

/// A payment on a public network, for its receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnChain {
    /// CAIP-2.
    pub network: Arc<str>,
    /// The token's address.
    pub token: Party,
    /// Who paid.
    pub payer: Party,
    /// The transaction that moved its value; none while it is still to be settled.
    pub transaction: Option<TransactionId>,
    /// Whether it was made out to the provider's own address: no settlement of ours has it.
    pub direct: bool,
}

/// The account of a token on a network, as the books name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Token {
    pub(crate) wallet: WalletId,
    /// CAIP-2, a slash, its address.
    pub(crate) name: Arc<str>,
}

// === impl Collection ===

impl Collection {
    /// The word in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Moved(_) => "moved",
            Self::WrittenOff(_) => "written_off",
        }
    }
}

// === impl Intent ===

impl Intent {
    /// Who pays, as the books name an address: no agent that anybody registered.
    #[must_use]
    pub fn agent(&self) -> AgentId {
        AgentId::of_payer(self.payer)
    }

    /// Where the money comes from, as the books name it: the token on its network.
    #[must_use]
    pub fn wallet(&self) -> WalletId {
        self.account().wallet
    }

    /// Whether its network is read here: whether evidence can tell what became of it.
    #[must_use]
    pub fn is_read(&self) -> bool {
        is_evm(&self.network)
    }

    /// From when on what was signed cannot land any more, where its network is not read here.
    #[must_use]
    pub fn over_at(&self) -> UnixMillis {
        let ends = i64::try_from(self.valid_before).unwrap_or(i64::MAX).saturating_mul(1_000);
        UnixMillis(ends.saturating_add(LANDS_MS))
    }

    /// Whether somebody may have been asked to settle it while it was only held. What is deferred is captured first; where nothing is
    /// read, the hold says so ([`crate::Hold::ask`]).
    pub(crate) fn may_move_while_held(&self) -> bool {
        self.is_read() && self.settle != Settle::Deferred
    }

    pub(crate) fn signer(&self) -> Signer {
        Signer { network: Arc::clone(&self.network), payer: self.payer }
    }

    pub(crate) fn account(&self) -> Token {
        Token::new(&self.network, self.token)
    }

    /// For a receipt.
    pub(crate) fn on_chain(&self, transaction: Option<TransactionId>) -> OnChain {
        let direct = self.custody == Custody::Direct;
        let (network, token, payer) = (Arc::clone(&self.network), self.token, self.payer);
        OnChain { network, token, payer, transaction, direct }
    }
}

// === impl DuePlace ===

impl DuePlace {
    /// Before all.
    pub const FIRST: Self = Self::before(i64::MIN);

    /// Before those whose time is over at this Unix second, and behind those whose time is over earlier.
    #[must_use]
    pub const fn before(seconds: i64) -> Self {
        Self { seconds, payment: None }
    }
}

// === impl Token ===

impl Token {
    pub(crate) fn new(network: &str, token: impl Into<Party>) -> Self {
        let name = format!("{network}/{}", token.into());
        Self { wallet: WalletId::of_token(&name), name: name.into() }
    }
}
