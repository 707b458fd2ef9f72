//! The worker settles with a provider while requests are paid: how long it takes, and what it costs those who pay.

use anyhow::{Context, Result};

use crate::bulk::Bulk;
use crate::comparison::Comparison;
use crate::faregate::Faregate;
use crate::ground::Ground;
use crate::meanwhile::Meanwhile;
use crate::options::Options;
use crate::plan::Pace;
use crate::row::{Row, Traffic};
use crate::summary::thousands;

/// The two rows.
const NAMES: [&str; 2] = ["nothing settled", "all settled meanwhile"];

/// Payments are settled once, so each pace has a gateway and a ledger of its own, and is measured once.
pub(crate) fn measure(ground: &Ground, options: &Options) -> Result<Comparison> {
    let count = options.payments_settled;
    let title = format!("{} payments to settle, paid by key", thousands(count as f64));
    let mut comparison = Comparison::new(title, NAMES.map(str::to_owned).into(), options.rate);
    for pace in [Pace::Closed, Pace::Open(options.rate)] {
        let mut gateway = Faregate::start(ground, &format!("settled-{}", pace.name()), options.workers, 0)?;
        gateway.stop()?;
        Bulk::new(&gateway.data_directory())?.payments(count)?;
        gateway.paid(count);
        gateway.restart()?;
        for (name, meanwhile) in NAMES.into_iter().zip([Meanwhile::Nothing, Meanwhile::Settle(count)]) {
            let row = Row::new(name, &gateway, Traffic::Keys(&gateway.keys)).beside(meanwhile);
            let (run, happened) = row.measure(pace, 1, options).with_context(|| gateway.log_end())?;
            eprintln!("{run}");
            comparison.add(run);
            if happened.count > 0 {
                let took = happened.longest.as_secs_f64();
                comparison
                    .note(format!("Settled {took:.2} s after the provider could be ({}).", pace.name()));
            }
        }
        gateway.stop()?;
        gateway.audit_stopped()?;
    }
    Ok(comparison)
}
