//! [`KeySource`]: where the private key that signs payments comes from, for `pay`, `address` and `signer prove`. Never on the
//! command line, which every process of the machine can read. It is never printed.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use protocol::signature::SigningKey;

/// Where the private key is looked for without `--key-file`.
const KEY_VARIABLE: &str = "FAREGATE_PRIVATE_KEY";

/// A file, or the environment.
#[derive(Debug, Args)]
pub(crate) struct KeySource {
    /// The file with the private key in hexadecimal. Without it, the environment variable FAREGATE_PRIVATE_KEY.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

// === impl KeySource ===

impl KeySource {
    pub(crate) fn read(&self) -> anyhow::Result<SigningKey> {
        let text = match &self.key_file {
            Some(file) => {
                std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?
            }
            None => std::env::var(KEY_VARIABLE)
                .ok()
                .with_context(|| format!("give a private key with --key-file or {KEY_VARIABLE}"))?,
        };
        SigningKey::from_hex(&text).context("the private key cannot be used")
    }
}
