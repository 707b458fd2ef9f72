//! [`PayerView`]: what a payer may see of its own, under the reserved prefix. Free, never forwarded, limited by address.
//!
//! Who has no key signs in ([`sign_in`]), how often anybody asks is counted in [`views`], and [`deposit_view`] takes what is paid into a wallet.

pub(crate) mod deposit_view;
pub(crate) mod sign_in;
mod views;

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use domain::internet::customer;
use domain::{AgentId, Amount, CanonicalPath, PaymentId, Scope, UnixMillis, Window};
use http::HeaderMap;
use ledger::{Ledger, PaymentRecord, WindowSpent};
use registry::{Access, Directory};
use serde_json::{Value, json};

use crate::answer::refusal::{Missing, Money, Refusal};
use crate::answer::reply::Reply;
use crate::limits::PAYER_VIEWS_PER_MINUTE_MAX;
use crate::payer_view::deposit_view::DepositView;
use crate::payer_view::sign_in::SignIn;
use crate::payer_view::views::Views;
use crate::payment::credential::Credential;
use crate::stage::admit::Admitted;

/// Never routed to an upstream, whatever the catalog says.
const PREFIX: &str = "/.well-known/faregate/";

/// Who asks, proved.
struct Asker {
    /// The registered agent; none where only payments on public networks were ever made.
    access: Option<Arc<Access>>,
    /// Whom payments on public networks belong to: the address that signed in.
    payer: Option<AgentId>,
}

/// Answers payers.
pub(crate) struct PayerView {
    ledger: Ledger,
    directory: Directory,
    sign_in: SignIn,
    /// None where no deposits are taken.
    deposits: Option<DepositView>,
    views: Views,
}

// === impl PayerView ===

impl PayerView {
    pub(crate) fn new(
        ledger: Ledger,
        directory: Directory,
        deposits: Option<DepositView>,
        clients_per_address: NonZeroU32,
    ) -> Self {
        let sign_in = SignIn::new(&ledger.secret());
        let views = Views::new(PAYER_VIEWS_PER_MINUTE_MAX.saturating_mul(clients_per_address.get()));
        Self { ledger, directory, sign_in, deposits, views }
    }

    /// Whether a path is ours to answer, in any spelling.
    pub(crate) fn serves(path: &CanonicalPath) -> bool {
        // Most paths are told by their second byte.
        let may_be = matches!(path.as_str().as_bytes().get(1), Some(b'.' | b'%'));
        let rest =
            |folded: &str| folded.strip_prefix(PREFIX.trim_end_matches('/')).map(|rest| rest.chars().next());
        may_be && rest(&path.folded()).is_some_and(|next| next.is_none_or(|next| next == '/'))
    }

    /// `me` or `payments/{id}`, for whoever proves who they are; a deposit into a wallet, for whoever pays. `url` is what was called,
    /// without its query, and `may_sign_in` whether one signs in by its host.
    pub(crate) async fn answer(
        &self,
        request: &Admitted,
        url: &str,
        may_sign_in: bool,
        headers: &HeaderMap,
        client: Option<IpAddr>,
    ) -> Result<Reply, Refusal> {
        let (at, client) = (self.ledger.time(), client.map(customer));
        if client.is_some_and(|client| !self.views.count(client, at.minute())) {
            return Err(Refusal::TooManyRequests);
        }
        let asked = request.path.as_str().strip_prefix(PREFIX).ok_or(Refusal::NotFound)?;
        if let Some(wallet) = deposit_view::wallet(asked) {
            let deposits = self.deposits.as_ref().ok_or(Refusal::Missing(Missing::Deposits))?;
            return deposits.answer(request, wallet?, url, headers, client).await;
        }
        if !matches!(request.method.as_str(), "GET" | "HEAD") {
            return Err(Refusal::Method { method: None, allowed: vec!["GET".to_owned(), "HEAD".to_owned()] });
        }
        let payment = asked.strip_prefix("payments/").map(str::parse::<PaymentId>);
        match (asked, payment) {
            ("me", _) => {
                let asker = self.asker(request, may_sign_in, headers, at).await?;
                self.me(&*asker.access.ok_or(Refusal::Missing(Missing::Agent))?).await
            }
            (_, Some(Ok(id))) => {
                let asker = self.asker(request, may_sign_in, headers, at).await?;
                self.payment(&asker, id).await
            }
            (_, Some(Err(_))) => Err(Refusal::Missing(Missing::Payment)),
            _ => Err(Refusal::NotFound),
        }
    }

    async fn asker(
        &self,
        request: &Admitted,
        may_sign_in: bool,
        headers: &HeaderMap,
        at: UnixMillis,
    ) -> Result<Asker, Refusal> {
        match Credential::find(headers)? {
            Credential::Key(key) => {
                let found = self.directory.by_key(&key).await.map_err(|_| Refusal::LedgerUnavailable)?;
                Ok(Asker { access: Some(found.ok_or(Refusal::AgentKey)?), payer: None })
            }
            Credential::Payment(_) => {
                Err(Refusal::MalformedField("this is free; send no payment".to_owned()))
            }
            Credential::None if !may_sign_in => Err(Refusal::MalformedField(
                "nobody signs in by this host: call the gateway by its public_url or by a host of its providers".to_owned(),
            )),
            Credential::None => {
                let challenge = || Refusal::SignIn(self.sign_in.challenge(&request.authority, at));
                let address = self.sign_in.read(headers, &request.authority, at).ok_or_else(challenge)?;
                let access = self.directory.by_signer(address).await;
                let access = access.map_err(|_| Refusal::LedgerUnavailable)?;
                Ok(Asker { access, payer: Some(AgentId::of_payer(address)) })
            }
        }
    }

    async fn me(&self, access: &Access) -> Result<Reply, Refusal> {
        let wallet = self.ledger.wallet(access.wallet).await.map_err(|_| Refusal::LedgerUnavailable)?;
        let wallet = wallet.ok_or(Refusal::LedgerUnavailable)?;
        let spent = self.ledger.spending(access.agent).await.map_err(|_| Refusal::LedgerUnavailable)?;
        let limits = access.policy.all_counted();
        let under = self.ledger.spent_under(access.agent, &limits).await;
        let under = under.map_err(|_| Refusal::LedgerUnavailable)?;
        let window = |window: Window, scope: Option<&Scope>, limit: Option<Amount>, counted: &WindowSpent| {
            let left = |limit: Amount| limit.saturating_sub(counted.spent).saturating_sub(counted.held);
            json!({
                "window": window.name(),
                "scope": scope.map(Scope::to_string),
                "spent": Money(counted.spent),
                "held": Money(counted.held),
                "limit": limit.map(Money),
                "remaining": limit.map(|limit| Money(left(limit))),
                "resets_at": counted.ends_at.to_string(),
            })
        };
        let mut spending = vec![
            window(Window::Day, None, access.policy.per_day, &spent.today),
            window(Window::Month, None, access.policy.per_month, &spent.month),
        ];
        let counted = limits.iter().zip(&under);
        spending.extend(counted.map(|(counted, under)| {
            window(counted.window, counted.scope.as_ref(), Some(counted.limit), under)
        }));
        let asset = self.ledger.asset();
        let body = json!({
            "agent": access.agent.to_string(),
            "name": &*access.name,
            "wallet": access.wallet.to_string(),
            "asset": { "network": &*asset.network, "address": asset.address.to_checksum(None), "decimals": domain::amount::WALLET_SCALE },
            "balance": Money(wallet.balance),
            "held": Money(wallet.held),
            "available": Money(wallet.available),
            "per_request": access.policy.per_request.map(Money),
            "key_per_request": access.key.as_ref().map(|key| Money(key.per_request)),
            "spending": spending,
            "key_scopes": access.key.as_ref().map(|key| key.scopes.iter().map(Scope::to_string).collect::<Vec<_>>()),
        });
        Ok(Reply::json(200, body.to_string()))
    }

    /// One payment of the asker's own. Another's is not found: it is nobody's business that it exists.
    async fn payment(&self, asker: &Asker, id: PaymentId) -> Result<Reply, Refusal> {
        let found = self.ledger.payment(id).await.map_err(|_| Refusal::LedgerUnavailable)?;
        let found = found.filter(|payment| asker.made(payment)).ok_or(Refusal::Missing(Missing::Payment))?;
        Ok(Reply::json(200, describe(&found).to_string()))
    }
}

// === impl Asker ===

impl Asker {
    fn made(&self, payment: &PaymentRecord) -> bool {
        let agent = payment.receipt.agent;
        self.access.as_ref().is_some_and(|access| access.agent == agent) || self.payer == Some(agent)
    }
}

fn describe(payment: &PaymentRecord) -> Value {
    let receipt = &payment.receipt;
    json!({
        "payment": receipt.payment.to_string(),
        "state": payment.state.name(),
        "provider": &*receipt.provider,
        "route": &*receipt.route,
        "amount": Money(receipt.amount),
        "refunded": Some(payment.refunded).filter(|back| !back.is_zero()).map(Money),
        "transaction": receipt.moved_by(),
        "on_chain": receipt.on_chain.as_ref().map(|on_chain| json!({
            "network": &*on_chain.network,
            "payer": on_chain.payer.to_string(),
            "transaction": on_chain.transaction.map(|transaction| transaction.to_string()),
        })),
        "captured_at": receipt.captured_at.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserved_prefix_is_ours_in_any_spelling_and_nothing_beside_it() {
        let serves = |path: &str| PayerView::serves(&CanonicalPath::parse(path.as_bytes()).unwrap());
        for path in [
            "/.well-known/faregate/me",
            "/.WELL-KNOWN/Faregate/me",
            "/.well-known/faregate",
            "/.well-known%2Ffaregate/me",
            "/.well-known/faregate%2Fme",
        ] {
            assert!(serves(path), "{path}");
        }
        for path in ["/.well-known/faregates", "/.well-known/other", "/", "/x/.well-known/faregate/me"] {
            assert!(!serves(path), "{path}");
        }
    }
}
