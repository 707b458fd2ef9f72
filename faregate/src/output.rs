//! What commands say on standard output, and how they end. Logs go to standard error.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ValueEnum;
use serde_json::Value;

/// How a command speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    #[value(alias = "table")]
    Text,
    /// One JSON object on one line, for programs.
    Json,
}

/// What a command that could do its work found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Exit code 0.
    Yes,
    /// Exit code 1.
    No,
}

// === impl Verdict ===

impl From<bool> for Verdict {
    fn from(good: bool) -> Self {
        if good { Self::Yes } else { Self::No }
    }
}

impl From<Verdict> for ExitCode {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Yes => Self::SUCCESS,
            Verdict::No => Self::FAILURE,
        }
    }
}

/// One line, and whoever reads has it at once.
pub(crate) fn print_json(value: &Value) {
    print_text(&value.to_string());
}

/// One or several lines.
pub(crate) fn print_text(text: &str) {
    let mut out = std::io::stdout().lock();
    // Whoever read has left; there is nobody to tell.
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// A path that means the same from every working directory.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
