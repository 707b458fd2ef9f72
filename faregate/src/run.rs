//! `faregate run`, `faregate gateway`, `faregate control-plane`: serves until SIGINT or SIGTERM, or until another binary takes
//! over.

use anyhow::ensure;
use clap::Args;
use registry::config::Coordination;

use crate::config_file::ConfigFile;
use crate::output::Verdict;
use crate::service::{Followed, Inherited, Place, Role, Service};

/// What to serve.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: ConfigFile,
    /// Let go of providers that the file does not name any more, also where they have keys, webhooks or a payout destination, which
    /// end with them. A running process takes SIGHUP for this.
    #[arg(long)]
    let_providers_go: bool,
}

/// Returns after the last request, listener and commit have ended; not at all where another binary then takes over.
pub(crate) async fn execute(
    arguments: Arguments,
    role: Role,
    inherited: Inherited,
) -> anyhow::Result<Verdict> {
    let loaded = arguments.config.load()?;
    ensure!(
        role == Role::Both || loaded.config.care.coordination == Coordination::Db,
        "`faregate {role}` shares its books with other processes: write `database` (a PostgreSQL) and coordination = \"db\" \
         under [data], in the file of each of them; or start `faregate run`, which is both in one process"
    );
    let place = Place::look(&loaded.config.data)?;
    let followed = Followed { path: arguments.config.path, lets_go: arguments.let_providers_go };
    let started = Service::start(loaded, followed, role, inherited).await;
    // A ledger that was made stays, whatever was in the way afterwards.
    place.tell();
    match started?.end().await? {
        None => Ok(Verdict::Yes),
        Some(successor) => Err(successor.take_over()),
    }
}
