//! Payments on non-EVM networks, at the hold: only a facilitator can tell who pays, so that it is asked before anything is
//! held, and only for what was not paid with before.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::{AgentId, Amount, Custody, Fingerprint, ForeignName, Party, ReplayKey, Settle};
use ledger::{Held, Hold, HoldError, Intent};
use settlement::foreign::Identity;
use settlement::{Foreign, Unread};

use super::on_chain::after;
use super::{Admission, Holder, Holding, Means, Payer, admission};
use crate::answer::refusal::{Refusal, Unpaid};
use crate::rail::exposure::{Debtor, Exposed};
use crate::rail::signed_hold::{SignedHold, Value};
use crate::rail::verifying::Verification;
use crate::stage::verify::{Claim, ForeignClaim, ForeignPaid, refuse};

/// What a facilitator is given to settle a payment, of the time that was offered.
const SETTLING_SECONDS: u64 = 10;

/// A payment that its facilitator would settle, counted among what its payer has open.
pub(super) struct Identified {
    pub(super) intent: Arc<Intent>,
    /// The most that its payer may have open on its network.
    pub(super) most: Amount,
    unread: Unread,
    /// When its upstream must have answered, so that there is time to settle it.
    answer_by: Instant,
    exposed: Exposed,
    foreign: Foreign,
    /// Until it is held.
    _verification: Verification,
}

// === impl Holder ===

impl Holder<'_> {
    /// What became of a payment before; none where it is new: then it is known who pays, and that it would be settled.
    pub(super) async fn find_payer(
        &self,
        claim: &Claim,
        claimed: &ForeignClaim,
        holding: &mut Holding,
        fingerprint: Fingerprint,
        is_repeatable: bool,
    ) -> Result<Option<Admission>, Refusal> {
        let public = self.public.ok_or(Refusal::SettlementUnavailable)?;
        // Whoever sends the same payment many times has its facilitator asked once: who comes next finds the hold.
        let verification = public.verifying.begin(claimed.replay_key).ok_or(Refusal::InProgress)?;
        let prior = self.prior(holding.replay, fingerprint, is_repeatable).await?;
        if let Some(prior) = prior {
            holding.payer.address = payer_of(&prior);
            if let Some(payer) = holding.payer.address {
                holding.payer.agent = AgentId::of_payer(payer);
            }
            return Ok(Some(admission(prior)));
        }
        let paid = claimed.paid.as_ref().map_err(refuse)?;
        holding.paid_by(self.identify_payer(paid, claim.maximum(), verification).await?);
        Ok(None)
    }

    async fn identify_payer(
        &self,
        paid: &ForeignPaid,
        amount: Amount,
        verification: Verification,
    ) -> Result<Identified, Refusal> {
        let public = self.public.ok_or(Refusal::SettlementUnavailable)?;
        let foreign = public.networks.foreign.as_ref().ok_or(Refusal::SettlementUnavailable)?;
        let ForeignPaid { way, quote, payload } = paid;
        let offer = way.offer(amount, quote);
        let requirements = serde_json::to_string(&offer).map_err(|_| Refusal::Internal)?;
        let unread = Unread::new(payload, offer).map_err(|_| Refusal::Internal)?;
        let most = public.unsettled_max(&way.network);
        let settling = SETTLING_SECONDS.min(way.max_timeout_seconds / 2);
        let answer_by = after(Duration::from_secs(way.max_timeout_seconds - settling));
        // Whoever is asked about and not found to pay, and be it because nobody answers, stays counted: each costs a verification.
        self.count_stranger(public)?;
        let identity = foreign.identify(&unread, self.client.address()).await;
        if !matches!(identity, Identity::Invalid(_) | Identity::Nobody(_)) {
            public.strangers.take_back(self.client);
        }
        let payer = match identity {
            Identity::Payer(payer) => Party::Named(payer),
            Identity::Invalid(reason) => {
                let message =
                    format!("the facilitator on {} does not take the payment: {reason}", way.network);
                return Err(Refusal::PaymentRequired(Unpaid::Rejected { code: "invalid_payment", message }));
            }
            Identity::Unsettled => return Err(Refusal::UnsettledPayments { most }),
            Identity::Nobody(_) | Identity::Closed(_) => return Err(Refusal::SettlementUnavailable),
        };
        let taken = public.exposure.take(Debtor { network: Arc::clone(&way.network), payer }, amount, most);
        let (exposed, _) = taken.ok_or(Refusal::UnsettledPayments { most })?;
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
        Ok(Identified {
            intent,
            most,
            unread,
            answer_by,
            exposed,
            foreign: foreign.clone(),
            _verification: verification,
        })
    }

    /// What became of it before. Whoever sends a payment again of which nobody knows wants it, and it is settled where its call can be made
    /// once more: what cannot be delivered is not asked for.
    async fn prior(
        &self,
        replay: Option<ReplayKey>,
        fingerprint: Fingerprint,
        is_repeatable: bool,
    ) -> Result<Option<Held>, HoldError> {
        let prior = self.ledger.prior(replay, None, fingerprint).await;
        let foreign = self.public.and_then(|public| public.networks.foreign.as_ref());
        match (&prior, foreign) {
            (Err(HoldError::SettlementUnknown(payment)), Some(foreign))
                if is_repeatable && foreign.settle_again(*payment).await =>
            {
                self.ledger.prior(replay, None, fingerprint).await
            }
            _ => prior,
        }
    }
}

// === impl Identified ===

impl Identified {
    /// With its hold.
    pub(super) fn held(self, hold: Hold) -> SignedHold {
        let (amount, settle) = (hold.maximum(), Settle::After);
        let valid_before = self.intent.valid_before;
        let value = Value::Foreign { unread: self.unread, foreign: self.foreign, valid_before };
        let (answer_by, exposed) = (self.answer_by, self.exposed);
        SignedHold { hold, value, answer_by, settle, amount, is_kept: false, exposed }
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
            // What is wrong with it is said once it is known that it did not pay before.
            refusal: None,
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
    let name: Result<ForeignName, _> = format!("payer:{network}").parse();
    name.map_or(Party::Evm(domain::Address::ZERO), Party::Named)
}

/// Who paid on a public network, of a payment that was captured before.
fn payer_of(held: &Held) -> Option<Party> {
    let record = match held {
        Held::Redelivery(redelivery) => redelivery.record(),
        Held::Prior(prior) => &prior.receipt,
        Held::Hold(_) => return None,
    };
    record.on_chain.as_ref().map(|paid| paid.payer)
}
