//! [`Wallet`]: what people call a balance, and whose it is. The balance itself is the ledger's.

use domain::{UnixMillis, WalletId};
use serde_json::{Value, json};

/// A wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wallet {
    /// The ledger knows it by this.
    pub id: WalletId,
    /// What people call it; several may be called the same.
    pub name: String,
    /// Whose it is; the operator's where nobody's.
    pub owner: Option<String>,
    /// Its agents pay nothing while set.
    pub frozen: bool,
    /// Whether the ledger is known to have opened it: it is made here first.
    pub opened: bool,
    /// When it was made.
    pub created_at: UnixMillis,
}

// === impl Wallet ===

impl Wallet {
    /// As the journal keeps it.
    pub(crate) fn document(&self) -> Value {
        json!({ "name": self.name, "owner": self.owner, "frozen": self.frozen })
    }
}
