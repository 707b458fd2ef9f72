//! [`Cluster`]: one PostgreSQL server in a folder of its own, on a unix socket, that a test may stop, kill and freeze.

use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::keeper::Keeper;
use crate::{programs, query, user};

/// Longest a server may take to start or to end on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at a server's state.
const LOOK: Duration = Duration::from_millis(10);

/// The server's certificate and its key in the cluster's folder.
const CERTIFICATE: &str = "server.crt";
const KEY: &str = "server.key";

/// What is not PostgreSQL's default. Without fsync a commit survives every kill, only not the loss of power.
const SETTINGS: [&str; 6] = [
    "fsync=off",
    "full_page_writes=off",
    "max_connections=200",
    "shared_buffers=32MB",
    "jit=off",
    "log_statement=none",
];

/// A server and its files. Dropping it ends the one and removes the others.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    /// Where it listens beside its socket, in TLS where the client wants it.
    port: Option<u16>,
    databases: AtomicU32,
    server: Mutex<Option<Child>>,
    /// Dropped last.
    _keeper: Keeper,
}

// === impl Cluster ===

impl Cluster {
    /// Makes the files, starts the server and waits until it serves.
    ///
    /// # Panics
    /// PostgreSQL is not installed, or does not start.
    #[must_use]
    pub fn start() -> Self {
        let made = Self::make(None);
        made.start_again();
        made
    }

    /// One that also listens on 127.0.0.1 and shows this certificate, both PEM; see [`Cluster::address`].
    ///
    /// # Panics
    /// As [`Cluster::start`].
    #[must_use]
    pub fn start_tls(certificate: &str, key: &str) -> Self {
        // Free now; a test that begins in this moment might take it, and this one then fails.
        let port = TcpListener::bind(("127.0.0.1", 0)).and_then(|socket| socket.local_addr());
        let made = Self::make(Some(port.expect("a free port").port()));
        for (name, pem) in [(CERTIFICATE, certificate), (KEY, key)] {
            let path = made.folder.join(name);
            std::fs::write(&path, pem).expect("a file");
            // The server refuses a key that others may read.
            std::fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("a file of ours");
            user::give_to_server(&path);
        }
        made.start_again();
        made
    }

    fn make(port: Option<u16>) -> Self {
        // A home may be closed to the server's user, and a socket's path has at most 107 bytes: hence /tmp.
        let folder = tempfile::Builder::new().prefix("faregate-postgres-").tempdir_in("/tmp");
        let folder = folder.expect("a folder in /tmp").keep();
        let keeper = Keeper::of(&folder);
        user::give_to_server(&folder);
        let mut initdb = programs::program("initdb");
        initdb.args(["--username=faregate", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"]);
        programs::output(initdb.arg("--pgdata").arg(folder.join("data")));
        Self { folder, port, databases: AtomicU32::new(0), server: Mutex::new(None), _keeper: keeper }
    }

    /// Host and port of a cluster with TLS.
    ///
    /// # Panics
    /// It has only a socket.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port.expect("a cluster that was started with TLS"))
    }

    /// The URL of a new, empty database.
    #[must_use]
    pub fn fresh_database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let _ = query(&self.url("postgres"), &format!("create database {name}"));
        self.url(&name)
    }

    /// The URL of a copy of one of its databases. Nobody may be connected to that.
    ///
    /// # Panics
    /// Somebody is, and stays for seconds.
    #[must_use]
    pub fn copy_of(&self, url: &str) -> String {
        let original = url.trim_start_matches("postgres:///").split('?').next().expect("its name");
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let _ = query(&self.url("postgres"), &format!("create database {name} template {original}"));
        self.url(&name)
    }

    /// Starts it after [`Cluster::stop_fast`] or [`Cluster::kill`], and waits until it serves.
    ///
    /// # Panics
    /// It runs already, or ends with an error, which its log names.
    pub fn start_again(&self) {
        let mut server = self.server();
        assert!(server.is_none(), "the server runs already");
        let log = std::fs::File::options().create(true).append(true).open(self.log()).expect("a log");
        let mut postgres = programs::program("postgres");
        postgres.arg("-D").arg(self.folder.join("data")).arg("-k").arg(&self.folder);
        postgres.args(SETTINGS.iter().flat_map(|setting| ["-c", *setting]));
        match self.port {
            None => postgres.args(["-c", "listen_addresses="]),
            Some(port) => {
                let (certificate, key) = (self.folder.join(CERTIFICATE), self.folder.join(KEY));
                let files = [("ssl_cert_file", certificate), ("ssl_key_file", key)];
                let files = files
                    .iter()
                    .flat_map(|(name, path)| ["-c".to_owned(), format!("{name}={}", path.display())]);
                postgres
                    .args(["-c", "listen_addresses=127.0.0.1", "-c", "ssl=on", "-p", &port.to_string()])
                    .args(files)
            }
        };
        postgres.stdout(log.try_clone().expect("a log")).stderr(log);
        postgres.process_group(0);
        let mut child = postgres.spawn().expect("postgres starts");
        let pid = child.id();
        wait("the server to serve", || {
            let ended = child.try_wait().expect("a child to look at");
            assert!(ended.is_none(), "postgres ended:\n{}", read(&self.log()));
            self.serves(pid).then_some(())
        });
        *server = Some(child);
    }

    /// Ends it in order, without waiting for its clients: their connections break.
    pub fn stop_fast(&self) {
        let mut child = self.server().take().expect("a running server");
        signal(child.id(), Signal::SIGINT);
        wait("the server to end", || child.try_wait().expect("a child to look at"));
    }

    /// `kill -9` for the server and every process of it: as if the machine had gone, but for its disk.
    pub fn kill(&self) {
        let mut child = self.server().take().expect("a running server");
        let mut processes = children(child.id());
        processes.push(child.id());
        processes.iter().for_each(|process| signal(*process, Signal::SIGKILL));
        child.wait().expect("an end");
        wait("its processes to end", || processes.iter().all(|process| has_ended(*process)).then_some(()));
    }

    /// SIGSTOP for the server and every process of it: connections stay, and nothing answers.
    pub fn freeze(&self) {
        self.signal_all(Signal::SIGSTOP);
    }

    /// SIGCONT after [`Cluster::freeze`].
    pub fn thaw(&self) {
        self.signal_all(Signal::SIGCONT);
    }

    fn signal_all(&self, what: Signal) {
        let pid = self.server().as_ref().expect("a running server").id();
        // The server first: it makes no new process while the others are counted.
        signal(pid, what);
        children(pid).into_iter().for_each(|process| signal(process, what));
    }

    fn url(&self, database: &str) -> String {
        // The socket is named after the port, and libpq must be told where it is another one.
        let port = self.port.map_or_else(String::new, |port| format!("&port={port}"));
        format!("postgres:///{database}?host={}&user=faregate{port}", self.folder.display())
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// The last line of the server's own file says what it is at, the first one who it is.
    fn serves(&self, pid: u32) -> bool {
        let text = std::fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap_or_default();
        let mut lines = text.lines();
        lines.next() == Some(&pid.to_string()) && lines.next_back().map(str::trim) == Some("ready")
    }

    fn server(&self) -> MutexGuard<'_, Option<Child>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(mut child) = self.server().take() {
            children(child.id()).into_iter().for_each(|process| signal(process, Signal::SIGCONT));
            signal(child.id(), Signal::SIGCONT);
            signal(child.id(), Signal::SIGQUIT);
            let _ = child.wait();
        }
    }
}

/// A process that has ended meanwhile is no mistake.
fn signal(pid: u32, what: Signal) {
    let _ = kill(Pid::from_raw(i32::try_from(pid).expect("a process id")), what);
}

fn children(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| state(*id).is_some_and(|(_, of)| of == parent)).collect()
}

/// Gone, or dead and not collected by its parent.
pub(crate) fn has_ended(pid: u32) -> bool {
    state(pid).is_none_or(|(letter, _)| letter == "Z")
}

/// The state of a process, and its parent.
fn state(pid: u32) -> Option<(String, u32)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before them may hold blanks and parentheses.
    let mut fields = text.rsplit_once(") ")?.1.split(' ');
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

pub(crate) fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(LOOK);
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
