//! [`Frost`]: whether an agent or a wallet is frozen, and who may thaw it.

use sqlx::FromRow;

use crate::registry::RegistryError;

/// Who freezes or thaws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freezer {
    /// What the operator froze only the operator thaws.
    Operator,
    /// The owner of the agent or the wallet.
    Owner,
}

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromRow)]
pub(crate) struct Frost {
    pub(crate) frozen: bool,
    /// Never without `frozen`.
    #[sqlx(rename = "frozen_by_operator")]
    pub(crate) by_operator: bool,
}

// === impl Frost ===

impl Frost {
    /// How it stands once somebody froze or thawed it.
    ///
    /// # Errors
    /// [`RegistryError::FrozenByOperator`].
    pub(crate) fn then(self, frozen: bool, who: Freezer) -> Result<Self, RegistryError> {
        if self.by_operator && !frozen && who == Freezer::Owner {
            return Err(RegistryError::FrozenByOperator);
        }
        Ok(Self { frozen, by_operator: frozen && (self.by_operator || who == Freezer::Operator) })
    }
}
