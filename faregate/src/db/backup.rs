//! `faregate db backup`: a directory that can be put in place of the data directory.
//!
//! Each database is copied as it stands at one moment, on a connection that only reads: nobody's commit waits for it. The
//! registry goes first: a wallet that it knows to be open is in the ledger's later copy, and others are opened after a start.
//! What is not whole never has the name that was asked for.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use ledger::backup::Copied;
use registry::Database;
use serde_json::json;

use crate::config_file::ConfigFile;
use crate::output::{Format, Verdict, print_json, print_text};

/// The ledger's database in a data directory.
const LEDGER_FILE: &str = "ledger.db";

/// Of what, and where to.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: ConfigFile,
    /// The directory to make; it must not exist.
    #[arg(long = "to", value_name = "DIR")]
    target: PathBuf,
}

/// Prints what the copy holds, read from the copy.
pub(crate) async fn execute(arguments: Arguments, format: Format) -> anyhow::Result<Verdict> {
    let loaded = arguments.config.load()?;
    let source = match &loaded.config.data {
        Database::Sqlite { directory } => directory,
        Database::Postgres { .. } => anyhow::bail!(
            "the data is in PostgreSQL: back it up there, with pg_dump or by archiving its log (docs/operations.md, backup)"
        ),
    };
    let target = &arguments.target;
    anyhow::ensure!(!target.try_exists()?, "{} exists already: name a new directory", target.display());
    let unfinished = unfinished(target)?;
    let made = DirBuilder::new().mode(0o700).create(&unfinished);
    made.with_context(|| format!("cannot make {}", unfinished.display()))?;
    let copied = copy(source, &unfinished, target).await;
    if copied.is_err() {
        // What could not be finished is of no use to anybody; the error says why.
        let _ = fs::remove_dir_all(&unfinished);
    }
    let (copied, bytes) = copied?;
    print(&copied, bytes, target, format);
    Ok(Verdict::Yes)
}

async fn copy(source: &Path, unfinished: &Path, target: &Path) -> anyhow::Result<(Copied, u64)> {
    let from = |name: &str| format!("cannot copy {name} from {}", source.display());
    registry::backup::copy_directory(source, unfinished).await.with_context(|| from("registry.db"))?;
    let (ledger, ledger_copy) = (source.join(LEDGER_FILE), unfinished.join(LEDGER_FILE));
    let copied = ledger::backup::copy_file(&ledger, &ledger_copy).await.with_context(|| from(LEDGER_FILE))?;
    let bytes = sync(unfinished).context("the copy cannot be brought to disk")?;
    fs::rename(unfinished, target)
        .with_context(|| format!("cannot give the copy its name {}", target.display()))?;
    File::open(parent(target))
        .and_then(|parent| parent.sync_all())
        .context("the copy's name cannot be brought to disk")?;
    Ok((copied, bytes))
}

/// Beside the target, so that a rename finishes it.
fn unfinished(target: &Path) -> anyhow::Result<PathBuf> {
    let name =
        target.file_name().with_context(|| format!("{} names no directory to make", target.display()))?;
    let mut name = name.to_owned();
    name.push(".unfinished");
    Ok(target.with_file_name(name))
}

fn parent(target: &Path) -> &Path {
    target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Brings files and directory to disk; how large the files are.
fn sync(directory: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory)? {
        let file = File::open(entry?.path())?;
        file.sync_all()?;
        bytes += file.metadata()?.len();
    }
    File::open(directory)?.sync_all()?;
    Ok(bytes)
}

fn print(copied: &Copied, bytes: u64, target: &Path, format: Format) {
    let Copied { payments, batch, at } = copied;
    match format {
        Format::Json => print_json(&json!({
            "backup": target,
            "bytes": bytes,
            "payments": payments,
            "batch": batch,
            "at": at.to_string(),
        })),
        Format::Text => print_text(&format!(
            "{}: {bytes} bytes, {payments} payments, last batch {batch} at {at}\ncheck it with: faregate audit --data {}",
            target.display(),
            target.display(),
        )),
    }
}
