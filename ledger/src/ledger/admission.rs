//! How a request gets its [`Hold`], or learns what became of the same request before.
//!
//! The keys are taken first, in memory, then looked up on disk where disk may know better: two requests with the
//! same key can never both find nothing. Funds and limits come last.

use domain::{Capture, Fingerprint, IdempotencyKey, PaymentId, ReplayKey};
use tokio::sync::OwnedSemaphorePermit;

use super::{LOADS_MAX, Ledger};
use crate::deliveries::Delivery;
use crate::error::{HoldError, LedgerError};
use crate::hold::{Held, Hold, HoldRequest, Holding, Stage};
use crate::memory::{Claim, Reservation};
use crate::observer::Collision;
use crate::reads::Used;
use crate::receipt::{Prior, Redelivery};

// === impl Ledger ===

impl Ledger {
    /// Holds funds, limits and keys for one request. Usually ready at once; waits only for the first reading of a
    /// wallet or agent, and for the look-up of an identifier or an old replay key.
    ///
    /// # Errors
    /// See [`HoldError`]; nothing is held then.
    pub async fn hold(&self, request: HoldRequest) -> Result<Held, HoldError> {
        let held = self.try_hold(request).await;
        self.count(&held);
        held
    }

    /// What became of the payment that these keys belong to: `None` where nothing was captured under them. For requests
    /// that may not be held for now, and may have been before.
    ///
    /// # Errors
    /// [`HoldError::InProgress`], [`HoldError::Reused`], [`HoldError::Unavailable`].
    pub async fn prior(
        &self,
        replay: Option<ReplayKey>,
        identifier: Option<IdempotencyKey>,
        fingerprint: Fingerprint,
    ) -> Result<Option<Held>, HoldError> {
        let prior = self.try_prior(replay, identifier, fingerprint).await.transpose();
        prior.inspect(|held| self.count(held)).transpose()
    }

    /// Whether the client's name named the call of this payment, which is over. For whoever found the payment by another key, where it is
    /// counted: it came once. What cannot be read has no name.
    pub async fn is_named(
        &self,
        payment: PaymentId,
        identifier: IdempotencyKey,
        fingerprint: Fingerprint,
    ) -> bool {
        let named = self.try_prior(None, Some(identifier), fingerprint).await;
        matches!(named, Ok(Some(Held::Prior(prior))) if prior.receipt.payment == payment)
    }

    pub(super) async fn try_prior(
        &self,
        replay: Option<ReplayKey>,
        identifier: Option<IdempotencyKey>,
        fingerprint: Fingerprint,
    ) -> Result<Option<Held>, HoldError> {
        let known = self.shared.memory.lock().known(replay.as_ref(), identifier.as_ref(), fingerprint);
        if let Some(claim) = known {
            return self
                .earlier(self.unsettled(claim, replay.as_ref(), identifier.as_ref())?)
                .await
                .map(Some);
        }
        // First: what is held no more by now was captured, or is free.
        self.not_elsewhere(replay.as_ref(), identifier.as_ref(), fingerprint).await?;
        let reads = &self.shared.reads;
        let mut used = match identifier {
            Some(key) => reads.identifier(&key, self.time()).await.map_err(|_| HoldError::Unavailable)?,
            None => None,
        };
        // What others captured since the last batch of this process is on disk only.
        let several = self.shared.is_one_of_several();
        let on_disk =
            |key: &ReplayKey| several || self.shared.memory.lock().facts.replays.may_be_on_disk(key);
        if let (None, Some(key)) = (&used, replay.filter(on_disk)) {
            used = reads.replay(&key).await.map_err(|_| HoldError::Unavailable)?;
        }
        match used {
            Some(used) => self.earlier(used.claim(fingerprint)).await.map(Some),
            None => Ok(None),
        }
    }

    async fn try_hold(&self, request: HoldRequest) -> Result<Held, HoldError> {
        let permit = match self.permit(&request) {
            Ok(permit) => permit,
            // Whoever paid before must not hear that nothing was charged.
            Err(error) => {
                let prior = self.try_prior(request.replay, request.idempotency, request.fingerprint).await?;
                return prior.ok_or(error);
            }
        };
        let claim = self.shared.memory.lock().claim(&request);
        if claim != Claim::Taken {
            return self
                .earlier(self.unsettled(claim, request.replay.as_ref(), request.idempotency.as_ref())?)
                .await;
        }
        let mut holding = Box::new(Holding::claimed(&self.shared, permit, request));
        if self.shared.is_one_of_several() {
            return self.hold_among_several(holding).await;
        }
        if let Some(used) = self.look_up(&holding.request).await.map_err(|_| HoldError::Unavailable)? {
            let claim = used.claim(holding.request.fingerprint);
            drop(holding);
            return self.earlier(claim).await;
        }
        self.reserve(&mut holding).await?;
        let is_durable = holding.request.capture == Capture::Before || holding.request.intent.is_some();
        if !is_durable {
            return Ok(Held::Hold(Hold::new(holding)));
        }
        holding.record().await.map(Held::Hold)
    }

    /// A payment that is held for may be one whose outcome nobody knows: then nobody is at work on it. So may the first payment of a call
    /// that its client named, and has signed for anew.
    fn unsettled(
        &self,
        claim: Claim,
        replay: Option<&ReplayKey>,
        identifier: Option<&IdempotencyKey>,
    ) -> Result<Claim, HoldError> {
        let unknown =
            if claim == Claim::Running { self.shared.parked.find(replay, identifier) } else { None };
        unknown.map_or(Ok(claim), |payment| Err(HoldError::SettlementUnknown(payment)))
    }

    /// Whether anything new is held now, and a place in the queue for it.
    fn permit(&self, request: &HoldRequest) -> Result<OwnedSemaphorePermit, HoldError> {
        if !self.shared.gate.is_open() {
            return Err(HoldError::Unavailable);
        }
        if request.replay.is_some() && self.shared.is_ahead() {
            return Err(HoldError::ClockAhead);
        }
        self.shared.permit().ok_or(HoldError::Overloaded)
    }

    /// What disk knows of the request's keys, where memory cannot know all.
    async fn look_up(&self, request: &HoldRequest) -> Result<Option<Used>, LedgerError> {
        if let Some(key) = &request.idempotency
            && let Some(used) = self.shared.reads.identifier(key, self.time()).await?
        {
            return Ok(Some(used));
        }
        let Some(key) = &request.replay else { return Ok(None) };
        let on_disk = self.shared.memory.lock().facts.replays.may_be_on_disk(key);
        if on_disk { self.shared.reads.replay(key).await } else { Ok(None) }
    }

    async fn reserve(&self, holding: &mut Holding) -> Result<(), HoldError> {
        for _ in 0..LOADS_MAX {
            let Holding { request, held, .. } = &*holding;
            let agent_holds_max = self.shared.settings.agent_holds_max;
            let reservation = self.shared.memory.lock().reserve(request, held, agent_holds_max);
            match reservation {
                Reservation::Held(cost) => {
                    holding.cost = cost;
                    holding.stage = Stage::Reserved;
                    return Ok(());
                }
                Reservation::Refused(error) => return Err(error),
                Reservation::Missing => self.load(request).await?,
            }
        }
        Err(HoldError::Overloaded)
    }

    /// Has the writer read the wallet and the agent, and open the provider's accounts, between two batches.
    async fn load(&self, request: &HoldRequest) -> Result<(), HoldError> {
        self.open_accounts(request).await?;
        self.read_accounts(request).await.map_err(hold_error)
    }

    /// Opens what the payment moves between, where it is not open.
    pub(super) async fn open_accounts(&self, request: &HoldRequest) -> Result<(), HoldError> {
        let opened = match &request.intent {
            None => self.open_provider(&request.provider).await,
            Some(intent) => self.open_chain(intent, &request.provider).await,
        };
        opened.map_err(hold_error)
    }

    /// The answer for a key that somebody had before.
    async fn earlier(&self, claim: Claim) -> Result<Held, HoldError> {
        match claim {
            Claim::Captured(payment) => self.captured(payment).await,
            Claim::Reused => Err(HoldError::Reused),
            Claim::Running | Claim::Taken => Err(HoldError::InProgress),
        }
    }

    async fn captured(&self, payment: PaymentId) -> Result<Held, HoldError> {
        let unavailable = |_: LedgerError| HoldError::Unavailable;
        let reads = &self.shared.reads;
        let record = reads.payment(payment).await.map_err(unavailable)?.ok_or(HoldError::Unavailable)?;
        let refunded = record.state.is_undone();
        let response = reads.response(payment, self.time()).await.map_err(unavailable)?;
        let over = {
            let mut memory = self.shared.memory.lock();
            if response.is_some() || refunded {
                memory.deliveries.confirm(payment);
                Delivery::Over
            } else {
                memory.deliveries.take(payment)
            }
        };
        let is_settled = response.is_some() || refunded;
        if over == Delivery::Over && !is_settled && self.is_delivered_elsewhere(payment).await? {
            return Err(HoldError::InProgress);
        }
        match over {
            Delivery::Running => Err(HoldError::InProgress),
            Delivery::Taken => Ok(Held::Redelivery(Redelivery::new(self.shared.clone(), record.receipt))),
            Delivery::Over if response.is_some() || refunded => {
                Ok(Held::Prior(Prior { receipt: record.receipt, response, refunded }))
            }
            Delivery::Over => {
                // It may have been stored or given back between the look at the disk and the look at the deliveries.
                let record =
                    reads.payment(payment).await.map_err(unavailable)?.ok_or(HoldError::Unavailable)?;
                let response = reads.response(payment, self.time()).await.map_err(unavailable)?;
                let refunded = record.state.is_undone();
                Ok(Held::Prior(Prior { receipt: record.receipt, response, refunded }))
            }
        }
    }

    fn count(&self, held: &Result<Held, HoldError>) {
        let kind = match held {
            Ok(Held::Prior(_) | Held::Redelivery(_)) => Collision::Replayed,
            Err(HoldError::Reused) => Collision::Conflict,
            Err(HoldError::InProgress) => Collision::InProgress,
            _ => return,
        };
        self.shared.observer.collision(kind);
    }
}

// === impl Used ===

impl Used {
    fn claim(&self, fingerprint: Fingerprint) -> Claim {
        if self.fingerprint == fingerprint { Claim::Captured(self.payment) } else { Claim::Reused }
    }
}

fn hold_error(error: LedgerError) -> HoldError {
    match error {
        LedgerError::UnknownWallet => HoldError::UnknownWallet,
        LedgerError::Overloaded => HoldError::Overloaded,
        _ => HoldError::Unavailable,
    }
}
