//! Wallets as people know them: a name, an owner, frozen or not. Their balances are the ledger's, which makes a wallet
//! before it is made here.

use domain::{UnixMillis, WalletId};

use super::{Registry, RegistryError, random};
use crate::agent::{AGENT_NAME_BYTES_MAX, Listing};
use crate::frost::Freezer;
use crate::journal::{Actor, Entry, PAGE_MAX, Subject, Tenant};
use crate::store::frost::{self, Table};
use crate::store::wallets as store;
use crate::wallet::Wallet;
use crate::writing::Writing;

// === impl Registry ===

impl Registry {
    /// A wallet's identifier, to be made in the ledger before it is made here, and before the agent that names it.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn new_wallet(&self) -> Result<WalletId, RegistryError> {
        Ok(WalletId::generate(self.now(), random()?))
    }

    /// Makes a wallet that the ledger has made.
    ///
    /// # Errors
    /// The name is none; the database does not work.
    pub async fn create_wallet(
        &self,
        actor: &Actor,
        id: WalletId,
        name: String,
        owner: Option<String>,
    ) -> Result<Wallet, RegistryError> {
        if name.is_empty() || name.len() > AGENT_NAME_BYTES_MAX {
            return Err(RegistryError::Name);
        }
        let mut writing = self.write().await?;
        let wallet = put_new(&mut writing, actor, (id, name, owner), self.now()).await?;
        writing.commit().await?;
        Ok(wallet)
    }

    /// Freezes a wallet, whose agents then pay nothing, or thaws it; again is no error.
    ///
    /// # Errors
    /// No such wallet; [`RegistryError::FrozenByOperator`]; the database does not work.
    pub async fn set_wallet_frozen(
        &self,
        (actor, who): (&Actor, Freezer),
        id: WalletId,
        frozen: bool,
    ) -> Result<Wallet, RegistryError> {
        let at = self.now();
        let mut writing = self.write().await?;
        let before = store::get(&mut writing.session(), id).await?;
        let before = before.ok_or(RegistryError::UnknownWallet(id))?;
        let found = frost::get(&mut writing.session(), Table::Wallet, id.as_bytes()).await?;
        let found = found.ok_or(RegistryError::UnknownWallet(id))?;
        let then = found.then(frozen, who)?;
        if then == found {
            return Ok(before);
        }
        frost::set(&mut writing.session(), Table::Wallet, id.as_bytes(), then).await?;
        let after = Wallet { frozen, ..before.clone() };
        let action = if frozen { "wallet.frozen" } else { "wallet.thawed" };
        writing.record(&entry(actor, action, Some(&before), &after, at)).await?;
        writing.commit().await?;
        self.shared.directory.forget_wallet(id);
        Ok(after)
    }

    /// One wallet.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn wallet(&self, id: WalletId) -> Result<Option<Wallet>, RegistryError> {
        let mut connection = self.shared.pool.acquire().await?;
        Ok(store::get(&mut connection.session(), id).await?)
    }

    /// Wallets, newest first; at most `limit` or [`PAGE_MAX`].
    ///
    /// # Errors
    /// The database does not work.
    pub async fn wallets(
        &self,
        listing: &Listing<WalletId>,
        limit: u32,
    ) -> Result<Vec<Wallet>, RegistryError> {
        let mut connection = self.shared.pool.acquire().await?;
        Ok(store::page(&mut connection.session(), listing, limit.min(PAGE_MAX)).await?)
    }
}

/// Adds a new wallet, with its entry.
pub(super) async fn put_new(
    writing: &mut Writing<'_>,
    actor: &Actor,
    (id, name, owner): (WalletId, String, Option<String>),
    at: UnixMillis,
) -> Result<Wallet, RegistryError> {
    let wallet = Wallet { id, name, owner, frozen: false, created_at: at };
    store::put(&mut writing.session(), &wallet).await?;
    writing.record(&entry(actor, "wallet.created", None, &wallet, at)).await?;
    Ok(wallet)
}

fn entry<'a>(
    actor: &'a Actor,
    action: &'static str,
    before: Option<&Wallet>,
    after: &Wallet,
    at: UnixMillis,
) -> Entry<'a> {
    let (subject, tenant) = (Subject::new("wallet", after.id), Tenant::owner(after.owner.as_deref()));
    let (before, after) = (before.map(Wallet::document), Some(after.document()));
    Entry { actor, action, subject, tenant, before, after, at }
}
