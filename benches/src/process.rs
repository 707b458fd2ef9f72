//! [`Process`]: one part of the bench, started, watched and killed with this process.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long a part may take until it accepts connections.
const START_MAX: Duration = Duration::from_secs(30);

/// How long a part may take until it has ended.
const END_MAX: Duration = Duration::from_secs(60);

/// Between two looks at a part that starts or ends.
const LOOK: Duration = Duration::from_millis(20);

/// A running part. Killed when dropped: nothing it holds is wanted afterwards.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

/// An address on the loopback that is free now.
///
/// A part that cannot say which port it got is told one. Another program could take it in between; the part then
/// ends, and the bench with its log.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

// === impl Process ===

impl Process {
    /// Starts a program that listens at `address`, and returns when it accepts connections. Its output is the log.
    pub(crate) fn listening(command: &mut Command, address: SocketAddr, log: &Path) -> Result<Self> {
        let output = File::create(log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().with_context(|| format!("starting {command:?}"))?;
        let mut process = Self { child, log: log.to_owned() };
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            process.must_run()?;
            if start.elapsed() > START_MAX {
                bail!("{command:?} does not listen at {address}:\n{}", process.log_end());
            }
            std::thread::sleep(LOOK);
        }
        process.must_run()?;
        Ok(process)
    }

    /// Starts a program whose first line is the address it listens at.
    pub(crate) fn announcing(command: &mut Command, log: &Path) -> Result<(Self, SocketAddr)> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(log)?);
        let mut child = command.spawn().with_context(|| format!("starting {command:?}"))?;
        let output = child.stdout.take();
        let process = Self { child, log: log.to_owned() };
        let mut line = String::new();
        BufReader::new(output.context("its output")?).read_line(&mut line)?;
        let address =
            line.trim().parse().with_context(|| format!("no address: {line}{}", process.log_end()))?;
        Ok((process, address))
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        kill(Pid::from_raw(i32::try_from(self.pid())?), signal).context("a signal")
    }

    /// Asks it to end, and waits until it has, well.
    pub(crate) fn terminate(&mut self) -> Result<()> {
        self.signal(Signal::SIGTERM)?;
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "it ended with {status}:\n{}", self.log_end());
                return Ok(());
            }
            ensure!(start.elapsed() < END_MAX, "it does not end:\n{}", self.log_end());
            std::thread::sleep(LOOK);
        }
    }

    /// The last lines it wrote.
    pub(crate) fn log_end(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
    }

    fn must_run(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("it ended ({status}):\n{}", self.log_end()),
            None => Ok(()),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
