//! The command line: what there is, and which file does it.

use anyhow::Context;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};
use tokio::runtime::{Builder, Runtime};

use crate::output::{Format, Verdict};
use crate::service::{Inherited, Role};
use crate::{address, audit, check, completions, db, demo, doctor, explain, manage, pay, reconcile, run};

/// Threads for everything but the data plane and the ledger, which have their own. With a second one a call of the management API
/// costs a fifth more, for waking it, and takes it from a core that serves paid requests.
const WORKERS: usize = 1;

/// A reverse proxy that gets paid.
#[derive(Debug, Parser)]
#[command(name = "faregate", version, about, propagate_version = true)]
pub(crate) struct Cli {
    /// How to print: for people, or one JSON object for programs. `run` and `demo` log the same way.
    #[arg(short = 'o', long = "output", value_enum, global = true, default_value_t)]
    pub(crate) output: Format,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve: the gateway, the management API, metrics and health.
    Run(run::Arguments),
    /// Serve the gateway alone, one of several on a shared PostgreSQL, without the management API.
    Gateway(run::Arguments),
    /// Serve the management API alone, beside gateways on a shared PostgreSQL.
    ControlPlane(run::Arguments),
    /// Check a configuration file and report every mistake with file, line and key, and what of the database is in its way.
    Check(check::Arguments),
    /// Show which route a request takes, what it costs and under which policy: by the file and what is stored.
    Explain(explain::Arguments),
    /// A curl that pays: reads the 402, signs if it is not too dear, and shows the receipt.
    Pay(pay::Arguments),
    /// Print the address that a private key signs as: the one to register as an agent's signer.
    Address(address::Arguments),
    /// Check that the books balance: of a file, of a data directory, or of a running process.
    Audit(audit::Arguments),
    /// Compare what the books say of payments on public networks with what the networks show.
    Reconcile(reconcile::Arguments),
    /// Look whether everything is as it should be, and say what to do where it is not.
    Doctor(doctor::Arguments),
    /// Look after the databases.
    #[command(subcommand)]
    Db(db::Command),
    /// Start everything with a sample API and a funded agent, and show what to try.
    Demo(demo::Arguments),
    /// Print the completions of a shell.
    Completions(completions::Arguments),
}

/// What a command line asks for.
#[derive(Debug)]
pub(crate) enum Asked {
    /// One of the commands above.
    Command(Command),
    /// A call of the management API: what it is about, and the rest of the line.
    Call(String, ArgMatches),
}

/// The whole command line: the commands above, and those of the management API.
pub(crate) fn command() -> clap::Command {
    manage::add_to(Cli::command())
}

/// Reads the process's command line; ends the process where it makes no sense, or asks for help.
pub(crate) fn read() -> (Format, Asked) {
    let matches = command().get_matches();
    match split(&matches) {
        Ok(read) => read,
        Err(error) => error.exit(),
    }
}

fn split(matches: &ArgMatches) -> Result<(Format, Asked), clap::Error> {
    if let Some((noun, rest)) = matches.subcommand()
        && !Command::has_subcommand(noun)
    {
        let format = matches.get_one::<Format>("output").copied().unwrap_or_default();
        return Ok((format, Asked::Call(noun.to_owned(), rest.clone())));
    }
    let Cli { output, command } = Cli::from_arg_matches(matches)?;
    Ok((output, Asked::Command(command)))
}

/// Does what was asked.
pub(crate) fn execute(asked: Asked, format: Format) -> anyhow::Result<Verdict> {
    let command = match asked {
        Asked::Command(command) => command,
        Asked::Call(noun, matches) => return runtime()?.block_on(manage::execute(&noun, &matches, format)),
    };
    match command {
        Command::Run(arguments) => serve(arguments, Role::Both),
        Command::Gateway(arguments) => serve(arguments, Role::Gateway),
        Command::ControlPlane(arguments) => serve(arguments, Role::ControlPlane),
        Command::Check(arguments) => Ok(runtime()?.block_on(check::execute(&arguments, format))),
        Command::Explain(arguments) => runtime()?.block_on(explain::execute(arguments, format)),
        Command::Pay(arguments) => runtime()?.block_on(pay::execute(arguments, format)),
        Command::Address(arguments) => address::execute(&arguments, format),
        Command::Audit(arguments) => runtime()?.block_on(audit::execute(arguments, format)),
        Command::Reconcile(arguments) => runtime()?.block_on(reconcile::execute(arguments, format)),
        Command::Doctor(arguments) => runtime()?.block_on(doctor::execute(arguments, format)),
        Command::Db(command) => runtime()?.block_on(db::execute(command, format)),
        Command::Demo(arguments) => runtime()?.block_on(demo::execute(arguments, format)),
        Command::Completions(arguments) => Ok(completions::execute(&arguments)),
    }
}

fn serve(arguments: run::Arguments, role: Role) -> anyhow::Result<Verdict> {
    let inherited = Inherited::take()?;
    runtime()?.block_on(run::execute(arguments, role, inherited))
}

fn runtime() -> anyhow::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .thread_name("control")
        .enable_all()
        .build()
        .context("cannot start the runtime")
}

#[cfg(test)]
mod tests;
