//! The binary as a process: found, started, signalled, killed, and its log.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

use crate::wait::within;

/// Passes three sockets on as descriptors from 3, with the words that sd_listen_fds(3) wants; `$0` is the log.
const ACTIVATE: &str = r#"exec 3<&0 4<&1 5<&2 </dev/null >>"$0" 2>&1; LISTEN_FDS=3 LISTEN_PID=$$ exec "$@""#;

/// One run of the binary. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

/// What a command that ended said.
#[derive(Clone, Debug)]
pub struct Said {
    /// Its exit code.
    pub code: Option<i32>,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

/// Where the binary is: beside the folder of the test binary.
///
/// # Panics
/// With the command to run when it is not there.
#[must_use]
pub fn binary() -> PathBuf {
    let tests = std::env::current_exe().expect("the test binary's path");
    let target = tests.parent().and_then(Path::parent).expect("a target folder");
    let path = target.join("faregate");
    assert!(path.exists(), "{} is not built: run `cargo build --workspace --bins` first", path.display());
    path
}

/// Runs the binary to its end.
pub async fn run(arguments: &[&str]) -> Said {
    let mut command = Command::new(binary());
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let output = within(&format!("faregate {}", arguments.join(" ")), command.output()).await;
    let output = output.expect("the binary starts");
    Said {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

// === impl Process ===

impl Process {
    /// Starts `faregate run` or another command that serves, its output added to a file. `sockets`, at most three, are passed as systemd passes them.
    #[must_use]
    pub fn start(
        serve: &str,
        config: &Path,
        log: &Path,
        environment: Vec<(&'static str, PathBuf)>,
        sockets: &[TcpListener],
    ) -> Self {
        let mut command = match sockets {
            [] => {
                let open =
                    || std::fs::File::options().create(true).append(true).open(log).expect("a log file");
                let mut command = Command::new(binary());
                command.stdin(Stdio::null()).stdout(open()).stderr(open());
                command
            }
            [first, second, third] => {
                let pass =
                    |socket: &TcpListener| OwnedFd::from(socket.try_clone().expect("a copy of a socket"));
                let mut command = Command::new("sh");
                command.arg("-c").arg(ACTIVATE).arg(log).arg(binary());
                command.stdin(pass(first)).stdout(pass(second)).stderr(pass(third));
                command
            }
            _ => panic!("a gateway has three sockets"),
        };
        command.arg(serve).arg("-c").arg(config).envs(environment).kill_on_drop(true);
        Self { child: command.spawn().expect("the binary starts"), log: log.to_owned() }
    }

    /// Its exit status, where it has ended by itself.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child to look at")
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = self.child.id().expect("a running gateway");
        kill(Pid::from_raw(i32::try_from(pid).expect("a process id")), signal)
            .expect("a signal that arrives");
    }

    /// `kill -9`, and waits for the end.
    pub async fn kill(mut self) {
        self.child.start_kill().expect("a running gateway");
        within("the end of a killed gateway", self.child.wait()).await.expect("an end");
    }

    /// SIGTERM, and waits for its end.
    pub async fn terminate(self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.end().await
    }

    /// Waits for its end.
    pub async fn end(mut self) -> ExitStatus {
        within("the end of the gateway", self.child.wait()).await.expect("an end")
    }

    /// Its process id, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// The last lines it wrote.
    #[must_use]
    pub fn log_end(&self) -> String {
        log_end(&self.log)
    }
}

/// The last lines of a log.
#[must_use]
pub fn log_end(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
