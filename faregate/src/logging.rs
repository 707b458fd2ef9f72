//! Logs: to standard error, as text or as JSON, `log` records of libraries included.

use tracing_subscriber::EnvFilter;

use crate::output::Format;

/// Which lines are written, such as `debug` or `info,gateway=debug`.
const LEVEL_VARIABLE: &str = "FAREGATE_LOG";

/// Pingora says at `info` and `warn` what our own line of the request says better.
const LEVEL_DEFAULT: &str = "info,pingora=error,pingora_core=error,pingora_proxy=error,sqlx=warn";

/// Writes from now on.
pub(crate) fn start(format: Format) {
    let filter = std::env::var(LEVEL_VARIABLE).unwrap_or_else(|_| LEVEL_DEFAULT.to_owned());
    let filter = EnvFilter::try_new(&filter).unwrap_or_else(|error| {
        eprintln!("faregate: {LEVEL_VARIABLE} is not understood ({error}), using `{LEVEL_DEFAULT}`");
        EnvFilter::new(LEVEL_DEFAULT)
    });
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Fails only where a log was started before, which then stays.
    let _ = match format {
        Format::Text => lines.try_init(),
        Format::Json => lines.json().flatten_event(true).try_init(),
    };
}
