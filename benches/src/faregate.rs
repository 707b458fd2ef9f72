//! [`Faregate`]: the real binary with durable money in a fresh data directory, and agents who can pay.
//!
//! Configured as an operator would. Agents are made and funded through the management API; nothing of the product is
//! reached around, but for the rows that [`crate::bulk`] writes while it is stopped.

mod configuration;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use protocol::challenge::PaymentRequired;
use protocol::header::PAYMENT_REQUIRED;
use protocol::signature::SigningKey;
use serde_json::{Value, json};

use crate::control::{Client, Control};
use crate::exchange::Exchange;
use crate::ground::Ground;
use crate::process::{Process, free_address};
use configuration::Configuration;
pub(crate) use configuration::OnChain;

/// A route that costs nothing.
pub(crate) const FREE_PATH: &str = "/free";

/// A route that costs $0.001.
pub(crate) const PAID_PATH: &str = "/paid";

/// A route that the management API made, and whose price it changes.
pub(crate) const LIVE_PATH: &str = "/live";

/// Payers take turns: one alone would measure one hot row, very many the caches' misses.
const AGENTS: usize = 256;

/// How long it may take until it is ready, or until a reload is in force.
const READY_MAX: Duration = Duration::from_secs(60);

/// Between two looks at it.
const LOOK: Duration = Duration::from_millis(5);

/// The running gateway and its payers.
pub(crate) struct Faregate {
    process: Process,
    binary: PathBuf,
    /// What it serves: `run` or `gateway`.
    command: &'static str,
    folder: PathBuf,
    configuration: Configuration,
    control: Control,
    /// Where agents call.
    pub(crate) data: SocketAddr,
    /// One secret of each agent, for the `Agent-Key` header.
    pub(crate) keys: Vec<String>,
    /// One signer of each agent.
    pub(crate) signers: Vec<SigningKey>,
    /// Identifiers of the agents and of their wallets.
    agents: Vec<(String, String)>,
    /// Payments that the books must hold.
    paid: AtomicU64,
    reloads: AtomicU64,
}

// === impl Faregate ===

impl Faregate {
    /// Starts it in a folder of its own, on SQLite, in front of the ground's upstream, with so many routes beside the two
    /// that are called.
    pub(crate) fn start(ground: &Ground, name: &str, workers: usize, routes: usize) -> Result<Self> {
        Self::start_on(None, ground, name, workers, routes)
    }

    /// The same, with its books in an empty database.
    pub(crate) fn start_on(
        database: Option<String>,
        ground: &Ground,
        name: &str,
        workers: usize,
        routes: usize,
    ) -> Result<Self> {
        let configuration = Configuration::new(ground, workers, routes, database)?;
        let mut made = Self::launched("run", ground, name, configuration)?;
        for _ in 0..AGENTS {
            made.add_agent()?;
        }
        Ok(made)
    }

    /// The same without agents: the priced route is paid on a public network.
    pub(crate) fn start_on_chain(
        ground: &Ground,
        name: &str,
        workers: usize,
        on_chain: OnChain,
    ) -> Result<Self> {
        let configuration = Configuration::new(ground, workers, 0, None)?;
        let configuration = Configuration { on_chain: Some(on_chain), ..configuration };
        Self::launched("run", ground, name, configuration)
    }

    /// Two on one empty database. The second has no management API, and the first one's agents.
    pub(crate) fn start_two(url: String, ground: &Ground, workers: usize) -> Result<(Self, Self)> {
        let shared = || -> Result<Configuration> {
            let configuration = Configuration::new(ground, workers, 0, Some(url.clone()))?;
            Ok(Configuration { is_shared: true, ..configuration })
        };
        let mut first = Self::launched("run", ground, "first-of-two", shared()?)?;
        let second = Self::launched("gateway", ground, "second-of-two", shared()?)?;
        for _ in 0..AGENTS {
            first.add_agent()?;
        }
        Ok((first, second))
    }

    fn launched(
        command: &'static str,
        ground: &Ground,
        name: &str,
        configuration: Configuration,
    ) -> Result<Self> {
        let folder = ground.folder().join(name);
        std::fs::create_dir(&folder)?;
        let binary = binary()?;
        let control = Control { address: free_address()?, token: random_hex()? };
        std::fs::write(folder.join("faregate.toml"), configuration.text(&folder, &control, 0))?;
        let (keys, signers, paid, reloads) = (Vec::new(), Vec::new(), AtomicU64::new(0), AtomicU64::new(0));
        let (data, ops) = (configuration.data, configuration.ops);
        let process = launch(&binary, command, &folder, ops)?;
        let made = Self {
            process,
            binary,
            command,
            folder,
            configuration,
            control,
            data,
            keys,
            signers,
            agents: Vec::new(),
            paid,
            reloads,
        };
        made.wait_until_ready(Instant::now())?;
        Ok(made)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Its management API.
    pub(crate) fn control(&self) -> &Control {
        &self.control
    }

    /// The last lines of its log.
    pub(crate) fn log_end(&self) -> String {
        self.process.log_end()
    }

    /// Where its databases are.
    pub(crate) fn data_directory(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// What the priced route asks for.
    pub(crate) fn challenge(&self) -> Result<PaymentRequired> {
        let exchange = Exchange::new(self.data, "GET", PAID_PATH, "", "")?;
        ensure!(exchange.status() == 402, "no challenge: {}", exchange.text());
        let field = exchange.header(PAYMENT_REQUIRED).context("a challenge without its header")?;
        PaymentRequired::parse(field.as_bytes())?.context("a challenge that cannot be read")
    }

    /// So many payments more were answered, or put into the books.
    pub(crate) fn paid(&self, count: u64) {
        self.paid.fetch_add(count, Ordering::Relaxed);
    }

    /// The books must balance, and hold one payment for each paid answer: no answer was free, none was lost. Gives how
    /// many.
    pub(crate) fn audit(&self) -> Result<u64> {
        judge(&self.control.get("/v1/audit")?, self.paid.load(Ordering::Relaxed))
    }

    /// The same of the files, for books too large to be audited within a call. It must be stopped.
    pub(crate) fn audit_stopped(&self) -> Result<u64> {
        let mut command = Command::new(&self.binary);
        command.arg("audit").arg("--data").arg(self.data_directory()).args(["-o", "json"]);
        let output = command.output()?;
        let report = serde_json::from_slice(&output.stdout).context("an audit's report")?;
        judge(&report, self.paid.load(Ordering::Relaxed))
    }

    /// Ends it in order.
    pub(crate) fn stop(&mut self) -> Result<()> {
        self.process.terminate()
    }

    /// Starts it again after [`Self::stop`]; how long it took until it served.
    pub(crate) fn restart(&mut self) -> Result<Duration> {
        let begun = Instant::now();
        self.process = launch(&self.binary, self.command, &self.folder, self.configuration.ops)?;
        self.wait_until_ready(begun)
    }

    /// Puts another price on all routes but the two that are called, and waits until it is in force; how long it took.
    pub(crate) fn reload(&self) -> Result<Duration> {
        let reloads = self.reloads.fetch_add(1, Ordering::Relaxed) + 1;
        let before = self.metric("faregate_catalog_version ")?;
        let file = self.folder.join("faregate.toml");
        let fresh = file.with_extension("new");
        std::fs::write(&fresh, self.configuration.text(&self.folder, &self.control, reloads))?;
        let begun = Instant::now();
        std::fs::rename(fresh, file)?;
        self.process.signal(Signal::SIGHUP)?;
        while self.metric("faregate_catalog_version ")? == before {
            ensure!(begun.elapsed() < READY_MAX, "no reload in {READY_MAX:?}:\n{}", self.log_end());
            std::thread::sleep(LOOK);
        }
        Ok(begun.elapsed())
    }

    /// Puts a route up for sale through the management API: the file's own are not changed there.
    pub(crate) fn sell_live(&self, upstream: SocketAddr) -> Result<()> {
        let provider = json!({ "name": "live", "upstream": { "addresses": [format!("http://{upstream}")] } });
        self.control.post("/v1/providers", "live", &provider)?;
        let route = json!({ "name": "live", "provider": "live", "path": LIVE_PATH, "price": "$0.001" });
        self.control.post("/v1/routes", "live", &route)?;
        Ok(())
    }

    /// Gives that route its next price, in force when this returns.
    pub(crate) fn reprice(&self, turn: u32) -> Result<()> {
        let price = json!({ "price": format!("$0.00{}", turn % 9 + 1) });
        self.control.change("PATCH", "/v1/routes/live", &price).map(drop)
    }

    /// Somebody who calls the management API often.
    pub(crate) const fn client(&self) -> Client<'_> {
        self.control.client()
    }

    /// One call of theirs about one of the agents: a new policy, or what its wallet holds.
    pub(crate) fn manage(&self, client: &mut Client<'_>, turn: u32, writes: bool) -> Result<()> {
        let (agent, wallet) = self.agents.get(turn as usize % self.agents.len()).context("an agent")?;
        let done = if writes {
            let policy = json!({ "per_day": format!("${}", 1_000_000 + turn) });
            client.change("PUT", &format!("/v1/agents/{agent}/policy"), &policy)
        } else {
            client.get(&format!("/v1/wallets/{wallet}"))
        };
        done.map(drop)
    }

    /// Has a receiver be called with everything that happens from now on.
    pub(crate) fn hook(&self, name: &str, url: &str) -> Result<()> {
        self.control.post("/v1/webhooks", name, &json!({ "url": url })).map(drop)
    }

    /// The value of one series, written as in a scrape: `name{label="value"}`.
    pub(crate) fn metric(&self, series: &str) -> Result<u64> {
        let scrape = Exchange::new(self.configuration.ops, "GET", "/metrics", "", "")?.text();
        let line = scrape.lines().find_map(|line| line.strip_prefix(series));
        Ok(line.with_context(|| format!("a scrape without {series}"))?.trim().parse()?)
    }

    /// Lets the worker settle with the provider, which it does at its next look; how long it took until so many payments
    /// were settled.
    pub(crate) fn settle(&self, payments: u64) -> Result<Duration> {
        let begun = Instant::now();
        let destination = json!({ "rail": "manual", "reference": "a bank" });
        self.control.change("PUT", "/v1/providers/bench/payout-destination", &destination)?;
        loop {
            let settlements = self.control.get("/v1/settlements?limit=500")?;
            let settlements = settlements["data"].as_array().context("a list of settlements")?;
            let settled: u64 = settlements.iter().filter_map(|found| found["payments"].as_u64()).sum();
            if settled >= payments {
                return Ok(begun.elapsed());
            }
            ensure!(begun.elapsed() < READY_MAX, "{settled} of {payments} are settled:\n{}", self.log_end());
            std::thread::sleep(LOOK);
        }
    }

    /// The key of an agent whose limit is below the price: every call is refused where limits are counted.
    pub(crate) fn limited_key(&self) -> Result<String> {
        let policy = json!({ "name": "limited", "policy": { "per_day": "$0.0005" } });
        let agent = self.control.post("/v1/agents", "limited", &policy)?;
        self.fund(&text(&agent, "wallet")?, "limited")?;
        self.add_key(&text(&agent, "id")?, "limited")
    }

    fn wait_until_ready(&self, begun: Instant) -> Result<Duration> {
        loop {
            let answer = Exchange::new(self.configuration.ops, "GET", "/readyz", "", "");
            if answer.as_ref().is_ok_and(|answer| answer.status() == 200) {
                return Ok(begun.elapsed());
            }
            if begun.elapsed() > READY_MAX {
                bail!("it does not get ready: {:?}\n{}", answer.map(|answer| answer.text()), self.log_end());
            }
            std::thread::sleep(LOOK);
        }
    }

    /// One agent with a full wallet, a signer and a key.
    fn add_agent(&mut self) -> Result<()> {
        let signer = SigningKey::from_hex(&random_hex()?)?;
        let name = format!("bench-{}", self.signers.len());
        let agent = self.control.post("/v1/agents", &name, &json!({ "name": name }))?;
        let id = text(&agent, "id")?;
        let address = json!({ "address": signer.address().to_checksum(None) });
        self.control.post(&format!("/v1/agents/{id}/signers"), &name, &address)?;
        let wallet = text(&agent, "wallet")?;
        self.fund(&wallet, &name)?;
        self.agents.push((id.clone(), wallet));
        self.keys.push(self.add_key(&id, &name)?);
        self.signers.push(signer);
        Ok(())
    }

    fn add_key(&self, agent: &str, name: &str) -> Result<String> {
        let key = self.control.post(&format!("/v1/agents/{agent}/keys"), name, &json!({}))?;
        text(&key, "key")
    }

    fn fund(&self, wallet: &str, name: &str) -> Result<()> {
        let funding = json!({ "amount": "$1000000", "external_reference": "bench" });
        self.control.post(&format!("/v1/wallets/{wallet}/fund"), name, &funding)?;
        Ok(())
    }
}

fn launch(binary: &Path, serve: &str, folder: &Path, ops: SocketAddr) -> Result<Process> {
    let mut command = Command::new(binary);
    command.arg(serve).arg("-c").arg(folder.join("faregate.toml"));
    Process::listening(&mut command, ops, &folder.join("log"))
}

fn judge(report: &Value, paid: u64) -> Result<u64> {
    ensure!(report["clean"] == json!(true), "the books do not balance: {report}");
    ensure!(report["payments"] == json!(paid), "{paid} answers were paid, the books have {report}");
    Ok(paid)
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

fn text(value: &Value, name: &str) -> Result<String> {
    value[name].as_str().map(str::to_owned).with_context(|| format!("no {name} in {value}"))
}

fn random_hex() -> Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).context("randomness")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
