//! [`Witness`]: nodes of a Solana network, asked whether the transaction paid that a facilitator names, and in which one a payment landed
//! whose facilitator names none. Nothing is sent.
//!
//! What landed is the very message that was signed, and its token came to whom it was to come: a message lands once, so that nothing else is
//! evidence, and this is all of it. What was named must stand in a block that is confirmed, and so must what is looked for while its payer waits;
//! what is looked for later in one that is final.

use std::time::Duration;

use domain::{ForeignName, PaymentId, TransactionId, UnixMillis};
use protocol::foreign::solana_message;
use protocol::offer::Offer;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Unread;
use crate::chain::{Nodes, RpcError};

/// Of a payer's newest transactions, how many are listed, and how many of those are read for one payment: of a client that writes no memo any
/// may be the payment.
const LISTED_MAX: usize = 1_000;
const READ_MAX: usize = 64;

/// How sure a block is: one that is practically never undone, and one that never is, some thirteen seconds later.
pub(super) const CONFIRMED: &str = "confirmed";
pub(super) const FINAL: &str = "finalized";

/// What lists a payer's transactions.
const LIST: &str = "getSignaturesForAddress";

/// How far the network's clock may be behind ours.
const SKEW_MS: i64 = 60_000;

/// The first pause before a node is asked again for a transaction that it did not show, and the longest; each is twice the one before. Nodes
/// show what a facilitator saw a moment later.
const PAUSE: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// What a node says of a memo that is no text.
const UNPARSEABLE: &str = "(unparseable)";

/// Where the nodes of one network answer.
pub struct Witness {
    nodes: Nodes,
}

/// What must have landed: what was signed, and whom it was to pay how much of what.
struct Wanted<'a> {
    payment: PaymentId,
    message: Vec<u8>,
    pay_to: &'a str,
    token: &'a str,
    /// Atomic units.
    amount: i128,
}

/// One transaction of a payer's.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    signature: String,
    err: Option<Value>,
    /// Behind its length in brackets.
    memo: Option<String>,
    /// Seconds.
    block_time: Option<i64>,
}

/// One transaction, whole.
#[derive(Debug, Deserialize)]
struct Landed {
    /// In base64, and the word for that.
    transaction: (String, String),
    meta: Meta,
}

/// What it did.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    err: Option<Value>,
    pre_token_balances: Option<Vec<Balance>>,
    post_token_balances: Option<Vec<Balance>>,
}

/// Of a token account, before or afterwards.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Balance {
    mint: String,
    owner: Option<String>,
    ui_token_amount: Units,
}

#[derive(Debug, Deserialize)]
struct Units {
    amount: String,
}

/// Somebody's accounts for a token.
#[derive(Debug, Deserialize)]
struct Accounts {
    value: Vec<Value>,
}

// === impl Witness ===

impl Witness {
    /// By nodes of that network.
    #[must_use]
    pub const fn new(nodes: Nodes) -> Self {
        Self { nodes }
    }

    /// Whether a node of that network answers.
    ///
    /// # Errors
    /// What keeps it from doing so.
    pub async fn answers(&self) -> Result<(), RpcError> {
        self.nodes.call::<Value>("getSlot", json!([])).await.map(drop)
    }

    /// Whether somebody has an account for a token: nobody can pay who has none in it.
    ///
    /// # Errors
    /// As [`Self::answers`]; the network has no such token.
    pub async fn has_account(&self, owner: ForeignName, token: ForeignName) -> Result<bool, RpcError> {
        let how = json!({ "encoding": "base64", "commitment": "finalized" });
        let which = json!([owner.as_str(), { "mint": token.as_str() }, how]);
        let accounts: Accounts = self.nodes.call("getTokenAccountsByOwner", which).await?;
        Ok(!accounts.value.is_empty())
    }

    /// Whether this transaction paid, once a node shows it in a block that is confirmed. Nodes are asked again until one shows it, however long.
    pub(super) async fn confirms(
        &self,
        transaction: TransactionId,
        payment: PaymentId,
        unread: &Unread,
    ) -> bool {
        let Some(wanted) = Wanted::of(payment, unread) else { return false };
        let signature = transaction.to_string();
        let mut pause = PAUSE;
        loop {
            match self.landed(&signature, CONFIRMED).await {
                Ok(Some(landed)) => return landed.paid(&wanted),
                Ok(None) => {}
                Err(error) => tracing::debug!(%payment, %transaction, %error, "no node shows it"),
            }
            tokio::time::sleep(pause).await;
            pause = PAUSE_MAX.min(pause.saturating_mul(2));
        }
    }

    /// In which transaction a payment moved that was held at this time, in a block of this commitment; none where nothing shows that it did.
    ///
    /// # Errors
    /// No node answers, or one answers what cannot be read.
    pub(super) async fn transaction_of(
        &self,
        payment: PaymentId,
        unread: &Unread,
        held_at: UnixMillis,
        commitment: &str,
    ) -> Result<Option<TransactionId>, RpcError> {
        let wanted = Wanted::of(payment, unread);
        let Some((payer, wanted)) = unread.payer().zip(wanted) else { return Ok(None) };
        let which = json!([payer.as_str(), { "limit": LISTED_MAX, "commitment": commitment }]);
        let listed: Vec<Listed> = self.nodes.call(LIST, which).await?;
        let since = held_at.plus(-SKEW_MS).seconds();
        let may_be = |one: &&Listed| one.may_be(&wanted.message, since);
        let held = held_at.seconds();
        let came = |one: &&Listed| one.block_time.is_none_or(|time| time >= held);
        // It landed soon after its hold, if its network's clock is ours: what landed next to that comes first, on either side.
        let (after, before) = (listed.iter().rev().filter(came), listed.iter().filter(|one| !came(one)));
        for one in after.chain(before).filter(may_be).take(READ_MAX) {
            let landed = self.landed(&one.signature, commitment).await?;
            if landed.is_some_and(|landed| landed.paid(&wanted)) {
                let signature = one.signature.parse();
                return Ok(Some(TransactionId::named(signature.map_err(|_| RpcError::Malformed(LIST))?)));
            }
        }
        Ok(None)
    }

    /// A transaction, where it stands in a block of this commitment.
    async fn landed(&self, signature: &str, commitment: &str) -> Result<Option<Landed>, RpcError> {
        let how =
            json!({ "encoding": "base64", "commitment": commitment, "maxSupportedTransactionVersion": 0 });
        self.nodes.find("getTransaction", &json!([signature, how])).await
    }
}

// === impl Wanted ===

impl<'a> Wanted<'a> {
    /// None of what is no payment of Solana.
    fn of(payment: PaymentId, unread: &'a Unread) -> Option<Self> {
        let Offer { asset, pay_to, amount, .. } = unread.requirements();
        let message = solana_message(unread.transaction()?)?;
        let amount = amount.parse::<u64>().ok()?.into();
        Some(Self { payment, message, pay_to, token: asset, amount })
    }
}

// === impl Listed ===

impl Listed {
    /// Whether it may be what was signed, as far as a list tells.
    fn may_be(&self, message: &[u8], since: i64) -> bool {
        self.err.is_none()
            && self.block_time.is_none_or(|time| time >= since)
            && self.memo.as_deref().is_none_or(|memo| is_in(memo, message))
    }
}

/// Whether a message has the first of its memos.
fn is_in(memo: &str, message: &[u8]) -> bool {
    let text = memo.split_once("] ").map_or(memo, |(_, text)| text);
    let first = text.split("; [").next().unwrap_or_default().as_bytes();
    first.is_empty() || text == UNPARSEABLE || message.windows(first.len()).any(|window| window == first)
}

// === impl Landed ===

impl Landed {
    /// Whether it is this payment, and the provider has what was to be paid.
    fn paid(&self, wanted: &Wanted<'_>) -> bool {
        if self.meta.err.is_some() || solana_message(&self.transaction.0).as_ref() != Some(&wanted.message) {
            return false;
        }
        let gained = self.meta.gained(wanted.pay_to, wanted.token);
        let has_all = gained >= Some(wanted.amount);
        if !has_all {
            tracing::error!(payment = %wanted.payment, ?gained, "what was signed has landed, and did not pay");
        }
        has_all
    }
}

// === impl Meta ===

impl Meta {
    /// By how much somebody has more of a token; none where that cannot be read.
    fn gained(&self, owner: &str, mint: &str) -> Option<i128> {
        let has = |balances: &Option<Vec<Balance>>| {
            let of_it = |one: &&Balance| one.mint == mint && one.owner.as_deref() == Some(owner);
            let all = balances.iter().flatten().filter(of_it);
            all.map(|one| one.ui_token_amount.amount.parse::<u64>().ok().map(i128::from))
                .sum::<Option<i128>>()
        };
        has(&self.post_token_balances)?.checked_sub(has(&self.pre_token_balances)?)
    }
}

#[cfg(test)]
pub(crate) mod tests;
