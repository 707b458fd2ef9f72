//! [`Lines`]: what is written to standard error, gathered for a moment. A line of its own system call for each payment would
//! cost the request path more than the line itself.
//!
//! A warning or an error is written at once, with all that came before it. A process that is killed loses the lines of its
//! last moment; what happened to money stands in the ledger, never in a log alone.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// For how long lines are gathered.
const GATHER: Duration = Duration::from_millis(20);

/// Bytes that wait at most. Whoever writes beyond them waits for standard error, as everybody would without a buffer.
const WAITING_BYTES_MAX: usize = 1024 * 1024;

/// Where lines wait. Copies are the same place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines {
    shared: Arc<Shared>,
}

/// One line on its way.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    lines: &'a Lines,
    is_urgent: bool,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Vec<u8>>,
    came: Condvar,
    /// Held while standard error is written to: lines keep their order.
    writing: Mutex<()>,
}

// === impl Lines ===

impl Lines {
    /// Writes what waits, on a thread of its own, for as long as the process lives.
    ///
    /// # Errors
    /// When there can be no such thread.
    pub(crate) fn start() -> io::Result<Self> {
        let lines = Self::default();
        let writer = lines.clone();
        std::thread::Builder::new().name("log".to_owned()).spawn(move || {
            loop {
                writer.wait();
                std::thread::sleep(GATHER);
                writer.flush();
            }
        })?;
        Ok(lines)
    }

    /// Writes what waits. Returns when it is written, also what somebody else is writing.
    pub(crate) fn flush(&self) {
        let _writing = lock(&self.shared.writing);
        let waiting = std::mem::take(&mut *lock(&self.shared.waiting));
        // There is nowhere left to tell of it.
        let _ = io::stderr().write_all(&waiting);
    }

    /// Returns when something waits.
    fn wait(&self) {
        let mut waiting = lock(&self.shared.waiting);
        while waiting.is_empty() {
            waiting = self.shared.came.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn add(&self, line: &[u8]) -> usize {
        let mut waiting = lock(&self.shared.waiting);
        if waiting.is_empty() {
            self.shared.came.notify_one();
        }
        waiting.extend_from_slice(line);
        waiting.len()
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { lines: self, is_urgent: true }
    }

    fn make_writer_for(&'a self, line: &Metadata<'_>) -> Line<'a> {
        Line { lines: self, is_urgent: *line.level() <= Level::WARN }
    }
}

// === impl Line ===

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let waiting = self.lines.add(line);
        if self.is_urgent || waiting > WAITING_BYTES_MAX {
            self.lines.flush();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A thread that panicked while it held a line loses that line, not the log.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
