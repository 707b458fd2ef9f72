//! [`Walkthrough`]: a page of `docs/` whose blocks of shell are run as they stand, in one shell as a reader has it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::Command;

use crate::packages::source;
use crate::ports::Port;
use crate::process::binary;

/// Before the first block: a reader's shell stops at nothing, this one at whatever fails, and ends what it started.
const PRELUDE: &str = "set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT\nset -v\n";

/// The longest that a whole page may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(240);

/// A page, and the folder and the environment that its shell begins in.
pub struct Walkthrough {
    folder: TempDir,
    shell: Command,
    /// First in the `PATH`.
    programs: PathBuf,
    _ports: [Port; 4],
}

// === impl Walkthrough ===

impl Walkthrough {
    /// Of a page by its name in `docs/`. `faregate` is found, and the ports that pages name are free ones.
    #[must_use]
    pub fn of(page: &str) -> Self {
        let text = std::fs::read_to_string(source("../docs").join(page)).expect("a page");
        let commands = commands(&text);
        assert!(commands.contains("faregate run"), "{commands}");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let script = folder.path().join("walkthrough.sh");
        std::fs::write(&script, format!("{PRELUDE}{commands}")).expect("a script");
        let programs = folder.path().join("programs");
        std::fs::create_dir(&programs).expect("a folder");
        let mut shell = Command::new("bash");
        shell.arg(script).current_dir(folder.path()).kill_on_drop(true);
        let known = std::env::var("PATH").expect("a PATH");
        let own = binary().parent().expect("a folder").display().to_string();
        shell.env("PATH", format!("{}:{own}:{known}", programs.display()));
        let ports: [Port; 4] = std::array::from_fn(|_| Port::reserve());
        let [api, data, control, ops] = ports.each_ref().map(Port::address);
        shell.env("API_PORT", api.port().to_string());
        for (name, address) in [("DATA", data), ("CONTROL", control), ("OPS", ops)] {
            shell.env(name, address.to_string());
        }
        Self { folder, shell, programs, _ports: ports }
    }

    /// Where the shell begins.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// With a variable that a reader sets.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.shell.env(name, value);
        self
    }

    /// With this script in place of a program.
    #[must_use]
    pub fn program(self, name: &str, script: &str) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let path = self.programs.join(name);
        std::fs::write(&path, script).expect("a script");
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).expect("a script that runs");
        self
    }

    /// With this program under a name.
    #[must_use]
    pub fn link(self, name: &str, program: &Path) -> Self {
        std::os::unix::fs::symlink(program, self.programs.join(name)).expect("a link");
        self
    }

    /// Runs it whole, and gives what it printed. `log`: the gateway's, from where the shell begins.
    ///
    /// # Panics
    /// With everything that was said, where a line fails.
    pub async fn run(mut self, log: &str) -> String {
        let output = tokio::time::timeout(PATIENCE, self.shell.output()).await;
        let log = std::fs::read_to_string(self.folder.path().join(log)).unwrap_or_default();
        let output = output.unwrap_or_else(|_| panic!("not within {PATIENCE:?}\n{log}")).expect("a shell");
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{}\n{err}\n{out}\n{log}", output.status);
        out.into_owned()
    }
}

/// The text of every block of shell.
fn commands(page: &str) -> String {
    let mut inside = false;
    let mut commands = String::new();
    for line in page.lines() {
        match (inside, line) {
            (false, "```sh") => inside = true,
            (true, "```") => inside = false,
            (true, command) => commands.extend([command, "\n"]),
            (false, _) => {}
        }
    }
    commands
}
