//! [`Faregate`]: the real binary on a data directory of its own, from its file to its last audit.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::audit;
use crate::certificate::Authority;
use crate::config::{Config, Route};
use crate::database::Database;
use crate::disk::Disk;
use crate::message::Response;
use crate::metrics::Metrics;
use crate::ports::Port;
use crate::process::{Process, log_end};
use crate::request::Request;
use crate::wait::until;
use crate::wire::Wire;

/// The administrator's token of every test.
const ADMIN_TOKEN: &str = "test-admin-token-0123456789abcdef";

/// A gateway. Must be ended with [`Faregate::finish`]: dropping it without is a failure.
#[derive(Debug)]
pub struct Faregate {
    directory: TempDir,
    config: Config,
    database: Database,
    data: Port,
    control: Port,
    ops: Port,
    /// Kept open from one run to the next, where the test holds them.
    sockets: Vec<TcpListener>,
    process: Option<Process>,
    reloads: usize,
    finished: bool,
}

// === impl Faregate ===

impl Faregate {
    /// Writes the file, starts the binary and waits until it is ready.
    pub async fn start(config: Config) -> Self {
        let mut made = Self::prepare(config);
        made.restart().await;
        made
    }

    /// The same for a binary that may refuse to start: its last words then.
    ///
    /// # Errors
    /// It ended before it was ready.
    pub async fn try_start(config: Config) -> Result<Self, String> {
        let mut made = Self::prepare(config);
        if let Some(status) = made.try_restart().await {
            made.finished = true;
            return Err(format!(
                "it ended with {status} before it was ready:\n{}",
                log_end(&made.log_path())
            ));
        }
        Ok(made)
    }

    fn prepare(config: Config) -> Self {
        let directory =
            tempfile::Builder::new().prefix("faregate-test-").tempdir().expect("a temporary folder");
        let database = config.database.clone().unwrap_or_else(Database::fresh);
        let mut made = Self {
            directory,
            config,
            database,
            data: Port::reserve(),
            control: Port::reserve(),
            ops: Port::reserve(),
            sockets: Vec::new(),
            process: None,
            reloads: 0,
            finished: false,
        };
        if made.config.is_activated {
            let bind = |address| TcpListener::bind(address).expect("a reserved port");
            made.sockets = made.addresses().map(bind).into();
        }
        made.write_config();
        made
    }

    /// The same with TLS and HTTP/2 on the data listener.
    pub async fn start_tls(mut config: Config, authority: &Authority) -> (Self, TempDir) {
        let directory = tempfile::tempdir().expect("a temporary folder");
        config.tls = Some(authority.write(directory.path()));
        (Self::start(config).await, directory)
    }

    /// The listener that clients call.
    #[must_use]
    pub fn data(&self) -> SocketAddr {
        self.data.address()
    }

    /// Its listeners: data, control, ops.
    #[must_use]
    pub fn addresses(&self) -> [SocketAddr; 3] {
        [self.data.address(), self.control.address(), self.ops.address()]
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.as_ref().and_then(Process::pid).expect("a running gateway")
    }

    /// The base of URLs that clients call.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.data())
    }

    /// Where its management API is.
    #[must_use]
    pub fn control_url(&self) -> String {
        format!("http://{}", self.control.address())
    }

    /// What opens all of it.
    #[must_use]
    pub const fn admin_token(&self) -> &'static str {
        ADMIN_TOKEN
    }

    /// The data directory.
    #[must_use]
    pub fn data_directory(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// The file it runs with.
    #[must_use]
    pub fn config_path(&self) -> PathBuf {
        self.directory.path().join("faregate.toml")
    }

    /// Everything it wrote so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// The line of its log that has this in it, once it is written.
    pub async fn logged(&self, text: &str) -> String {
        until(&format!("a line with {text}"), || async {
            self.log().lines().find(|line| line.contains(text)).map(str::to_owned)
        })
        .await
    }

    // --- calling it

    /// A new connection to the data listener.
    pub async fn wire(&self) -> Wire {
        Wire::connect(self.data()).await
    }

    /// One request on a connection of its own.
    pub async fn call(&self, request: &Request) -> Response {
        self.wire().await.call(request).await
    }

    /// The 402 of a GET.
    pub async fn challenge(&self, target: &str) -> Response {
        let response = self.call(&Request::get(target)).await;
        response.expect_status(402);
        response
    }

    /// A request to the control listener, as its administrator.
    pub async fn admin(&self, request: &Request) -> Response {
        Wire::connect(self.control.address()).await.call(&Self::as_admin(request)).await
    }

    /// The request as its administrator sends it to the control listener.
    #[must_use]
    pub fn as_admin(request: &Request) -> Request {
        request.clone().with("Authorization", format!("Bearer {ADMIN_TOKEN}"))
    }

    /// What the control listener says, as JSON; fails on anything but success.
    pub async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let mut request = Request::new(method, path).with("Content-Type", "application/json");
        request.body = body.map(|body| body.to_string().into_bytes());
        let response = self.admin(&request).await;
        assert!(
            (200..300).contains(&response.status),
            "{method} {path}: {} {}",
            response.status,
            response.text()
        );
        response.json()
    }

    /// One scrape.
    pub async fn metrics(&self) -> Metrics {
        let response = Wire::connect(self.ops.address()).await.call(&Request::get("/metrics")).await;
        Metrics(response.expect_status(200).text())
    }

    /// Waits until a counter has reached a value.
    pub async fn counted(&self, name: &str, labels: &[(&str, &str)], count: u64) {
        until(&format!("{name}{labels:?} to reach {count}"), || async {
            (self.metrics().await.count(name, labels) >= count).then_some(())
        })
        .await;
    }

    /// Waits until it has no request. One is counted until its line is written, which is after its answer.
    pub async fn idle(&self) {
        until("every request to have ended", || async {
            (self.metrics().await.count("faregate_requests_in_flight", &[]) == 0).then_some(())
        })
        .await;
    }

    // --- its life

    /// Whether it says that it is ready.
    pub async fn is_ready(&self) -> bool {
        is_ready(self.ops.address()).await
    }

    /// Starts it on the same database and waits until it is ready.
    pub async fn restart(&mut self) {
        if let Some(status) = self.try_restart().await {
            self.finished = true;
            panic!("the gateway ended with {status} before it was ready:\n{}", log_end(&self.log_path()));
        }
    }

    /// Starts it on the same data directory; how it ended, where it was not ready before.
    pub async fn try_restart(&mut self) -> Option<ExitStatus> {
        assert!(self.process.is_none(), "it runs already");
        let environment = self.config.environment();
        let (serve, config) = (self.config.command.unwrap_or("run"), self.config_path());
        let mut process = Process::start(serve, &config, &self.log_path(), environment, &self.sockets);
        let ops = self.ops.address();
        loop {
            if let Some(status) = process.ended() {
                return Some(status);
            }
            if is_ready(ops).await {
                self.process = Some(process);
                return None;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    /// From its next start on it writes to this disk.
    pub fn put_on(&mut self, disk: &Disk) {
        self.config.disk = Some(disk.clone());
    }

    /// Waits until it has ended by itself, however.
    pub async fn end(&mut self) -> ExitStatus {
        self.process.take().expect("a running gateway").end().await
    }

    /// `kill -9`.
    pub async fn kill(&mut self) {
        self.process.take().expect("a running gateway").kill().await;
    }

    /// SIGTERM, and the end it leads to.
    pub async fn terminate(&mut self) {
        let status = self.process.take().expect("a running gateway").terminate().await;
        assert!(status.success(), "SIGTERM ended it with {status}:\n{}", log_end(&self.log_path()));
    }

    /// The end of one whose books are another gateway's by now: nothing is audited here.
    pub async fn give_up(mut self) {
        self.kill().await;
        self.finished = true;
    }

    /// Waits until it has ended by itself, well.
    pub async fn ended(&mut self) {
        let status = self.end().await;
        assert!(status.success(), "it ended with {status}:\n{}", log_end(&self.log_path()));
    }

    /// Sends a signal to it.
    pub fn signal(&self, signal: Signal) {
        self.process.as_ref().expect("a running gateway").signal(signal);
    }

    /// Writes another file; nobody is told.
    pub fn rewrite(&mut self, config: Config) {
        let Config { sections, providers, .. } = config;
        self.config = Config { sections, providers, ..std::mem::take(&mut self.config) };
        self.write_config();
    }

    /// Writes this text as the file.
    pub fn overwrite(&self, text: &str) {
        let fresh = self.directory.path().join("faregate.toml.new");
        std::fs::write(&fresh, text).expect("a file");
        std::fs::rename(fresh, self.config_path()).expect("a file in its place");
    }

    /// SIGHUP with another file, and waits until it is in force: a priced route that only this file has answers then.
    pub async fn reload(&mut self, mut config: Config) {
        self.reloads += 1;
        let sign = format!("/kit-reload-{}", self.reloads);
        config.providers[0].add(Route::new(&sign, "$1"));
        self.rewrite(config);
        self.signal(Signal::SIGHUP);
        until("a reloaded file to be in force", || async {
            (self.call(&Request::get(&sign)).await.status != 404).then_some(())
        })
        .await;
    }

    /// The last act of every test: audits the books while it runs, ends it, audits them again. A stop in order leaves no
    /// hold on disk.
    pub async fn finish(mut self) {
        let runs = self.process.is_some();
        if runs {
            match self.config.command {
                Some("gateway") => audit::its_own(&self).await,
                _ => audit::live(&self).await,
            }
            self.terminate().await;
        }
        let holds = audit::stopped(&self.audit_file()).await;
        assert!(!runs || holds == 0, "{holds} holds were left on disk");
        self.finished = true;
    }

    /// After its end, however it ended: audits its books. So many holds are on disk.
    pub async fn holds(&self) -> u64 {
        assert!(self.process.is_none(), "it runs");
        audit::stopped(&self.audit_file()).await
    }

    /// Names its database; its own file may be a broken one.
    fn audit_file(&self) -> PathBuf {
        let file = self.directory.path().join("audit.toml");
        std::fs::write(&file, self.database.section(&self.data_directory())).expect("a file");
        file
    }

    // --- its file

    /// The whole file.
    #[must_use]
    pub fn config_text(&self) -> String {
        let Config { sections, data: data_lines, tls, .. } = &self.config;
        let (data, control, ops) = (self.data.address(), self.control.address(), self.ops.address());
        let tls = tls.as_ref().map_or_else(String::new, |(certificate, key)| {
            format!("tls = {{ certificate = \"{certificate}\", key = \"{key}\" }}\n")
        });
        format!(
            "{}{data_lines}\n[listen]\ncontrol = \"{control}\"\nops = \"{ops}\"\n\n\
             [[listen.data]]\naddress = \"{data}\"\nhttp2 = true\n{tls}\n\
             [control]\nadmin_token = \"{ADMIN_TOKEN}\"\n\n{sections}\n{}",
            self.database.section(&self.data_directory()),
            self.config.catalog(),
        )
    }

    fn write_config(&self) {
        self.overwrite(&self.config_text());
    }

    fn log_path(&self) -> PathBuf {
        Path::join(self.directory.path(), "log")
    }
}

impl Drop for Faregate {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.process.as_ref().map_or_else(|| log_end(&self.log_path()), Process::log_end);
            eprintln!("--- the end of the gateway's log ---\n{log}\n---");
            return;
        }
        assert!(self.finished, "a test ended without `Faregate::finish`: its books were not audited");
    }
}

async fn is_ready(ops: SocketAddr) -> bool {
    let Some(mut wire) = Wire::try_connect(ops).await else { return false };
    wire.try_call(&Request::get("/readyz")).await.is_some_and(|response| response.status == 200)
}
