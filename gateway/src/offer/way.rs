//! [`Way`]: one way to pay a route: in a currency, by what its payer signs, to somebody.

use std::sync::Arc;

use domain::{Address, Amount, Payee, TransferMethod};
use protocol::offer::Offer;
use protocol::payload::PaymentPayload;
use protocol::verify::Method;
use settlement::rail::Settlers;

use crate::offer::currency::Currency;

/// One way to pay.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) currency: Arc<Currency>,
    pub(crate) moves: Moves,
    pub(crate) pay_to: Address,
    /// Whose address that is, on a public network.
    pub(crate) payee: Option<Payee>,
}

/// How the value of a payment moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Moves {
    /// By EIP-3009: the price, by the currency itself.
    Authorization,
    /// By Permit2: the price.
    Permit,
    /// By Permit2 and scheme `upto`: no more than the price, by one of these settlers; at least one.
    Upto(Settlers),
}

// === impl Way ===

impl Way {
    /// What is asked for in this way.
    pub(crate) fn offer(&self, amount: Amount, quote: &str) -> Offer {
        let seconds = self.currency.max_timeout_seconds();
        let offer = Offer::exact(&self.currency.asset, self.pay_to, amount, seconds, Some(quote));
        match &self.moves {
            Moves::Authorization => offer,
            Moves::Permit => offer.by_permit(),
            Moves::Upto(settlers) => offer.upto(first(settlers)),
        }
    }

    /// What a payer of this payment has signed, if it is one of this way.
    pub(crate) fn method(&self, payload: &PaymentPayload) -> Method<'_> {
        match &self.moves {
            Moves::Authorization => Method::Authorization(&self.currency.domain),
            Moves::Permit => Method::Permit(&self.currency.permits),
            Moves::Upto(settlers) => Method::Upto(&self.currency.permits, named(settlers, payload)),
        }
    }

    /// How many seconds a payment must have left when it comes: on a public network half of what was offered, because its upstream is given
    /// up `margin` before its end, and who signs for a moment would have work done that is never paid. Of `upto` nearly all: it may be
    /// settled behind a stream, and who signs for less time than that would be served and never pay.
    pub(crate) fn margin_seconds(&self) -> u64 {
        let (margin, offered) = (self.currency.margin_seconds(), self.currency.max_timeout_seconds());
        let nearly_all = offered.saturating_sub(margin.saturating_mul(2));
        match self.moves {
            Moves::Upto(_) => margin.max(nearly_all),
            _ if self.currency.network.is_some() => margin.max(offered / 2),
            _ => margin,
        }
    }

    /// Whether less can be taken than was signed: from a wallet, and by `upto`.
    pub(crate) fn takes_less(&self) -> bool {
        self.currency.network.is_none() || matches!(self.moves, Moves::Upto(_))
    }

    /// The same way as this payment takes it: with the settler that its payer has named.
    pub(crate) fn of(&self, payload: &PaymentPayload) -> Self {
        let moves = match &self.moves {
            Moves::Upto(settlers) => Moves::Upto([named(settlers, payload)].into()),
            other => other.clone(),
        };
        Self { moves, ..self.clone() }
    }
}

/// Whom offers name.
fn first(settlers: &Settlers) -> Address {
    settlers.first().copied().unwrap_or_default()
}

/// Whom a payer has named, where it is one of them; whom offers name otherwise.
fn named(settlers: &Settlers, payload: &PaymentPayload) -> Address {
    let named = payload.transfer().facilitator();
    named.filter(|named| settlers.contains(named)).unwrap_or_else(|| first(settlers))
}

// === impl Moves ===

impl From<TransferMethod> for Moves {
    fn from(method: TransferMethod) -> Self {
        match method {
            TransferMethod::Eip3009 => Self::Authorization,
            TransferMethod::Permit2 => Self::Permit,
        }
    }
}
