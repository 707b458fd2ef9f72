//! `faregate audit`: do the books balance? Of a live or stopped database in SQL, or of a running process, whose memory
//! must then agree with its disk.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::Value;

use crate::client;
use crate::config_file::ConfigFile;
use crate::database::place;
use crate::output::{Format, Verdict, absolute, print_json, print_text};
use crate::service::settings::books;
use crate::token::{self, Token};

/// The ledger's database in a data directory.
const LEDGER_FILE: &str = "ledger.db";

/// Whose books.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// With --url.
    #[arg(long, value_name = "TOKEN", alias = "admin-token", help = token::HELP)]
    token: Option<String>,
}

#[derive(Debug, Args)]
#[group(multiple = false)]
struct Place {
    /// The configuration file that says where the books are; where nothing is named, what FAREGATE_CONFIG says, else
    /// faregate.toml.
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data directory.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The management API of a running process, such as http://127.0.0.1:8403.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

/// Exit code 1 where an invariant is broken.
pub(crate) async fn execute(arguments: Arguments, format: Format) -> anyhow::Result<Verdict> {
    let report = match arguments.place {
        Place { url: Some(url), .. } => of_process(&url, arguments.token).await?,
        Place { data: Some(directory), .. } => of_directory(&directory).await?,
        Place { config, .. } => of_configured(ConfigFile::or_usual(config)).await?,
    };
    match format {
        Format::Json => print_json(&report),
        Format::Text => print_text(&text(&report)),
    }
    Ok((report["clean"] == Value::Bool(true)).into())
}

async fn of_process(url: &str, token: Option<String>) -> anyhow::Result<Value> {
    let token = Token::needed(token)?;
    let url = format!("{}/v1/audit", url.trim_end_matches('/'));
    client::ask(client::direct()?.get(url), &token).await
}

async fn of_directory(directory: &Path) -> anyhow::Result<Value> {
    let file = absolute(directory).join(LEDGER_FILE);
    let exists = file.try_exists().with_context(|| format!("cannot look for {}", file.display()))?;
    anyhow::ensure!(exists, "there is no {}: name the data directory", file.display());
    let report =
        ledger::audit_file(&file).await.with_context(|| format!("cannot audit {}", file.display()))?;
    Ok(control_plane::audit::view(&report))
}

async fn of_configured(config: ConfigFile) -> anyhow::Result<Value> {
    let data = config.load()?.config.data;
    match books(&data) {
        ledger::Database::Sqlite { directory } => of_directory(&directory).await,
        database @ ledger::Database::Postgres { .. } => {
            let report = ledger::audit_database(&database).await;
            let report = report.with_context(|| format!("cannot audit the ledger in {}", place(&data)))?;
            Ok(control_plane::audit::view(&report))
        }
    }
}

fn text(report: &Value) -> String {
    let mut lines = Vec::new();
    for finding in report["findings"].as_array().into_iter().flatten() {
        let word = |name: &str| finding[name].as_str().unwrap_or_default();
        let offending = finding["offending"].as_u64().unwrap_or(0);
        let verdict = if offending == 0 { "ok".to_owned() } else { format!("BROKEN by {offending} rows") };
        lines.push(format!("{:<40} {verdict}", word("invariant")));
        if offending != 0 {
            lines.push(format!("    must hold: {}", word("meaning")));
        }
    }
    let balance =
        if report["clean"] == Value::Bool(true) { "the books balance" } else { "THE BOOKS ARE BROKEN" };
    let at = report["at"].as_str().unwrap_or("?");
    let holds = match report["holds"].as_u64() {
        None | Some(0) => String::new(),
        Some(holds) => format!(", {holds} holds on disk"),
    };
    lines.push(format!("{balance}: {} payments{holds}, as of {at}", report["payments"]));
    lines.join("\n")
}
