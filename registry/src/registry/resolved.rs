//! What a person says became of a payment of which nobody knows.

use domain::PaymentId;
use serde_json::Value;

use super::{Registry, RegistryError};
use crate::journal::{Actor, Entry, Subject, Tenant};

// === impl Registry ===

impl Registry {
    /// Writes down who says what of a payment, before the books hear of it.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn note_resolved(
        &self,
        actor: &Actor,
        payment: PaymentId,
        said: Value,
    ) -> Result<(), RegistryError> {
        let entry = Entry {
            actor,
            action: "payment.resolved",
            subject: Subject::new("payment", payment),
            tenant: Tenant::default(),
            before: None,
            after: Some(said),
            at: self.now(),
        };
        let mut writing = self.write().await?;
        writing.record(&entry).await?;
        writing.commit().await
    }
}
