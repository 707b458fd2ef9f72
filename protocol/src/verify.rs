//! [`verify`]: is this payment one we asked for, and did its payer sign it? Cheapest checks first, the signature last.
//!
//! What is compared with is always our own offer. A client's copy that disagrees is refused, even where the signature
//! would cover our terms: the client meant something else.

use alloy_primitives::U256;
use domain::{Address, Amount, Asset, B256, ReplayKey, UnixMillis};

use crate::eip712::Domain;
use crate::payload::PaymentPayload;
use crate::permit::PermitDomain;
use crate::transfer::Transfer;

mod rejection;
mod terms;

pub use rejection::Rejection;
use terms::{agrees, is_ours, matching_quote};

/// How far a client's clock may be ahead of ours, in seconds.
pub const SKEW_SECONDS: u64 = 30;

/// A price that may be paid, and the quote that was given for it.
#[derive(Clone, Copy, Debug)]
pub struct Quote<'a> {
    /// What was asked for.
    pub price: Amount,
    /// The route's revision.
    pub revision: u32,
    /// The text in `extra.quote`.
    pub quote: &'a str,
}

/// How value is asked to move, and with whose words it is signed for.
#[derive(Clone, Copy, Debug)]
pub enum Method<'a> {
    /// Scheme `exact` by EIP-3009: the token's own domain.
    Authorization(&'a Domain),
    /// Scheme `exact` by Permit2.
    Permit(&'a PermitDomain),
    /// Scheme `upto` by Permit2: the price is the most that may be taken, and only this facilitator takes it.
    Upto(&'a PermitDomain, Address),
}

/// What a payment must agree with.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// What is paid in.
    pub asset: &'a Asset,
    /// By which way.
    pub method: Method<'a>,
    /// Who must be paid.
    pub pay_to: Address,
    /// `maxTimeoutSeconds` of the offer.
    pub max_timeout_seconds: u64,
    /// How many seconds of its time a payment must have left: what it takes to settle it. 0 where nothing has to be sent.
    pub margin_seconds: u64,
    /// Prices that may be paid, the current one first.
    pub quotes: &'a [Quote<'a>],
    /// Ledger time.
    pub at: UnixMillis,
}

/// A payment that agrees with an offer of ours and was signed by its payer. Made here only; consumed by the hold.
#[must_use = "a verified payment that is not held pays for nothing"]
#[derive(Debug)]
pub struct VerifiedPayment {
    payer: Address,
    amount: Amount,
    revision: u32,
    replay_key: ReplayKey,
    digest: B256,
}

// === impl VerifiedPayment ===

impl VerifiedPayment {
    /// Who signed.
    #[must_use]
    pub fn payer(&self) -> Address {
        self.payer
    }

    /// What was authorized: the price of the quote.
    #[must_use]
    pub fn amount(&self) -> Amount {
        self.amount
    }

    /// The revision of the price that is paid.
    #[must_use]
    pub fn revision(&self) -> u32 {
        self.revision
    }

    /// Its identity, for ever.
    #[must_use]
    pub fn replay_key(&self) -> ReplayKey {
        self.replay_key
    }

    /// What was signed; the `transaction` of its receipt.
    #[must_use]
    pub fn digest(&self) -> B256 {
        self.digest
    }
}

/// Judges a payment whose payer has a key.
///
/// # Errors
/// See [`Rejection`].
pub fn verify(payment: &PaymentPayload, expected: &Expected<'_>) -> Result<VerifiedPayment, Rejection> {
    judge(payment, expected, None).map_err(|rejection| of(payment, rejection.proven()))
}

/// Judges a payment whose payer may be a contract. `found` is what this payer was found to have signed with this seal, by whoever asks
/// the contract.
///
/// # Errors
/// See [`Rejection`]; [`Rejection::Unproven`] where the contract is to be asked.
pub fn verify_on_chain(
    payment: &PaymentPayload,
    expected: &Expected<'_>,
    found: Option<B256>,
) -> Result<VerifiedPayment, Rejection> {
    judge(payment, expected, found).map_err(|rejection| of(payment, rejection))
}

/// In the words for what moves its value.
fn of(payment: &PaymentPayload, rejection: Rejection) -> Rejection {
    match payment.transfer {
        Transfer::Authorization(_) => rejection,
        Transfer::Permit(_) => Rejection::OfPermit(Box::new(rejection)),
    }
}

fn judge(
    payment: &PaymentPayload,
    expected: &Expected<'_>,
    found: Option<B256>,
) -> Result<VerifiedPayment, Rejection> {
    is_ours(payment, expected)?;
    let transfer = &payment.transfer;
    let digest = match (transfer, expected.method) {
        (Transfer::Authorization(signed), Method::Authorization(domain)) => domain.digest(signed),
        (Transfer::Permit(signed), Method::Permit(domain) | Method::Upto(domain, _)) => domain.digest(signed),
        _ => return Err(Rejection::Method),
    };
    // What pays no price of this route may have paid before the price, the recipient or the longest time changed, or for another route:
    // it is judged to the end, so that its earlier outcome can be found.
    let now = U256::from(expected.at.seconds().unsigned_abs());
    let longest = expected.max_timeout_seconds.saturating_add(SKEW_SECONDS);
    let is_long = transfer.valid_before() > now + U256::from(longest);
    let quote = agrees(payment, expected).and_then(|()| matching_quote(payment, expected.quotes));
    let quote =
        if is_long { quote.and(Err(Rejection::ValidTooLong(expected.max_timeout_seconds))) } else { quote };
    if transfer.valid_after() > now {
        return Err(quote.err().unwrap_or(Rejection::NotYetValid));
    }
    let payer = transfer.from();
    if found != Some(digest) && payment.seal.by(payer, digest).is_none() {
        let otherwise = Box::new(quote.err().unwrap_or(Rejection::Signature));
        return Err(Rejection::Unproven { digest, otherwise });
    }
    // Of one that was signed for ever it is the end of time.
    let replay_key = transfer.replay_key(expected.asset, transfer.valid_before().saturating_to());
    if transfer.valid_before() <= now + U256::from(expected.margin_seconds) {
        return Err(Rejection::Expired { replay_key, payer });
    }
    let quote =
        quote.map_err(|reason| Rejection::Unpriced { reason: Box::new(reason), replay_key, payer })?;
    Ok(VerifiedPayment { payer, amount: quote.price, revision: quote.revision, replay_key, digest })
}

#[cfg(test)]
mod tests;
