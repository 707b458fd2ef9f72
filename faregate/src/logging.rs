//! Logs: to standard error, as text or as JSON, `log` records of libraries included.
//!
//! Libraries never get below `info`, whatever is asked for: Pingora and h2 write whole headers at `trace`, and agent keys
//! and payments stand in headers (reliability.md O7). Next: [`lines`], how they are written.

mod lines;

use tracing::level_filters::LevelFilter;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

pub(crate) use self::lines::Lines;
use crate::output::Format;

/// Which lines are written, such as `debug` or `info,gateway=trace`.
const LEVEL_VARIABLE: &str = "FAREGATE_LOG";

/// Pingora says at `info` and `warn` what our own line of the request says better.
const LEVEL_DEFAULT: &str = "info,pingora=error,pingora_core=error,pingora_proxy=error,sqlx=warn";

/// Crates whose lines may be written at any level.
const OURS: [&str; 7] = ["faregate", "gateway", "control_plane", "ledger", "registry", "protocol", "domain"];

/// Writes from now on. Flush what it returns before the process ends.
///
/// # Errors
/// When there can be no thread that writes.
pub(crate) fn start(format: Format) -> std::io::Result<Lines> {
    let lines = Lines::start()?;
    let filter = std::env::var(LEVEL_VARIABLE).unwrap_or_else(|_| LEVEL_DEFAULT.to_owned());
    let filter = EnvFilter::try_new(&filter).unwrap_or_else(|error| {
        eprintln!("faregate: {LEVEL_VARIABLE} is not understood ({error}), using `{LEVEL_DEFAULT}`");
        EnvFilter::new(LEVEL_DEFAULT)
    });
    let layers = tracing_subscriber::registry()
        .with(layer(format, lines.clone()))
        .with(filter)
        .with(filter_fn(is_safe));
    // Fails only where a log was started before, which then stays.
    let _ = layers.try_init();
    Ok(lines)
}

fn layer<S>(format: Format, lines: Lines) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let lines = fmt::layer().with_writer(lines);
    match format {
        Format::Text => lines.boxed(),
        Format::Json => lines.json().flatten_event(true).boxed(),
    }
}

fn is_safe(line: &Metadata<'_>) -> bool {
    let crate_name = line.target().split("::").next().unwrap_or_default();
    *line.level() <= LevelFilter::INFO || OURS.contains(&crate_name)
}
