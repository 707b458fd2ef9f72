//! [`Movements`]: what the sequencer reads of the ledger. A seam: tests put a history of their own behind it.

use async_trait::async_trait;
use domain::{
    Amount, ChainAccount, OutgoingId, PaymentId, PayoutId, SettlementId, TransferId, UnixMillis, WalletId,
};
use registry::Actor;
use registry::alert::Balance;
use registry::sequence::Funded;
use thiserror::Error;

/// How far the ledger is. Everything up to it is committed and can be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The last batch.
    pub batch: u64,
    /// The last payment of it.
    pub seq: u64,
}

/// Payments of one provider within a stretch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// The provider's name.
    pub provider: String,
    /// The numbers of its first and its last payment.
    pub first_seq: u64,
    /// See `first_seq`.
    pub last_seq: u64,
    /// How many.
    pub count: u64,
    /// What they took.
    pub gross: Amount,
    /// The platform's part of it.
    pub fee: Amount,
    /// When the last one was captured.
    pub at: UnixMillis,
}

/// One movement that is no payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    /// When it was committed.
    pub at: UnixMillis,
    /// Who asked for it; none where a rule moved it.
    pub who: Option<Actor>,
    /// What it was.
    pub what: What,
}

/// What moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A payment was given back, whole or in part.
    Refunded {
        /// The refund's own name.
        id: TransferId,
        /// Of which payment.
        payment: PaymentId,
        /// Its provider.
        provider: String,
        /// Where the money went.
        wallet: WalletId,
        /// Of what was paid on a public network: that one (CAIP-2), and the token as it is written there.
        token: Option<(String, String)>,
        /// How much.
        amount: Amount,
        /// The fee's part of it.
        fee: Amount,
        /// Why, in a word of the API.
        reason: &'static str,
    },
    /// A payment on a public network was served, and can never be collected.
    WrittenOff {
        /// Which.
        payment: PaymentId,
        /// Its provider.
        provider: String,
        /// CAIP-2 of the network.
        network: String,
        /// Its token, as it is written there.
        token: String,
        /// The address that signed it.
        payer: String,
        /// Whether it was made out to the provider's own address, or to ours.
        custody: &'static str,
        /// How much.
        amount: Amount,
        /// The platform's part of it.
        fee: Amount,
    },
    /// A chain shows something else of a payment than the books said.
    Differed {
        /// Of which.
        payment: PaymentId,
        /// Its provider.
        provider: String,
        /// CAIP-2 of the network.
        network: String,
        /// Its token, as it is written there.
        token: String,
        /// What the books had closed it as.
        booked: &'static str,
        /// In which way, in a word of the API.
        way: &'static str,
        /// What the chain shows, or what it does not.
        transaction: String,
        /// How much.
        amount: Amount,
        /// The payment that booked what arrived late.
        late: Option<PaymentId>,
    },
    /// A person decided of money in suspense.
    Resolved {
        /// The decision; the outgoing transfer's too, where it goes back to the payer.
        id: TransferId,
        /// Of which payment.
        payment: PaymentId,
        /// Its provider.
        provider: String,
        /// CAIP-2 of the network.
        network: String,
        /// Its token, as it is written there.
        token: String,
        /// Whose it is, in a word of the API.
        to: &'static str,
        /// How much.
        amount: Amount,
        /// Whether it is borne, and not had.
        is_loss: bool,
        /// Why.
        reason: String,
        /// The payment that booked it.
        booked: Option<PaymentId>,
    },
    /// A person said what became of a payment of which nobody knew.
    Verdict {
        /// Which.
        payment: PaymentId,
        /// CAIP-2 of the network.
        network: String,
        /// Its token, as it is written there.
        token: String,
        /// How much.
        amount: Amount,
        /// The transaction that moved it; none where nothing moved.
        transaction: Option<String>,
    },
    /// Money came in, or went out.
    Transferred {
        /// Its name.
        id: TransferId,
        /// The wallet.
        wallet: WalletId,
        /// How much.
        amount: Amount,
        /// Into the wallet.
        incoming: bool,
        /// What it is outside.
        reference: String,
    },
    /// Payments of a provider were settled.
    Settled {
        /// The settlement.
        id: SettlementId,
        /// Whose.
        provider: String,
        /// How many payments.
        payments: u64,
        /// What they took.
        gross: Amount,
        /// The platform's part of it.
        fee: Amount,
        /// Taken off for refunds.
        refunds: Amount,
        /// Taken off for refunds of payments settled before.
        adjustments: Amount,
        /// What is paid out.
        net: Amount,
    },
    /// A payout was made, or paid.
    Payout {
        /// The payout.
        id: PayoutId,
        /// For which settlement.
        settlement: SettlementId,
        /// Whose.
        provider: String,
        /// How it is paid.
        rail: &'static str,
        /// How much.
        amount: Amount,
        /// By what it was paid; none where it is still to be.
        paid: Option<String>,
    },
    /// A transfer out of our treasury on a public network went on.
    Outgoing {
        /// The transfer.
        id: OutgoingId,
        /// The payout that it is.
        payout: Option<PayoutId>,
        /// The payment that it gives back.
        payment: Option<PaymentId>,
        /// The payment of which it gives back what was in suspense.
        difference: Option<PaymentId>,
        /// Whose money it is, or was.
        provider: String,
        /// Where it goes.
        to: ChainAccount,
        /// How much.
        amount: Amount,
        /// What became of it, in a word of the API.
        state: &'static str,
        /// The transaction that moved it.
        transaction: Option<String>,
        /// Why it failed.
        reason: Option<String>,
    },
}

/// Movements of whole batches, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// What moved.
    pub items: Vec<Movement>,
    /// Batches up to this one are in it.
    pub upto: u64,
}

/// The ledger cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the ledger cannot be read: {0}")]
pub struct ReadError(pub String);

/// What was committed, as the rows have it.
#[async_trait]
pub trait Movements: Send + Sync + 'static {
    /// How far it is.
    ///
    /// # Errors
    /// The ledger cannot be read; the same below.
    async fn head(&self) -> Result<Head, ReadError>;

    /// Payments with numbers above `after` and up to `upto`, by provider.
    async fn captured(&self, after: u64, upto: u64) -> Result<Vec<Captured>, ReadError>;

    /// What moved in batches above `after` and up to `upto`: whole batches, as many as have about `limit` movements.
    async fn changes(&self, after: u64, upto: u64, limit: u32) -> Result<Changes, ReadError>;

    /// The wallets whose balances changed behind `after` and up to `upto`.
    async fn touched(&self, after: Head, upto: Head) -> Result<Vec<WalletId>, ReadError>;

    /// What is in these wallets, and at which batch.
    async fn balances(&self, wallets: &[WalletId]) -> Result<Vec<Balance>, ReadError>;
}

// === impl Movement ===

impl Movement {
    /// The wallet whose balance it changed.
    pub(super) const fn wallet(&self) -> Option<WalletId> {
        match self.what {
            What::Refunded { wallet, .. } | What::Transferred { wallet, .. } => Some(wallet),
            What::WrittenOff { .. }
            | What::Differed { .. }
            | What::Resolved { .. }
            | What::Verdict { .. }
            | What::Settled { .. }
            | What::Payout { .. }
            | What::Outgoing { .. } => None,
        }
    }

    /// As a funding, which shares are of.
    pub(super) const fn funded(&self) -> Option<Funded> {
        match self.what {
            What::Transferred { wallet, amount, incoming: true, .. } => {
                Some(Funded { wallet, amount, at: self.at, is_asked: self.who.is_some() })
            }
            _ => None,
        }
    }
}
