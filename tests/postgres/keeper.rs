//! [`Keeper`]: a small shell that outlives the test process, ends its server and takes the folder away.
//!
//! It waits for the end of its standard input, which the kernel closes however the test process ends: at its last line, by
//! a panic, by `kill -9`. So nothing has to be swept later.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// `$1` is the cluster's folder. A frozen process is woken, or it could not end. A process whose parent does not collect
/// it never goes away, so the wait has an end.
const SCRIPT: &str = r#"
read -r _
server=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
if [ -n "$server" ]; then
    kill -CONT "$server"
    for process in /proc/[0-9]*; do
        read -r id _ _ parent _ <"$process/stat" && [ "$parent" = "$server" ] && kill -CONT "$id"
    done
    kill -QUIT "$server"
    left=100
    while [ "$left" -gt 0 ] && kill -0 "$server"; do sleep 0.05; left=$((left - 1)); done
fi
rm -rf "$1"
"#;

/// Of one cluster.
#[derive(Debug)]
pub(crate) struct Keeper(Child);

// === impl Keeper ===

impl Keeper {
    pub(crate) fn of(folder: &Path) -> Self {
        // A group of its own: Ctrl-C at the tests' terminal must not end it first.
        let child = Command::new("sh")
            .args(["-c", SCRIPT, "keeper"])
            .arg(folder)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(child.expect("a shell"))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // What is left then is a folder in /tmp.
        let _ = self.0.wait();
    }
}
