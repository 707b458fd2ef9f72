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
        let (text, place) = match &self.key_file {
            Some(file) => {
                let place = format!("the file {}", file.display());
                let text = std::fs::read_to_string(file);
                (text.with_context(|| format!("cannot read the private key in {place}"))?, place)
            }
            None => {
                let text = std::env::var(KEY_VARIABLE).ok();
                let missing = || format!("give a private key with --key-file or {KEY_VARIABLE}");
                (text.with_context(missing)?, format!("the environment variable {KEY_VARIABLE}"))
            }
        };
        SigningKey::from_hex(&text).map_err(|_| anyhow::anyhow!("{}", unusable(&place, text.trim())))
    }
}

/// Whatever it holds may be a secret: only its length and what it looks like is told.
fn unusable(place: &str, text: &str) -> String {
    let found = match text {
        "" => "nothing".to_owned(),
        _ if text.starts_with('{') => {
            "JSON: an encrypted keystore is not read, its key has to be taken out of it".to_owned()
        }
        _ if text.starts_with("fg_") || text.starts_with("fgm_") => {
            "a key of Faregate, which signs nothing".to_owned()
        }
        _ => format!("{} characters that are no key", text.chars().count()),
    };
    format!(
        "{place} should hold a private key, 64 hexadecimal digits (32 bytes) with 0x before them or without, and holds {found}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_private_key_is_named_with_its_place_and_never_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let told = |text: &str| {
            std::fs::write(&file, text).unwrap();
            let source = KeySource { key_file: Some(file.clone()) };
            source.read().err().map(|error| format!("{error:#}"))
        };
        assert_eq!(told(&format!("0x{}\n", "11".repeat(32))), None);
        for (text, found) in [
            ("\n", "holds nothing"),
            ("hunter2hunter2", "holds 14 characters"),
            ("{\"crypto\": \"hunter2\"}", "an encrypted keystore is not read"),
            ("fg_hunter2", "a key of Faregate"),
            (&"00".repeat(32), "holds 64 characters"),
        ] {
            let told = told(text).unwrap();
            assert!(told.contains(found) && told.contains(&*file.to_string_lossy()), "{told}");
            assert!(told.contains("64 hexadecimal digits") && !told.contains("hunter2"), "{told}");
        }
        std::fs::remove_file(&file).unwrap();
        let missing = KeySource { key_file: Some(file.clone()) }.read().err().unwrap();
        assert!(format!("{missing:#}").contains(&*file.to_string_lossy()), "{missing:#}");
    }
}
