//! [`Log`]: the last events of a run, for whoever has to understand a failure.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

/// Lines kept.
const LINES: usize = 100;

#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Lines>>);

#[derive(Default)]
struct Lines {
    step: u32,
    last: VecDeque<String>,
    loud: bool,
}

// === impl Log ===

impl Log {
    /// Prints every line as it comes.
    pub(super) fn loud() -> Self {
        let log = Self::default();
        log.0.lock().loud = true;
        log
    }

    pub(super) fn step(&self, step: u32) {
        self.0.lock().step = step;
    }

    pub(super) fn say(&self, words: impl std::fmt::Display) {
        let mut lines = self.0.lock();
        let line = format!("{:>4} {words}", lines.step);
        if lines.loud {
            println!("{line}");
        }
        if lines.last.len() == LINES {
            lines.last.pop_front();
        }
        lines.last.push_back(line);
    }

    pub(super) fn last(&self) -> Vec<String> {
        self.0.lock().last.iter().cloned().collect()
    }
}
