//! [`Inherited`]: listening sockets that were bound before this process began: by systemd's socket activation, by another
//! supervisor, or by the process whose place this one took.
//!
//! The protocol is systemd's, sd_listen_fds(3). A socket belongs to the listener whose address it is bound to, so that the
//! configuration stays the one place that says what is served where; names (`LISTEN_FDNAMES`) are not read.

use std::net::{SocketAddr, TcpListener};

use anyhow::Context;
use listenfd::ListenFd;

/// Bound sockets, not claimed yet.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    sockets: Vec<(SocketAddr, TcpListener)>,
}

// === impl Inherited ===

impl Inherited {
    /// Takes what was passed. It is taken out of the environment, too: call it before there are threads.
    ///
    /// # Errors
    /// Something was passed that is not a TCP socket.
    pub(crate) fn take() -> anyhow::Result<Self> {
        let mut passed = ListenFd::from_env();
        let mut sockets = Vec::with_capacity(passed.len());
        for index in 0..passed.len() {
            let socket =
                passed.take_tcp_listener(index).context("a file was passed that cannot be listened on")?;
            if let Some(socket) = socket {
                sockets.push((socket.local_addr()?, socket));
            }
        }
        Ok(Self { sockets })
    }

    /// The socket that is bound to an address.
    pub(super) fn claim(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let found = self.sockets.iter().position(|(bound, _)| *bound == address)?;
        Some(self.sockets.swap_remove(found).1)
    }

    /// Fails where a socket was not claimed: clients would wait in its queue for ever.
    pub(super) fn expect_none_left(&self) -> anyhow::Result<()> {
        let Some((address, _)) = self.sockets.first() else { return Ok(()) };
        anyhow::bail!(
            "a socket on {address} was passed to this process, but [listen] has no listener with this address: write it \
             exactly so in the configuration, or take it out of the socket unit"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_belongs_to_the_listener_with_its_address() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let mut inherited = Inherited { sockets: vec![(address, socket)] };
        assert!(inherited.claim(SocketAddr::from(([127, 0, 0, 2], address.port()))).is_none());
        let left = inherited.expect_none_left().unwrap_err().to_string();
        assert!(left.contains(&address.to_string()), "{left}");
        assert_eq!(inherited.claim(address).unwrap().local_addr().unwrap(), address);
        assert!(inherited.claim(address).is_none());
        inherited.expect_none_left().unwrap();
    }
}
