//! [`Names`]: the names below `.test` that one gateway finds, which a test gives and takes away. They lead to this machine.
//!
//! The product has no hook for it: `names.c` stands in front of libc's resolver in that one process.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use crate::shim;
use crate::wait::until;

/// A resolver. Copies are the same one.
#[derive(Clone, Debug)]
pub struct Names {
    directory: Arc<TempDir>,
}

// === impl Names ===

impl Names {
    /// One that knows none.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "default names say nothing to a reader")]
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary folder");
        shim::compile("names", directory.path());
        Self { directory: Arc::new(directory) }
    }

    /// This name is known from now on.
    pub fn give(&self, name: &str) {
        fs::write(self.folder().join(name), "").expect("a file");
    }

    /// It is no more.
    pub fn take(&self, name: &str) {
        fs::remove_file(self.folder().join(name)).expect("a name that was given");
    }

    /// How often somebody has asked for it.
    #[must_use]
    pub fn asked(&self, name: &str) -> u64 {
        fs::metadata(self.folder().join(format!("asked-{name}"))).map_or(0, |file| file.len())
    }

    /// Waits until somebody has asked for it once more than so often.
    pub async fn asked_again(&self, name: &str, before: u64) {
        until(&format!("{name} to be asked for"), || async { (self.asked(name) > before).then_some(()) })
            .await;
    }

    /// What a process needs in its environment to find them.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, PathBuf); 2] {
        [("LD_PRELOAD", self.folder().join("names.so")), ("TEST_NAMES", self.folder().to_owned())]
    }

    fn folder(&self) -> &Path {
        self.directory.path()
    }
}
