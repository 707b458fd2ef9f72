//! [`Sockets`]: everything that is listened on, bound before anything is served.

use std::io;
use std::net::{SocketAddr, TcpListener};

use anyhow::Context;
use gateway::Listener;
use registry::config::Listeners;

/// Bound, not served yet: clients wait in the system's queue.
pub(super) struct Sockets {
    pub(super) data: Vec<Listener>,
    pub(super) control: TcpListener,
    pub(super) ops: TcpListener,
    pub(super) addresses: Addresses,
}

/// Where it listens, with the real ports.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses {
    /// The first data listener.
    pub(crate) data: SocketAddr,
    /// The management API.
    pub(crate) control: SocketAddr,
    /// Metrics and health.
    pub(crate) ops: SocketAddr,
}

// === impl Sockets ===

impl Sockets {
    /// Binds all; port 0 takes a free one.
    pub(super) fn bind(listeners: &Listeners) -> anyhow::Result<Self> {
        let bound = |listener| -> anyhow::Result<Listener> { at(Listener::bind(listener), listener.address) };
        let data = listeners.data.iter().map(bound).collect::<anyhow::Result<Vec<_>>>()?;
        let control = at(TcpListener::bind(listeners.control), listeners.control)?;
        let ops = at(TcpListener::bind(listeners.ops), listeners.ops)?;
        let first = data.first().context("there is no data listener")?;
        let addresses =
            Addresses { data: first.local_addr()?, control: control.local_addr()?, ops: ops.local_addr()? };
        Ok(Self { data, control, ops, addresses })
    }
}

fn at<T>(bound: io::Result<T>, address: SocketAddr) -> anyhow::Result<T> {
    bound.with_context(|| format!("cannot listen on {address}"))
}
