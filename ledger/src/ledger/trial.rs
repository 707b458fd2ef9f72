//! [`Trial`]: what asking for a hold would be told now. Nothing is held and nothing is written.

use domain::price::Preview;
use domain::{Amount, Window};
use tokio::sync::oneshot;

use super::Ledger;
use crate::batch::{CallKey, FoundHold, HeldAt};
use crate::command::Command;
use crate::error::{HoldError, LedgerError};
use crate::hold::HoldRequest;
use crate::memory::Memory;

/// What a call would cost and be told, if it were the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// What it would cost: nothing where it is one of the day's free calls.
    pub price: Amount,
    /// Whether it is one of those.
    pub free: bool,
    /// Its number among the agent's calls to the provider this month, and the price by that number.
    pub preview: Preview,
    /// Calls of the route that are left for nothing today; what runs is taken off.
    pub free_left: u32,
    /// All that speaks against it, in the order in which it would be said.
    pub objections: Vec<HoldError>,
}

// === impl Ledger ===

impl Ledger {
    /// What asking for a hold would be told now, by what judges holds. Payments that were made before under the same keys are
    /// not looked for. Where several processes share the books, what all of them hold counts, as it was a moment ago.
    ///
    /// # Errors
    /// [`LedgerError::UnknownWallet`], [`LedgerError::Overloaded`], [`LedgerError::Unavailable`], [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn trial(&self, request: &HoldRequest) -> Result<Trial, LedgerError> {
        let mut rows = Vec::new();
        if self.shared.is_one_of_several() {
            // What memory knows is as old as this process's last batch of the agent, and of its own holds only.
            self.read_accounts(request).await?;
            rows = self.shared.reads.holds_of(request.agent, request.wallet).await?;
        }
        for _ in 0..super::LOADS_MAX {
            let held = self.shared.held_at();
            let trial = self.shared.memory.lock().trial_among(&rows, request, &held);
            match trial {
                Some(trial) => return Ok(trial),
                None => self.read_accounts(request).await?,
            }
        }
        Err(LedgerError::Overloaded)
    }

    /// Has the writer read the wallet and the agent between two batches.
    pub(super) async fn read_accounts(&self, request: &HoldRequest) -> Result<(), LedgerError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Load { wallet: request.wallet, agent: request.agent, reply };
        self.shared.send(command).map_err(|_| LedgerError::Unavailable)?;
        answer.await.unwrap_or(Err(LedgerError::Unavailable))
    }
}

// === impl Memory ===

impl Memory {
    /// A trial with what stands in these rows of holds, of which some may be this process's own.
    fn trial_among(&mut self, rows: &[FoundHold], request: &HoldRequest, held: &HeldAt) -> Option<Trial> {
        let is_elsewhere = |hold: &&FoundHold| !self.holds.recorded().contains_key(&hold.request.payment);
        let elsewhere: Vec<_> = rows.iter().filter(is_elsewhere).cloned().collect();
        self.holds.enter(&elsewhere);
        let trial = self.trial(request, held);
        self.holds.leave(&elsewhere);
        trial
    }

    fn trial(&self, request: &HoldRequest, held: &HeldAt) -> Option<Trial> {
        let judgement = self.judge(request, held)?;
        let agent = self.facts.agents.peek(&request.agent)?;
        // Nobody has bought of a provider without accounts.
        let calls = self.facts.providers.get(&request.provider).map_or(0, |provider| {
            let month = Window::Month.start(held.at);
            agent.calls(&CallKey { agent: request.agent, provider: provider.account, month })
        });
        let preview = request.price.preview(calls);
        let cost = judgement.cost;
        Some(Trial {
            price: if cost.free { Amount::ZERO } else { preview.amount },
            free: cost.free,
            preview,
            free_left: u32::try_from(self.free_left(request, held, agent)).unwrap_or(0),
            objections: judgement.objections,
        })
    }
}
