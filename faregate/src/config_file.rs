//! [`ConfigFile`]: the argument `-c FILE` and what it leads to.

use std::path::PathBuf;

use clap::Args;
use registry::Config;
use registry::config::{ConfigErrors, Loaded};

/// Where the configuration is.
#[derive(Clone, Debug, Args)]
pub(crate) struct ConfigFile {
    /// The configuration file.
    #[arg(
        short = 'c',
        long = "config",
        value_name = "FILE",
        env = "FAREGATE_CONFIG",
        default_value = "faregate.toml"
    )]
    pub(crate) path: PathBuf,
}

// === impl ConfigFile ===

impl ConfigFile {
    /// Reads and checks the file and the environment in front of it.
    ///
    /// # Errors
    /// Every mistake at once.
    pub(crate) fn load(&self) -> Result<Loaded, ConfigErrors> {
        Config::load(&self.path)
    }
}
