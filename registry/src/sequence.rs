//! How far the ledger's movements were made events of the log.
//!
//! One sequencer turns what the ledger committed into events. The place it reached stands beside the log and moves in the
//! transaction that appends them: each movement becomes an event once, whoever was killed meanwhile, and also where two
//! sequencers run at once.

use std::collections::HashMap;

use domain::{Amount, UnixMillis, WalletId};

use crate::journal::{Actor, NewEvent};
use crate::registry::{Registry, RegistryError};
use crate::store::{sequence as store, wallets};

/// A place in the ledger's history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reached {
    /// The last batch whose refunds, transfers and settlements have events.
    pub batch: u64,
    /// The last payment that has one.
    pub seq: u64,
}

/// Money that came into a wallet from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Funded {
    /// The wallet.
    pub wallet: WalletId,
    /// How much.
    pub amount: Amount,
    /// When.
    pub at: UnixMillis,
    /// Whether somebody asked for it who may fund the wallet: by an x402 payment anybody may.
    pub is_asked: bool,
}

// === impl Registry ===

impl Registry {
    /// How far the events go.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn reached(&self) -> Result<Reached, RegistryError> {
        let mut connection = self.shared.pool.acquire().await?;
        Ok(store::reached(&mut connection.session()).await?)
    }

    /// Whether events were ever made.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn has_begun(&self) -> Result<bool, RegistryError> {
        let mut connection = self.shared.pool.acquire().await?;
        Ok(store::has_begun(&mut connection.session()).await?)
    }

    /// Has events be made from this place on, where none were made before. `funded` are fundings before it, which shares are of.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn begin_at(&self, place: Reached, funded: &[Funded]) -> Result<(), RegistryError> {
        let mut writing = self.write().await?;
        if !store::begin(&mut writing.session(), place).await? {
            return Ok(());
        }
        for funding in funded {
            store::put_funding(&mut writing.session(), funding).await?;
        }
        writing.commit().await
    }

    /// Appends the events of a stretch of the ledger's history and moves on; those that somebody asked for stand in the audit
    /// log too. False, and nothing is written, where another sequencer was first.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn advance(
        &self,
        (from, to): (Reached, Reached),
        events: &[(NewEvent, Option<Actor>)],
        funded: &[Funded],
    ) -> Result<bool, RegistryError> {
        let mut writing = self.write().await?;
        if !store::advance(&mut writing.session(), from, to).await? {
            return Ok(false);
        }
        for (event, actor) in events {
            writing.append(event).await?;
            if let Some(actor) = actor {
                writing.note(actor, event).await?;
            }
        }
        for funding in funded {
            store::put_funding(&mut writing.session(), funding).await?;
        }
        writing.commit().await?;
        Ok(true)
    }

    /// Whose wallets are; those that are nobody's are left out.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn wallet_owners(&self, ids: &[WalletId]) -> Result<HashMap<WalletId, String>, RegistryError> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let mut connection = self.shared.pool.acquire().await?;
        Ok(wallets::owners(&mut connection.session(), ids).await?)
    }
}
