//! [`Deposits`]: a wallet is topped up by a payment on a public network, made out to the treasury there.
//!
//! The client names wallet and amount, is asked to pay, and repeats the same request with its payment, as for any call that costs
//! something. What it signed is judged as a payment for a route is, and held in the same books, so that it pays once whatever else it is
//! shown for. The wallet has the money when the chain shows for good that it moved, with the same commit; until then the payment is
//! pending or unknown, and the [`crate::reconciler`] closes it. Who pays needs no key, and is told nothing of what is in the wallet.
//! Next: [`way`] for what is offered and accepted, [`told`] for the answers.

mod told;
mod way;

use std::net::IpAddr;
use std::sync::Arc;

use domain::replay::FingerprintParts;
use domain::{Address, AgentId, Amount, B256, Custody, Fingerprint, PaymentId, ReplayKey, Settle, WalletId};
use ledger::{CaptureError, Deposit, Held, Hold, HoldError, Intent, Ledger, Moved, ReceiptRecord};
use protocol::payload::{Malformed, PaymentPayload};
use protocol::quote::QuoteKey;
use protocol::verify::{Rejection, VerifiedPayment};
use tokio::sync::Semaphore;

use crate::rail::shares::Shares;
use crate::rail::{ContractSignature, Lack, Last, Purse, Rail, Settling, Validity};
use crate::signed::Signed;
use way::{Judged, Way};

pub use told::{DepositReply, Payer, Told, Unpaid};

/// Payments that are judged and settled at once, on all listeners: each may wait for a settlement.
const RUNNING_MAX: usize = 64;

/// Those of one client, and of one payer: nobody keeps the others out.
const RUNNING_OF_ONE_MAX: usize = RUNNING_MAX / 8;

/// How much one deposit may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Settling less costs more than it is worth.
    pub least: Amount,
    /// What the operator would hold of one payment at most.
    pub most: Amount,
}

/// A request for a deposit. What is asked for is known and open: the books have such a wallet.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Which wallet is to be funded.
    pub wallet: WalletId,
    /// With how much.
    pub amount: Amount,
    /// What was called, for the 402.
    pub url: &'a str,
    /// The payment header, where there is one.
    pub payment: Option<&'a [u8]>,
    /// Where it comes from, by the address that counts for it.
    pub client: Option<IpAddr>,
}

/// Takes deposits. Cheap to clone.
#[derive(Clone)]
pub struct Deposits {
    inner: Arc<Inner>,
}

struct Inner {
    ledger: Ledger,
    rail: Rail,
    bounds: Bounds,
    quotes: QuoteKey,
    ways: Vec<Way>,
    places: Semaphore,
    clients: Shares<IpAddr>,
    payers: Shares<Address>,
}

/// One payment that was verified.
struct Claim<'a> {
    asked: &'a Asked<'a>,
    way: &'a Way,
    payer: Payer,
    payment: VerifiedPayment,
}

// === impl Deposits ===

impl Deposits {
    /// On the networks where there is a treasury; none where there is none.
    #[must_use]
    pub fn new(ledger: Ledger, rail: Rail, bounds: Bounds) -> Option<Self> {
        let ways: Vec<Way> = rail.networks().iter().flat_map(Way::all).collect();
        let quotes = QuoteKey::new(ledger.secret());
        let places = Semaphore::new(RUNNING_MAX);
        let (clients, payers) = (Shares::new(RUNNING_OF_ONE_MAX), Shares::new(RUNNING_OF_ONE_MAX));
        let inner = Inner { ledger, rail, bounds, quotes, ways, places, clients, payers };
        (!inner.ways.is_empty()).then(|| Self { inner: Arc::new(inner) })
    }

    /// Asks for the payment, or takes it. Whoever leaves meanwhile stops nothing that was begun.
    pub async fn answer(&self, asked: &Asked<'_>) -> Told {
        let Some(header) = asked.payment else {
            let objection = self.inner.objection(asked.amount);
            return objection.unwrap_or_else(|| self.inner.ask(asked, Unpaid::Missing));
        };
        // Whoever is known by something else than an address is no crowd.
        let own = asked.client.map(|client| self.inner.clients.try_turn(client));
        if matches!(own, Some(None)) {
            return Told::Overloaded;
        }
        let Ok(_place) = self.inner.places.try_acquire() else { return Told::Overloaded };
        match PaymentPayload::parse(header) {
            Ok(payload) => self.take(asked, &payload).await,
            Err(malformed) => Told::Malformed(malformed.to_string()),
        }
    }

    async fn take(&self, asked: &Asked<'_>, payload: &PaymentPayload) -> Told {
        let Inner { ledger, ways, .. } = &*self.inner;
        let quote = self.inner.quote(asked);
        let at = ledger.time();
        let judge = |found| {
            let judged = way::judge(payload, ways, asked.amount, &quote, at, found);
            judged.map_err(|malformed| Box::new(Told::Malformed(malformed.to_string())))
        };
        let judged = match judge(None) {
            Ok(judged) => self.inner.prove(payload, judged, asked.client, |found| judge(Some(found))).await,
            malformed => malformed,
        };
        let (way, judged) = match judged {
            Ok(Judged { way, payment, .. }) => (way, payment),
            Err(told) => return *told,
        };
        let payer = |address| Payer::new(address, &way.asset.network, payload.version());
        let payment = match judged {
            Ok(payment) => payment,
            Err(rejection) => {
                let refusal = self.inner.refuse(asked, &rejection);
                return match rejection.signed() {
                    Some((key, address)) => self.inner.earlier(asked, key, payer(address), refusal).await,
                    None => refusal,
                };
            }
        };
        let Some(_own) = self.inner.payers.try_turn(payment.payer()) else { return Told::Overloaded };
        let claim = Claim { asked, way, payer: payer(payment.payer()), payment };
        match self.inner.stake(&claim, payload, &quote).await {
            Ok((intent, signed)) => self.hold(claim, intent, signed).await,
            // It may have been taken before: that is to be told, whatever has become of the rest.
            Err(refusal) => {
                self.inner.earlier(asked, claim.payment.replay_key(), claim.payer, *refusal).await
            }
        }
    }

    async fn hold(&self, claim: Claim<'_>, intent: Intent, signed: Signed) -> Told {
        let Claim { asked, payer, payment, .. } = claim;
        let mut random = [0; 10];
        if getrandom::fill(&mut random).is_err() {
            return Told::LedgerUnavailable;
        }
        let deposit = Deposit {
            payment: PaymentId::generate(self.inner.ledger.time(), random),
            wallet: asked.wallet,
            amount: asked.amount,
            intent,
            replay: payment.replay_key(),
            digest: payment.digest(),
            fingerprint: fingerprint(asked, &payer),
        };
        match self.inner.ledger.hold(deposit.request()).await {
            Ok(Held::Hold(hold)) => {
                let (deposits, asked) = (self.clone(), (asked.wallet, asked.url.to_owned()));
                let settled = tokio::spawn(async move { deposits.settle(hold, signed, asked, payer).await });
                // A task that ended without a word left its hold, and that counts as unknown.
                settled.await.unwrap_or(Told::LedgerUnavailable)
            }
            Ok(earlier) => before(earlier, payer),
            Err(error) => self.inner.not_held(error, payer),
        }
    }

    /// Has the value moved, and funds the wallet with what moved for good.
    async fn settle(self, hold: Hold, signed: Signed, asked: (WalletId, String), payer: Payer) -> Told {
        let (payment, amount) = (hold.payment(), hold.maximum());
        let (wallet, url) = asked;
        let refused = match self.inner.rail.settle(payment, &signed, amount).await {
            Settling::Moved(transaction) => {
                let moved = self.inner.rail.moved(&signed, amount, transaction).await;
                return funded(hold, moved, payer).await;
            }
            // The block may still be undone, and what a wallet has spent comes back from nobody.
            Settling::Shown(transaction) => {
                hold.leave_unknown();
                return Told::Pending { payment, wallet, amount, transaction: Some(transaction), payer };
            }
            Settling::Told(_) | Settling::Unknown(_) => {
                hold.leave_unknown();
                return Told::Unknown(payment);
            }
            Settling::Unavailable(_) => Told::RailUnavailable,
            Settling::Refused(reason) => {
                let asked = Asked { wallet, amount, url: &url, payment: None, client: None };
                self.inner.ask(&asked, Unpaid::NotSettled { reason, payer })
            }
        };
        // Nothing moved; it is told once that stands.
        hold.void().await.map_or(Told::Unknown(payment), |()| refused)
    }
}

// === impl Inner ===

impl Inner {
    fn objection(&self, amount: Amount) -> Option<Told> {
        let Bounds { least, most } = self.bounds;
        (!(least..=most).contains(&amount)).then_some(Told::Amount(self.bounds))
    }

    /// Of the wallet and the amount: clients that echo it pay for no other.
    fn quote(&self, asked: &Asked<'_>) -> String {
        self.quotes.quote(&path(asked.wallet), &domain::Price::Fixed(asked.amount), 0, 0)
    }

    fn ask(&self, asked: &Asked<'_>, unpaid: Unpaid) -> Told {
        let quote = self.quote(asked);
        let offers = self.ways.iter().map(|way| way.offer(asked.amount, &quote)).collect();
        Told::Asked { offers, url: asked.url.to_owned(), wallet: asked.wallet, amount: asked.amount, unpaid }
    }

    /// What has expired by the books' time may be good by the clock's, where the clock was set back: a new one would be refused too.
    fn refuse(&self, asked: &Asked<'_>, rejection: &Rejection) -> Told {
        let is_late = matches!(rejection, Rejection::Expired { .. }) && self.ledger.is_ahead();
        if is_late { Told::ClockAhead } else { self.ask(asked, Unpaid::rejected(rejection)) }
    }

    /// What its payer's contract was found to have signed is judged again.
    async fn prove<'a>(
        &self,
        payload: &PaymentPayload,
        judged: Judged<'a>,
        client: Option<IpAddr>,
        again: impl FnOnce(B256) -> Result<Judged<'a>, Box<Told>>,
    ) -> Result<Judged<'a>, Box<Told>> {
        for (way, digest) in &judged.unproven {
            let (payer, seal) = (payload.transfer().from(), payload.seal());
            let signature =
                ContractSignature { network: &way.asset.network, payer, digest: *digest, seal, client };
            match self.rail.validate(signature).await.map_err(|_| Told::RailUnavailable)? {
                Validity::Signed => return again(*digest),
                Validity::NoContract => {
                    let malformed = |none: Malformed| Box::new(Told::Malformed(none.to_string()));
                    return payload.may_be_by_key().map_err(malformed).map(|()| judged);
                }
                Validity::NotSigned | Validity::Undeployed(_) => {}
            }
        }
        Ok(judged)
    }

    /// Whether it could be settled, by what is known of its network and its payer now.
    async fn stake(
        &self,
        claim: &Claim<'_>,
        payload: &PaymentPayload,
        quote: &str,
    ) -> Result<(Intent, Signed), Box<Told>> {
        let Claim { asked, way, payment, .. } = claim;
        self.objection(asked.amount).map_or(Ok(()), Err)?;
        let (network, token) = (&way.asset.network, way.asset.address);
        self.rail.ready(network, payment.payer()).map_err(|_| Told::RailUnavailable)?;
        let since_block = self.rail.last_block(network).ok_or(Told::RailUnavailable)?;
        let purse = Purse::of(&way.asset, payload.transfer());
        let funds = self.rail.funds(&purse, asked.amount).await.map_err(|_| Told::RailUnavailable)?;
        match funds.lack(asked.amount) {
            None => {}
            Some(Lack::Balance | Lack::Allowance) => return Err(self.ask(asked, Unpaid::Funds).into()),
        }
        let terms = way.offer(asked.amount, quote);
        let signed = Signed::new(Arc::clone(network), token, since_block, payload, terms);
        let intent = Intent {
            network: Arc::clone(network),
            token: token.into(),
            payer: payment.payer().into(),
            pay_to: way.pay_to.into(),
            custody: Custody::Treasury,
            deposit: Some(asked.wallet),
            settle: Settle::After,
            valid_before: payment.replay_key().valid_before(),
            since_block,
            payload: Arc::clone(payload.json()),
            requirements: signed.asked().map_err(|_| Told::RailUnavailable)?.into(),
        };
        Ok((intent, signed))
    }

    /// What became of the same payment before; else the refusal.
    async fn earlier(&self, asked: &Asked<'_>, key: ReplayKey, payer: Payer, refusal: Told) -> Told {
        match self.ledger.prior(Some(key), None, fingerprint(asked, &payer)).await {
            Ok(Some(earlier)) => before(earlier, payer),
            Ok(None) => refusal,
            Err(error) => self.not_held(error, payer),
        }
    }

    fn not_held(&self, error: HoldError, payer: Payer) -> Told {
        match error {
            HoldError::SettlementUnknown(payment) => self.open(payment, payer),
            HoldError::Unknown(payment) => Told::Unknown(payment),
            HoldError::InProgress => Told::InProgress,
            HoldError::Reused => Told::Reused,
            HoldError::Overloaded => Told::Overloaded,
            HoldError::ClockAhead => Told::ClockAhead,
            HoldError::UnknownWallet
            | HoldError::InsufficientFunds { .. }
            | HoldError::SpendingLimit(_)
            | HoldError::UnsettledPayments { .. }
            | HoldError::Unavailable => Told::LedgerUnavailable,
        }
    }

    /// One that is not closed yet: it moved in a block that does not count, or nobody knows.
    fn open(&self, payment: PaymentId, payer: Payer) -> Told {
        let is_shown = matches!(self.rail.last_heard(&payment), Some(Last::Shown { .. }));
        let open = self.ledger.unknown().into_iter().find(|open| open.payment == payment);
        let wallet = open.as_ref().and_then(|open| open.intent.deposit);
        match (open, wallet) {
            (Some(open), Some(wallet)) if is_shown => {
                Told::Pending { payment, wallet, amount: open.amount, transaction: None, payer }
            }
            _ => Told::Unknown(payment),
        }
    }
}

async fn funded(hold: Hold, moved: Moved, payer: Payer) -> Told {
    let payment = hold.payment();
    match hold.capture_settled(moved).await {
        Ok(receipt) => {
            let record = receipt.record().clone();
            receipt.delivered();
            tracing::info!(%payment, wallet.id = %record.route, amount = %record.amount, "wallet funded by a deposit");
            Told::Funded { record, payer }
        }
        // It moved: whatever became of the commit is found by the same payment.
        Err(CaptureError::Failed | CaptureError::Refused | CaptureError::Spent | CaptureError::Unknown) => {
            Told::Unknown(payment)
        }
    }
}

/// Of a payment that was captured before.
fn before(earlier: Held, payer: Payer) -> Told {
    let record: ReceiptRecord = match earlier {
        Held::Prior(prior) => prior.receipt,
        Held::Redelivery(redelivery) => {
            let record = redelivery.record().clone();
            redelivery.delivered();
            record
        }
        // Nothing is forwarded for it, and dropped it counts as unknown.
        Held::Hold(hold) => return Told::Unknown(hold.payment()),
    };
    Told::Funded { record, payer }
}

/// The same on every listener.
fn fingerprint(asked: &Asked<'_>, payer: &Payer) -> Fingerprint {
    Fingerprint::new(FingerprintParts {
        method: "POST",
        host: "",
        path: &path(asked.wallet),
        query: &asked.amount.atomic().to_string(),
        payer: AgentId::of_payer(payer.address),
        body: None,
    })
}

fn path(wallet: WalletId) -> String {
    format!("/v1/wallets/{wallet}/deposit")
}
