//! [`Several`]: gateways and a control plane, each a process of its own, on one PostgreSQL.

use std::net::SocketAddr;

use crate::agent::Agent;
use crate::config::{Config, Route};
use crate::database::Database;
use crate::faregate::Faregate;
use crate::upstream::Upstream;
use crate::wait::until;

/// An upstream, its gateways, the management API beside them and one agent.
pub struct Several {
    /// The API.
    pub upstream: Upstream,
    database: String,
    config: Config,
    /// The management API.
    pub control: Faregate,
    /// In front of the API.
    pub gateways: Vec<Faregate>,
    /// With money.
    pub agent: Agent,
}

// === impl Several ===

impl Several {
    /// So many gateways with these routes, an agent with so many dollars.
    ///
    /// # Panics
    /// PostgreSQL is not installed.
    pub async fn new(count: usize, dollars: &str, routes: impl IntoIterator<Item = Route>) -> Self {
        Self::on(test_postgres::fresh_database(), count, dollars, routes).await
    }

    /// The same on this database, which is empty.
    pub async fn on(
        database: String,
        count: usize,
        dollars: &str,
        routes: impl IntoIterator<Item = Route>,
    ) -> Self {
        Self::with(database, count, dollars, |upstream| Config::new(upstream, routes)).await
    }

    /// The same with a file of the test's own, made from where the API is.
    pub async fn with(
        database: String,
        count: usize,
        dollars: &str,
        configure: impl FnOnce(SocketAddr) -> Config,
    ) -> Self {
        let upstream = Upstream::start().await;
        let config = configure(upstream.address()).on(Database::Shared(database.clone()));
        let control = Faregate::start(config.clone().serving("control-plane")).await;
        let mut gateways = Vec::with_capacity(count);
        for _ in 0..count {
            gateways.push(Faregate::start(config.clone().serving("gateway")).await);
        }
        let agent = Agent::new(&control, dollars).await;
        Self { upstream, database, config, control, gateways, agent }
    }

    /// Where they keep everything.
    #[must_use]
    pub fn database_url(&self) -> String {
        self.database.clone()
    }

    /// One more management API. The test ends it.
    pub async fn another_control(&self) -> Faregate {
        Faregate::start(self.config.clone().serving("control-plane")).await
    }

    /// Waits until nothing is held, and fails the test where the balance is another.
    pub async fn expect_balance(&self, balance: i64) {
        until("nothing to be held", || async {
            (self.agent.money(&self.control).await.held == 0).then_some(())
        })
        .await;
        self.agent.expect_balance(&self.control, balance).await;
    }

    /// Audits and ends all of them.
    pub async fn finish(self) {
        for gateway in self.gateways {
            gateway.finish().await;
        }
        self.control.finish().await;
    }
}
