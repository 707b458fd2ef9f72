//! [`RegistryErrands`]: what is asked of whoever has a settler's turn, in the registry's database.

use std::sync::Arc;

use async_trait::async_trait;
use registry::RegistryError;
use settlement::Settling;
use settlement::evm::{Errands, Member, OutboxError};
use tokio::sync::watch;

use crate::service::outbox::failed;

pub(super) struct RegistryErrands(registry::errands::Errands);

// === impl RegistryErrands ===

impl RegistryErrands {
    pub(super) const fn new(errands: registry::errands::Errands) -> Self {
        Self(errands)
    }
}

fn done<T>(answer: Result<T, RegistryError>) -> Result<T, OutboxError> {
    answer.map_err(failed)
}

#[async_trait]
impl Errands for RegistryErrands {
    async fn leave(&self, members: &[Member]) -> Result<(), OutboxError> {
        let written = |member: &'_ Member| serde_json::to_string(member).map_err(failed);
        let documents = members.iter().map(written).collect::<Result<Vec<_>, _>>()?;
        let pairs: Vec<_> = members.iter().map(|member| &*member.id).zip(documents).collect();
        done(self.0.leave(&pairs).await)
    }

    async fn answers(&self, members: &[Arc<str>]) -> Result<Vec<(Arc<str>, Settling)>, OutboxError> {
        let asked: Vec<&str> = members.iter().map(|member| &**member).collect();
        let read = |(member, answer): (String, String)| {
            // What another version says of it nobody knows here; the chain does.
            let unread = |error: serde_json::Error| Settling::Unknown(error.to_string());
            (Arc::from(member), serde_json::from_str(&answer).unwrap_or_else(unread))
        };
        Ok(done(self.0.answers(&asked).await)?.into_iter().map(read).collect())
    }

    async fn open(&self) -> Result<(i64, Vec<Member>), OutboxError> {
        let read = |(member, document): &(String, String)| {
            let read = serde_json::from_str(document);
            // Left by another version, which may have the turn one day: it keeps no other from being done.
            read.inspect_err(|error| tracing::warn!(member, %error, "what is asked for cannot be read")).ok()
        };
        let opened = done(self.0.open().await)?;
        Ok((opened.turn, opened.errands.iter().filter_map(read).collect()))
    }

    async fn answer(&self, turn: i64, answers: &[(Arc<str>, Settling)]) -> Result<(), OutboxError> {
        let written = |(member, settling): &'_ (Arc<str>, Settling)| {
            Ok((Arc::clone(member), serde_json::to_string(settling).map_err(failed)?))
        };
        let written = answers.iter().map(written).collect::<Result<Vec<_>, OutboxError>>()?;
        let pairs: Vec<_> = written.iter().map(|(member, answer)| (&**member, answer.clone())).collect();
        done(self.0.answer(turn, &pairs).await)
    }

    async fn say_able(&self, is_able: bool) -> Result<(), OutboxError> {
        done(self.0.say_able(is_able).await)
    }

    async fn is_able(&self) -> Result<bool, OutboxError> {
        done(self.0.is_able().await)
    }

    fn heard(&self) -> watch::Receiver<u64> {
        self.0.heard()
    }
}
