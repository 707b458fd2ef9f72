//! [`RegistryOutbox`]: the settler's outbox in the registry's database.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use registry::outbox::{Closing, SentTransaction, Standing};
use settlement::Settling;
use settlement::evm::{Landed, Outbox, OutboxError, Over, Recorded, Resumed, Sent, Unclosed};

pub(super) struct RegistryOutbox {
    outbox: registry::outbox::Outbox,
    /// What stands open, as it was read or written last.
    texts: Mutex<HashMap<u64, String>>,
}

impl RegistryOutbox {
    pub(super) fn new(outbox: registry::outbox::Outbox) -> Self {
        Self { outbox, texts: Mutex::default() }
    }
}

/// That what was read last of a transaction is what whoever asks knows of it: else another sender has changed it since, and what was read
/// must not pass for what was known.
fn stands_as(document: Option<&str>, known: &Recorded) -> Result<(), OutboxError> {
    let Some(document) = document else { return Ok(()) };
    let read = |text: &str| serde_json::from_str::<Recorded>(text).map_err(failed);
    let known = read(&serde_json::to_string(known).map_err(failed)?)?;
    if read(document)? == known { Ok(()) } else { Err(failed("another sender has changed it")) }
}

pub(super) fn failed(error: impl ToString) -> OutboxError {
    OutboxError(error.to_string())
}

#[async_trait]
impl Outbox for RegistryOutbox {
    async fn resume(&self) -> Result<Resumed, OutboxError> {
        let unclosed = self.outbox.unclosed().await.map_err(failed)?;
        let read = |standing: &Standing| {
            let recorded = serde_json::from_str(&standing.document).map_err(failed)?;
            Ok(Unclosed { recorded, age: standing.age })
        };
        let open = unclosed.open.iter().map(read).collect::<Result<Vec<_>, OutboxError>>()?;
        *self.texts.lock() = unclosed.open.into_iter().map(|one| (one.nonce, one.document)).collect();
        Ok(Resumed { open, next_nonce: unclosed.next_nonce })
    }

    async fn recorded(&self, first: u64) -> Result<u64, OutboxError> {
        self.outbox.recorded(first).await.map_err(failed)
    }

    async fn record(&self, transaction: &Recorded) -> Result<(), OutboxError> {
        let document = serde_json::to_string(transaction).map_err(failed)?;
        let members: Vec<&str> = transaction.members.iter().map(|member| &*member.id).collect();
        let transfers: Vec<&str> = transaction.transfers().map(|member| &**member).collect();
        let nonce = transaction.nonce;
        let before = self.texts.lock().get(&nonce).cloned().filter(|_| transaction.versions.len() > 1);
        let mut known = transaction.clone();
        known.versions.pop();
        stands_as(before.as_deref(), &known)?;
        let (instead_of, members, transfers) = (before.as_deref(), &*members, &*transfers);
        let sent = SentTransaction { nonce, document: &document, instead_of, members, transfers };
        self.outbox.record(&sent).await.map_err(failed)?;
        self.texts.lock().insert(nonce, document);
        Ok(())
    }

    async fn close(
        &self,
        transaction: &Recorded,
        landed: Option<Landed>,
        outcomes: &[(Arc<str>, Settling)],
    ) -> Result<(), OutboxError> {
        let landed = landed.map(|landed| {
            let Landed { transaction, block, gas } = landed;
            serde_json::json!({ "transaction": transaction.to_string(), "block": block, "gas": gas })
                .to_string()
        });
        let mut over = Vec::new();
        for (member, settling) in outcomes {
            let is_transfer = transaction.transfers().any(|transfer| transfer == member);
            let Some(outcome) = Over::of(settling).filter(|_| is_transfer) else { continue };
            over.push((&**member, serde_json::to_string(&outcome).map_err(failed)?));
        }
        let outcomes: Vec<(&str, String)> =
            outcomes.iter().map(|(member, settling)| (&**member, format!("{settling:?}"))).collect();
        let outcomes = serde_json::to_string(&outcomes).map_err(failed)?;
        let nonce = transaction.nonce;
        let document = self.texts.lock().get(&nonce).cloned();
        let document = document.ok_or_else(|| failed("somebody else has closed it"))?;
        stands_as(Some(&document), transaction)?;
        let (landed, outcomes, transfers) = (landed.as_deref(), &*outcomes, &*over);
        let closing = Closing { nonce, document: &document, landed, outcomes, transfers };
        self.outbox.close(&closing).await.map_err(failed)?;
        self.texts.lock().remove(&nonce);
        Ok(())
    }

    async fn transfer(&self, member: &str) -> Result<Option<Sent>, OutboxError> {
        let Some(found) = self.outbox.transfer(member).await.map_err(failed)? else { return Ok(None) };
        Ok(Some(match found.outcome {
            Some(outcome) => Sent::Over(serde_json::from_str(&outcome).map_err(failed)?),
            None if found.is_here => Sent::Here,
            None => Sent::Elsewhere,
        }))
    }

    async fn give_up(&self, member: &str, why: &str) -> Result<bool, OutboxError> {
        let outcome = serde_json::to_string(&Over::Failed(why.to_owned())).map_err(failed)?;
        self.outbox.give_up(member, &outcome).await.map_err(failed)
    }

    async fn known(&self, members: &[Arc<str>]) -> Result<HashSet<Arc<str>>, OutboxError> {
        let asked: Vec<&str> = members.iter().map(|member| &**member).collect();
        let known = self.outbox.known(&asked).await.map_err(failed)?;
        Ok(known.into_iter().map(Arc::from).collect())
    }
}

#[cfg(test)]
mod tests;
