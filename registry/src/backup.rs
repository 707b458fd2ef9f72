//! [`copy_directory`]: a copy of `registry.db` as it stands, taken beside a running process.

use std::path::Path;

use crate::store::{StoreError, pool};

/// Copies the `registry.db` of one directory into another, where there must be none. The caller brings it to disk.
///
/// # Errors
/// There is no registry, or the copy cannot be written.
pub async fn copy_directory(source: &Path, target: &Path) -> Result<(), StoreError> {
    pool::copy_file(&source.join(pool::FILE), &target.join(pool::FILE)).await
}
