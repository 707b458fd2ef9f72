//! [`Owner`]: the lock that makes this process the ledger's only writer (case C16). Ends with the process.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use crate::error::OpenError;

const FILE: &str = "ledger.lock";

/// Held as long as the writer lives; the operating system lets go of it when the process dies.
#[derive(Debug)]
pub(crate) struct Owner {
    file: File,
}

// === impl Owner ===

impl Owner {
    pub(crate) fn take(directory: &Path) -> Result<Self, OpenError> {
        let path = directory.join(FILE);
        let failed = |source| OpenError::File { path: path.clone(), source };
        // Not truncated: the file may be somebody else's.
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = options.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                // Unreadable is unknown: the refusal matters, the number is for the operator.
                let _ = file.read_to_string(&mut owner);
                return Err(OpenError::Owned { path, owner: owner.trim().to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        file.set_len(0).map_err(failed)?;
        file.rewind().map_err(failed)?;
        writeln!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(Self { file })
    }
}

/// Closing the file would not do: a child that another thread has forked and that has not yet run its program shares
/// the lock, and whoever comes next would be refused for it.
impl Drop for Owner {
    fn drop(&mut self) {
        if let Err(error) = self.file.unlock() {
            tracing::warn!(%error, "the ledger's lock was not let go of; it ends with this process");
        }
    }
}
