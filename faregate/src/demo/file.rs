//! [`DemoFile`]: the demo's configuration, a file as an operator would write it, and the routes in it.

use std::fs::OpenOptions;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::json;

use crate::random;

/// What a route of the demo is for.
pub(super) struct DemoRoute {
    pub(super) name: &'static str,
    pub(super) method: &'static str,
    /// As the file has it.
    pattern: &'static str,
    /// A path that the pattern matches.
    pub(super) path: &'static str,
    /// The price of a first call; none where it is free.
    pub(super) price: Option<&'static str>,
    /// Its price or tiers as the file has them.
    setting: &'static str,
    mime_type: &'static str,
    pub(super) description: &'static str,
}

/// The file before it is written.
pub(super) struct DemoFile {
    folder: PathBuf,
    listeners: [SocketAddr; 3],
    upstream: SocketAddr,
    pub(super) admin_token: String,
}

/// Costs nothing.
pub(super) const FREE_PATH: &str = "/v1/status";

/// One of each kind.
pub(super) const ROUTES: [DemoRoute; 5] = [
    DemoRoute {
        name: "quote",
        method: "GET",
        pattern: "/v1/quotes/{symbol}",
        path: "/v1/quotes/ACME",
        price: Some("$0.0025"),
        setting: "price = \"$0.0025\"",
        mime_type: "application/json",
        description: "A stock quote",
    },
    DemoRoute {
        name: "forecast",
        method: "GET",
        pattern: "/v1/forecast",
        path: "/v1/forecast",
        price: Some("$0.01"),
        setting: "tiers = [{ from = 1, price = \"$0.01\" }, { from = 4, price = \"$0.005\" }]",
        mime_type: "application/json",
        description: "A weather forecast, half price from the fourth call a month to this API on",
    },
    DemoRoute {
        name: "ticks",
        method: "GET",
        pattern: "/v1/ticks",
        path: "/v1/ticks",
        price: Some("$0.02"),
        setting: "price = \"$0.02\"",
        mime_type: "text/event-stream",
        description: "Ten events in five seconds",
    },
    DemoRoute {
        name: "echo",
        method: "POST",
        pattern: "/v1/echo",
        path: "/v1/echo",
        price: Some("$0.001"),
        setting: "price = \"$0.001\"",
        mime_type: "application/json",
        description: "What you send",
    },
    DemoRoute {
        name: "status",
        method: "GET",
        pattern: FREE_PATH,
        path: FREE_PATH,
        price: None,
        setting: "price = \"free\"",
        mime_type: "application/json",
        description: "Whether the API is up",
    },
];

// === impl DemoFile ===

impl DemoFile {
    /// `listeners` are data, control and ops.
    pub(super) fn new(
        folder: &Path,
        listeners: [SocketAddr; 3],
        upstream: SocketAddr,
    ) -> anyhow::Result<Self> {
        Ok(Self { folder: folder.to_owned(), listeners, upstream, admin_token: random::hex()? })
    }

    /// Writes it, readable by its owner only: the administrator's token stands in it.
    pub(super) fn write(&self) -> anyhow::Result<PathBuf> {
        let path = self.folder.join("faregate.toml");
        let failed = || format!("cannot write {}", path.display());
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&path).with_context(failed)?;
        file.write_all(self.text().as_bytes()).with_context(failed)?;
        Ok(path)
    }

    fn text(&self) -> String {
        let [data, control, ops] = self.listeners;
        // A JSON string is a TOML string.
        let directory = json!(self.folder.join("data"));
        let mut text = format!(
            "[data]\ndirectory = {directory}\n\n\
             [listen]\ncontrol = \"{control}\"\nops = \"{ops}\"\n\n\
             [[listen.data]]\naddress = \"{data}\"\n\n\
             [control]\nadmin_token = \"{}\"\n\n\
             [[providers]]\nname = \"sample\"\nfee = \"2.5%\"\n\n\
             [providers.upstream]\naddresses = [\"http://{}\"]\n",
            self.admin_token, self.upstream
        );
        for DemoRoute { name, method, pattern, setting, mime_type, description, .. } in &ROUTES {
            text.push_str(&format!(
                "\n[[providers.routes]]\nname = \"{name}\"\nmethods = [\"{method}\"]\npath = \"{pattern}\"\n\
                 {setting}\nmime_type = \"{mime_type}\"\ndescription = \"{description}\"\n"
            ));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use registry::{Config, Environment};

    use super::*;

    #[test]
    fn the_demo_file_passes_its_own_check() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let upstream = SocketAddr::from(([127, 0, 0, 1], 9));
        let file = DemoFile::new(Path::new("/tmp/a \"quoted\" folder"), [any; 3], upstream).unwrap();
        let loaded = Config::parse(Path::new("demo.toml"), &file.text(), &Environment::default()).unwrap();
        assert_eq!(loaded.warnings, []);
        let directory = Path::new("/tmp/a \"quoted\" folder/data").to_owned();
        assert_eq!(loaded.config.data, registry::Database::Sqlite { directory });
        for (route, told) in loaded.config.catalog.routes.iter().zip(&ROUTES) {
            assert_eq!(&*route.name, told.name);
            assert_eq!(
                route.price.maximum().map(|price| price.to_string()).as_deref(),
                told.price,
                "{}",
                told.name
            );
        }
    }
}
