//! Payments on a public network: Faregate beside the official TypeScript server and facilitator, on one chain of this machine.
//!
//! Everything settles for real: what a row was paid must be what its recipient has on chain. Each row has a chain of its own, because
//! anvil slows down as it mines. What is settled later is waited for, and how long that took stands in a note.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use domain::Address;
use protocol::challenge::PaymentRequired;
use protocol::header::{PAYMENT_REQUIRED, PAYMENT_SIGNATURE};
use protocol::signature::SigningKey;
use serde_json::json;
use tests::chain::{Network, SETTLER_KEY};
use tests::companion::Companion;
use tests::packages::{Packages, node};
use tokio::runtime::Runtime;

use crate::comparison::Comparison;
use crate::exchange::Exchange;
use crate::faregate::{Faregate, OnChain, PAID_PATH};
use crate::footprint::Footprint;
use crate::ground::Ground;
use crate::load::Load;
use crate::options::Options;
use crate::payments;
use crate::plan::{Measured, Pace, Plan};
use crate::requests::Requests;
use crate::run::Run;
use crate::summary::thousands;

/// Payers take turns.
const PAYERS: u64 = 100;

/// What each has, in atomic units.
const FUNDS: u64 = 1_000_000_000;

/// What a call costs, in atomic units.
const PRICE: u64 = 1_000;

/// How long what is due may take until it is settled.
const SETTLED_MAX: Duration = Duration::from_secs(600);

/// Who is paid.
const RECIPIENT: Address = Address::repeat_byte(0x90);

/// One line.
struct Case {
    name: &'static str,
    /// Who serves and settles; none: the official server and facilitator.
    settled: Option<(Settler, &'static str)>,
    connections: usize,
    /// More than it can do: payments that are signed for a second of it.
    per_second: usize,
}

#[derive(Clone, Copy)]
enum Settler {
    Official,
    Own,
}

const CASES: [Case; 5] = [
    Case {
        name: "official server and facilitator, one by one",
        settled: None,
        connections: 1,
        per_second: 300,
    },
    Case { name: "the same, 50 at once", settled: None, connections: 50, per_second: 400 },
    Case {
        name: "Faregate, `after`, official facilitator, 50 at once",
        settled: Some((Settler::Official, "after")),
        connections: 50,
        per_second: 600,
    },
    Case {
        name: "Faregate, `after`, its own settler, 200 at once",
        settled: Some((Settler::Own, "after")),
        connections: 200,
        per_second: 4_000,
    },
    Case {
        name: "Faregate, `deferred`, its own settler, 64 at once",
        settled: Some((Settler::Own, "deferred")),
        connections: 64,
        per_second: 9_000,
    },
];

/// All cases, each once: how many seconds each is measured is the options'.
pub(crate) fn measure(ground: &Ground, options: &Options) -> Result<Comparison> {
    let runtime = Runtime::new()?;
    // No rows: there is one pace here, and every figure stands in a note.
    let mut comparison = Comparison::new("USDC on a chain of this machine".to_owned(), Vec::new(), 0);
    let mut reference = 0.0;
    for (index, case) in CASES.iter().enumerate() {
        let network = runtime.block_on(Network::start());
        let payers = runtime.block_on(network.payers(PAYERS, FUNDS));
        let payers: Vec<_> =
            payers.iter().map(|payer| SigningKey::from_hex(payer.private_key())).collect::<Result<_, _>>()?;
        let (run, note) = match case.settled {
            // With several payers at once its settlements have been seen to hang.
            None => official(&runtime, &network, case, payers.get(..1).unwrap_or_default(), options)?,
            Some((settler, settle)) => {
                let section = section(&runtime, &network, settler, ground)?;
                let paid = OnChain { section: section.text.clone(), address: RECIPIENT, settle };
                let gateway =
                    Faregate::start_on_chain(ground, &format!("chain-{index}"), options.workers, paid)?;
                let paid = (gateway.data, gateway.pid(), gateway.challenge()?);
                let measured = load(case, &paid, &payers, options).with_context(|| gateway.log_end())?;
                gateway.paid(measured.total);
                let took = settled(&gateway)?;
                gateway.audit()?;
                let note = format!(
                    "{}: {} payments, all settled {:.1} s after the last was answered.",
                    case.name,
                    thousands(measured.total as f64),
                    took.as_secs_f64()
                );
                let after = Footprint::of(gateway.pid())?;
                let total = measured.total;
                (Run::new(case.name, Pace::Closed, 1, measured, after), Some((note, total)))
            }
        };
        eprintln!("{run}");
        let rate = run.requests_per_second;
        if case.settled.is_none() {
            reference = rate.max(reference);
        }
        comparison.note(format!(
            "{}: {rate:.0}/s, {:.1} of the official at its best",
            case.name,
            rate / reference
        ));
        comparison.add(run);
        if let Some((note, total)) = note {
            let received = runtime.block_on(network.balance(RECIPIENT));
            ensure!(received == total * PRICE, "{total} payments, and {received} units were received");
            comparison.note(note);
        }
    }
    Ok(comparison)
}

/// The `[[networks]]` of a gateway, and who settles for it as long as this is kept.
struct Section {
    text: String,
    _official: Option<tests::chain::Official>,
}

fn section(runtime: &Runtime, network: &Network, settler: Settler, ground: &Ground) -> Result<Section> {
    let limits = "payer_unsettled_max = \"$1000000\"\nmax_timeout = \"10m\"\nmargin = \"30s\"";
    match settler {
        Settler::Official => {
            let official = runtime.block_on(network.official());
            let text = network.section(limits, &[&official.url()]);
            Ok(Section { text, _official: Some(official) })
        }
        Settler::Own => {
            let key = ground.folder().join("settler-key");
            std::fs::write(&key, SETTLER_KEY)?;
            let lines = format!(
                "{limits}\nsettler = \"evm\"\n[networks.evm]\nkey_file = \"{}\"\nmax_fee_per_gas = \"100gwei\"\n",
                key.display()
            );
            Ok(Section { text: network.section(&lines, &[]), _official: None })
        }
    }
}

fn official(
    runtime: &Runtime,
    network: &Network,
    case: &Case,
    payers: &[SigningKey],
    options: &Options,
) -> Result<(Run, Option<(String, u64)>)> {
    let facilitator = runtime.block_on(network.official());
    let script = Packages::official().script("../benches/official/server.mjs");
    let told = json!({ "facilitator": facilitator.url(), "payTo": RECIPIENT.to_checksum(None) }).to_string();
    let script = script.to_str().context("a path in UTF-8")?;
    let address = runtime.block_on(async {
        let mut server = Companion::start(node().as_os_str(), &[script, &told]);
        let address = server.says("listening on ").await;
        Ok::<_, anyhow::Error>((server, address.parse::<SocketAddr>()?))
    });
    let (_server, address) = address?;
    let exchange = Exchange::new(address, "GET", PAID_PATH, "", "")?;
    let field = exchange.header(PAYMENT_REQUIRED).context("a challenge without its header")?;
    let challenge = PaymentRequired::parse(field.as_bytes())?.context("a challenge that cannot be read")?;
    // Whose CPU is counted means nothing here: server, facilitator and chain are three.
    let own = std::process::id();
    let measured = load(case, &(address, own, challenge), payers, options)?;
    let total = measured.total;
    let run = Run::new(case.name, Pace::Closed, 1, measured, Footprint::of(own)?);
    let note = format!("{}: {} payments.", case.name, thousands(total as f64));
    Ok((run, Some((note, total))))
}

fn load(
    case: &Case,
    (target, pid, challenge): &(SocketAddr, u32, PaymentRequired),
    payers: &[SigningKey],
    options: &Options,
) -> Result<Measured> {
    let plan = options.plan(*target, *pid, Pace::Closed);
    let plan = Plan { connections: case.connections, warmup: Duration::ZERO, ..plan };
    let count = (plan.window.as_secs_f64().ceil() as usize).saturating_mul(case.per_second);
    let mut challenge = challenge.clone();
    challenge.accepts.retain(|offer| offer.network == tests::chain::NETWORK);
    let values = payments::sign(&challenge, payers, count)?;
    let mut requests = Requests::once(*target, PAID_PATH, PAYMENT_SIGNATURE, values);
    Load::run(&plan, &mut requests)
}

/// Waits until nothing is due; how long it took.
fn settled(gateway: &Faregate) -> Result<Duration> {
    let begun = Instant::now();
    while gateway.metric("faregate_chain_payments_due ")? > 0 {
        ensure!(begun.elapsed() < SETTLED_MAX, "not settled in {SETTLED_MAX:?}:\n{}", gateway.log_end());
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(begun.elapsed())
}
