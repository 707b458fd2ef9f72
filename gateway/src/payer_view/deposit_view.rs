//! [`DepositView`]: `POST /.well-known/faregate/wallets/{id}/deposit`, where agents call: what the management API has as
//! `/v1/wallets/{id}/deposit`, whose listener they seldom reach. Next: `settlement::deposits`.

use std::net::IpAddr;

use domain::{Amount, WalletId};
use http::{HeaderMap, HeaderValue};
use ledger::Ledger;
use registry::Registry;
use settlement::Deposits;
use settlement::deposits::{Asked, DepositReply};

use crate::answer::refusal::{Missing, Refusal};
use crate::answer::reply::Reply;
use crate::payment::credential::Credential;
use crate::stage::admit::Admitted;

/// Takes deposits of whoever pays.
pub(crate) struct DepositView {
    deposits: Deposits,
    ledger: Ledger,
    registry: Registry,
}

/// The wallet that a path under the reserved prefix is about; none where it is about something else.
pub(crate) fn wallet(asked: &str) -> Option<Result<WalletId, Refusal>> {
    let id = asked.strip_prefix("wallets/")?.strip_suffix("/deposit")?;
    Some(id.parse().map_err(|_| Refusal::Missing(Missing::Wallet)))
}

// === impl DepositView ===

impl DepositView {
    pub(crate) const fn new(deposits: Deposits, ledger: Ledger, registry: Registry) -> Self {
        Self { deposits, ledger, registry }
    }

    /// Asks for the payment, or takes it. An agent key says nothing here: it pays for calls.
    pub(crate) async fn answer(
        &self,
        request: &Admitted,
        wallet: WalletId,
        url: &str,
        headers: &HeaderMap,
        client: Option<IpAddr>,
    ) -> Result<Reply, Refusal> {
        if request.method != "POST" {
            return Err(Refusal::Method { method: None, allowed: vec!["POST".to_owned()] });
        }
        let payment = match Credential::find(headers)? {
            Credential::Payment(payment) => Some(HeaderValue::as_bytes(payment)),
            Credential::Key(_) | Credential::None => None,
        };
        let query = request.query.as_deref().unwrap_or_default();
        let amount = amount(query)?;
        let known = self.registry.wallet(wallet).await.map_err(|_| Refusal::LedgerUnavailable)?;
        if !known.ok_or(Refusal::Missing(Missing::Wallet))?.opened {
            self.ledger.create_wallet(wallet).await.map_err(|_| Refusal::LedgerUnavailable)?;
        }
        let url = format!("{url}?{query}");
        let told = self.deposits.answer(&Asked { wallet, amount, url: &url, payment, client }).await;
        let DepositReply { status, headers, body } = told.reply();
        let reply = Reply::json(status, body.to_string());
        Ok(headers.into_iter().fold(reply, |reply, (name, value)| reply.with(name, value)))
    }
}

/// `amount=5.00`, and nothing else.
fn amount(query: &str) -> Result<Amount, Refusal> {
    let text = query.strip_prefix("amount=").filter(|text| !text.contains('&'));
    let told = || "name how much as `?amount=5.00`, in dollars, and nothing else".to_owned();
    let text = text.ok_or_else(|| Refusal::MalformedField(told()))?;
    // A dollar sign, as clients escape it.
    let text = text.strip_prefix("%24").unwrap_or(text);
    Amount::parse_dollars(text).map_err(|error| Refusal::MalformedField(format!("`amount`: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_amount_is_the_whole_query() {
        for text in ["amount=5.00", "amount=$5", "amount=%245"] {
            assert_eq!(amount(text).unwrap(), Amount::parse_dollars("$5").unwrap(), "{text}");
        }
        for text in ["", "amount=", "amount=5&amount=6", "amount=5&x=1", "x=1", "amount=1e3", "amount=-1"] {
            assert!(amount(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_wallet_stands_between_two_words() {
        let id = WalletId::from_bytes([7; 16]);
        assert!(matches!(wallet(&format!("wallets/{id}/deposit")), Some(Ok(found)) if found == id));
        assert!(matches!(wallet("wallets/x/deposit"), Some(Err(Refusal::Missing(Missing::Wallet)))));
        assert!(wallet("me").is_none() && wallet(&format!("wallets/{id}")).is_none());
    }
}
