//! Who is told the stored answer of a payment on a public network.
//!
//! Everybody can read such a payment where it was settled, and send it once more. What its payer named the call nobody reads there: only
//! whoever has the name too is told the answer, and everybody else what a receipt says.

use domain::{Fingerprint, IdempotencyKey};
use ledger::Held;

use super::{Admission, Holder, Holding};
use crate::refusal::Refusal;

// === impl Holder ===

impl Holder<'_> {
    /// The same, without an answer that is not for whoever asks.
    pub(super) async fn guarded(
        &self,
        admission: Admission,
        holding: &Holding,
        fingerprint: Fingerprint,
    ) -> Result<Admission, Refusal> {
        match admission {
            Admission::Replay(mut prior) if holding.payer.on_chain && prior.response.is_some() => {
                let named = match holding.named() {
                    Some(name) => self.ledger.prior(None, Some(name), fingerprint).await.unwrap_or(None),
                    None => None,
                };
                let payment = prior.receipt.payment;
                if !matches!(named, Some(Held::Prior(same)) if same.receipt.payment == payment) {
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
