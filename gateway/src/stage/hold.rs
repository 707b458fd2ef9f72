//! Hold: the claimant's funds, limits and replay key are held for the most the call can cost. The one stage that may
//! wait for a read.

mod agents;
mod foreign;
mod named;
mod on_chain;
mod told;

use std::sync::Arc;

use domain::policy::Spending;
use domain::replay::FingerprintParts;
use domain::{
    AgentId, Asset, B256, Fingerprint, IdempotencyKey, Party, PaymentId, PolicyViolation, ReplayKey,
    UnixMillis,
};
use http::HeaderMap;
use ledger::{Held, Hold, HoldRequest, Ledger, Prior, Redelivery};
use protocol::X402_VERSION;
use protocol::verify::Rejection;
use registry::{Access, Directory};

use crate::answer::refusal::Refusal;
use crate::metrics::Metrics;
use crate::payment::credential;
use crate::payment::leniency::Leniency;
use crate::rail::Public;
use crate::rail::signed_hold::SignedHold;
use crate::rate::{Consumer, Strangers};
use crate::stage::admit::Admitted;
use crate::stage::rate::{self, Counted};
use crate::stage::route::Routed;
use crate::stage::verify::{Claim, Claimant, refuse};
use foreign::Identified;
use on_chain::Staked;

pub(crate) use named::body_digest;

/// What may be done with a request whose payment was looked at.
pub(crate) enum Admission {
    /// Forward; the hold is captured when it was delivered.
    Paid(Hold),
    /// The same where value moves on a public network before that.
    Signed(Box<SignedHold>),
    /// Forward once more, free: it was captured, and we do not know that it was delivered.
    Redelivery(Redelivery),
    /// Do not forward: it was delivered. Tell the outcome again.
    Replay(Prior),
}

/// Who pays, as receipts, upstreams and logs name them.
#[derive(Clone, Debug)]
pub(crate) struct Payer {
    pub(crate) agent: AgentId,
    /// The address that signed, where one did.
    pub(crate) address: Option<Party>,
    /// CAIP-2 of the network that was paid on, which is the wallet's for who pays from one.
    pub(crate) network: Arc<str>,
    /// The version of x402 that it speaks.
    pub(crate) version: u64,
    /// Whether it is no agent, but an address on a public network.
    pub(crate) on_chain: bool,
}

/// A request that is going to be held for.
pub(crate) struct Holding {
    pub(crate) payer: Payer,
    pub(crate) identifier: Option<String>,
    means: Means,
    replay: Option<ReplayKey>,
    digest: Option<B256>,
    /// Set when the request may not be held for now: only its earlier outcome counts, else it is refused with this.
    refusal: Option<Refusal>,
}

/// What is paid with.
enum Means {
    /// An agent's wallet, under its policy.
    Wallet(Arc<Access>),
    /// The payer's own money on a public network; none where the payment is not taken now.
    Chain(Option<Box<Staked>>),
    /// The same on a non-EVM network; none until its payer is known.
    Foreign(Option<Box<Identified>>),
}

/// What the hold stage works with.
pub(crate) struct Holder<'a> {
    pub(crate) ledger: &'a Ledger,
    pub(crate) directory: &'a Directory,
    /// None where no payments are taken on public networks.
    pub(crate) public: Option<&'a Public>,
    pub(crate) metrics: &'a Metrics,
    pub(crate) leniency: &'a Leniency,
    pub(crate) nobodies: &'a Strangers,
    /// Whose address the request came from.
    pub(crate) client: Consumer,
}

// === impl Holder ===

impl Holder<'_> {
    /// Finds out whose claim it is, and whether their policy allows it. Nothing is held yet. A refusal is only kept where
    /// the request may have been paid before: a retry must learn that, whatever the rules have become since, and however
    /// often it is asked.
    pub(crate) async fn identify(
        &self,
        claim: &Claim,
        identifier: Option<String>,
        routed: &Routed,
        headers: &HeaderMap,
        counted: &mut Option<Counted>,
    ) -> Result<Holding, Refusal> {
        let at = self.ledger.time();
        let mut holding = self.claimant(claim, identifier, at).await?;
        // What a key is not for it does not learn either: not the answer that another key of the agent paid for.
        let sold = routed.route.sold(&routed.provider.name);
        if let Some(key) =
            holding.access().and_then(|access| access.key.as_ref()).filter(|key| !key.is_for(&sold))
        {
            return Err(self.counted(Refusal::KeyScope { key: key.id }));
        }
        // Whoever is not known yet is counted where it calls from: to sign with a new key costs nothing.
        let consumer = match holding.means {
            Means::Foreign(_) => self.client,
            Means::Chain(_) if !self.had_funds(claim) => self.client,
            Means::Wallet(_) | Means::Chain(_) => Consumer::Agent(holding.payer.agent),
        };
        let often = rate::count(routed, consumer, self.ledger, counted, self.metrics).await;
        holding.refusal = often.err().or(holding.refusal);
        if holding.refusal.is_none() {
            holding.refusal = self.rules(&mut holding.means, claim, routed, headers, at).await.err();
        }
        match holding.refusal.take() {
            Some(refusal @ Refusal::MalformedField(_)) => Err(refusal),
            Some(refusal) if !holding.may_be_paid() => Err(self.counted(refusal)),
            refusal => Ok(Holding { refusal, ..holding }),
        }
    }

    /// Whose claim it is.
    async fn claimant(
        &self,
        claim: &Claim,
        identifier: Option<String>,
        at: UnixMillis,
    ) -> Result<Holding, Refusal> {
        let asset = self.ledger.asset();
        match &claim.claimant {
            Claimant::Key(key) => {
                let access = self.holder(key).await?;
                let access = access.filter(|access| access.has_grant(at)).ok_or(Refusal::AgentKey)?;
                Ok(Holding::of_agent(access, None, identifier, asset))
            }
            Claimant::Signature(payment) => {
                let access = self.signer(payment.payer()).await?;
                let holding = Holding::of_agent(access, Some(payment.payer().into()), identifier, asset);
                Ok(Holding { replay: Some(payment.replay_key()), digest: Some(payment.digest()), ..holding })
            }
            Claimant::OnChain(paid) => Ok(Holding::on_chain(paid, identifier)),
            Claimant::Foreign(claimed) => Ok(Holding::foreign(claimed, identifier)),
            // Proven before, or refused.
            Claimant::Unproven(_) => Err(Refusal::Internal),
            Claimant::Earlier { rejection, way, version } => {
                let (replay_key, payer) = rejection.signed().ok_or_else(|| refuse(rejection))?;
                let holding = if way.currency.network.is_some() {
                    Holding::of_address(payer, way, *version, identifier)
                } else {
                    let access = self.signer(payer).await.map_err(|refusal| match refusal {
                        Refusal::PaymentRequired(_) => refuse(rejection),
                        // Nobody knows whether it was captured: not the time to ask for another one.
                        unknown => unknown,
                    })?;
                    Holding::of_agent(access, Some(payer.into()), identifier, asset)
                };
                Ok(Holding {
                    replay: Some(replay_key),
                    refusal: Some(self.refuse_earlier(rejection)),
                    ..holding
                })
            }
        }
    }

    /// Holds. `body` is the digest of the request's body, where an identifier is used; `new_id` is asked only where it
    /// comes to a hold.
    pub(crate) async fn hold(
        &self,
        claim: &Claim,
        holding: &mut Holding,
        routed: &Routed,
        request: &Admitted,
        body: Option<&[u8]>,
        new_id: impl FnOnce() -> Result<PaymentId, Refusal>,
    ) -> Result<Admission, Refusal> {
        let fingerprint = Fingerprint::new(FingerprintParts {
            method: &request.method,
            host: &request.authority,
            path: request.path.as_str(),
            query: request.query.as_deref().unwrap_or(""),
            payer: holding.payer.agent,
            body,
        });
        let is_repeatable = request.is_safe() || routed.route.redeliver;
        if let (Means::Foreign(None), None, Claimant::Foreign(claimed)) =
            (&holding.means, &holding.refusal, &claim.claimant)
            && let Some(admission) =
                self.find_payer(claim, claimed, holding, fingerprint, is_repeatable).await?
        {
            return self.guarded(admission, holding, fingerprint).await;
        }
        let named = holding.named();
        if let Some(refusal) = holding.refusal.take() {
            let prior = self.ledger.prior(holding.replay, named, fingerprint).await?;
            let prior = prior.map(admission).ok_or_else(|| self.counted(refusal))?;
            return self.guarded(prior, holding, fingerprint).await;
        }
        let asked = holding.asked(claim, routed, fingerprint, new_id()?).ok_or(Refusal::Internal)?;
        let may_come_again = holding.may_be_paid();
        let held = self.ledger.hold(asked).await.map_err(|error| {
            let refusal = self.counted(holding.refused(error));
            if may_come_again { refusal } else { refusal.of_no_other_call() }
        })?;
        match (held, &mut holding.means) {
            (Held::Hold(hold), Means::Chain(staked)) => match staked.take() {
                Some(staked) => Ok(Admission::Signed(Box::new(staked.held(hold)))),
                None => Err(Refusal::Internal),
            },
            (Held::Hold(hold), Means::Foreign(identified)) => match identified.take() {
                Some(identified) => Ok(Admission::Signed(Box::new(identified.held(hold)))),
                None => Err(Refusal::Internal),
            },
            (held, _) => self.guarded(admission(held), holding, fingerprint).await,
        }
    }

    /// Everything that is asked of the payer before anything is held.
    async fn rules(
        &self,
        means: &mut Means,
        claim: &Claim,
        routed: &Routed,
        headers: &HeaderMap,
        at: UnixMillis,
    ) -> Result<(), Refusal> {
        match (means, &claim.claimant) {
            (Means::Wallet(access), _) => rules(access, claim, routed, headers, at),
            (Means::Chain(staked), Claimant::OnChain(paid)) => {
                *staked = Some(Box::new(self.stake(paid, claim.maximum(), routed).await?));
                Ok(())
            }
            // What its facilitator has against it is asked when nothing else is.
            (Means::Foreign(_), _) => Ok(()),
            (Means::Chain(_), _) => Err(Refusal::Internal),
        }
    }

    /// What has expired by the books' time may be good by the clock's, where the clock was set back. It is not asked for
    /// again then: a new one would be refused as well.
    fn refuse_earlier(&self, rejection: &Rejection) -> Refusal {
        if rejection.is_expired() && self.ledger.is_ahead() { Refusal::ClockAhead } else { refuse(rejection) }
    }

    /// Counts a refusal by a spending policy, when it is said.
    fn counted(&self, refusal: Refusal) -> Refusal {
        match &refusal {
            Refusal::Policy { violation } => self.metrics.violated(match violation {
                PolicyViolation::PerRequest { .. } | PolicyViolation::PerRequestOfKey { .. } => "per_request",
                PolicyViolation::Window { scope: Some(scope), .. } => scope.kind(),
                PolicyViolation::Window { window, .. } => window.name(),
                PolicyViolation::Route(_) | PolicyViolation::Provider(_) => "scope",
                PolicyViolation::Expired(_) => "expired",
            }),
            Refusal::KeyScope { .. } => self.metrics.violated("key_scope"),
            _ => {}
        }
        refusal
    }
}

// === impl Payer ===

impl Payer {
    /// What a receipt calls it.
    pub(crate) fn name(&self) -> String {
        self.address.map_or_else(|| self.agent.to_string(), |address| address.to_string())
    }

    /// What an upstream knows it by, whatever it signs with.
    pub(crate) fn known_as(&self) -> String {
        if self.on_chain { self.name() } else { self.agent.to_string() }
    }
}

// === impl Holding ===

impl Holding {
    fn of_agent(
        access: Arc<Access>,
        address: Option<Party>,
        identifier: Option<String>,
        asset: &Asset,
    ) -> Self {
        let (agent, network) = (access.agent, Arc::clone(&asset.network));
        let payer = Payer { agent, address, network, version: X402_VERSION, on_chain: false };
        let means = Means::Wallet(access);
        Self { payer, identifier, means, replay: None, digest: None, refusal: None }
    }

    /// Whether it may be a payment that came before: it was signed, or has a name.
    const fn may_be_paid(&self) -> bool {
        self.replay.is_some() || self.identifier.is_some()
    }

    fn access(&self) -> Option<&Access> {
        match &self.means {
            Means::Wallet(access) => Some(access),
            Means::Chain(_) | Means::Foreign(_) => None,
        }
    }

    /// What the ledger is asked to hold; none without means.
    fn asked(
        &self,
        claim: &Claim,
        routed: &Routed,
        fingerprint: Fingerprint,
        payment: PaymentId,
    ) -> Option<HoldRequest> {
        let (provider, route, agent) = (&routed.provider, &routed.route, self.payer.agent);
        let (wallet, policy, intent, unsettled_max) = match &self.means {
            Means::Wallet(access) => (access.wallet, Some(&*access.policy), None, None),
            Means::Chain(staked) => {
                let Staked { intent, most, .. } = &**staked.as_ref()?;
                (intent.wallet(), None, Some(Arc::clone(intent)), Some(*most))
            }
            Means::Foreign(identified) => {
                let Identified { intent, most, .. } = &**identified.as_ref()?;
                (intent.wallet(), None, Some(Arc::clone(intent)), Some(*most))
            }
        };
        let sold = route.sold(&provider.name);
        Some(HoldRequest {
            payment,
            agent,
            wallet,
            provider: Arc::clone(&provider.name),
            route: Arc::clone(&route.name),
            price: claim.price.clone(),
            capture: route.capture,
            revision: claim.revision,
            fee: provider.fee,
            per_day: policy.and_then(|policy| policy.per_day),
            per_month: policy.and_then(|policy| policy.per_month),
            limits: policy.map(|policy| policy.counted(&sold)).unwrap_or_default(),
            free_per_day: policy.map_or(0, |_| route.free_per_day),
            replay: self.replay,
            digest: self.digest,
            idempotency: self.identifier.as_ref().map(|text| IdempotencyKey::new(agent, text)),
            fingerprint,
            intent,
            unsettled_max,
        })
    }
}

fn admission(held: Held) -> Admission {
    match held {
        Held::Hold(hold) => Admission::Paid(hold),
        Held::Redelivery(redelivery) => Admission::Redelivery(redelivery),
        Held::Prior(prior) => Admission::Replay(prior),
    }
}

/// Everything that needs no counter: the agent's state and policy, and for a key its own limits.
fn rules(
    access: &Access,
    claim: &Claim,
    routed: &Routed,
    headers: &HeaderMap,
    at: UnixMillis,
) -> Result<(), Refusal> {
    let maximum = match claim.claimant {
        Claimant::Key(_) => credential::maximum_price(headers)?,
        Claimant::Signature(_)
        | Claimant::OnChain(_)
        | Claimant::Foreign(_)
        | Claimant::Earlier { .. }
        | Claimant::Unproven(_) => None,
    };
    let sold = routed.route.sold(&routed.provider.name);
    let spending = Spending { amount: claim.maximum(), sold, at };
    access.objections(spending, maximum).next().map_or(Ok(()), |objection| Err(objection.into()))
}
