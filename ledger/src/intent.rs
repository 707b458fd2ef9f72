//! [`Intent`]: what a payer signed for a public network, and all that is needed to settle it later, whoever asks.
//!
//! It is committed with its hold before anything is forwarded, and it outlives the process: value may move by it whatever becomes of
//! us. A hold with an intent is voided only where it is certain that nothing moved ([`crate::Hold::void`]); where nobody knows it
//! stays held ([`crate::Hold::leave_unknown`]), until somebody who has seen the chain closes it ([`crate::Ledger::close`]).
//! Nothing here asks a chain. Next: `ledger::unknown` for the handle.

use std::sync::Arc;

use domain::{Address, AgentId, Amount, B256, Payee, PaymentId, Settle, UnixMillis, WalletId};

/// A payment on a public network, as it is settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// CAIP-2.
    pub network: Arc<str>,
    /// The token's address.
    pub token: Address,
    /// Who signed.
    pub payer: Address,
    /// Who is paid.
    pub pay_to: Address,
    /// Whose the recipient's address is.
    pub payee: Payee,
    /// The wallet that is funded with it, where it is a deposit: then no provider is paid.
    pub deposit: Option<WalletId>,
    /// When value is to move.
    pub settle: Settle,
    /// The first Unix second at which the signature is void.
    pub valid_before: u64,
    /// A block that is older than the payment: where evidence of it is looked for.
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
    pub seen: Option<B256>,
    /// What was signed.
    pub intent: Arc<Intent>,
}

/// An intent, and what the books say of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookedIntent {
    /// What was signed.
    pub open: OpenIntent,
    /// What became of it.
    pub outcome: Booked,
    /// In which transaction its value moved, if it did, as a closed one stands with all differences that were written down.
    pub moved: Option<B256>,
}

/// What the books say of an intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Booked {
    /// Its hold stands: the call runs, or nobody knows what became of it.
    Held,
    /// Captured; value is to move by it, or may be taken back.
    Due,
    /// Its value moved for good, in this transaction.
    Settled(B256),
    /// It was served, and can never be collected.
    WrittenOff,
    /// Nothing was charged, not long ago.
    Void,
}

/// A payer that was served for what could never be collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Debtor {
    /// Its address.
    pub payer: Address,
    /// When the last such payment was written off.
    pub at: UnixMillis,
}

/// Who signs on a network.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Signer {
    /// CAIP-2.
    pub(crate) network: Arc<str>,
    pub(crate) payer: Address,
}

/// What the chain shows of a payment whose outcome was unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// Its value moved for good, in this transaction.
    Moved(B256),
    /// So much of it did; the rest never will.
    MovedPart(B256, Amount),
    /// It did not, and never will.
    Void,
}

/// A payment on a public network, for its receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnChain {
    /// CAIP-2.
    pub network: Arc<str>,
    /// The token's address.
    pub token: Address,
    /// Who paid.
    pub payer: Address,
    /// The transaction that moved its value; none while it is still to be settled.
    pub transaction: Option<B256>,
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

// === impl Intent ===

impl Intent {
    /// Who pays, as the books name an address: no agent that anybody registered.
    #[must_use]
    pub fn agent(&self) -> AgentId {
        AgentId::of_payer(&self.payer)
    }

    /// Where the money comes from, as the books name it: the token on its network.
    #[must_use]
    pub fn wallet(&self) -> WalletId {
        self.account().wallet
    }

    /// Whether somebody may have been asked to settle it while it was only held. What is deferred is captured first.
    pub(crate) fn may_move_while_held(&self) -> bool {
        self.settle != Settle::Deferred
    }

    pub(crate) fn signer(&self) -> Signer {
        Signer { network: Arc::clone(&self.network), payer: self.payer }
    }

    pub(crate) fn account(&self) -> Token {
        Token::new(&self.network, &self.token)
    }

    /// For a receipt.
    pub(crate) fn on_chain(&self, transaction: Option<B256>) -> OnChain {
        let direct = matches!(self.payee, Payee::Direct(_));
        let (network, token, payer) = (Arc::clone(&self.network), self.token, self.payer);
        OnChain { network, token, payer, transaction, direct }
    }
}

// === impl Token ===

impl Token {
    pub(crate) fn new(network: &str, token: &Address) -> Self {
        let name = format!("{network}/{}", token.to_checksum(None));
        Self { wallet: WalletId::of_token(&name), name: name.into() }
    }
}
