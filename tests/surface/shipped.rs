//! What is shipped for operators is what this version accepts.

use std::path::{Path, PathBuf};
use std::process::Command;

use tests::process::{binary, run};

/// The line that nobody but the provider can fill in.
const OWN: &str = "address = \"0x...\"";

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs").join(name)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configurations_are_accepted_without_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let filled = folder.path().join("base-sepolia.toml");
    let text = std::fs::read_to_string(shipped("base-sepolia.toml")).unwrap();
    std::fs::write(&filled, text.replace(OWN, "address = \"0x90F79bf6EB2c4f870365E785982E1f101E93b906\""))
        .unwrap();
    for path in [shipped("faregate.toml"), shipped("production.toml"), filled] {
        let name = path.display().to_string();
        let said = run(&["check", "-c", &name]).await;
        assert_eq!(said.code, Some(0), "{name}: {}{}", said.out, said.err);
        assert!(!said.out.contains("warning"), "{name}: {}", said.out);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_was_not_filled_in_is_paid_nothing() {
    let said = run(&["check", "-c", &shipped("base-sepolia.toml").display().to_string()]).await;
    assert_eq!(said.code, Some(1), "{}", said.out);
    assert!(said.out.contains("providers[0].address"), "{}", said.out);
    assert!(said.out.contains("1 mistake"), "{}", said.out);
}

/// Only where systemd's tools are: the units are data, and its own parser is the one that counts.
#[test]
fn the_units_are_understood_by_systemd() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["faregate.service", "faregate.socket"] {
        let text = std::fs::read_to_string(shipped("systemd").join(name)).unwrap();
        // It looks whether the command is there, and here it is not installed.
        let text = text.replace("/usr/bin/faregate", &binary().display().to_string());
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no", "faregate.service", "faregate.socket"]).current_dir(folder.path());
    let Ok(output) = verify.output() else {
        println!("systemd-analyze is not here: the units were not verified");
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("faregate.")).collect();
    assert!(ours.is_empty(), "{said}");
}

#[test]
fn the_unit_passes_the_sockets_that_the_production_configuration_listens_on() {
    let socket = std::fs::read_to_string(shipped("systemd/faregate.socket")).unwrap();
    let config = std::fs::read_to_string(shipped("production.toml")).unwrap();
    let streams: Vec<&str> = socket.lines().filter_map(|line| line.strip_prefix("ListenStream=")).collect();
    assert_eq!(streams.len(), 3);
    for address in streams {
        assert!(config.contains(&format!("= \"{address}\"")), "{address} is no listener of production.toml");
    }
}
