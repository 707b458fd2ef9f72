//! [`Configuration`]: the file that a measured Faregate runs with, one provider with one free and one priced route of the
//! same upstream, and as many others as are asked for.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Result;

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
        Ok(Self { data, ops, upstream: ground.upstream(), workers, routes, database, is_shared: false })
    }

    /// The file after so many reloads: each puts another price on the routes that nobody calls.
    pub(super) fn text(&self, folder: &Path, control: &Control, reloads: u64) -> String {
        let Self { data, ops, upstream, workers, routes, database, is_shared } = self;
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

[[providers]]
name = "bench"

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
