//! [`Way`]: one way to pay a deposit, a token on a network with a treasury; and which of them a payment was made in.

use domain::{Address, Amount, Asset, B256, Network, Token, TransferMethod, UnixMillis};
use protocol::eip712::Domain;
use protocol::offer::Offer;
use protocol::payload::{Malformed, PaymentPayload};
use protocol::verify::{Expected, Method, Quote, Rejection, VerifiedPayment, verify_on_chain};
use protocol::{X402_VERSION_1, network};

/// A token in which deposits are taken.
pub(super) struct Way {
    pub(super) asset: Asset,
    pub(super) pay_to: Address,
    domain: Domain,
    max_timeout_seconds: u64,
    margin_seconds: u64,
}

/// A payment, and the way that it was made in.
pub(super) struct Judged<'a> {
    pub(super) way: &'a Way,
    pub(super) payment: Result<VerifiedPayment, Rejection>,
    /// What its payer's contract may have signed, where no key has.
    pub(super) unproven: Vec<(&'a Way, B256)>,
}

// === impl Way ===

impl Way {
    /// All of a network's tokens that their owners move by themselves; none where there is no treasury.
    pub(super) fn all(network: &Network) -> impl Iterator<Item = Self> {
        let Network { max_timeout_seconds, margin_seconds, .. } = *network;
        network.treasury.into_iter().flat_map(move |pay_to| {
            let moved =
                network.tokens.iter().filter(|token| token.methods.contains(&TransferMethod::Eip3009));
            moved.map(move |Token { asset, .. }| Self {
                domain: Domain::new(asset),
                asset: asset.clone(),
                pay_to,
                max_timeout_seconds,
                margin_seconds,
            })
        })
    }

    pub(super) fn offer(&self, amount: Amount, quote: &str) -> Offer {
        Offer::exact(&self.asset, self.pay_to, amount, self.max_timeout_seconds, Some(quote))
    }

    fn verify(
        &self,
        payload: &PaymentPayload,
        price: Amount,
        quote: &str,
        at: UnixMillis,
        found: Option<B256>,
    ) -> Result<VerifiedPayment, Rejection> {
        verify_on_chain(
            payload,
            &Expected {
                asset: &self.asset,
                method: Method::Authorization(&self.domain),
                pay_to: self.pay_to,
                max_timeout_seconds: self.max_timeout_seconds,
                margin_seconds: self.margin_seconds,
                quotes: &[Quote { price, revision: 0, quote }],
                at,
            },
            found,
        )
    }
}

/// Judges a payment in every way that its client may have meant: v1 names no token, which one it was its signature tells. Where it fits
/// none, by one that says what is wrong with it. `found`: what its payer's contract was found to have signed.
pub(super) fn judge<'a>(
    payload: &PaymentPayload,
    ways: &'a [Way],
    price: Amount,
    quote: &str,
    at: UnixMillis,
    found: Option<B256>,
) -> Result<Judged<'a>, Malformed> {
    let is_v1 = payload.version() == X402_VERSION_1;
    let is_offered = |way: &&Way| !is_v1 || network::v1_name(&way.asset.network).is_some();
    let offered: Vec<&Way> = ways.iter().filter(is_offered).collect();
    let meant = offered.iter().filter(|way| payload.may_be_in(&way.asset));
    let nearest = offered.iter().find(|way| *way.asset.network == *payload.network()).or(offered.first());
    let (mut judged, mut unproven) = (None, Vec::new());
    for way in meant.chain(nearest) {
        let payment = way.verify(payload, price, quote, at, found);
        let is_signed = payment.as_ref().map_or_else(|rejection| rejection.signed().is_some(), |_| true);
        if is_signed {
            return Ok(Judged { way, payment, unproven: Vec::new() });
        }
        let digest = payment.as_ref().err().and_then(Rejection::unproven);
        unproven.extend(digest.map(|digest| (*way, digest)));
        judged.get_or_insert((*way, payment));
    }
    let (way, payment) = judged.ok_or_else(|| Malformed::Version(payload.version()))?;
    Ok(Judged { way, payment, unproven })
}
