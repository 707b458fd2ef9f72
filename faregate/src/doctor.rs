//! `faregate doctor`: is everything as it should be? Looks at the configuration, a running process, its books and its audit
//! log, and says for each what to do where it is not. Changes nothing.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::Args;
use registry::Config;
use reqwest::header::DATE;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use crate::client;
use crate::output::{Format, Verdict, print_json, print_text};

/// How far this machine's clock and the gateway's may be apart: signed payments live for a minute.
const CLOCK_SKEW_MAX: Duration = Duration::from_secs(5);

/// What is looked at.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The configuration file, to be checked as well.
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The management API.
    #[arg(long, value_name = "URL", env = "FAREGATE_URL", default_value = "http://127.0.0.1:8403")]
    url: String,
    /// The ops listener.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8404")]
    ops: String,
    /// A key of the management API, or the administrator's token.
    #[arg(long, value_name = "TOKEN", env = "FAREGATE_ADMIN_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

/// One thing that was looked at.
struct Finding {
    what: &'static str,
    /// None where all is well; else what is wrong and what to do.
    wrong: Option<String>,
}

/// A running process.
struct Patient {
    client: Client,
    url: String,
    ops: String,
    token: Option<String>,
}

/// Exit code 1 where anything is wrong.
pub(crate) async fn execute(arguments: Arguments, format: Format) -> anyhow::Result<Verdict> {
    let mut findings = Vec::new();
    if let Some(path) = &arguments.config {
        let wrong = Config::load(path).err().map(|errors| errors.to_string());
        findings.push(Finding { what: "configuration", wrong });
    }
    let trimmed = |url: &str| url.trim_end_matches('/').to_owned();
    let patient = Patient {
        client: client::direct()?,
        url: trimmed(&arguments.url),
        ops: trimmed(&arguments.ops),
        token: arguments.token,
    };
    patient.examine(&mut findings).await;
    match format {
        Format::Json => print_json(&as_json(&findings)),
        Format::Text => print_text(&as_text(&findings)),
    }
    Ok(findings.iter().all(|finding| finding.wrong.is_none()).into())
}

fn as_json(findings: &[Finding]) -> Value {
    let finding = |finding: &Finding| json!({ "what": finding.what, "ok": finding.wrong.is_none(), "wrong": finding.wrong });
    let healthy = findings.iter().all(|finding| finding.wrong.is_none());
    json!({ "healthy": healthy, "findings": findings.iter().map(finding).collect::<Vec<_>>() })
}

fn as_text(findings: &[Finding]) -> String {
    let line = |finding: &Finding| match &finding.wrong {
        None => format!("{:<16} ok", finding.what),
        Some(wrong) => format!("{:<16} WRONG: {}", finding.what, wrong.replace('\n', "\n    ")),
    };
    findings.iter().map(line).collect::<Vec<_>>().join("\n")
}

// === impl Patient ===

impl Patient {
    async fn examine(&self, findings: &mut Vec<Finding>) {
        findings.push(Finding { what: "readiness", wrong: self.unready().await });
        let access = self.closed().await;
        let is_open = access.is_none();
        findings.push(Finding { what: "management API", wrong: access });
        if !is_open {
            return;
        }
        findings.push(Finding { what: "clock", wrong: self.skewed().await });
        findings.push(Finding { what: "books", wrong: self.unbalanced().await });
        findings.push(Finding { what: "audit log", wrong: self.tampered().await });
    }

    async fn unready(&self) -> Option<String> {
        let answer = self.client.get(format!("{}/readyz", self.ops)).send().await;
        let response = match answer {
            Ok(response) => response,
            Err(_) => {
                return Some(format!(
                    "nobody answers at {}: is Faregate running? name it with --ops",
                    self.ops
                ));
            }
        };
        if response.status().is_success() {
            return None;
        }
        let body: Value =
            serde_json::from_str(&response.text().await.unwrap_or_default()).unwrap_or_default();
        let checks = body["checks"].as_object().into_iter().flatten();
        let bad = checks.filter(|(_, check)| check.as_str().is_some_and(|check| check != "ok"));
        let bad: Vec<String> = bad.map(|(name, check)| format!("{name}: {check}")).collect();
        Some(format!("it says that it is not ready: {}", bad.join(", ")))
    }

    async fn closed(&self) -> Option<String> {
        let Some(token) = &self.token else {
            return Some("no token to show it: --token or FAREGATE_ADMIN_TOKEN".to_owned());
        };
        let request = self.client.get(format!("{}/v1/agents?limit=1", self.url)).bearer_auth(token);
        match request.send().await.map(|response| response.status()) {
            Ok(StatusCode::OK) => None,
            Ok(StatusCode::UNAUTHORIZED) => Some("it does not know this token".to_owned()),
            Ok(StatusCode::FORBIDDEN) => Some("this token does not open what the doctor looks at".to_owned()),
            Ok(status) => Some(format!("it answers {status}")),
            Err(_) => Some(format!("nobody answers at {}: name it with --url", self.url)),
        }
    }

    async fn skewed(&self) -> Option<String> {
        let response = self.client.get(format!("{}/healthz", self.ops)).send().await.ok()?;
        let told = response.headers().get(DATE)?.to_str().ok()?;
        let theirs = httpdate::parse_http_date(told).ok()?;
        let ours = SystemTime::now();
        let apart = ours.duration_since(theirs).or_else(|_| theirs.duration_since(ours)).ok()?;
        let words = || format!("{} s apart from the one here: set both by NTP", apart.as_secs());
        (apart > CLOCK_SKEW_MAX).then(words)
    }

    async fn unbalanced(&self) -> Option<String> {
        match self.ask("/v1/audit").await {
            Ok(report) if report["clean"] == Value::Bool(true) => None,
            Ok(_) => {
                Some("they do not balance: run `faregate audit`, and read docs/operations.md".to_owned())
            }
            Err(error) => Some(format!("{error:#}")),
        }
    }

    async fn tampered(&self) -> Option<String> {
        match self.ask("/v1/changes/verify").await {
            Ok(chain) if chain["whole"] == Value::Bool(true) => None,
            Ok(chain) => Some(format!("entry {} was changed or taken out", chain["broken_at"])),
            Err(error) => Some(format!("{error:#}")),
        }
    }

    async fn ask(&self, path: &str) -> anyhow::Result<Value> {
        let request = self.client.get(format!("{}{path}", self.url));
        client::ask(request.bearer_auth(self.token.as_deref().unwrap_or_default())).await
    }
}
