//! PostgreSQL's programs: found where distributions put them, run as a user the server accepts.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use crate::user;

const MISSING: &str = "PostgreSQL is not installed (no initdb in `pg_config --bindir`, PATH or \
                       /usr/lib/postgresql/*/bin): run `sh tests/setup.sh postgres`";

/// A program of the newest installation, to be run as the server's user, in a folder that every user may enter.
pub(crate) fn program(name: &str) -> Command {
    static FOLDER: LazyLock<Option<PathBuf>> = LazyLock::new(folder);
    let Some(folder) = &*FOLDER else { panic!("{MISSING}") };
    let mut command = Command::new(folder.join(name));
    command.current_dir("/tmp").stdin(Stdio::null());
    user::become_server(&mut command);
    command
}

/// What a program prints.
pub(crate) fn output(command: &mut Command) -> String {
    let output = command.output().expect("a program of PostgreSQL starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn folder() -> Option<PathBuf> {
    let told = Command::new("pg_config").arg("--bindir").output().ok();
    let told = told.map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path: Vec<PathBuf> = std::env::split_paths(&path).collect();
    told.into_iter().chain(on_path).chain(debian()).find(|folder| folder.join("initdb").is_file())
}

/// Debian keeps each version in a folder of its own; the newest first.
fn debian() -> Vec<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort_by_key(|folder| std::cmp::Reverse(version(folder)));
    folders
}

fn version(folder: &Path) -> u32 {
    let name = folder.parent().and_then(Path::file_name).unwrap_or_default();
    name.to_string_lossy().parse().unwrap_or(0)
}
