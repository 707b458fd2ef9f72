//! The soak: hours at one rate, a line for each minute. Memory, descriptors and the 99th percentile must stay flat.
//!
//! Nine of ten calls are paid by key, one is refused by a limit; every tenth minute all routes are reloaded. Connections
//! are opened anew each minute. It ends with the audit.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use clap::Args;

use crate::faregate::{Faregate, PAID_PATH};
use crate::footprint::Footprint;
use crate::ground::Ground;
use crate::load::Load;
use crate::machine::Machine;
use crate::plan::{Measured, Pace, Plan};
use crate::requests::Requests;
use crate::summary::thousands;

/// Lines between two reloads.
const RELOAD_LINES: usize = 10;

/// How long, and how hard.
#[derive(Args)]
pub(crate) struct Soak {
    /// Lines to print.
    #[arg(long)]
    minutes: usize,
    /// Seconds of a line.
    #[arg(long, default_value_t = 60.0)]
    interval: f64,
    /// Requests a second.
    #[arg(long, default_value_t = 5_000)]
    rate: u32,
    /// Keep-alive connections.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Worker threads of the gateway.
    #[arg(long, default_value_t = 2)]
    workers: usize,
    /// Routes in the file, beside the two that are called.
    #[arg(long, default_value_t = 1_000)]
    routes: usize,
}

// === impl Soak ===

impl Soak {
    /// Runs to the end, or to the first answer that is none of the two expected ones.
    pub(crate) fn run(&self) -> Result<()> {
        println!("{}", Machine::look().line());
        let ground = Ground::set()?;
        let gateway = Faregate::start(&ground, "soak", self.workers, self.routes)?;
        let limited = gateway.limited_key()?;
        let keys: Vec<String> =
            gateway.keys.chunks(9).flat_map(|keys| keys.iter().chain([&limited])).cloned().collect();
        println!("| minute | requests/s | refused/s | p50 us | p99 us | MiB | descriptors | reload |");
        println!("|---:|---:|---:|---:|---:|---:|---:|---:|");
        for minute in 1..=self.minutes {
            let mut requests = Requests::in_turn(gateway.data, PAID_PATH, "agent-key", &keys);
            let line = self.minute(&gateway, &mut requests, minute);
            let (mut measured, reload) = line.with_context(|| gateway.log_end())?;
            gateway.paid(measured.total);
            let after = Footprint::of(gateway.pid())?;
            let seconds = measured.window.as_secs_f64();
            println!(
                "| {minute} | {} | {} | {} | {} | {:.1} | {} | {} |",
                thousands(measured.answers as f64 / seconds),
                thousands(measured.refused as f64 / seconds),
                thousands(measured.latencies.percentile_micros(50)),
                thousands(measured.latencies.percentile_micros(99)),
                after.resident_mib(),
                after.descriptors,
                reload.map_or_else(String::new, |took| format!("{:.2} s", took.as_secs_f64())),
            );
        }
        let paid = gateway.audit()?;
        println!("\nThe books balance; they hold the {paid} payments that were answered.");
        Ok(())
    }

    fn minute(
        &self,
        gateway: &Faregate,
        requests: &mut Requests,
        minute: usize,
    ) -> Result<(Measured, Option<Duration>)> {
        let window = Duration::from_secs_f64(self.interval);
        let plan = Plan {
            target: gateway.data,
            pid: gateway.pid(),
            expected: 200,
            patience: None,
            refused: Some(403),
            connections: self.connections,
            pace: Pace::Open(self.rate),
            is_awake: false,
            warmup: Duration::ZERO,
            window,
        };
        if !minute.is_multiple_of(RELOAD_LINES) {
            return Ok((Load::run(&plan, requests)?, None));
        }
        thread::scope(|scope| {
            let reloading = scope.spawn(move || {
                thread::sleep(window / 4);
                gateway.reload()
            });
            let measured = Load::run(&plan, requests)?;
            let took = reloading.join().map_err(|_| anyhow!("the reload panicked"))??;
            Ok((measured, Some(took)))
        })
    }
}
