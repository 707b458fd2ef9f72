//! Webhooks: how many a second are delivered to receivers that are fast, and what a backlog costs in memory.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::bulk::Bulk;
use crate::comparison::Comparison;
use crate::cpu;
use crate::faregate::Faregate;
use crate::footprint::Footprint;
use crate::ground::Ground;
use crate::options::Options;
use crate::summary::thousands;

/// Receivers that everything is sent to.
const RECEIVERS: usize = 4;

/// Attempts that arrived.
const DELIVERED: &str = "faregate_webhook_attempts_total{outcome=\"delivered\"} ";

/// Delivered before the measurement begins.
const FIRST: u64 = 1_000;

/// How long the first deliveries may take.
const BEGUN_MAX: Duration = Duration::from_secs(60);

/// The same number of events waits for each receiver. The upstream receives: it answers 200 whatever comes.
pub(crate) fn webhooks(ground: &Ground, options: &Options) -> Result<Vec<Comparison>> {
    let mut gateway = Faregate::start(ground, "webhooks", options.workers, 0)?;
    for receiver in 0..RECEIVERS {
        let url = format!("http://{}/{receiver}", ground.upstream());
        gateway.hook(&format!("hook-{receiver}"), &url)?;
    }
    gateway.stop()?;
    gateway.restart()?;
    let empty = Footprint::of(gateway.pid())?;
    gateway.stop()?;
    Bulk::new(&gateway.data_directory())?.events(options.events)?;
    gateway.restart()?;
    let begun = Instant::now();
    while gateway.metric(DELIVERED)? < FIRST {
        ensure!(begun.elapsed() < BEGUN_MAX, "nothing is delivered:\n{}", gateway.log_end());
        thread::sleep(Duration::from_millis(20));
    }

    let (delivered, cpu_time, measuring) =
        (gateway.metric(DELIVERED)?, cpu::of(gateway.pid())?, Instant::now());
    let (end, mut most) = (Duration::from_secs_f64(options.seconds), 0.0_f64);
    while measuring.elapsed() < end {
        thread::sleep(Duration::from_millis(200));
        most = most.max(Footprint::of(gateway.pid())?.resident_mib());
    }
    let (seconds, delivered) =
        (measuring.elapsed().as_secs_f64(), gateway.metric(DELIVERED)?.saturating_sub(delivered));
    let cpu_time = cpu::of(gateway.pid())?.saturating_sub(cpu_time);
    let waiting = gateway.metric("faregate_webhook_backlog ")?;
    let mut comparison = Comparison::new("Webhooks".to_owned(), Vec::new(), options.rate);
    comparison.note(format!(
        "{} deliveries a second to {RECEIVERS} receivers, {:.0} us of CPU time each, while {} waited.",
        thousands(delivered as f64 / seconds),
        cpu_time.as_secs_f64() * 1e6 / (delivered.max(1) as f64),
        thousands(waiting as f64),
    ));
    comparison.note(format!(
        "{:.0} MiB resident at the most; {:.0} MiB before there was anything to send.",
        most,
        empty.resident_mib(),
    ));
    gateway.audit()?;
    Ok(vec![comparison])
}
