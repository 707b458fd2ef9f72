//! Which user the server runs as: the one of the tests, or `nobody` where that is root, whom PostgreSQL refuses.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::unistd::{Uid, User};

/// Makes a program run as the server's user.
pub(crate) fn become_server(command: &mut Command) {
    if let Some(nobody) = other() {
        command.uid(nobody.uid.as_raw()).gid(nobody.gid.as_raw());
    }
}

/// Makes a folder the server's.
pub(crate) fn give_to_server(folder: &Path) {
    if let Some(nobody) = other() {
        chown(folder, Some(nobody.uid.as_raw()), Some(nobody.gid.as_raw())).expect("a folder to give away");
    }
}

fn other() -> Option<User> {
    Uid::effective().is_root().then(|| User::from_name("nobody").ok().flatten().expect("a user `nobody`"))
}
