//! [`Machine`]: what the figures were measured on, without which they say nothing.

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

/// Facts of this machine and this build.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    cpu: String,
    cores: usize,
    memory_kib: u64,
    kernel: String,
    rustc: String,
    commit: String,
    /// `release` or `debug`; figures of the second are worth nothing.
    pub(crate) profile: &'static str,
    load_average_at_start: String,
    unix_seconds: u64,
}

// === impl Machine ===

impl Machine {
    pub(crate) fn look() -> Self {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let memory = field("/proc/meminfo", "MemTotal");
        Self {
            cpu: field("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_kib: memory.trim_end_matches(" kB").parse().unwrap_or(0),
            kernel: release.trim().to_owned(),
            rustc: first_line("rustc", &["--version"]),
            commit: first_line("git", &["rev-parse", "--short", "HEAD"]),
            profile: if cfg!(debug_assertions) { "debug" } else { "release" },
            load_average_at_start: load.split(' ').take(3).collect::<Vec<_>>().join(" "),
            unix_seconds: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        }
    }

    /// One line for people.
    pub(crate) fn line(&self) -> String {
        let Self { cpu, cores, kernel, rustc, commit, profile, load_average_at_start, .. } = self;
        format!(
            "{cores} cores of {cpu}, Linux {kernel}, {rustc}, commit {commit}, {profile} build, load average before \
             {load_average_at_start}"
        )
    }
}

/// The first value of a key in a file of `key : value` lines; empty where there is none.
fn field(path: &str, key: &str) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    let found = pairs.into_iter().find(|(name, _)| name.trim() == key);
    found.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
}

/// What a command prints first; empty where it cannot be run.
fn first_line(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}
