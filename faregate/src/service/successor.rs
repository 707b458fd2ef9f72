//! [`Successor`]: a new binary takes this process's place, on the same listening sockets and under the same process id.
//!
//! SIGUSR2 asks for it: an upgrade without a refused connection where nobody else holds the sockets (systemd does, with
//! `faregate.socket`). The new binary must first accept the configuration. Then the drain runs as it always does, the
//! ledger is closed, and the binary that now lies at our path is executed; clients wait in the sockets' queues meanwhile.

use std::env;
use std::ffi::OsString;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use command_fds::{CommandFdExt, FdMapping};

/// The first descriptor that is passed on, as sd_listen_fds(3) wants it.
const FIRST: i32 = 3;

/// The option of one start that the next one does not inherit.
const LET_PROVIDERS_GO: &str = "--let-providers-go";

/// Who comes after us, once it was asked for.
#[derive(Debug)]
pub(crate) struct Successor {
    /// Where our binary lay at the start; a new one lies there after an upgrade.
    binary: PathBuf,
    config: PathBuf,
    sockets: Vec<TcpListener>,
    is_wanted: AtomicBool,
}

// === impl Successor ===

impl Successor {
    /// `sockets` are copies of those that are served.
    pub(super) fn new(config: PathBuf, sockets: Vec<TcpListener>) -> anyhow::Result<Self> {
        let binary = env::current_exe().context("cannot tell where this binary is")?;
        Ok(Self { binary, config, sockets, is_wanted: AtomicBool::new(false) })
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.is_wanted.load(Ordering::Acquire)
    }

    /// A binary like this one, for tests.
    #[cfg(test)]
    pub(super) fn of(binary: PathBuf, config: PathBuf) -> Self {
        Self { binary, config, sockets: Vec::new(), is_wanted: AtomicBool::new(false) }
    }

    /// Nobody takes over any more; whether somebody was to.
    pub(super) fn give_up(&self) -> bool {
        self.is_wanted.swap(false, Ordering::AcqRel)
    }

    /// Asks the binary at our path whether it accepts the configuration. From a yes on it is wanted. Dropped, it asks no further.
    pub(super) async fn ask(&self) -> anyhow::Result<()> {
        let mut check = tokio::process::Command::new(&self.binary);
        check.kill_on_drop(true);
        check.arg("check").arg("-c").arg(&self.config).stdin(Stdio::null()).stdout(Stdio::null());
        let status = check.status().await.with_context(|| cannot_execute(&self.binary))?;
        anyhow::ensure!(
            status.success(),
            "{} does not accept {}",
            self.binary.display(),
            self.config.display()
        );
        self.is_wanted.store(true, Ordering::Release);
        Ok(())
    }

    /// Replaces this process; returns only where that failed.
    pub(crate) fn take_over(&self) -> anyhow::Error {
        match self.command() {
            Ok(mut command) => anyhow::Error::from(command.exec()).context(cannot_execute(&self.binary)),
            Err(error) => error,
        }
    }

    fn command(&self) -> anyhow::Result<Command> {
        let mut passed = Vec::with_capacity(self.sockets.len());
        for (child_fd, socket) in (FIRST..).zip(&self.sockets) {
            passed.push(FdMapping { parent_fd: socket.try_clone()?.into(), child_fd });
        }
        let mut command = Command::new(&self.binary);
        command.args(inherited(env::args_os().skip(1)));
        command.env("LISTEN_FDS", passed.len().to_string());
        command.env("LISTEN_PID", std::process::id().to_string());
        command.fd_mappings(passed)?;
        Ok(command)
    }
}

/// The arguments of the next start: what was meant for one is not meant for the next.
fn inherited(arguments: impl Iterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    arguments.filter(|argument| argument != LET_PROVIDERS_GO)
}

fn cannot_execute(binary: &Path) -> String {
    format!("cannot execute {}", binary.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lets_providers_go_at_one_start_lets_none_go_at_the_next() {
        let started = ["run", "--let-providers-go", "-c", "faregate.toml"].map(OsString::from);
        assert_eq!(inherited(started.into_iter()).collect::<Vec<_>>(), ["run", "-c", "faregate.toml"]);
    }
}
