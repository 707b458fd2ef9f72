//! `faregate demo`: everything on one machine, to be tried by pasting commands.
//!
//! A sample API that knows nothing of payments, a real configuration file in front of it, the same service as `run`, and a
//! funded agent made through the management API. Next: [`report`] for what is printed.

mod agent;
mod file;
mod report;
mod upstream;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use registry::Config;
use registry::config::WalletNetwork;
use tempfile::TempDir;

use crate::client;
use crate::demo::agent::DemoAgent;
use crate::demo::file::DemoFile;
use crate::demo::upstream::Upstream;
use crate::output::{Format, Verdict, print_json, print_text};
use crate::service::{Addresses, Inherited, Role, Service};

/// Where, and whether anything is kept.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The gateway's port; the management API and the ops listener take the next two. 0 takes free ports.
    #[arg(long, value_name = "PORT", default_value_t = 8402, value_parser = clap::value_parser!(u16).range(..=65_533))]
    port: u16,
    /// Keep configuration and data in this directory. Without it they are gone at the end.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// A demo that serves.
struct Demo {
    addresses: Addresses,
    upstream: SocketAddr,
    admin_token: String,
    agent: DemoAgent,
    network: WalletNetwork,
}

/// A folder that may go away with the demo.
enum Folder {
    Kept(PathBuf),
    Gone(TempDir),
}

/// Returns after Ctrl-C, when everything has ended.
pub(crate) async fn execute(arguments: Arguments, format: Format) -> anyhow::Result<Verdict> {
    let folder = Folder::new(arguments.data)?;
    let upstream = Upstream::start().await?;
    let file = DemoFile::new(folder.path(), ports(arguments.port), upstream.address())?;
    let path = file.write()?;
    let loaded = Config::load(&path)?;
    let network = loaded.config.network.clone();
    let service = Service::start(loaded, path, Role::Both, Inherited::default()).await.map_err(with_hint)?;
    let made = introduce(&service, &upstream, file, network).await;
    match &made {
        Ok(demo) => match format {
            Format::Json => print_json(&report::object(demo)),
            Format::Text => print_text(&report::text(demo)?),
        },
        Err(_) => service.ask_to_end(),
    }
    // A demo has no successor: what it shows goes away with it.
    service.end().await?;
    made.map(|_| Verdict::Yes)
}

/// Makes the agent, and waits until the gateway serves.
async fn introduce(
    service: &Service,
    upstream: &Upstream,
    file: DemoFile,
    network: WalletNetwork,
) -> anyhow::Result<Demo> {
    let addresses = service.addresses();
    let client = client::direct()?;
    let agent = DemoAgent::create(&client, addresses.control, &file.admin_token).await?;
    let url = format!("http://{}{}", addresses.data, file::FREE_PATH);
    let answer = client.get(url).send().await.context("the gateway does not answer")?;
    anyhow::ensure!(answer.status().is_success(), "the gateway answers {}", answer.status());
    let DemoFile { admin_token, .. } = file;
    Ok(Demo { addresses, upstream: upstream.address(), admin_token, agent, network })
}

/// What to do about a port that another program has.
fn with_hint(error: anyhow::Error) -> anyhow::Error {
    let is_taken = |cause: &(dyn std::error::Error + 'static)| {
        let cause = cause.downcast_ref::<std::io::Error>();
        cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::AddrInUse)
    };
    if error.chain().any(is_taken) {
        return error.context(
            "another program has the port, another demo perhaps: take other ones with --port PORT, or free ones with --port 0",
        );
    }
    error
}

fn ports(first: u16) -> [SocketAddr; 3] {
    [0, 1, 2].map(|step| SocketAddr::from((Ipv4Addr::LOCALHOST, if first == 0 { 0 } else { first + step })))
}

// === impl Folder ===

impl Folder {
    fn new(kept: Option<PathBuf>) -> anyhow::Result<Self> {
        let Some(path) = kept else {
            let made = tempfile::Builder::new().prefix("faregate-demo-").tempdir();
            return made.map(Self::Gone).context("cannot make a temporary folder");
        };
        std::fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self::Kept(path))
    }

    fn path(&self) -> &std::path::Path {
        match self {
            Self::Kept(path) => path,
            Self::Gone(folder) => folder.path(),
        }
    }
}
