//! [`Patient`]: a running process, and where it is found: readiness, its last reload, its books, its audit log.

use std::env;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use registry::Config;
use reqwest::header::DATE;
use reqwest::{Client, StatusCode};
use serde_json::Value;

use super::Arguments;
use super::finding::Finding;
use super::networks;
use super::upstreams::{self, Upstream};
use crate::token::{self, Token};
use crate::{client, owed};

/// How far this machine's clock and the gateway's may be apart: signed payments live for a minute.
const CLOCK_SKEW_MAX: Duration = Duration::from_secs(5);

/// What the ops listener says where the last reload was refused.
const RELOAD_REFUSED: &str = "faregate_last_reload_failed 1";

/// What it says of each section that waits for a restart, as far as its name.
const RESTART_PENDING: &str = "faregate_restart_pending{section=\"";

/// What it says of how far its clock is behind the books, as far as the number.
const CLOCK_BEHIND: &str = "faregate_ledger_clock_behind_seconds ";

/// Rows of a page.
const PAGE: usize = 500;

/// What a process serves that has no management API, as it says itself.
const GATEWAY: &str = "gateway";

/// Where the management API is, where nobody says.
const URL_VARIABLE: &str = "FAREGATE_URL";

/// A running process.
pub(super) struct Patient {
    client: Client,
    url: String,
    /// Whether somebody said where the management API is: it may be another process's.
    is_named: bool,
    ops: String,
    token: Option<Token>,
}

/// Whether the environment says which process is meant.
pub(super) fn is_named_elsewhere() -> bool {
    env::var_os(URL_VARIABLE).is_some()
}

fn refused_reload(metrics: &str) -> Option<String> {
    let words = "the file on disk is not in force, but the one before it: it was refused (`faregate check` says why), or it \
                 lost more than half of its routes or a provider that has keys, webhooks or a payout destination (send SIGHUP where that is meant), or the database did not work (it is tried again by itself); \
                 the log says which";
    metrics.lines().any(|line| line == RELOAD_REFUSED).then(|| words.to_owned())
}

/// What of the file is not in force, and is not until a restart.
fn waits_for_restart(metrics: &str) -> Option<String> {
    let section = |line: &str| {
        let rest = line.strip_prefix(RESTART_PENDING)?.strip_suffix("\"} 1")?;
        Some(format!("[{rest}]"))
    };
    let sections: Vec<String> = metrics.lines().filter_map(section).collect();
    let words = || format!("{} changed in the file and waits for a restart", sections.join(", "));
    (!sections.is_empty()).then(words)
}

/// Whether the books were written under a later clock than the process has.
fn behind_the_books(metrics: &str) -> Option<String> {
    let seconds: u64 = metrics.lines().find_map(|line| line.strip_prefix(CLOCK_BEHIND))?.parse().ok()?;
    let words = || {
        format!(
            "the process's clock is {seconds} s behind its books: until it has caught up signed payments may be refused, and limits \
             by time stand still; see LedgerClockBehind in docs/operations.md"
        )
    };
    (seconds > CLOCK_SKEW_MAX.as_secs()).then(words)
}

/// A listener as it is called from its own machine.
fn url(mut address: SocketAddr) -> String {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    format!("http://{address}")
}

// === impl Patient ===

impl Patient {
    /// By what the command line says, else by the file, else by the environment, else where it is by default: whoever names
    /// a file means the Faregate of that file.
    pub(super) fn new(arguments: Arguments, config: Option<&Config>) -> anyhow::Result<Self> {
        let listeners = config.map(|config| config.listeners.clone()).unwrap_or_default();
        let trimmed = |url: String| url.trim_end_matches('/').to_owned();
        // The file's token is shown to nobody but the file's Faregate.
        let filed =
            config.and_then(|config| config.control.admin_token.as_ref()).filter(|_| arguments.url.is_none());
        let elsewhere = || env::var(URL_VARIABLE).ok().filter(|_| config.is_none());
        let named = arguments.url.or_else(elsewhere);
        Ok(Self {
            client: client::direct()?,
            is_named: named.is_some(),
            url: trimmed(named.unwrap_or_else(|| url(listeners.control))),
            ops: trimmed(arguments.ops.unwrap_or_else(|| url(listeners.ops))),
            token: Token::find(arguments.token, filed),
        })
    }

    /// What can be seen of it; a process that serves no management API is not asked for one, unless somebody said where there is one.
    pub(super) async fn examine(&self, findings: &mut Vec<Finding>) {
        let (role, unready) = self.unready().await;
        findings.push(Finding::new("readiness", unready));
        if let Ok(metrics) = self.metrics().await {
            findings.push(Finding::new("last reload", refused_reload(&metrics)));
            findings.push(Finding::new("restart", waits_for_restart(&metrics)));
            findings.push(Finding::new("time of the books", behind_the_books(&metrics)));
            findings.push(Finding::new("settlers", networks::unable(&metrics)));
            findings.push(Finding::new("other networks", networks::left(&metrics)));
        }
        if role.as_deref() == Some(GATEWAY) && !self.is_named {
            let why = "this process is a gateway alone: name the control plane's with --url, or run the doctor there";
            findings.push(Finding::passed_over("management API", why));
            return;
        }
        let access = self.closed().await;
        let is_open = access.is_none();
        findings.push(Finding::new("management API", access));
        if !is_open {
            let why = "they are asked of the management API";
            findings.push(Finding::passed_over("clock, books, audit log, earnings", why));
            return;
        }
        findings.push(Finding::new("clock", self.skewed().await));
        findings.push(Finding::new("books", self.unbalanced().await));
        findings.push(Finding::new("audit log", self.tampered().await));
        findings.push(Finding::told("earnings", self.owed().await));
    }

    /// Where all providers' servers are, however they came.
    pub(super) async fn upstreams(&self) -> anyhow::Result<Vec<Upstream>> {
        Ok(self.pages("/v1/providers").await?.iter().flat_map(upstreams::of_page).collect())
    }

    /// All pages of a list.
    async fn pages(&self, path: &str) -> anyhow::Result<Vec<Value>> {
        let (mut pages, mut after) = (Vec::new(), String::new());
        loop {
            let page = self.ask(&format!("{path}?limit={PAGE}{after}")).await?;
            let next = page["next"].as_str().map(|next| format!("&after={next}"));
            pages.push(page);
            match next {
                Some(next) => after = next,
                None => return Ok(pages),
            }
        }
    }

    /// Who is gone, and earned what was not settled.
    async fn owed(&self) -> Option<String> {
        let pages = match self.pages("/v1/settlements/owed").await {
            Ok(pages) => pages,
            Err(error) => return Some(format!("{error:#}")),
        };
        let rows = pages.iter().flat_map(|page| page["data"].as_array().into_iter().flatten());
        let gone = rows.filter(|row| row["gone"] == Value::Bool(true));
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let told = gone.map(|row| owed::warning(&word(&row["provider"]), &word(&row["owed"]["display"])));
        Some(told.collect::<Vec<_>>().join("\n")).filter(|told| !told.is_empty())
    }

    async fn metrics(&self) -> reqwest::Result<String> {
        self.client.get(format!("{}/metrics", self.ops)).send().await?.text().await
    }

    /// What it serves, as it says, and why it is not ready.
    async fn unready(&self) -> (Option<String>, Option<String>) {
        let Ok(response) = self.client.get(format!("{}/readyz", self.ops)).send().await else {
            let told = format!("nobody answers at {}: is Faregate running? name it with --ops", self.ops);
            return (None, Some(told));
        };
        let is_ready = response.status().is_success();
        let body: Value =
            serde_json::from_str(&response.text().await.unwrap_or_default()).unwrap_or_default();
        let role = body["role"].as_str().map(str::to_owned);
        if is_ready {
            return (role, None);
        }
        let checks = body["checks"].as_object().into_iter().flatten();
        let bad = checks.filter(|(_, check)| check.as_str().is_some_and(|check| check != "ok"));
        let bad: Vec<String> = bad.map(|(name, check)| format!("{name}: {check}")).collect();
        (role, Some(format!("it says that it is not ready: {}", bad.join(", "))))
    }

    async fn closed(&self) -> Option<String> {
        let Some(token) = &self.token else {
            return Some(token::MISSING.to_owned());
        };
        let request = self.client.get(format!("{}/v1/agents?limit=1", self.url)).bearer_auth(&token.text);
        match request.send().await.map(|response| response.status()) {
            Ok(StatusCode::OK) => None,
            Ok(StatusCode::UNAUTHORIZED) => Some(format!("it does not know the token; {}", token.shown())),
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
        let token = self.token.as_ref().context(token::MISSING)?;
        client::ask(self.client.get(format!("{}{path}", self.url)), token).await
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;
    use registry::Environment;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn patient(line: &[&str], file: &str) -> Patient {
        // Another test may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = Config::parse(Path::new("f.toml"), file, &Environment::default()).unwrap().config;
        let arguments = Line::parse_from([&["doctor"][..], line].concat()).arguments;
        Patient::new(arguments, Some(&config)).unwrap()
    }

    fn text(patient: &Patient) -> Option<&str> {
        patient.token.as_ref().map(|token| &*token.text)
    }

    #[test]
    fn the_doctor_names_each_section_that_waits_for_a_restart() {
        let metrics = "# TYPE faregate_restart_pending gauge\nfaregate_restart_pending{section=\"limits\"} 1\n\
                       faregate_restart_pending{section=\"listen\"} 1\n";
        let told = waits_for_restart(metrics).unwrap();
        assert!(told.starts_with("[limits], [listen] changed"), "{told}");
        assert_eq!(waits_for_restart("faregate_catalog_version 1\n"), None);
    }

    #[test]
    fn the_doctor_says_how_far_the_clock_is_behind_the_books() {
        let told =
            |seconds: i64| behind_the_books(&format!("faregate_ledger_clock_behind_seconds {seconds}\n"));
        assert_eq!((told(5), told(-40)), (None, None));
        assert!(told(34_560_000).unwrap().contains(" 34560000 s behind"));
    }

    #[test]
    fn the_doctor_looks_where_the_file_says_unless_a_flag_says_otherwise() {
        let file = "[listen]\ncontrol = \"0.0.0.0:9403\"\nops = \"[::]:9404\"\n\
                    [control]\nadmin_token = \"0123456789abcdef\"\n";
        let filed = patient(&[], file);
        assert_eq!((&*filed.url, &*filed.ops), ("http://127.0.0.1:9403", "http://[::1]:9404"));
        assert_eq!(text(&filed), Some("0123456789abcdef"));
        let flagged = patient(&["--url", "http://a:1/", "--ops", "http://b:2/"], file);
        assert_eq!((&*flagged.url, &*flagged.ops), ("http://a:1", "http://b:2"));
        assert_ne!(text(&flagged), Some("0123456789abcdef"), "no other host is shown the file's token");
        let silent = patient(&[], "");
        assert_eq!((&*silent.url, &*silent.ops), ("http://127.0.0.1:8403", "http://127.0.0.1:8404"));
    }
}
