//! Wallets as people know them: a name, an owner, frozen or not. Their balances are the ledger's.
//!
//! A wallet is made here first and opened in the ledger after: what may not be made leaves nothing there. Until it is known to be
//! open it is listed ([`Registry::unopened_wallets`]), so that one whose making broke off is opened later.

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
    /// A wallet's identifier, for one to be made.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn new_wallet(&self) -> Result<WalletId, RegistryError> {
        Ok(WalletId::generate(self.now(), random()?))
    }

    /// Makes a wallet, for the ledger to open.
    ///
    /// # Errors
    /// The name is none; its owner has all the wallets that one may have; the database does not work.
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
        let wallet = self.put_new_wallet(&mut writing, actor, id, name, owner, self.now()).await?;
        writing.commit().await?;
        Ok(wallet)
    }

    /// Adds a new wallet, with its entry.
    pub(super) async fn put_new_wallet(
        &self,
        writing: &mut Writing<'_>,
        actor: &Actor,
        id: WalletId,
        name: String,
        owner: Option<String>,
        at: UnixMillis,
    ) -> Result<Wallet, RegistryError> {
        if let Some(owner) = &owner {
            let most = self.terms().wallets_per_owner_max;
            if store::count_of_owner(&mut writing.session(), owner).await? >= u64::from(most) {
                return Err(RegistryError::TooMany("wallets of this owner", most));
            }
        }
        let wallet = Wallet {
            id,
            name,
            owner,
            frozen: false,
            frozen_by_operator: false,
            opened: false,
            created_at: at,
        };
        store::put(&mut writing.session(), &wallet).await?;
        writing.record(&entry(actor, "wallet.created", None, &wallet, at)).await?;
        Ok(wallet)
    }

    /// Notes that the ledger has opened a wallet; again is no error.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn set_wallet_opened(&self, id: WalletId) -> Result<(), RegistryError> {
        let mut writing = self.write().await?;
        store::set_opened(&mut writing.session(), id).await?;
        writing.commit().await
    }

    /// Wallets that the ledger may not have opened, oldest first; at most `limit`.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn unopened_wallets(&self, limit: u32) -> Result<Vec<WalletId>, RegistryError> {
        let mut connection = self.shared.pool.acquire().await?;
        Ok(store::unopened(&mut connection.session(), limit).await?)
    }

    /// Freezes a wallet, whose agents then pay nothing, or thaws it; again is no error.
    ///
    /// # Errors
    /// No such wallet; [`RegistryError::FrozenByOperator`]; the database does not work.
    pub async fn set_wallet_frozen(
        &self,
        actor: &Actor,
        who: Freezer,
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
        let after = Wallet { frozen, frozen_by_operator: then.by_operator, ..before.clone() };
        let action = if frozen { "wallet.frozen" } else { "wallet.thawed" };
        writing.record(&entry(actor, action, Some(&before), &after, at)).await?;
        writing.notify(&format!("wallet {id}")).await?;
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

pub(super) fn entry<'a>(
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
