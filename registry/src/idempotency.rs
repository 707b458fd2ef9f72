//! Calls of the management API by the caller's idempotency key (`Idempotency-Key`), remembered for 24 hours.
//!
//! The word is taken before the call is made and gets its answer afterwards. A call that never came to its answer (its
//! process ended) is let go of after [`RUNNING_MS_MAX`]: what moves money has a word of its own in the ledger, so that
//! nothing is done twice even then.

use crate::registry::{Registry, RegistryError};
use crate::store::idempotency as store;

/// For how long an answer is kept, in milliseconds.
pub const KEPT_MS: i64 = 24 * 60 * 60 * 1_000;

/// How long a call may run before its word is free again, in milliseconds.
pub const RUNNING_MS_MAX: i64 = 60_000;

/// Old calls that each new one forgets: more than one, so that no more are kept than were made in [`KEPT_MS`].
const FORGOTTEN_AT_ONCE: u32 = 50;

/// A call: whose word it is for what, and what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// The hash of caller, method, path and word.
    pub key: [u8; 32],
    /// The hash of the request's query and body: a trial of a call is another call.
    pub request: [u8; 32],
}

/// The answer that a call got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its JSON body; none where it showed a secret, which is kept nowhere, or was too long.
    pub body: Option<Vec<u8>>,
}

/// What became of a call that is made now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// It is the first: make it.
    First,
    /// The first one is being made.
    Running,
    /// The word stands for another request.
    Other,
    /// It was made.
    Answered(Answer),
}

// === impl Registry ===

impl Registry {
    /// Takes a word, or says what it stands for.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn claim_call(&self, call: Call) -> Result<Claimed, RegistryError> {
        let at = self.now();
        let mut writing = self.write().await?;
        let session = &mut writing.session();
        let oldest = at.plus(-KEPT_MS);
        store::forget(session, oldest, FORGOTTEN_AT_ONCE).await?;
        // What is older may be there still.
        let known = store::find(session, &call.key).await?.filter(|known| known.at >= oldest);
        let claimed = match known {
            Some(known) if known.request != call.request => Claimed::Other,
            Some(store::Known { answer: Some(answer), .. }) => Claimed::Answered(answer),
            Some(known) if at.0.saturating_sub(known.at.0) < RUNNING_MS_MAX => Claimed::Running,
            _ => {
                store::begin(session, call, at).await?;
                Claimed::First
            }
        };
        writing.commit().await?;
        Ok(claimed)
    }

    /// Keeps the answer of a call; without one the word is free again.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn answer_call(&self, call: Call, answer: Option<&Answer>) -> Result<(), RegistryError> {
        let mut writing = self.write().await?;
        store::end(&mut writing.session(), &call.key, answer).await?;
        writing.commit().await
    }
}

#[cfg(test)]
mod tests;
