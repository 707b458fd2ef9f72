//! [`Packages`]: what `tests/setup.sh` installed from npm and PyPI, and the scripts that run on it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// One folder of packages.
#[derive(Clone, Debug)]
pub struct Packages {
    folder: PathBuf,
}

// === impl Packages ===

impl Packages {
    /// The stock clients, their chain and their facilitator. Installs them where `make test` has not.
    #[must_use]
    pub fn clients() -> &'static Self {
        static CLIENTS: OnceLock<Packages> = OnceLock::new();
        CLIENTS.get_or_init(|| Self { folder: set_up("clients") })
    }

    /// The client of x402 v1.
    #[must_use]
    pub fn legacy() -> &'static Self {
        static LEGACY: OnceLock<Packages> = OnceLock::new();
        LEGACY.get_or_init(|| Self { folder: set_up("legacy") })
    }

    /// The stock client of Solana, its chain and its facilitator.
    #[must_use]
    pub fn solana() -> &'static Self {
        static SOLANA: OnceLock<Packages> = OnceLock::new();
        SOLANA.get_or_init(|| Self { folder: set_up("solana") })
    }

    /// The clients that only `make test-all` runs.
    #[must_use]
    pub fn more() -> &'static Self {
        static MORE: OnceLock<Packages> = OnceLock::new();
        MORE.get_or_init(|| Self { folder: set_up("more") })
    }

    /// The official server.
    #[must_use]
    pub fn official() -> &'static Self {
        static OFFICIAL: OnceLock<Packages> = OnceLock::new();
        OFFICIAL.get_or_init(|| Self { folder: set_up("official") })
    }

    /// Where they are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A script of ours, by its path below `tests/`, where its packages are found. Another checkout's script of that name does not
    /// come in its place.
    #[must_use]
    pub fn script(&self, path: &str) -> PathBuf {
        let text = std::fs::read(source(path)).expect("a script");
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let script = self.folder.join(format!("script-{:016x}.mjs", hasher.finish()));
        // Renamed into place, so that nobody reads half of it; each writer has a name of its own for it, whatever the process.
        static WRITERS: AtomicU64 = AtomicU64::new(0);
        let writer = WRITERS.fetch_add(1, Ordering::Relaxed);
        let fresh = self.folder.join(format!("{}-{writer}-{:016x}", std::process::id(), hasher.finish()));
        std::fs::write(&fresh, text).expect("a copy of the script");
        std::fs::rename(fresh, &script).expect("the script in its place");
        script
    }
}

/// Node: its own where the system's is too old.
#[must_use]
pub fn node() -> PathBuf {
    let own = Packages::clients().folder.join("venv/bin/node");
    if own.exists() { own } else { PathBuf::from("node") }
}

/// A file below `tests/`.
#[must_use]
pub fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Runs `tests/setup.sh` for one thing and gives the path that it prints.
#[must_use]
pub fn set_up(thing: &str) -> PathBuf {
    let output = std::process::Command::new("sh")
        .arg(source("setup.sh"))
        .arg(thing)
        .stderr(Stdio::inherit())
        .output()
        .expect("tests/setup.sh runs");
    assert!(output.status.success(), "tests/setup.sh {thing} has failed");
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}
