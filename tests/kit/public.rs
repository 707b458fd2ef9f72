//! [`PublicWorld`]: what tests of public networks begin with: a local chain, the official facilitator behind one that can be made to
//! fail, an API, and a gateway in front of it whose provider is paid at an address of its own.

mod setting;

use std::io::Write;
use std::net::SocketAddr;

use domain::{Address, Asset};
use serde_json::Value;
use tempfile::NamedTempFile;

use crate::audit;
use crate::chain::{NETWORK, Network, Official, SETTLER_KEY, usdc};
use crate::config::{Config, Provider, Route};
use crate::facilitator::Facilitator;
use crate::faregate::Faregate;
use crate::front::Front;
use crate::message::Response;
use crate::payer::Payer;
use crate::request::Request;
use crate::upstream::Upstream;
use crate::wait::until;

pub use setting::Setting;

/// Everything between a payer and a provider.
pub struct PublicWorld {
    /// Where value moves.
    pub network: Network,
    /// Who moves it.
    pub official: Official,
    /// Whom the gateway asks.
    pub facilitator: Facilitator,
    /// The API.
    pub upstream: Upstream,
    /// What speaks TLS or HTTP/2 for it, where something does.
    pub front: Option<Front>,
    /// In front of it.
    pub gateway: Faregate,
    /// Whom payers pay.
    pub recipient: Address,
    /// Its own settler's.
    _key: Option<NamedTempFile>,
}

// === impl PublicWorld ===

impl PublicWorld {
    /// Provider `acme` with these routes, paid directly; settled by facilitators.
    pub async fn new(routes: impl IntoIterator<Item = Route>) -> Self {
        Self::with("", routes).await
    }

    /// The same with lines more about the network, such as `payer_unsettled_max = "$1"`.
    pub async fn with(lines: &str, routes: impl IntoIterator<Item = Route>) -> Self {
        Self::made(lines, "", routes).await
    }

    /// The same with lines more about its facilitator, such as `settle_timeout = "1s"`.
    pub async fn facilitated(lines: &str, routes: impl IntoIterator<Item = Route>) -> Self {
        Self::made("", lines, routes).await
    }

    /// With both.
    pub async fn facilitated_on(
        lines: &str,
        of_facilitator: &str,
        routes: impl IntoIterator<Item = Route>,
    ) -> Self {
        Self::made(lines, of_facilitator, routes).await
    }

    /// The same, settled by the gateway's own key.
    pub async fn settling_itself(lines: &str, routes: impl IntoIterator<Item = Route>) -> Self {
        let key = Self::settler_key();
        let network = Network::start().await;
        let section = network.section(&Self::settling(lines, &key), &[]);
        Self::around(network, |_| section, (&Self::paid_directly(), "", routes), Some(key)).await
    }

    /// The same, where [`Network::wallet_factory`] makes wallets of payers.
    pub async fn making_wallets(lines: &str, routes: impl IntoIterator<Item = Route>) -> Self {
        let key = Self::settler_key();
        let network = Network::start().await;
        let factory = Network::wallet_factory();
        let own = format!("{}\nfactories = [\"{factory}\"]", Self::settling(lines, &key));
        let section = network.section(&own, &[]);
        Self::around(network, |_| section, (&Self::paid_directly(), "", routes), Some(key)).await
    }

    /// The same, paid to the treasury, which is the settler's own account. `sections` of the file stand beside the networks; the platform
    /// keeps a tenth.
    pub async fn of_treasury(lines: &str, sections: &str, routes: impl IntoIterator<Item = Route>) -> Self {
        Self::of_treasury_before(lines, sections, "", routes).await
    }

    /// The same with a line about the API, such as `read_timeout = "1s"`.
    pub async fn of_treasury_before(
        lines: &str,
        sections: &str,
        upstream: &str,
        routes: impl IntoIterator<Item = Route>,
    ) -> Self {
        let key = Self::settler_key();
        let treasury = Self::treasury().to_checksum(None);
        let own = format!("treasury = \"{treasury}\"\n{}", Self::settling(lines, &key));
        let network = Network::start().await;
        let networks = format!("{}\n{sections}", network.section(&own, &[]));
        let payee = "custody = \"treasury\"\nfee = \"10%\"";
        Self::around(network, |_| networks, (payee, upstream, routes), Some(key)).await
    }

    /// A file with the key of [`PublicWorld::treasury`].
    #[must_use]
    pub fn settler_key() -> NamedTempFile {
        let mut key = NamedTempFile::new().expect("a file");
        key.write_all(SETTLER_KEY.as_bytes()).expect("its key");
        key
    }

    /// Lines about a network that is settled by this key.
    #[must_use]
    pub fn settling(lines: &str, key: &NamedTempFile) -> String {
        format!(
            "{lines}\nsettler = \"evm\"\n[networks.evm]\nkey_file = \"{}\"\nmax_fee_per_gas = \"100gwei\"",
            key.path().display()
        )
    }

    async fn made(lines: &str, of_facilitator: &str, routes: impl IntoIterator<Item = Route>) -> Self {
        let network = Network::start().await;
        let own = network.section(lines, &[]);
        let section =
            |url: &str| format!("{own}\n[[networks.facilitators]]\nurl = \"{url}\"\n{of_facilitator}\n");
        Self::around(network, section, (&Self::paid_directly(), "", routes), None).await
    }

    async fn around(
        network: Network,
        section: impl FnOnce(&str) -> String,
        (payee, api, routes): (&str, &str, impl IntoIterator<Item = Route>),
        key: Option<NamedTempFile>,
    ) -> Self {
        let official = network.official().await;
        let facilitator = Facilitator::before(official.address()).await;
        let upstream = Upstream::start().await;
        let provider =
            Provider::new("acme", upstream.address()).line(payee).upstream_line(api).routes(routes);
        let config = Config::default().section(&section(&facilitator.url())).provider(provider);
        let gateway = Faregate::start(config).await;
        let (front, recipient) = (None, Self::provider());
        Self { network, official, facilitator, upstream, front, gateway, recipient, _key: key }
    }

    /// The file: these networks, and a provider who is paid at [`PublicWorld::provider`].
    #[must_use]
    pub fn config(upstream: SocketAddr, networks: &str, routes: impl IntoIterator<Item = Route>) -> Config {
        let provider = Provider::new("acme", upstream).line(&Self::paid_directly()).routes(routes);
        Config::default().section(networks).provider(provider)
    }

    fn paid_directly() -> String {
        format!("address = \"{}\"", Self::provider().to_checksum(None))
    }

    /// With the one route that most tests call: `GET|POST /paid` for 1,000 units.
    pub async fn paid() -> Self {
        Self::new([Route::new("/paid", "$0.001")]).await
    }

    /// A line about a network: its token, moved by these methods, such as `"eip3009", "permit2"`.
    #[must_use]
    pub fn moved_by(methods: &str) -> String {
        let Asset { address, name, version, .. } = usdc();
        format!(
            "tokens = [{{ address = \"{address}\", name = \"{name}\", version = \"{version}\", methods = [{methods}] }}]"
        )
    }

    /// Who is paid.
    #[must_use]
    pub const fn provider() -> Address {
        Address::repeat_byte(0x90)
    }

    /// Who is paid in its place by [`PublicWorld::of_treasury`]: anvil's second account.
    #[must_use]
    pub fn treasury() -> Address {
        "0x70997970C51812dc3A010C7d01b50e0d17dc79C8".parse().expect("an address")
    }

    /// A payer with so many atomic units, always the same one.
    pub async fn payer(&self, units: u64) -> Payer {
        self.network.payers(1, units).await.remove(0)
    }

    /// Asks for the 402, signs its offer on this network, calls again.
    pub async fn buy(&self, payer: &Payer, request: &Request) -> Response {
        let payment = payer.pay_challenge(&self.challenge(request).await);
        self.gateway.call(&request.clone().paying(payment.header())).await
    }

    /// What the 402 says, the offer on this network first and alone.
    pub async fn challenge(&self, request: &Request) -> Value {
        let response = self.gateway.call(request).await;
        let mut challenge = response.expect_status(402).challenge();
        let offers = challenge["accepts"].as_array_mut().expect("offers");
        offers.retain(|offer| offer["network"] == NETWORK);
        assert!(!offers.is_empty(), "no offer on {NETWORK}: {}", response.challenge());
        challenge
    }

    /// Fails the test where whoever is paid has another amount, or the books say another thing than the chain.
    pub async fn expect_received(&self, units: u64) {
        assert_eq!(self.network.balance(self.recipient).await, units, "what was received");
        audit::chain(&self.gateway, &self.network, self.recipient).await;
    }

    /// Waits until whoever is paid has so much, and nothing is unknown or left to be settled; the books must say the same.
    pub async fn settled(&self, units: u64) {
        until(&format!("{units} units to be settled"), || async {
            let received = self.network.balance(self.recipient).await;
            let metrics = self.gateway.metrics().await;
            let open = |what: &str| metrics.sum(&format!("faregate_chain_payments_{what}"), &[]);
            (received == units && open("unknown") + open("due") < 1.0).then_some(())
        })
        .await;
        self.expect_received(units).await;
    }

    /// Audits the books, alone and beside the chain, and ends.
    pub async fn finish(self) {
        audit::chain(&self.gateway, &self.network, self.recipient).await;
        self.gateway.finish().await;
    }
}
