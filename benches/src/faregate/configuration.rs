//! [`Configuration`]: the file that a measured Faregate runs with, one provider with one free and one priced route of the
//! same upstream, and as many others as are asked for.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Result;
use domain::Address;

use super::{FREE_PATH, PAID_PATH};
use crate::control::Control;
use crate::ground::Ground;
use crate::process::free_address;

/// What stands in the file.
pub(super) struct Configuration {
    pub(super) data: SocketAddr,
    pub(super) ops: SocketAddr,
    pub(super) upstream: SocketAddr,
    pub(super) workers: usize,
    /// Routes beside the two that are called.
    pub(super) routes: usize,
    /// Where the books are; beside the file, in SQLite, where nothing is said.
    pub(super) database: Option<String>,
    /// Whether another gateway writes them too.
    pub(super) is_shared: bool,
    /// Where the priced route is paid on a public network, if it is.
    pub(super) on_chain: Option<OnChain>,
}

/// Payments on a public network.
pub(crate) struct OnChain {
    /// The `[[networks]]` of the file.
    pub(crate) section: String,
    /// Who is paid.
    pub(crate) address: Address,
    /// When they are settled: the route's `settle`.
    pub(crate) settle: &'static str,
}

// === impl Configuration ===

impl Configuration {
    /// On free ports, in front of the ground's upstream.
    pub(super) fn new(
        ground: &Ground,
        workers: usize,
        routes: usize,
        database: Option<String>,
    ) -> Result<Self> {
        let (data, ops) = (free_address()?, free_address()?);
        Ok(Self {
            data,
            ops,
            upstream: ground.upstream(),
            workers,
            routes,
            database,
            is_shared: false,
            on_chain: None,
        })
    }

    /// The file after so many reloads: each puts another price on the routes that nobody calls.
    pub(super) fn text(&self, folder: &Path, control: &Control, reloads: u64) -> String {
        let Self { data, ops, upstream, workers, routes, database, is_shared, on_chain } = self;
        let (section, paid_at, settle) = on_chain.as_ref().map_or_else(Default::default, OnChain::lines);
        let Control { address, token } = control;
        let books = match database {
            Some(url) => format!("database = \"{url}\""),
            None => format!("directory = \"{}\"", folder.join("data").display()),
        };
        let coordination = if *is_shared { "db" } else { "owner" };
        let mut text = format!(
            r#"[data]
{books}
coordination = "{coordination}"

[listen]
control = "{address}"
ops = "{ops}"

[[listen.data]]
address = "{data}"

[control]
admin_token = "{token}"

[webhooks]
allow_private = true
allow_http = true

[limits]
workers = {workers}

[settlement]
schedule = "continuous"
interval = "1s"

{section}
[[providers]]
name = "bench"
{paid_at}

[providers.upstream]
addresses = ["http://{upstream}"]

[[providers.routes]]
name = "free"
path = "{FREE_PATH}"
price = "free"

[[providers.routes]]
name = "paid"
path = "{PAID_PATH}"
price = "$0.001"
{settle}
"#
        );
        let price = if reloads.is_multiple_of(2) { "$0.002" } else { "$0.003" };
        for route in 0..*routes {
            // Writing to a text cannot fail.
            let _ = write!(
                text,
                "\n[[providers.routes]]\nname = \"other-{route}\"\npath = \"/v1/{}/items-{route}/{{id}}\"\nprice = \"{price}\"\n",
                route % 100
            );
        }
        text
    }
}

// === impl OnChain ===

impl OnChain {
    /// The networks, the provider's line, the route's line.
    fn lines(&self) -> (String, String, String) {
        let address = format!("address = \"{}\"", self.address.to_checksum(None));
        (self.section.clone(), address, format!("settle = \"{}\"", self.settle))
    }
}
