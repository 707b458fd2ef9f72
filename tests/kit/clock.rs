//! [`Clock`]: the wall clock of one gateway, which a test steps over hours and midnights, back and forth.
//!
//! The product has no hook for it: `clock.c` stands in front of libc's clocks in that one process. What the process
//! measures with the monotonic clock stays true, but for [`Clock::pass`]. Whoever signs for such a gateway must follow the same clock.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

use crate::shim;

/// One second, in the unit of the hands.
const SECOND: i64 = 1_000_000_000;

/// A wall clock. Copies are the same clock.
#[derive(Clone, Debug)]
pub struct Clock {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    directory: TempDir,
    file: File,
    hands: Mutex<Hands>,
}

/// As they stand in the file that the gateway reads.
#[derive(Clone, Copy, Debug, Default)]
struct Hands {
    /// Nanoseconds ahead of the true clock.
    ahead: i64,
    /// Nanoseconds since 1970 at which time stands still; zero where it runs.
    frozen: i64,
    /// Nanoseconds that the monotonic clock is ahead.
    passed: i64,
}

// === impl Clock ===

impl Clock {
    /// A clock that is right.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "a default clock says nothing to a reader")]
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary folder");
        shim::compile("clock", directory.path());
        let file = File::create_new(directory.path().join("hands")).expect("a file");
        let clock = Self { shared: Arc::new(Shared { directory, file, hands: Mutex::default() }) };
        clock.set(Hands::default());
        clock
    }

    /// A clock that shows a point in time, such as `2028-02-29T23:59:50Z` in Unix seconds.
    #[must_use]
    pub fn at(seconds: i64) -> Self {
        let clock = Self::new();
        clock.step(seconds - clock.seconds());
        clock
    }

    /// Unix seconds that it shows.
    #[must_use]
    pub fn seconds(&self) -> i64 {
        self.nanos().div_euclid(SECOND)
    }

    /// Puts it forward, or back where negative. A clock that stands still then stands there.
    pub fn step(&self, seconds: i64) {
        let Hands { ahead, frozen, passed } = self.hands();
        let frozen = if frozen == 0 { 0 } else { frozen + seconds * SECOND };
        self.set(Hands { ahead: ahead + seconds * SECOND, frozen, passed });
    }

    /// Has so much time go on at once: what it shows, and what the process measures. A process that waits for longer goes on waiting, and
    /// one that waits for an answer gives it up sooner: let it pass in steps that are shorter than what anybody is given.
    pub fn pass(&self, seconds: i64) {
        self.step(seconds);
        let hands = self.hands();
        self.set(Hands { passed: hands.passed + seconds * SECOND, ..hands });
    }

    /// Stops it at the beginning of the next second: a stop alone never sets it back.
    pub fn freeze(&self) {
        let frozen = (self.seconds() + 1) * SECOND;
        self.set(Hands { frozen, ..self.hands() });
    }

    /// What a process needs in its environment to follow it.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, PathBuf); 2] {
        let folder = self.shared.directory.path();
        [("LD_PRELOAD", folder.join("clock.so")), ("TEST_CLOCK", folder.join("hands"))]
    }

    fn nanos(&self) -> i64 {
        let Hands { ahead, frozen, .. } = self.hands();
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
        if frozen == 0 {
            i64::try_from(since.as_nanos()).expect("a year before 2262") + ahead
        } else {
            frozen
        }
    }

    fn hands(&self) -> Hands {
        *self.shared.hands.lock().unwrap()
    }

    fn set(&self, hands: Hands) {
        let bytes = [hands.ahead, hands.frozen, hands.passed].map(i64::to_ne_bytes).concat();
        self.shared.file.write_all_at(&bytes, 0).expect("the hands can be moved");
        *self.shared.hands.lock().unwrap() = hands;
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// What `date` shows, in Unix seconds and nanoseconds.
    fn shown(clock: &Clock) -> i64 {
        let output = Command::new("date").arg("+%s%N").envs(clock.environment()).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
    }

    #[test]
    fn a_process_follows_the_clock_forward_back_and_frozen() {
        let clock = Clock::at(1_835_481_589);
        for step in [0, 3_600, -7_200] {
            clock.step(step);
            let (before, now, after) = (clock.nanos(), shown(&clock), clock.nanos());
            assert!((before..=after).contains(&now), "{before} {now} {after}");
        }
        clock.freeze();
        assert_eq!(shown(&clock), clock.seconds() * SECOND);
        clock.step(-10);
        assert_eq!(shown(&clock), clock.seconds() * SECOND);
    }
}
