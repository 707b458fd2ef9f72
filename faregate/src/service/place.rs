//! [`Place`]: where the books are, and whether they were there. A relative directory means another one from another working directory: a
//! new ledger that nobody expects must be seen.

use anyhow::Context;
use registry::Database;

use crate::output::absolute;

/// Looked at before the books are opened, told afterwards.
pub(crate) struct Place {
    directory: Option<String>,
    had_books: bool,
}

// === impl Place ===

impl Place {
    /// # Errors
    /// Nobody may look there.
    pub(crate) fn look(data: &Database) -> anyhow::Result<Self> {
        let Database::Sqlite { directory } = data else {
            return Ok(Self { directory: None, had_books: true });
        };
        let directory = absolute(directory);
        let file = directory.join("ledger.db");
        let had_books = file.try_exists().with_context(|| format!("cannot look for {}", file.display()))?;
        Ok(Self { directory: Some(directory.display().to_string()), had_books })
    }

    /// Logs it.
    pub(crate) fn tell(&self) {
        match &self.directory {
            None => {}
            Some(directory) if self.had_books => tracing::info!(directory, "the data is here"),
            Some(directory) => {
                tracing::warn!(directory, "there was no ledger here: a new and empty one was made");
            }
        }
    }
}
