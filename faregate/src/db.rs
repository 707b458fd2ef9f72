//! `faregate db`: what an operator does to the databases themselves. Next: [`backup`].

mod backup;

use clap::Subcommand;

use crate::output::{Format, Verdict};

/// What there is to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Copy ledger.db and registry.db, also while the gateway runs.
    Backup(backup::Arguments),
}

/// Does it.
pub(crate) async fn execute(command: Command, format: Format) -> anyhow::Result<Verdict> {
    match command {
        Command::Backup(arguments) => backup::execute(arguments, format).await,
    }
}
