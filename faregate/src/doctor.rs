//! `faregate doctor`: is everything as it should be? Looks at the configuration, a running process ([`patient`]), the upstreams and
//! the public networks, and says for each what to do where it is not. Changes nothing.

mod finding;
mod networks;
mod patient;
mod upstreams;

use std::path::PathBuf;

use clap::Args;
use registry::Config;

use crate::config_file::ConfigFile;
use crate::output::{Format, Verdict, print_json, print_text};
use crate::token;
use finding::Finding;
use patient::Patient;

/// What is looked at.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The configuration file, to be checked as well. Its listeners and its token are used where no flag names others. Where nothing
    /// is named, what FAREGATE_CONFIG says, else faregate.toml, where there is one.
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The management API; where neither this nor a file says so, what FAREGATE_URL says, else http://127.0.0.1:8403.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The ops listener; http://127.0.0.1:8404 where neither this nor a file says so.
    #[arg(long, value_name = "URL")]
    ops: Option<String>,
    /// Where it is not given, the file's token stands before the environment's.
    #[arg(long, value_name = "TOKEN", help = token::HELP)]
    token: Option<String>,
}

/// Exit code 1 where anything is wrong that is the operator's to mend.
pub(crate) async fn execute(arguments: Arguments, format: Format) -> anyhow::Result<Verdict> {
    let mut findings = Vec::new();
    let file = file(&arguments);
    let loaded = file.as_ref().map(ConfigFile::load);
    if let Some(loaded) = &loaded {
        let wrong = loaded.as_ref().err().map(ToString::to_string);
        findings.push(Finding::new("configuration", wrong));
    }
    let config = loaded.and_then(Result::ok).map(|loaded| loaded.config);
    // A mistake elsewhere in the file does not move its listeners.
    let glanced = file.as_ref().filter(|_| config.is_none()).map(|file| Config::glance(&file.path));
    let patient = Patient::new(arguments, config.as_ref().or(glanced.as_ref()))?;
    patient.examine(&mut findings).await;
    let upstreams = match patient.upstreams().await {
        Ok(upstreams) => upstreams,
        // Who it is that does not answer was said above.
        Err(_) => config.as_ref().map(upstreams::of_file).unwrap_or_default(),
    };
    findings.extend(upstreams::examine(upstreams).await);
    if let Some(config) = &config {
        findings.extend(networks::examine(config).await);
    }
    match format {
        Format::Json => print_json(&finding::as_json(&findings)),
        Format::Text => print_text(&finding::as_text(&findings)),
    }
    Ok(finding::healthy(&findings).into())
}

/// The file that was named; else the usual one where it is there, and nothing says that another process is meant.
fn file(arguments: &Arguments) -> Option<ConfigFile> {
    let is_elsewhere = arguments.url.is_some() || arguments.ops.is_some() || patient::is_named_elsewhere();
    let file = ConfigFile::or_usual(arguments.config.clone());
    let is_meant = arguments.config.is_some() || (!is_elsewhere && file.path.exists());
    is_meant.then_some(file)
}
