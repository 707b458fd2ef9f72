//! [`Round`]: what the writer takes from its queue at once. It sorts and decides nothing. Next: [`super::run`].

use tokio::sync::oneshot;

use crate::command::{Command, Reply, Work};
use crate::commit::Wanted;

/// What a round of the queue brought.
#[derive(Default)]
pub(super) struct Round {
    pub(super) works: Vec<Work>,
    pub(super) dry_runs: Vec<Work>,
    pub(super) loads: Vec<(Wanted, Reply<()>)>,
    pub(super) pauses: Vec<oneshot::Sender<oneshot::Sender<()>>>,
}

// === impl Round ===

impl Round {
    pub(super) fn add(&mut self, command: Command) {
        match command {
            Command::Operation(work) => self.works.push(work),
            Command::DryRun(work) => self.dry_runs.push(work),
            Command::Load { wallet, agent, reply } => {
                let wallets = [wallet].into();
                let agents = [agent].into();
                self.loads.push((Wanted { wallets, agents, ..Wanted::default() }, reply));
            }
            Command::Pause(pause) => self.pauses.push(pause),
            Command::Wake => {}
        }
    }
}
