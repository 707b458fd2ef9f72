//! [`Disk`]: the disk of one gateway, which a test fills, breaks, or takes the power from at an exact moment.
//!
//! The product has no hook for it: `disk.c` stands in front of libc's writes and syncs in that one process, and touches the
//! ledger's files only; where the disk is full, the registry's as well.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;

use crate::shim;

/// The ledger's database and its log.
const FILE: &str = "ledger.db";

/// Numbers in the page, as `disk.c` has them.
const NUMBERS: u64 = 5;

/// A disk. Copies are the same one.
#[derive(Clone, Debug)]
pub struct Disk {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    directory: TempDir,
    page: File,
}

/// A number in the page, by its place.
#[derive(Clone, Copy)]
enum Number {
    Full = 0,
    Broken = 1,
    KillBefore = 2,
    KillAfter = 3,
    Failed = 4,
}

// === impl Disk ===

impl Disk {
    /// A disk that works.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "a default disk says nothing to a reader")]
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary folder");
        shim::compile("disk", directory.path());
        let page =
            File::options().create_new(true).read(true).write(true).open(directory.path().join("page"));
        let page = page.expect("a file");
        page.set_len(NUMBERS * 8).expect("room for the page");
        Self { shared: Arc::new(Shared { directory, page }) }
    }

    /// Whether it is full: every write to a database fails, the ledger's and the registry's.
    pub fn set_full(&self, is_full: bool) {
        self.set(Number::Full, i64::from(is_full));
    }

    /// Whether only the log can be written: nothing is moved from it into the database.
    pub fn set_log_only(&self, is_log_only: bool) {
        self.set(Number::Full, if is_log_only { 2 } else { 0 });
    }

    /// Whether it is broken: every sync fails.
    pub fn set_broken(&self, is_broken: bool) {
        self.set(Number::Broken, i64::from(is_broken));
    }

    /// The process is killed in place of the so many-eth sync of the log from now on.
    pub fn kill_before_sync(&self, count: u32) {
        self.set(Number::KillBefore, count.into());
    }

    /// The process is killed when the so many-eth sync of the log from now on is done, before anybody hears of it.
    pub fn kill_after_sync(&self, count: u32) {
        self.set(Number::KillAfter, count.into());
    }

    /// How many writes and syncs failed so far.
    #[must_use]
    pub fn failed(&self) -> i64 {
        let mut bytes = [0; 8];
        self.shared.page.read_exact_at(&mut bytes, Number::Failed as u64 * 8).expect("the page");
        i64::from_ne_bytes(bytes)
    }

    /// What a process needs in its environment to write to it.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, PathBuf); 3] {
        let folder = self.shared.directory.path();
        [
            ("LD_PRELOAD", folder.join("disk.so")),
            ("TEST_DISK", folder.join("page")),
            ("TEST_DISK_FILE", PathBuf::from(FILE)),
        ]
    }

    fn set(&self, number: Number, value: i64) {
        self.shared.page.write_all_at(&value.to_ne_bytes(), number as u64 * 8).expect("the page");
    }
}
