//! `docs/walkthrough.md`, every command as it is printed, in one shell as a reader has it.

use std::path::Path;

use tests::ports::Port;
use tests::process::binary;
use tests::within;
use tokio::process::Command;

/// Before the first block: a reader's shell stops at nothing, this one at whatever fails, and ends what it started.
const PRELUDE: &str = "set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\nset -v\n";

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

#[tokio::test(flavor = "multi_thread")]
async fn the_walkthrough_does_what_it_says_line_by_line() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/walkthrough.md");
    let commands = commands(&std::fs::read_to_string(page).unwrap());
    assert!(commands.contains("faregate run"), "{commands}");
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("walkthrough.sh");
    std::fs::write(&script, format!("{PRELUDE}{commands}")).unwrap();
    let folders = std::env::var("PATH").unwrap();
    let ports: [Port; 4] = std::array::from_fn(|_| Port::reserve());
    let [api, data, control, ops] = ports.each_ref().map(Port::address);
    let mut shell = Command::new("bash");
    shell.arg(&script).current_dir(folder.path()).kill_on_drop(true);
    shell.env("PATH", format!("{}:{folders}", binary().parent().unwrap().display()));
    shell.env("API_PORT", api.port().to_string());
    for (name, address) in [("DATA", data), ("CONTROL", control), ("OPS", ops)] {
        shell.env(name, address.to_string());
    }
    let output = within("the walkthrough", shell.output()).await.unwrap();
    let log = std::fs::read_to_string(folder.path().join("walk/gateway.log")).unwrap_or_default();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{err}\n{out}\n{log}", output.status);
    assert!(out.contains("the books balance"), "it ends with the audit: {out}");
}
