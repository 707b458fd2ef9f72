//! [`Companion`]: a program that ends with the test, however that ends.
//!
//! A small shell keeps it. The shell waits for the end of its standard input, which the kernel closes when this is dropped and when
//! the test process is killed. What it prints is read to its end, whether or not anybody wants it: anvil prints a line for each call, and
//! stands still for ever once a pipe is full that nobody reads.

use std::ffi::OsStr;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use crate::wait::within;

const KEEP: &str = r#""$@" </dev/null & exec 2>/dev/null; read -r _; kill -9 "$!"; wait "$!""#;

/// Lines that are kept for whoever waits for one; later ones are lost.
const LINES_MAX: usize = 1_000;

/// One running program.
#[derive(Debug)]
pub struct Companion {
    shell: Child,
    lines: mpsc::Receiver<String>,
}

// === impl Companion ===

impl Companion {
    /// Starts a program; what it says on standard error is the test's.
    #[must_use]
    pub fn start(program: &OsStr, arguments: &[&str]) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", KEEP, "companion"]).arg(program).args(arguments);
        let mut shell = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell");
        let mut output = BufReader::new(shell.stdout.take().expect("its output")).lines();
        let (sender, lines) = mpsc::channel(LINES_MAX);
        tokio::spawn(async move {
            while let Ok(Some(line)) = output.next_line().await {
                let _ = sender.try_send(line);
            }
        });
        Self { shell, lines }
    }

    /// `kill -9`; it is no more when this returns.
    pub async fn kill(mut self) {
        drop(self.shell.stdin.take());
        let _ = within("the end of a killed program", self.shell.wait()).await;
    }

    /// Waits for the line in which it says something, and gives the rest of that line.
    pub async fn says(&mut self, beginning: &str) -> String {
        within(&format!("a line that begins with {beginning}"), async {
            loop {
                let line = self.lines.recv().await.expect("a line before its end");
                if let Some(rest) = line.strip_prefix(beginning) {
                    return rest.to_owned();
                }
            }
        })
        .await
    }
}
