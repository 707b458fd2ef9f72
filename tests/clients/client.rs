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

    /// npm `x402-fetch`, which speaks x402 v1.
    pub(crate) fn legacy() -> Self {
        Self { interpreter: node(), script: Packages::legacy().script("clients/legacy/pay.mjs") }
    }

    /// npm `@x402/fetch` with `@x402/svm`.
    pub(crate) fn solana() -> Self {
        Self { interpreter: node(), script: Packages::solana().script("clients/solana/pay.mjs") }
    }

    /// PyPI `x402` with httpx, on Solana.
    pub(crate) fn httpx_solana() -> Self {
        let interpreter = Packages::clients().folder().join("venv/bin/python");
        Self { interpreter, script: source("clients/solana/pay.py") }
    }

    /// npm `x402-fetch` on Solana, which speaks x402 v1.
    pub(crate) fn legacy_solana() -> Self {
        Self { interpreter: node(), script: Packages::legacy().script("clients/legacy/solana.mjs") }
    }

    /// npm `@x402/axios`.
    #[cfg(feature = "all-clients")]
    pub(crate) fn axios() -> Self {
        Self { interpreter: node(), script: Packages::more().script("clients/more/axios.mjs") }
    }

    /// npm `x402-axios`, which speaks x402 v1.
    #[cfg(feature = "all-clients")]
    pub(crate) fn legacy_axios() -> Self {
        Self { interpreter: node(), script: Packages::more().script("clients/more/axios-v1.mjs") }
    }

    /// PyPI `x402` with requests.
    #[cfg(feature = "all-clients")]
    pub(crate) fn requests() -> Self {
        let interpreter = Packages::clients().folder().join("venv/bin/python");
        Self { interpreter, script: source("clients/more/pay.py") }
    }

    /// Starts it with a payer's key and the one line that allows the offer's asset.
    pub(crate) fn start(&self, payer: &Payer, offer: &Value, calls: &Value) -> Running {
        self.run(&json!({
            "privateKey": payer.private_key(),
            "network": offer["network"],
            "asset": offer["asset"],
            "calls": calls,
        }))
    }

    /// Starts it at its defaults with a payer's key.
    pub(crate) fn start_by_default(&self, payer: &Payer, calls: &Value) -> Running {
        self.run(&json!({ "privateKey": payer.private_key(), "calls": calls }))
    }

    /// Starts it with this argument.
    pub(crate) fn run(&self, told: &Value) -> Running {
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
