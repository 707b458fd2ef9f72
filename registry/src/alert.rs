//! [`Alert`]: a balance below which somebody wants to hear of a wallet.
//!
//! It is told once, and again only after the balance was at or above the threshold in between. Whoever knows balances (the
//! ledger does) has them judged here.

use domain::{AlertId, Amount, UnixMillis, WalletId};
use serde_json::{Value, json};

use crate::journal::{Actor, Entry, NewEvent, PAGE_MAX, Subject, Tenant};
use crate::registry::{Registry, RegistryError, random};
use crate::store::{alerts as store, wallets};

/// Alerts of one wallet.
pub const ALERTS_MAX: u32 = 20;

/// A threshold of one wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Its identifier.
    pub id: AlertId,
    /// The wallet.
    pub wallet: WalletId,
    /// What its balance is held against.
    pub threshold: Threshold,
    /// Whether it is told when the balance falls below; not while it is there.
    pub armed: bool,
    /// When it was made.
    pub created_at: UnixMillis,
}

/// What a balance is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threshold {
    /// So much.
    Amount(Amount),
    /// So many hundredths of the wallet's last funding, 1 to 100; one below a tenth of the one before is not counted.
    Percent(u8),
}

/// A wallet's balance at one moment of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    /// The wallet.
    pub wallet: WalletId,
    /// What is in it.
    pub balance: Amount,
    /// The ledger's batch that it was read at, or an earlier one.
    pub batch: u64,
    /// When.
    pub at: UnixMillis,
}

/// An alert with what it is judged by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// The alert.
    pub alert: Alert,
    /// The wallet's funding that counts, where there was one.
    pub funding: Option<Amount>,
    /// Whose the wallet is.
    pub owner: Option<String>,
}

// === impl Threshold ===

impl Threshold {
    /// As an amount; none where it is a share of a funding that has not come.
    #[must_use]
    pub fn amount(self, funding: Option<Amount>) -> Option<Amount> {
        match self {
            Self::Amount(amount) => Some(amount),
            Self::Percent(percent) => {
                let share = i128::from(funding?.atomic()).checked_mul(i128::from(percent))? / 100;
                Amount::from_atomic(i64::try_from(share).ok()?)
            }
        }
    }

    fn document(self) -> Value {
        match self {
            Self::Amount(amount) => json!({ "amount": amount.to_string() }),
            Self::Percent(percent) => json!({ "percent": percent }),
        }
    }
}

// === impl Registry ===

impl Registry {
    /// Makes an alert, armed. Whoever makes it has the balance judged ([`Registry::judge`]): it may be below already.
    ///
    /// # Errors
    /// No such wallet, too many of it; the database does not work.
    pub async fn create_alert(
        &self,
        actor: &Actor,
        wallet: WalletId,
        threshold: Threshold,
    ) -> Result<Alert, RegistryError> {
        let at = self.now();
        let alert =
            Alert { id: AlertId::generate(at, random()?), wallet, threshold, armed: true, created_at: at };
        let mut writing = self.write().await?;
        let session = &mut writing.session();
        let known = wallets::get(session, wallet).await?.ok_or(RegistryError::UnknownWallet(wallet))?;
        if store::list(session, wallet).await?.len() >= ALERTS_MAX as usize {
            return Err(RegistryError::TooMany("alerts", ALERTS_MAX));
        }
        store::put(session, &alert).await?;
        let owner = known.owner.as_deref();
        writing.record(&entry(actor, "alert.created", (None, Some(&alert)), owner, at)).await?;
        writing.commit().await?;
        Ok(alert)
    }

    /// Takes an alert of a wallet away.
    ///
    /// # Errors
    /// [`RegistryError::UnknownAlert`]; the database does not work.
    pub async fn remove_alert(
        &self,
        actor: &Actor,
        wallet: WalletId,
        id: AlertId,
    ) -> Result<(), RegistryError> {
        let at = self.now();
        let mut writing = self.write().await?;
        let session = &mut writing.session();
        let alerts = store::list(session, wallet).await?;
        let alert = alerts.into_iter().find(|alert| alert.id == id).ok_or(RegistryError::UnknownAlert(id))?;
        let known = wallets::get(session, wallet).await?;
        store::remove(session, id).await?;
        let owner = known.as_ref().and_then(|wallet| wallet.owner.as_deref());
        writing.record(&entry(actor, "alert.removed", (Some(&alert), None), owner, at)).await?;
        writing.commit().await
    }

    /// Alerts of a wallet, oldest first.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn alerts(&self, wallet: WalletId) -> Result<Vec<Alert>, RegistryError> {
        let mut connection = self.shared.pool.acquire().await?;
        Ok(store::list(&mut connection.session(), wallet).await?)
    }

    /// Alerts of all wallets, of one owner's where given, in the order of their ids, those behind `after`.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn all_alerts(
        &self,
        owner: Option<&str>,
        after: Option<AlertId>,
        limit: u32,
    ) -> Result<Vec<Alert>, RegistryError> {
        let mut connection = self.shared.pool.acquire().await?;
        Ok(store::all(&mut connection.session(), owner, after, limit.min(PAGE_MAX)).await?)
    }

    /// Wallets that have alerts, in the order of their ids, those behind `after`.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn alerted_wallets(
        &self,
        after: Option<WalletId>,
        limit: u32,
    ) -> Result<Vec<WalletId>, RegistryError> {
        let mut connection = self.shared.pool.acquire().await?;
        Ok(store::wallets(&mut connection.session(), after, limit).await?)
    }

    /// Those of these wallets that have alerts.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn with_alerts(&self, wallets: &[WalletId]) -> Result<Vec<WalletId>, RegistryError> {
        if wallets.is_empty() {
            return Ok(Vec::new());
        }
        let mut connection = self.shared.pool.acquire().await?;
        Ok(store::with_alerts(&mut connection.session(), wallets).await?)
    }

    /// Holds balances against the alerts of their wallets: appends one `wallet.low_balance` for each that fell below, and
    /// arms those that are above again. `describe` makes the event's data of an alert, the balance and the threshold.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn judge(
        &self,
        balances: &[Balance],
        describe: impl Fn(&Alert, Amount, Amount) -> Value + Send + Sync,
    ) -> Result<(), RegistryError> {
        let wallets: Vec<WalletId> = balances.iter().map(|balance| balance.wallet).collect();
        if wallets.is_empty() {
            return Ok(());
        }
        let watched = {
            let mut connection = self.shared.pool.acquire().await?;
            store::watched(&mut connection.session(), &wallets).await?
        };
        let mut turned = Vec::new();
        for Watched { alert, funding, owner } in watched {
            let Some(threshold) = alert.threshold.amount(funding) else { continue };
            let balance = balances.iter().find(|balance| balance.wallet == alert.wallet);
            if let Some(balance) = balance.filter(|balance| (balance.balance < threshold) == alert.armed) {
                turned.push((alert, *balance, threshold, owner));
            }
        }
        if turned.is_empty() {
            return Ok(());
        }
        let mut writing = self.write().await?;
        for (alert, balance, threshold, owner) in turned {
            let fell = alert.armed;
            // Where another look was first, or was later, this one changes nothing.
            let turns = store::turn(&mut writing.session(), alert.id, !fell, balance.batch).await?;
            if turns && fell {
                let event = NewEvent {
                    kind: "wallet.low_balance",
                    at: balance.at,
                    tenant: Tenant::owner(owner.as_deref()),
                    subject: alert.wallet.to_string(),
                    data: describe(&alert, balance.balance, threshold),
                };
                writing.append(&event).await?;
            }
        }
        writing.commit().await
    }
}

fn entry<'a>(
    actor: &'a Actor,
    action: &'static str,
    (before, after): (Option<&Alert>, Option<&Alert>),
    owner: Option<&str>,
    at: UnixMillis,
) -> Entry<'a> {
    let document = |alert: &Alert| json!({ "id": alert.id.to_string(), "wallet": alert.wallet.to_string(), "threshold": alert.threshold.document() });
    let id = before.or(after).map(|alert| alert.id.to_string()).unwrap_or_default();
    let (before, after) = (before.map(document), after.map(document));
    let (subject, tenant) = (Subject { kind: "alert", id }, Tenant::owner(owner));
    Entry { actor, action, subject, tenant, before, after, at }
}

#[cfg(test)]
mod tests;
