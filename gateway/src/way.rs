//! [`Way`]: one way to pay a route: in a currency, by what its payer signs, to somebody.

use std::sync::Arc;

use domain::{Address, Amount, Payee, TransferMethod};
use protocol::offer::Offer;
use protocol::verify::Method;

use crate::currency::Currency;

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
}

// === impl Way ===

impl Way {
    /// What is asked for in this way.
    pub(crate) fn offer(&self, amount: Amount, quote: &str) -> Offer {
        let seconds = self.currency.max_timeout_seconds();
        let offer = Offer::exact(&self.currency.asset, self.pay_to, amount, seconds, Some(quote));
        match self.moves {
            Moves::Authorization => offer,
            Moves::Permit => offer.by_permit(),
        }
    }

    /// What its payer signs.
    pub(crate) fn method(&self) -> Method<'_> {
        match self.moves {
            Moves::Authorization => Method::Authorization(&self.currency.domain),
            Moves::Permit => Method::Permit(&self.currency.permits),
        }
    }
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
