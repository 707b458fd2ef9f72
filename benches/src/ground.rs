//! [`Ground`]: what every measurement stands on, the upstream and a folder for the data.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use tempfile::TempDir;

use crate::process::Process;

/// A running upstream and a folder beside this program.
pub(crate) struct Ground {
    process: Process,
    address: SocketAddr,
    // Removed after the process has ended: fields are dropped in order.
    directory: TempDir,
}

// === impl Ground ===

impl Ground {
    pub(crate) fn set() -> Result<Self> {
        let own = std::env::current_exe()?;
        // Beside the program: a temporary folder may be memory, where a commit costs nothing.
        let folder = own.parent().unwrap_or(Path::new("."));
        let directory = tempfile::Builder::new().prefix("faregate-bench-").tempdir_in(folder)?;
        let log = directory.path().join("upstream.log");
        let (process, address) = Process::announcing(Command::new(&own).arg("upstream"), &log)?;
        Ok(Self { process, address, directory })
    }

    /// Where the upstream listens.
    pub(crate) fn upstream(&self) -> SocketAddr {
        self.address
    }

    /// The upstream's process.
    pub(crate) fn upstream_pid(&self) -> u32 {
        self.process.pid()
    }

    /// Where logs and data are put.
    pub(crate) fn folder(&self) -> &Path {
        self.directory.path()
    }
}
