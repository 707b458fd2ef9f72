//! [`ConfigFile`]: the argument `-c FILE` and what it leads to.

use std::path::PathBuf;

use clap::Args;
use registry::Config;
use registry::config::{ConfigErrors, Loaded};

/// The variable that names another file than the usual one.
const VARIABLE: &str = "FAREGATE_CONFIG";

/// In the working directory.
const USUAL: &str = "faregate.toml";

/// Where the configuration is.
#[derive(Clone, Debug, Args)]
pub(crate) struct ConfigFile {
    /// The configuration file.
    #[arg(
        short = 'c',
        long = "config",
        value_name = "FILE",
        env = VARIABLE,
        default_value = USUAL
    )]
    pub(crate) path: PathBuf,
}

// === impl ConfigFile ===

impl ConfigFile {
    /// The file that was named, else the one that every command takes where none is named.
    pub(crate) fn or_usual(named: Option<PathBuf>) -> Self {
        let path = named.or_else(|| std::env::var_os(VARIABLE).map(PathBuf::from));
        Self { path: path.unwrap_or_else(|| PathBuf::from(USUAL)) }
    }

    /// Reads and checks the file and the environment in front of it.
    ///
    /// # Errors
    /// Every mistake at once.
    pub(crate) fn load(&self) -> Result<Loaded, ConfigErrors> {
        Config::load(&self.path)
    }
}
