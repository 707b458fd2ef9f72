//! [`Place`]: where the books are, and whether they were there. A relative directory means another one from another working directory: a
//! new ledger that nobody expects must be seen. So must a directory that others may look into.

use anyhow::Context;
use registry::Database;

use crate::database::open_to_others;
use crate::output::absolute;

/// Looked at before the books are opened, told afterwards.
pub(crate) struct Place {
    directory: Option<String>,
    had_books: bool,
    /// What is wrong with who may look there.
    warning: Option<String>,
}

// === impl Place ===

impl Place {
    /// # Errors
    /// Nobody may look there.
    pub(crate) fn look(data: &Database) -> anyhow::Result<Self> {
        let Database::Sqlite { directory } = data else {
            return Ok(Self { directory: None, had_books: true, warning: None });
        };
        let warning = open_to_others(data);
        let directory = absolute(directory);
        let file = directory.join("ledger.db");
        let had_books = file.try_exists().with_context(|| format!("cannot look for {}", file.display()))?;
        Ok(Self { directory: Some(directory.display().to_string()), had_books, warning })
    }

    /// Logs it.
    pub(crate) fn tell(&self) {
        if let Some(warning) = &self.warning {
            tracing::warn!("{warning}");
        }
        match &self.directory {
            None => {}
            Some(directory) if self.had_books => tracing::info!(directory, "the data is here"),
            Some(directory) => {
                tracing::warn!(directory, "there was no ledger here: a new and empty one was made");
            }
        }
    }
}
