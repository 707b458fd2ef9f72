//! The baseline: Pingora as it comes, forwarding to one address, with the workers and the pool that Faregate has.
//!
//! It does nothing else: no filter, no module, no log. The difference to it is what Faregate costs.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;

use anyhow::Result;
use async_trait::async_trait;
use pingora::modules::http::HttpModules;
use pingora::proxy::{ProxyHttp, Session, http_proxy_service};
use pingora::server::Server;
use pingora::server::configuration::ServerConf;
use pingora::upstreams::peer::HttpPeer;

use crate::ground::Ground;
use crate::process::{Process, free_address};

/// Unused upstream connections kept, more than the generator opens.
const POOL_SIZE: usize = 512;

struct Forward {
    upstream: SocketAddr,
}

/// Starts one in front of the ground's upstream, as a process of its own; where it listens.
pub(crate) fn start(ground: &Ground, workers: usize) -> Result<(Process, SocketAddr)> {
    let listen = free_address()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["baseline", "--listen", &listen.to_string()]);
    command.args(["--upstream", &ground.upstream().to_string()]);
    command.args(["--workers", &workers.to_string()]);
    Ok((Process::listening(&mut command, listen, &ground.folder().join("bare.log"))?, listen))
}

/// Serves until it is killed.
pub(crate) fn serve(listen: SocketAddr, upstream: SocketAddr, workers: usize) -> Result<()> {
    let configuration =
        ServerConf { threads: workers, upstream_keepalive_pool_size: POOL_SIZE, ..ServerConf::default() };
    let mut server = Server::new_with_opt_and_conf(None, configuration);
    server.bootstrap();
    let configuration = Arc::clone(&server.configuration);
    let mut service = http_proxy_service(&configuration, Forward { upstream });
    service.add_tcp(&listen.to_string());
    server.add_service(service);
    server.run_forever()
}

#[async_trait]
impl ProxyHttp for Forward {
    type CTX = ();

    fn new_ctx(&self) {}

    /// The default adds response compression, which would be looked at for every request.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        _context: &mut (),
    ) -> pingora::Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.upstream, false, String::new())))
    }
}
