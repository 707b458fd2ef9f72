//! [`Plan`] and [`Measured`]: what goes into a load and what comes out of it.

use std::net::SocketAddr;
use std::time::Duration;

use crate::latency::Latencies;

/// What is measured, and how.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Where requests go.
    pub(crate) target: SocketAddr,
    /// Whose CPU time is counted.
    pub(crate) pid: u32,
    /// The status of every answer that counts.
    pub(crate) expected: u16,
    /// The status of those that are refused on purpose and only counted, where some are.
    pub(crate) refused: Option<u16>,
    /// Where it is said, a request without the right answer for so long is given up and counted, and the run goes on: a server that is
    /// measured for comparison may fail. Else it ends the run.
    pub(crate) patience: Option<Duration>,
    /// How many connections.
    pub(crate) connections: usize,
    /// When requests are sent.
    pub(crate) pace: Pace,
    /// The generator never sleeps. To wake it is work of whoever answers it, and who answers slowly has more of it: where the CPU time of two
    /// answers is compared, that would count for a part of the difference.
    pub(crate) is_awake: bool,
    /// Sent, but not measured.
    pub(crate) warmup: Duration,
    /// Measured.
    pub(crate) window: Duration,
}

/// When a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// On every connection as soon as it is free.
    Closed,
    /// So many a second, whatever comes back.
    Open(u32),
}

/// What a run gave.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    /// All answers that count, before and after the window too.
    pub(crate) total: u64,
    /// Refused on purpose, before and after the window too.
    pub(crate) refused: u64,
    /// Given up without the right answer, before and after the window too.
    pub(crate) failed: u64,
    /// Answers within the window.
    pub(crate) answers: u64,
    /// The window's real length.
    pub(crate) window: Duration,
    /// Of the measured process, within the window.
    pub(crate) cpu: Duration,
    /// Of the generator, within the window.
    pub(crate) generator_cpu: Duration,
    /// Closed loop: of answers within the window. Open loop: of requests due within the window.
    pub(crate) latencies: Latencies,
    /// Connections that the server closed and that were opened again.
    pub(crate) reconnects: u64,
}

// === impl Pace ===

impl Pace {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open(_) => "open",
        }
    }
}
