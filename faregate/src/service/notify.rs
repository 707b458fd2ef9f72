//! Tells systemd how far the service is, sd_notify(3), where it asked to be told.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Where systemd listens; absent under any other supervisor.
const VARIABLE: &str = "NOTIFY_SOCKET";

/// What is told.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stage {
    /// Everything is bound and in force.
    Ready,
    /// The end was asked for.
    Stopping,
}

/// Nobody there to be told is no error; somebody who cannot be told is worth a line.
pub(super) fn notify(stage: Stage) {
    let words = match stage {
        Stage::Ready => "READY=1",
        Stage::Stopping => "STOPPING=1",
    };
    if let Err(error) = tell(words) {
        tracing::warn!(%error, "cannot tell systemd {words}");
    }
}

fn tell(words: &str) -> io::Result<()> {
    let Some(place) = std::env::var_os(VARIABLE) else { return Ok(()) };
    let address = match place.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(&place)?,
    };
    UnixDatagram::unbound()?.send_to_addr(words.as_bytes(), &address).map(drop)
}
