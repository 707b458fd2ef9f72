//! `faregate run`: serves until SIGINT or SIGTERM.

use clap::Args;

use crate::config_file::ConfigFile;
use crate::output::Verdict;
use crate::service::Service;

/// What to serve.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: ConfigFile,
}

/// Returns after the last request, listener and commit have ended.
pub(crate) async fn execute(arguments: Arguments) -> anyhow::Result<Verdict> {
    let loaded = arguments.config.load()?;
    let service = Service::start(loaded, arguments.config.path).await?;
    service.end().await?;
    Ok(Verdict::Yes)
}
