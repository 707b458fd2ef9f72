//! [`World`]: what most tests begin with, an API, a gateway in front of it and an agent with money.

use std::net::SocketAddr;

use crate::agent::Agent;
use crate::clock::Clock;
use crate::config::{Config, Route};
use crate::faregate::Faregate;
use crate::message::Response;
use crate::request::Request;
use crate::upstream::Upstream;
use crate::wait::until;

/// An upstream, its gateway and one agent.
pub struct World {
    /// The API.
    pub upstream: Upstream,
    /// In front of it.
    pub gateway: Faregate,
    /// With money.
    pub agent: Agent,
}

// === impl World ===

impl World {
    /// Provider `acme` with these routes, an agent with so many dollars.
    pub async fn new(dollars: &str, routes: impl IntoIterator<Item = Route>) -> Self {
        let upstream = Upstream::start().await;
        let config = Config::new(upstream.address(), routes);
        let gateway = Faregate::start(config).await;
        let agent = Agent::new(&gateway, dollars).await;
        Self { upstream, gateway, agent }
    }

    /// The same at a gateway and for an agent whose time is this clock's.
    pub async fn timed(clock: &Clock, dollars: &str, routes: impl IntoIterator<Item = Route>) -> Self {
        let upstream = Upstream::start().await;
        let gateway = Faregate::start(Config::new(upstream.address(), routes).clock(clock)).await;
        let mut agent = Agent::new(&gateway, dollars).await;
        agent.payer.follow(clock);
        Self { upstream, gateway, agent }
    }

    /// An agent with so many dollars at a gateway with the file that `configure` makes for the API's address.
    pub async fn with(dollars: &str, configure: impl FnOnce(SocketAddr) -> Config) -> Self {
        let upstream = Upstream::start().await;
        let gateway = Faregate::start(configure(upstream.address())).await;
        let agent = Agent::new(&gateway, dollars).await;
        Self { upstream, gateway, agent }
    }

    /// A world with the one route that most tests call: `GET|POST /paid` for 1,000 units.
    pub async fn paid() -> Self {
        Self::new("$1", [Route::new("/paid", "$0.001")]).await
    }

    /// Asks for the 402, signs, calls again.
    pub async fn buy(&self, request: &Request) -> Response {
        self.agent.buy(&self.gateway, request).await
    }

    /// Sends a request whose payment was used before. While the first one is being closed the answer is 409
    /// `payment_in_progress`; this waits for the one after.
    pub async fn again(&self, request: &Request) -> Response {
        until("the first use of the payment to be over", || async {
            let response = self.gateway.call(request).await;
            let running = response.status == 409 && response.code() == "payment_in_progress";
            (!running).then_some(response)
        })
        .await
    }

    /// Waits until nothing is held, and fails the test where the balance is another.
    pub async fn expect_balance(&self, balance: i64) {
        until("nothing to be held", || async {
            (self.agent.money(&self.gateway).await.held == 0).then_some(())
        })
        .await;
        self.agent.expect_balance(&self.gateway, balance).await;
    }

    /// Waits until the balance is this: a refund is not waited for by whoever caused it.
    pub async fn balance_reached(&self, balance: i64) {
        until(&format!("a balance of {balance}"), || async {
            (self.agent.money(&self.gateway).await.balance == balance).then_some(())
        })
        .await;
    }

    /// Audits and ends.
    pub async fn finish(self) {
        self.gateway.finish().await;
    }
}
