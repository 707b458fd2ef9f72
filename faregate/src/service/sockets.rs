//! [`Sockets`]: everything that is listened on, bound before anything is served.

use std::io;
use std::net::{SocketAddr, TcpListener};

use anyhow::Context;
use gateway::Listener;
use registry::config::Listeners;

use crate::service::inherited::Inherited;
use crate::service::role::Role;

/// Bound, not served yet: clients wait in the system's queue.
pub(super) struct Sockets {
    pub(super) data: Vec<Listener>,
    /// None where another process serves the management API.
    pub(super) control: Option<TcpListener>,
    pub(super) ops: TcpListener,
    pub(super) addresses: Addresses,
    /// Copies of all of them, for whoever serves them after us.
    pub(super) copies: Vec<TcpListener>,
}

/// Where it listens, with the real ports.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses {
    /// The first data listener; as configured, where another process serves it.
    pub(crate) data: SocketAddr,
    /// The management API; as configured, where another process serves it.
    pub(crate) control: SocketAddr,
    /// Metrics and health.
    pub(crate) ops: SocketAddr,
}

// === impl Sockets ===

impl Sockets {
    /// Claims those that were passed to us and binds the others, as far as `role` serves them; port 0 takes a free one.
    pub(super) fn bind(listeners: &Listeners, role: Role, mut inherited: Inherited) -> anyhow::Result<Self> {
        let mut copies = Vec::new();
        let mut socket = |address: SocketAddr| -> anyhow::Result<TcpListener> {
            let mut open = || -> io::Result<TcpListener> {
                let socket = inherited.claim(address).map_or_else(|| TcpListener::bind(address), Ok)?;
                copies.push(socket.try_clone()?);
                Ok(socket)
            };
            open().with_context(|| format!("cannot listen on {address}"))
        };
        let mut data = Vec::with_capacity(listeners.data.len());
        for listener in listeners.data.iter().filter(|_| role.serves_data()) {
            data.push(Listener::new(listener, socket(listener.address)?));
        }
        let control = role.serves_control().then(|| socket(listeners.control)).transpose()?;
        let ops = socket(listeners.ops)?;
        inherited.expect_none_left()?;
        let configured = listeners.data.first().context("there is no data listener")?.address;
        let addresses = Addresses {
            data: data.first().map_or(Ok(configured), Listener::local_addr)?,
            control: control.as_ref().map_or(Ok(listeners.control), TcpListener::local_addr)?,
            ops: ops.local_addr()?,
        };
        Ok(Self { data, control, ops, addresses, copies })
    }
}
