//! `faregate run`: serves until SIGINT or SIGTERM, or until another binary takes over.

use clap::Args;

use crate::config_file::ConfigFile;
use crate::output::Verdict;
use crate::service::{Inherited, Service};

/// What to serve.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: ConfigFile,
}

/// Returns after the last request, listener and commit have ended; not at all where another binary then takes over.
pub(crate) async fn execute(arguments: Arguments, inherited: Inherited) -> anyhow::Result<Verdict> {
    let loaded = arguments.config.load()?;
    let service = Service::start(loaded, arguments.config.path, inherited).await?;
    match service.end().await? {
        None => Ok(Verdict::Yes),
        Some(successor) => Err(successor.take_over()),
    }
}
