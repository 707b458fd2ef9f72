//! Who is told the stored answer of a payment on a public network.
//!
//! Everybody can read such a payment where it was settled, and send it once more. What its payer named the call nobody reads there: only
//! whoever has the name too is told the answer, and everybody else what a receipt says.

use domain::{Fingerprint, IdempotencyKey};

use super::{Admission, Holder, Holding};
use crate::answer::refusal::Refusal;

// === impl Holder ===

impl Holder<'_> {
    /// The admission, without a stored answer that is not for whoever asks.
    pub(super) async fn guarded(
        &self,
        admission: Admission,
        holding: &Holding,
        fingerprint: Fingerprint,
    ) -> Result<Admission, Refusal> {
        match admission {
            Admission::Replay(mut prior) if holding.payer.on_chain && prior.response.is_some() => {
                let payment = prior.receipt.payment;
                let is_named = match holding.named() {
                    Some(name) => self.ledger.is_named(payment, name, fingerprint).await,
                    None => false,
                };
                if !is_named {
                    prior.response = None;
                }
                Ok(Admission::Replay(prior))
            }
            other => Ok(other),
        }
    }
}

// === impl Holding ===

impl Holding {
    /// The key of the name that the payer gave the call, where it gave one.
    pub(super) fn named(&self) -> Option<IdempotencyKey> {
        self.identifier.as_ref().map(|text| IdempotencyKey::new(self.payer.agent, text))
    }
}
