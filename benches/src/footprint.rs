//! [`Footprint`]: what a process occupies, from `/proc`.

use std::fmt;

use anyhow::{Context, Result};

/// Memory and descriptors of a process, now.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Footprint {
    /// Resident memory, in KiB.
    pub(crate) resident_kib: u64,
    /// Open files and sockets.
    pub(crate) descriptors: usize,
}

// === impl Footprint ===

impl Footprint {
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let path = format!("/proc/{pid}/status");
        let status = std::fs::read_to_string(&path).with_context(|| path.clone())?;
        let resident_kib = resident_kib(&status).with_context(|| format!("no VmRSS in {path}"))?;
        let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd"))?.count();
        Ok(Self { resident_kib, descriptors })
    }

    pub(crate) fn resident_mib(self) -> f64 {
        self.resident_kib as f64 / 1024.0
    }
}

impl fmt::Display for Footprint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:.1} MiB resident, {} descriptors", self.resident_mib(), self.descriptors)
    }
}

fn resident_kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_footprint_is_found() {
        assert_eq!(resident_kib("Name:\tx\nVmHWM:\t  9 kB\nVmRSS:\t   12345 kB\n"), Some(12_345));
        let ours = Footprint::of(std::process::id()).unwrap();
        assert!(ours.resident_kib > 0 && ours.descriptors > 0, "{ours}");
    }
}
