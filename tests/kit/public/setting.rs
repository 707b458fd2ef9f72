//! [`Setting`]: a [`PublicWorld`] other than the usual one: another custody, another settler, another clock or disk.

use std::io::Write;

use domain::Address;
use tempfile::NamedTempFile;

use super::PublicWorld;
use crate::chain::{Network, SETTLER_KEY};
use crate::clock::Clock;
use crate::config::{Config, Provider, Route};
use crate::database::Database;
use crate::disk::Disk;
use crate::facilitator::Facilitator;
use crate::faregate::Faregate;
use crate::front::{Front, Speaks};
use crate::upstream::Upstream;

/// What is to be different.
pub struct Setting {
    routes: Vec<Route>,
    /// Lines more about the API.
    api: Vec<String>,
    /// Where it is said to be; where it is, if nothing is said.
    api_url: Option<String>,
    /// How it is spoken to; by HTTP/1.1 in the clear, if nothing is said.
    api_speaks: Option<Speaks>,
    /// Sections of the file beside `[[networks]]`.
    sections: String,
    /// Lines more about the network.
    network: String,
    /// Lines more about its facilitator.
    facilitator: String,
    /// Where the facilitator is said to be; where it is, if nothing is said.
    facilitator_url: Option<String>,
    settles_itself: bool,
    is_treasury: bool,
    clock: Option<Clock>,
    disk: Option<Disk>,
}

// === impl Setting ===

impl Setting {
    /// The usual one, with these routes.
    #[must_use]
    pub fn new(routes: impl IntoIterator<Item = Route>) -> Self {
        Self {
            routes: routes.into_iter().collect(),
            api: Vec::new(),
            api_url: None,
            api_speaks: None,
            sections: String::new(),
            network: String::new(),
            facilitator: String::new(),
            facilitator_url: None,
            settles_itself: false,
            is_treasury: false,
            clock: None,
            disk: None,
        }
    }

    /// With a line more about the API, such as `read_timeout = "1s"`.
    #[must_use]
    pub fn api(mut self, line: &str) -> Self {
        self.api.push(line.to_owned());
        self
    }

    /// With an API elsewhere.
    #[must_use]
    pub fn api_at(mut self, url: &str) -> Self {
        self.api_url = Some(url.to_owned());
        self
    }

    /// With an API that is spoken to otherwise.
    #[must_use]
    pub const fn speaking(mut self, speaks: Speaks) -> Self {
        self.api_speaks = Some(speaks);
        self
    }

    /// With a section of the test's own.
    #[must_use]
    pub fn section(mut self, text: &str) -> Self {
        self.sections.extend([text, "\n"]);
        self
    }

    /// With a line more about the network, such as `payer_unsettled_max = "$1"`.
    #[must_use]
    pub fn network(mut self, line: &str) -> Self {
        self.network.extend([line, "\n"]);
        self
    }

    /// With a line more about its facilitator, such as `settle_timeout = "1s"`.
    #[must_use]
    pub fn facilitator(mut self, line: &str) -> Self {
        self.facilitator.extend([line, "\n"]);
        self
    }

    /// With another facilitator before it, to be asked first.
    #[must_use]
    pub fn facilitator_before(mut self, url: &str) -> Self {
        self.facilitator_url = Some(url.to_owned());
        self
    }

    /// Settled by the gateway's own key.
    #[must_use]
    pub const fn settling_itself(mut self) -> Self {
        self.settles_itself = true;
        self
    }

    /// Paid to the operator, whose share is 2.5 %, for the provider.
    #[must_use]
    pub const fn treasury(mut self) -> Self {
        self.is_treasury = true;
        self
    }

    /// The gateway follows this clock; the chain does not.
    #[must_use]
    pub fn clock(mut self, clock: &Clock) -> Self {
        self.clock = Some(clock.clone());
        self
    }

    /// Its books are files on this disk.
    #[must_use]
    pub fn disk(mut self, disk: &Disk) -> Self {
        self.disk = Some(disk.clone());
        self
    }

    /// Starts all of it.
    pub async fn start(self) -> PublicWorld {
        let network = Network::start().await;
        // A chain that is shorter than its confirmations shows nothing.
        network.mine(10).await;
        let official = network.official().await;
        let facilitator = Facilitator::before(official.address()).await;
        let upstream = Upstream::start().await;
        let key = self.settles_itself.then(settler_key);
        let recipient = if self.is_treasury { treasury() } else { PublicWorld::provider() };
        let paid = if self.is_treasury {
            "custody = \"treasury\"\nfee = \"2.5%\"".to_owned()
        } else {
            format!("address = \"{}\"", recipient.to_checksum(None))
        };
        let networks = network.section(&self.lines(key.as_ref()), &[]) + &self.facilitators(&facilitator);
        let section = format!("{}\n{networks}", self.sections);
        let mut provider = Provider::new("acme", upstream.address()).line(&paid).routes(self.routes);
        for line in &self.api {
            provider = provider.upstream_line(line);
        }
        if let Some(url) = &self.api_url {
            provider = provider.at(url);
        }
        let front = match self.api_speaks {
            Some(speaks) => Some(Front::before(upstream.address(), speaks).await),
            None => None,
        };
        if let Some(front) = &front {
            provider = front
                .lines()
                .iter()
                .fold(provider.at(&front.url()), |provider, line| provider.upstream_line(line));
        }
        let database = self.disk.is_some().then_some(Database::Sqlite);
        let Self { clock, disk, .. } = self;
        let config = Config::default().section(&section).provider(provider);
        let config = Config { clock, disk, database, ..config };
        let gateway = Faregate::start(config).await;
        PublicWorld { network, official, facilitator, upstream, front, gateway, recipient, _key: key }
    }

    fn lines(&self, key: Option<&NamedTempFile>) -> String {
        let mut lines = self.network.clone();
        if self.is_treasury {
            lines.push_str(&format!("treasury = \"{}\"\n", treasury().to_checksum(None)));
        }
        if let Some(key) = key {
            let path = key.path().display();
            lines.push_str(&format!(
                "settler = \"evm\"\n[networks.evm]\nkey_file = \"{path}\"\nmax_fee_per_gas = \"100gwei\"\n"
            ));
        }
        lines
    }

    fn facilitators(&self, facilitator: &Facilitator) -> String {
        if self.settles_itself {
            return String::new();
        }
        let table = |url: &str, weight: u32, lines: &str| {
            format!("\n[[networks.facilitators]]\nurl = \"{url}\"\nweight = {weight}\n{lines}\n")
        };
        match &self.facilitator_url {
            Some(first) => table(first, 1, "") + &table(&facilitator.url(), 0, &self.facilitator),
            None => table(&facilitator.url(), 1, &self.facilitator),
        }
    }
}

fn settler_key() -> NamedTempFile {
    let mut key = NamedTempFile::new().expect("a file");
    key.write_all(SETTLER_KEY.as_bytes()).expect("its key");
    key
}

/// Who is paid with custody `treasury`.
fn treasury() -> Address {
    Address::repeat_byte(0x77)
}
