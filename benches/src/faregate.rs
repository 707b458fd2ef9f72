//! [`Faregate`]: the real binary with durable money in a fresh data directory, and agents who can pay.
//!
//! Configured as an operator would, with one free and one priced route of the same upstream. Agents are made and
//! funded through the management API; nothing of the product is reached around.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use protocol::challenge::PaymentRequired;
use protocol::header::PAYMENT_REQUIRED;
use protocol::signature::SigningKey;
use serde_json::{Value, json};

use crate::control::Control;
use crate::exchange::Exchange;
use crate::process::{Process, free_address};

/// A route that costs nothing.
pub(crate) const FREE_PATH: &str = "/free";

/// A route that costs $0.001.
pub(crate) const PAID_PATH: &str = "/paid";

/// Payers take turns: one alone would measure one hot row, very many the caches' misses.
const AGENTS: usize = 256;

/// How long it may take until it is ready.
const READY_MAX: Duration = Duration::from_secs(30);

/// The running gateway and its payers.
pub(crate) struct Faregate {
    process: Process,
    control: Control,
    /// Where agents call.
    pub(crate) data: SocketAddr,
    /// One secret of each agent, for the `Agent-Key` header.
    pub(crate) keys: Vec<String>,
    /// One signer of each agent.
    pub(crate) signers: Vec<SigningKey>,
}

// === impl Faregate ===

impl Faregate {
    /// Starts it in a folder of its own, in front of this upstream.
    pub(crate) fn start(directory: &Path, upstream: SocketAddr, workers: usize) -> Result<Self> {
        let binary = binary()?;
        let (data, control, ops) = (free_address()?, free_address()?, free_address()?);
        let control = Control { address: control, token: random_hex()? };
        let config = directory.join("faregate.toml");
        std::fs::write(&config, configuration(directory, upstream, workers, data, ops, &control))?;
        let mut command = Command::new(binary);
        command.arg("run").arg("-c").arg(&config);
        let process = Process::listening(&mut command, ops, &directory.join("faregate.log"))?;
        let mut made = Self { process, control, data, keys: Vec::new(), signers: Vec::new() };
        made.wait_until_ready(ops)?;
        for _ in 0..AGENTS {
            made.add_agent()?;
        }
        Ok(made)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The last lines of its log.
    pub(crate) fn log_end(&self) -> String {
        self.process.log_end()
    }

    /// What the priced route asks for.
    pub(crate) fn challenge(&self) -> Result<PaymentRequired> {
        let exchange = Exchange::new(self.data, "GET", PAID_PATH, "", "")?;
        ensure!(exchange.status() == 402, "no challenge: {}", exchange.text());
        let field = exchange.header(PAYMENT_REQUIRED).context("a challenge without its header")?;
        PaymentRequired::parse(field.as_bytes())?.context("a challenge that cannot be read")
    }

    /// The books must balance, and hold one payment for each paid answer: no answer was free, none was lost.
    pub(crate) fn audit(&self, paid: u64) -> Result<()> {
        let report = self.control.get("/v1/audit")?;
        ensure!(report["clean"] == json!(true), "the books do not balance: {report}");
        ensure!(report["payments"] == json!(paid), "{paid} answers were paid, the books have {report}");
        Ok(())
    }

    fn wait_until_ready(&self, ops: SocketAddr) -> Result<()> {
        let start = Instant::now();
        loop {
            let answer = Exchange::new(ops, "GET", "/readyz", "", "");
            if answer.as_ref().is_ok_and(|answer| answer.status() == 200) {
                return Ok(());
            }
            if start.elapsed() > READY_MAX {
                bail!("it does not get ready: {:?}\n{}", answer.map(|answer| answer.text()), self.log_end());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// One agent with a full wallet, a signer and a key.
    fn add_agent(&mut self) -> Result<()> {
        let signer = SigningKey::from_hex(&random_hex()?)?;
        let name = format!("bench-{}", self.signers.len());
        let agent = self.control.post("/v1/agents", &name, &json!({ "name": name }))?;
        let (id, wallet) = (text(&agent, "id")?, text(&agent, "wallet")?);
        let address = json!({ "address": signer.address().to_checksum(None) });
        self.control.post(&format!("/v1/agents/{id}/signers"), &name, &address)?;
        let key = self.control.post(&format!("/v1/agents/{id}/keys"), &name, &json!({}))?;
        let funding = json!({ "amount": "$1000000", "external_reference": "bench" });
        self.control.post(&format!("/v1/wallets/{wallet}/fund"), &name, &funding)?;
        self.keys.push(text(&key, "key")?);
        self.signers.push(signer);
        Ok(())
    }
}

/// Beside this program. Under `cargo run` it is built first, so that an old one is never measured.
fn binary() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.parent().context("a folder around this program")?;
    if let Some(cargo) = std::env::var_os("CARGO") {
        let mut command = Command::new(cargo);
        command.args(["build", "--locked", "--package", "faregate"]);
        if !cfg!(debug_assertions) {
            command.arg("--release");
        }
        ensure!(command.status()?.success(), "faregate could not be built");
    }
    let path = folder.join("faregate");
    ensure!(path.exists(), "{} is not there: `cargo build --release --workspace --bins`", path.display());
    Ok(path)
}

fn configuration(
    directory: &Path,
    upstream: SocketAddr,
    workers: usize,
    data: SocketAddr,
    ops: SocketAddr,
    control: &Control,
) -> String {
    let folder = directory.join("data");
    let Control { address, token } = control;
    format!(
        r#"[data]
directory = "{}"

[listen]
control = "{address}"
ops = "{ops}"

[[listen.data]]
address = "{data}"

[control]
admin_token = "{token}"

[limits]
workers = {workers}

[[providers]]
name = "bench"

[providers.upstream]
addresses = ["http://{upstream}"]

[[providers.routes]]
name = "free"
path = "{FREE_PATH}"
price = "free"

[[providers.routes]]
name = "paid"
path = "{PAID_PATH}"
price = "$0.001"
"#,
        folder.display()
    )
}

fn text(value: &Value, name: &str) -> Result<String> {
    value[name].as_str().map(str::to_owned).with_context(|| format!("no {name} in {value}"))
}

fn random_hex() -> Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).context("randomness")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
