//! [`Config`]: the file a test runs the gateway with, written as its operator would write it.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::clock::Clock;
use crate::database::Database;
use crate::disk::Disk;
use crate::names::Names;

/// Providers, their routes, and lines of the test's own.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Whole sections, before the providers.
    pub sections: String,
    /// Lines of `[data]` beside the database.
    pub data: String,
    /// TLS: certificate and key files of the data listener.
    pub tls: Option<(String, String)>,
    /// What it keeps its books in; a fresh database of the kind that the environment names where there is none.
    pub database: Option<Database>,
    /// The wall clock it starts with; the machine's where there is none.
    pub clock: Option<Clock>,
    /// The disk it writes to; the machine's where there is none.
    pub disk: Option<Disk>,
    /// The names that it finds; the machine's where there are none.
    pub names: Option<Names>,
    /// Its sockets are bound and kept by the test, as systemd would.
    pub is_activated: bool,
    /// What it serves; both planes where nothing is said.
    pub command: Option<&'static str>,
    /// In order.
    pub providers: Vec<Provider>,
}

/// One provider with one upstream.
#[derive(Clone, Debug)]
pub struct Provider {
    name: String,
    upstream: String,
    lines: Vec<String>,
    upstream_lines: Vec<String>,
    routes: Vec<Route>,
}

/// One route.
#[derive(Clone, Debug)]
pub struct Route {
    name: String,
    path: String,
    price: String,
    lines: Vec<String>,
}

// === impl Config ===

impl Config {
    /// One provider `acme` with these routes.
    #[must_use]
    pub fn new(upstream: SocketAddr, routes: impl IntoIterator<Item = Route>) -> Self {
        Self::default().provider(Provider::new("acme", upstream).routes(routes))
    }

    /// With one more provider.
    #[must_use]
    pub fn provider(mut self, provider: Provider) -> Self {
        self.providers.push(provider);
        self
    }

    /// Serving what this command serves, such as `gateway`. One that has no management API audits its memory often: nobody can ask it to.
    #[must_use]
    pub fn serving(mut self, command: &'static str) -> Self {
        self.command = Some(command);
        if command == "gateway" { self.data_line("audit_interval = \"200ms\"") } else { self }
    }

    /// On this database.
    #[must_use]
    pub fn on(mut self, database: Database) -> Self {
        self.database = Some(database);
        self
    }

    /// With a section of the test's own.
    #[must_use]
    pub fn section(mut self, text: &str) -> Self {
        self.sections.push_str(text);
        self.sections.push('\n');
        self
    }

    /// With a line more in `[data]`.
    #[must_use]
    pub fn data_line(mut self, line: &str) -> Self {
        self.data.push_str(line);
        self.data.push('\n');
        self
    }

    /// Under a clock that the test moves.
    #[must_use]
    pub fn clock(mut self, clock: &Clock) -> Self {
        self.clock = Some(clock.clone());
        self
    }

    /// On a disk that the test fills and breaks.
    #[must_use]
    pub fn disk(mut self, disk: &Disk) -> Self {
        self.disk = Some(disk.clone());
        self
    }

    /// Finding names that the test gives and takes away.
    #[must_use]
    pub fn names(mut self, names: &Names) -> Self {
        self.names = Some(names.clone());
        self
    }

    /// With sockets that the test binds and keeps, as systemd would.
    #[must_use]
    pub fn activated(mut self) -> Self {
        self.is_activated = true;
        self
    }

    /// What its process needs in its environment.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, PathBuf)> {
        let clock = self.clock.iter().flat_map(Clock::environment);
        let disk = self.disk.iter().flat_map(Disk::environment);
        let all = clock.chain(disk).chain(self.names.iter().flat_map(Names::environment));
        let (libraries, mut rest): (Vec<_>, Vec<_>) = all.partition(|(name, _)| *name == "LD_PRELOAD");
        let libraries: Vec<String> = libraries.iter().map(|(_, path)| path.display().to_string()).collect();
        if !libraries.is_empty() {
            rest.push(("LD_PRELOAD", libraries.join(":").into()));
        }
        rest
    }

    /// The providers as they stand in the file.
    #[must_use]
    pub fn catalog(&self) -> String {
        self.providers.iter().map(Provider::text).collect()
    }
}

// === impl Provider ===

impl Provider {
    /// A provider whose API is at `upstream`.
    #[must_use]
    pub fn new(name: &str, upstream: SocketAddr) -> Self {
        Self {
            name: name.to_owned(),
            upstream: format!("http://{upstream}"),
            lines: Vec::new(),
            upstream_lines: Vec::new(),
            routes: Vec::new(),
        }
    }

    /// With one more line, such as `fee = "2.5%"`.
    #[must_use]
    pub fn line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// With one more line about its upstream, such as `read_timeout = "1s"`.
    #[must_use]
    pub fn upstream_line(mut self, line: &str) -> Self {
        self.upstream_lines.push(line.to_owned());
        self
    }

    /// With its API at another place.
    #[must_use]
    pub fn at(mut self, url: &str) -> Self {
        url.clone_into(&mut self.upstream);
        self
    }

    /// With these routes.
    #[must_use]
    pub fn routes(mut self, routes: impl IntoIterator<Item = Route>) -> Self {
        self.routes.extend(routes);
        self
    }

    pub(crate) fn add(&mut self, route: Route) {
        self.routes.push(route);
    }

    fn text(&self) -> String {
        let mut text = format!("\n[[providers]]\nname = \"{}\"\n{}\n", self.name, self.lines.join("\n"));
        let upstream = format!("addresses = [\"{}\"]\n{}\n", self.upstream, self.upstream_lines.join("\n"));
        text.push_str(&format!("\n[providers.upstream]\n{upstream}"));
        for route in &self.routes {
            text.push_str(&route.text());
        }
        text
    }
}

// === impl Route ===

impl Route {
    /// A route; its name is its path without slashes and braces.
    #[must_use]
    pub fn new(path: &str, price: &str) -> Self {
        let letters = path.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' });
        let name = letters.collect::<String>().trim_matches('-').to_owned();
        let name = if name.is_empty() { "root".to_owned() } else { name };
        Self { name, path: path.to_owned(), price: format!("price = \"{price}\""), lines: Vec::new() }
    }

    /// A route that costs nothing.
    #[must_use]
    pub fn free(path: &str) -> Self {
        Self::new(path, "free")
    }

    /// Under another name.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// With one more line, such as `methods = ["POST"]`.
    #[must_use]
    pub fn line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// A route whose price falls with the calls of a month.
    #[must_use]
    pub fn tiered(path: &str, tiers: &str) -> Self {
        Self { price: format!("tiers = {tiers}"), ..Self::new(path, "") }
    }

    /// A route that costs what a call used; `metered` as it stands in the file.
    #[must_use]
    pub fn metered(path: &str, metered: &str) -> Self {
        Self { price: format!("metered = {metered}"), ..Self::new(path, "") }
    }

    fn text(&self) -> String {
        let Self { name, path, price, lines } = self;
        let lines = lines.join("\n");
        format!("\n[[providers.routes]]\nname = \"{name}\"\npath = \"{path}\"\n{price}\n{lines}\n")
    }
}
