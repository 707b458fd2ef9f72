//! [`Client`]: one stock client as a process, told what to call by one argument, answering line by line.

use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};
use tests::packages::{Packages, node, source};
use tests::{Payer, within};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// Which interpreter runs which script.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    interpreter: PathBuf,
    script: PathBuf,
}

/// A client that was told what to do.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

// === impl Client ===

impl Client {
    /// npm `@x402/fetch`.
    pub(crate) fn fetch() -> Self {
        Self { interpreter: node(), script: Packages::clients().script("clients/pay.mjs") }
    }

    /// PyPI `x402` with httpx.
    pub(crate) fn httpx() -> Self {
        let interpreter = Packages::clients().folder().join("venv/bin/python");
        Self { interpreter, script: source("clients/pay.py") }
    }

    /// Starts it with a payer's key and the one line that allows the offer's asset.
    pub(crate) fn start(&self, payer: &Payer, offer: &Value, calls: &Value) -> Running {
        let told = json!({
            "privateKey": payer.private_key(),
            "network": offer["network"],
            "asset": offer["asset"],
            "calls": calls,
        });
        let mut child = Command::new(&self.interpreter)
            .arg(&self.script)
            .arg(told.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the client starts");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        Running { child, lines }
    }
}

// === impl Running ===

impl Running {
    /// The next thing it says.
    pub(crate) async fn next(&mut self) -> Value {
        let line = within("a line from the client", self.lines.next_line()).await.expect("its output");
        let line = line.expect("one more line before the client ended; its error is above");
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON from the client: {line}"))
    }

    /// Waits until it has ended, well.
    pub(crate) async fn end(mut self) {
        let status = within("the end of the client", self.child.wait()).await.expect("an end");
        assert!(status.success(), "the client ended with {status}");
    }
}
