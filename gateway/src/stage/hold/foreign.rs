//! Payments on networks that are no EVM ones, at the hold: only a facilitator can tell who pays, so that it is asked before anything is
//! held, and only for what was not paid with before.

use std::sync::Arc;

use domain::{AgentId, Amount, Custody, Party, Settle, Word};
use ledger::{Hold, HoldError, Intent};
use settlement::foreign::Identity;
use settlement::{Foreign, Unread};

use super::{Holder, Holding, Means, Payer};
use crate::exposure::{Debtor, Exposed};
use crate::refusal::{Refusal, Unpaid};
use crate::signed_hold::{SignedHold, Value};
use crate::stage::verify::{ForeignClaim, ForeignPaid, refuse};

/// A payment that its facilitator would settle, counted among what its payer has open.
pub(super) struct Identified {
    pub(super) intent: Arc<Intent>,
    unread: Unread,
    exposed: Exposed,
    foreign: Foreign,
}

// === impl Holder ===

impl Holder<'_> {
    /// Finds out who pays, and that it would be settled.
    pub(super) async fn find_payer(
        &self,
        claimed: &ForeignClaim,
        paid: &ForeignPaid,
        amount: Amount,
    ) -> Result<Identified, Refusal> {
        let public = self.public.ok_or(Refusal::RailUnavailable)?;
        let foreign = public.networks.foreign.as_ref().ok_or(Refusal::RailUnavailable)?;
        let ForeignPaid { way, quote, payload } = paid;
        // Whoever sends the same payment many times has its facilitator asked once.
        let _verification = public.verifying.begin(claimed.replay_key).ok_or(Refusal::InProgress)?;
        let offer = way.offer(amount, quote);
        let requirements = serde_json::to_string(&offer).map_err(|_| Refusal::Internal)?;
        let unread = Unread::new(payload, offer).map_err(|_| Refusal::Internal)?;
        let payer = match foreign.identify(&unread).await {
            Identity::Payer(payer) => Party::Named(payer),
            Identity::Invalid(reason) => {
                let message =
                    format!("the facilitator on {} does not take the payment: {reason}", way.network);
                return Err(Refusal::PaymentRequired(Unpaid::Rejected { code: "invalid_payment", message }));
            }
            Identity::Nobody(_) => return Err(Refusal::RailUnavailable),
        };
        let most = public.unsettled_max(&way.network);
        let taken = public.exposure.take(Debtor { network: Arc::clone(&way.network), payer }, amount, most);
        let (exposed, _) = taken.ok_or(Refusal::OpenPayments { most })?;
        let now = self.ledger.time().seconds().unsigned_abs();
        let intent = Intent {
            network: Arc::clone(&way.network),
            token: Party::Named(way.token),
            payer,
            pay_to: Party::Named(way.pay_to),
            custody: Custody::Direct,
            deposit: None,
            settle: Settle::After,
            valid_before: now.saturating_add(way.max_timeout_seconds),
            since_block: 0,
            payload: Arc::clone(payload),
            requirements: requirements.into(),
        };
        let (intent, unread) = (Arc::new(intent), unread.paid_by(payer));
        Ok(Identified { intent, unread, exposed, foreign: foreign.clone() })
    }

    /// Whoever sends a payment again of which nobody knows wants it: its facilitator is asked for it then.
    pub(super) fn wanted(&self, error: HoldError) -> Refusal {
        let foreign = self.public.and_then(|public| public.networks.foreign.as_ref());
        if let (HoldError::Unsettled(payment), Some(foreign)) = (&error, foreign) {
            foreign.want(*payment);
        }
        error.into()
    }
}

// === impl Identified ===

impl Identified {
    /// With its hold.
    pub(super) fn held(self, hold: Hold) -> SignedHold {
        let (amount, settle) = (hold.maximum(), Settle::After);
        let valid_before = self.intent.valid_before;
        let value = Value::Foreign { unread: self.unread, foreign: self.foreign, valid_before };
        SignedHold { hold, value, settle, amount, is_kept: false, exposed: self.exposed }
    }
}

// === impl Holding ===

impl Holding {
    /// Of a payment whose payer is not known yet: until then it is somebody's on its network.
    pub(super) fn foreign(claimed: &ForeignClaim, identifier: Option<String>) -> Self {
        let payer = Payer {
            agent: AgentId::of_payer(somebody(&claimed.network)),
            address: None,
            network: Arc::clone(&claimed.network),
            version: claimed.version,
            on_chain: true,
        };
        Self {
            payer,
            identifier,
            means: Means::Foreign(None),
            replay: Some(claimed.replay_key),
            digest: Some(claimed.digest),
            refusal: claimed.paid.as_ref().err().map(refuse),
        }
    }

    /// Now it is.
    pub(super) fn paid_by(&mut self, identified: Identified) {
        let payer = identified.intent.payer;
        self.payer.agent = AgentId::of_payer(payer);
        self.payer.address = Some(payer);
        self.means = Means::Foreign(Some(Box::new(identified)));
    }
}

/// A name that no address has. What is asked is told apart by what was signed, and an identifier by whoever is found to pay.
fn somebody(network: &str) -> Party {
    let name: Result<Word, _> = format!("payer:{network}").parse();
    name.map_or(Party::Evm(domain::Address::ZERO), Party::Named)
}
