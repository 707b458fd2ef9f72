//! [`Client`]: one stock client as a process, told what to call by one argument, answering line by line.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;

use serde_json::{Value, json};
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
        Self { interpreter: node(), script: folder().join("pay.mjs") }
    }

    /// PyPI `x402` with httpx.
    pub(crate) fn httpx() -> Self {
        Self { interpreter: folder().join("venv/bin/python"), script: source("pay.py") }
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

/// Where the packages are; installs them where `make test` has not.
pub(crate) fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let setup = Path::new(env!("CARGO_MANIFEST_DIR")).join("setup.sh");
        let output = std::process::Command::new("sh")
            .arg(setup)
            .arg("clients")
            .stderr(Stdio::inherit())
            .output()
            .expect("tests/setup.sh runs");
        assert!(output.status.success(), "tests/setup.sh could not install the stock clients");
        let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        // Node looks for packages beside the script. Renamed into place, so that nobody reads half of it.
        for script in ["pay.mjs", "chain.mjs"] {
            let fresh = folder.join(format!("{}-{script}", std::process::id()));
            std::fs::copy(source(script), &fresh).expect("a copy of the script");
            std::fs::rename(fresh, folder.join(script)).expect("the script in its place");
        }
        folder
    })
}

/// Node: its own where the system's is too old.
pub(crate) fn node() -> PathBuf {
    let own = folder().join("venv/bin/node");
    if own.exists() { own } else { PathBuf::from("node") }
}

pub(crate) fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(name)
}
