//! [`Progress`]: how far long work is, on standard error: a line that changes on a terminal, now and then a line elsewhere.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How often the line on a terminal is drawn.
const TICK: Duration = Duration::from_millis(100);

/// Items between two plain lines, where nobody says otherwise.
const PLAIN_STEP: u64 = 100_000;

/// Work under way. What ends before its first plain line says nothing.
pub(crate) struct Progress {
    what: &'static str,
    done: u64,
    /// Items between two plain lines.
    step: u64,
    bar: Option<ProgressBar>,
}

// === impl Progress ===

impl Progress {
    /// Of so many things, nobody knows how many: `rows`.
    pub(crate) fn of(what: &'static str) -> Self {
        let bar = stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) =
                ProgressStyle::with_template("{spinner} {human_pos} {msg} ({per_sec}, {elapsed})")
            {
                bar.set_style(style);
            }
            bar.set_message(what);
            bar.enable_steady_tick(TICK);
            bar
        });
        Self { what, done: 0, step: PLAIN_STEP, bar }
    }

    /// The same with a plain line for so many items.
    pub(crate) fn told_every(mut self, step: u64) -> Self {
        self.step = step.max(1);
        self
    }

    /// So many more.
    pub(crate) fn add(&mut self, count: u64) {
        let before = self.done / self.step;
        self.done += count;
        match &self.bar {
            Some(bar) => bar.inc(count),
            None if self.done / self.step > before => {
                eprintln!("faregate: {} {} so far", self.done, self.what)
            }
            None => {}
        }
    }

    /// How many there were.
    pub(crate) const fn done(&self) -> u64 {
        self.done
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
