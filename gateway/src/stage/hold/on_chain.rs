//! Payments on public networks at the hold: who pays is an address, the money is its own, and what it has open is counted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::{Address, AgentId, Amount, Payee, Settle, UnixMillis, Window};
use ledger::{Hold, HoldError, Intent};
use protocol::verify::VerifiedPayment;
use settlement::Signed;
use settlement::rail::{Funds, Known, Lack, Purse};

use super::{Holder, Holding, Means, Payer};
use crate::answer::refusal::{Refusal, Short, Unpaid};
use crate::offer::way::{Moves, Way};
use crate::rail::exposure::{Debtor, Exposed};
use crate::rail::signed_hold::{SignedHold, Value};
use crate::rail::verifying::Verification;
use crate::rail::{Public, PublicRail};
use crate::rate::STRANGERS;
use crate::stage::rate::seconds;
use crate::stage::route::Routed;
use crate::stage::verify::{Claim, Claimant, OnChain};

const DAY_MS: i64 = 24 * 3600 * 1000;

/// A payment that could be settled, counted among what its payer has open.
pub(super) struct Staked {
    pub(super) intent: Arc<Intent>,
    /// The most that its payer may have open on its network: what is said, or all that it has there.
    pub(super) most: Amount,
    /// What it is told, where more than that is open and it has no more.
    lacking: Option<Unpaid>,
    signed: Signed,
    /// When its upstream must have answered, so that there is time to settle it.
    answer_by: Instant,
    exposed: Exposed,
    rail: Arc<dyn PublicRail>,
    /// Until there is a hold that says so.
    _verification: Verification,
}

// === impl Holder ===

impl Holder<'_> {
    /// Whether a payment could be settled, by what is known of its network and its payer now.
    pub(super) async fn stake(
        &self,
        paid: &OnChain,
        amount: Amount,
        routed: &Routed,
    ) -> Result<Staked, Refusal> {
        let public = self.public.ok_or(Refusal::SettlementUnavailable)?;
        let rail = &public.networks.rail;
        let OnChain { payment, way, payload, .. } = paid;
        let network = &way.currency.asset.network;
        rail.ready(network, payment.payer()).map_err(|_| Refusal::SettlementUnavailable)?;
        if matches!(way.moves, Moves::Upto(_)) && !rail.is_trusted(payment.payer()) {
            return Err(Refusal::PaymentRequired(Unpaid::Rejected {
                code: "payer_not_trusted",
                message: format!(
                    "{} did not pay for what it was served before; what a call used is not sold to it on {network}",
                    payment.payer().to_checksum(None)
                ),
            }));
        }
        let settle = self.settles(public, routed, way, payment.payer())?;
        let since_block = rail.last_block(network).ok_or(Refusal::SettlementUnavailable)?;
        // Counted once, however often it comes at once: its payer has the funds for it.
        let verification = public.verifying.begin(payment.replay_key()).ok_or(Refusal::InProgress)?;
        let debtor = Debtor { network: Arc::clone(network), payer: payment.payer().into() };
        let most = public.unsettled_max(network);
        let taken = public.exposure.take(debtor, amount, most);
        let (exposed, total) = taken.ok_or(Refusal::UnsettledPayments { most })?;
        let funds = self.funded(public, paid, amount, total).await?;
        let (covered, lack) = funds.covered();
        let lacking = (covered < most).then(|| paid.lacking(lack, funds, amount, total));
        let signed = signed(paid, amount, since_block);
        let intent = Intent {
            network: Arc::clone(network),
            token: way.currency.asset.address.into(),
            payer: payment.payer().into(),
            pay_to: way.pay_to.into(),
            custody: way.payee.ok_or(Refusal::Internal)?.custody(),
            deposit: None,
            settle,
            valid_before: payment.replay_key().valid_before(),
            since_block,
            payload: Arc::clone(payload.json()),
            requirements: signed.asked().map_err(|_| Refusal::Internal)?.into(),
        };
        let answer_by = self.answer_by(way, intent.valid_before);
        let (intent, rail) = (Arc::new(intent), Arc::clone(rail));
        let most = most.min(covered);
        Ok(Staked { intent, most, lacking, signed, answer_by, exposed, rail, _verification: verification })
    }

    /// Whether a claim is of a payer on a public network that is known to have had the funds for it. Asks nobody.
    pub(super) fn had_funds(&self, claim: &Claim) -> bool {
        let (Some(public), Claimant::OnChain(paid)) = (self.public, &claim.claimant) else { return false };
        public.networks.rail.known(&paid.purse(), claim.maximum()) != Known::Stranger
    }

    /// What its payer has, where that covers all that it has open here. Of strangers nobody has too many looked at.
    async fn funded(
        &self,
        public: &Public,
        paid: &OnChain,
        amount: Amount,
        total: Amount,
    ) -> Result<Funds, Refusal> {
        let (rail, purse) = (&public.networks.rail, paid.purse());
        // What is open is not gone from the account yet, and will be.
        let known = rail.known(&purse, total);
        let funds = match known {
            Known::Funds(funds) => funds,
            Known::Expected | Known::Stranger => {
                if known == Known::Stranger {
                    self.count_stranger(public)?;
                }
                rail.funds(&purse, total).await.map_err(|_| Refusal::SettlementUnavailable)?
            }
        };
        match funds.lack(total) {
            Some(lack) => Err(Refusal::PaymentRequired(paid.lacking(lack, funds, amount, total))),
            None => Ok(funds),
        }
    }

    /// Counts a payer of whom nothing is known, where it calls from.
    pub(super) fn count_stranger(&self, public: &Public) -> Result<(), Refusal> {
        public.strangers.count(self.client).map_err(|wait| {
            self.metrics.rate_limited(STRANGERS);
            Refusal::TooManyPayers { retry_after: seconds(wait).max(1) }
        })
    }

    /// When a payer's value is to move. Nobody pays first what cannot be given back. A route that is paid before anything is done for it
    /// stays so: whose calls were given back too often today, at two transactions each, buys nothing there. Who is not trusted pays
    /// first elsewhere too.
    fn settles(
        &self,
        public: &Public,
        routed: &Routed,
        way: &Way,
        payer: Address,
    ) -> Result<Settle, Refusal> {
        let at = self.ledger.time();
        let may_give_back = self.leniency.may_give_back(AgentId::of_payer(payer), &routed.provider.name, at);
        match routed.route.settle {
            Settle::Before if !self.has_way_back(way) => Ok(Settle::After),
            Settle::Before if may_give_back => Ok(Settle::Before),
            Settle::Before => Err(Refusal::TooManyGivenBack { retry_after: until_midnight(at) }),
            settle if public.networks.rail.is_trusted(payer) => Ok(settle),
            _ if may_give_back && self.has_way_back(way) => Ok(Settle::Before),
            _ => Ok(Settle::After),
        }
    }

    /// Whether what was paid can be given back.
    fn has_way_back(&self, way: &Way) -> bool {
        way.payee == Some(Payee::Treasury) && self.ledger.outlet(&way.currency.asset.network).is_some()
    }

    /// Until when an upstream may take, so that a payment can be settled behind it.
    fn answer_by(&self, way: &Way, valid_before: u64) -> Instant {
        let millis = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000);
        let margin = millis(way.currency.margin_seconds());
        let left = millis(valid_before).saturating_sub(margin).saturating_sub(self.ledger.time().0);
        after(Duration::from_millis(u64::try_from(left).unwrap_or(0)))
    }
}

/// Seconds until the day of the caps is over.
fn until_midnight(at: UnixMillis) -> u32 {
    let over = Window::Day.start(at).plus(DAY_MS);
    u32::try_from(over.seconds().saturating_sub(at.seconds())).unwrap_or(u32::MAX).max(1)
}

/// As it is settled, from a block on that is older than it.
fn signed(paid: &OnChain, amount: Amount, since_block: u64) -> Signed {
    let OnChain { way, payload, quote, .. } = paid;
    let (network, token) = (Arc::clone(&way.currency.asset.network), way.currency.asset.address);
    Signed::new(network, token, since_block, payload, way.offer(amount, quote))
}

/// The moment that comes so long after this one.
pub(super) fn after(time: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(time).unwrap_or(now)
}

// === impl OnChain ===

impl OnChain {
    fn purse(&self) -> Purse {
        Purse::of(&self.way.currency.asset, self.payload.transfer())
    }

    /// What its payer is told, whose funds are too little for this call and all else that it has open, which is `total` with it.
    fn lacking(&self, lack: Lack, funds: Funds, price: Amount, total: Amount) -> Unpaid {
        let asset = &self.way.currency.asset;
        let (payer, network) = (self.payment.payer(), Arc::clone(&asset.network));
        let token = Arc::clone(&self.way.currency.address);
        let unsettled = total.checked_sub(price).unwrap_or(Amount::ZERO);
        let name = Arc::clone(&asset.name);
        match lack {
            Lack::Balance => {
                let available = funds.held();
                let short = Short { payer, token, name, network, available, price, unsettled };
                Unpaid::Balance { short: Box::new(short) }
            }
            Lack::Allowance => Unpaid::Allowance { payer, token, network },
        }
    }
}

// === impl Staked ===

impl Staked {
    /// With its hold.
    pub(super) fn held(self, hold: Hold) -> SignedHold {
        let settle = self.intent.settle;
        let (amount, is_kept) = (hold.maximum(), false);
        let (answer_by, exposed) = (self.answer_by, self.exposed);
        let value = Value::Chain { signed: Box::new(self.signed), rail: self.rail };
        SignedHold { hold, value, answer_by, settle, amount, is_kept, exposed }
    }
}

// === impl Holding ===

impl Holding {
    /// Of a payment that was verified.
    pub(super) fn on_chain(paid: &OnChain, identifier: Option<String>) -> Self {
        let payment: &VerifiedPayment = &paid.payment;
        let holding = Self::of_address(payment.payer(), &paid.way, paid.payload.version(), identifier);
        Self { replay: Some(payment.replay_key()), digest: Some(payment.digest()), ..holding }
    }

    /// Of whoever signs with this address.
    pub(super) fn of_address(payer: Address, way: &Way, version: u64, identifier: Option<String>) -> Self {
        let payer = Payer {
            agent: AgentId::of_payer(payer),
            address: Some(payer.into()),
            network: Arc::clone(&way.currency.asset.network),
            version,
            on_chain: true,
        };
        Self { payer, identifier, means: Means::Chain(None), replay: None, digest: None, refusal: None }
    }

    /// What the books refuse. What a payer has open at all gateways may be as much as it has.
    pub(super) fn refused(&mut self, error: HoldError) -> Refusal {
        let lacking = match &mut self.means {
            Means::Chain(staked) => staked.take().and_then(|staked| staked.lacking),
            Means::Wallet(_) | Means::Foreign(_) => None,
        };
        match (error, lacking) {
            (HoldError::UnsettledPayments { .. }, Some(lacking)) => Refusal::PaymentRequired(lacking),
            (error, _) => error.into(),
        }
    }
}
