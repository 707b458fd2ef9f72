//! `faregate explain`: what the gateway would make of a request, without sending one. Looks at the routes of the file and, where
//! the database can be read, at those that came through the management API.
//!
//! Uses the same canonical path, router and policy check as the gateway; the order of the refusals is the gateway's too.

mod agent;
mod hint;
pub(crate) mod offers;
mod print;

use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use domain::catalog::{Catalog, Provider, Route, Served, Unserved};
use domain::policy::Spending;
use domain::{CanonicalPath, Clock, Custody, PolicyViolation, SpendingPolicy};
use registry::{Config, Registry};

use crate::clock::SystemClock;
use crate::config_file::ConfigFile;
use crate::database::{none_yet, place};
use crate::explain::offers::Offered;
use crate::output::{Format, Verdict, print_json, print_text};
use crate::target::Target;

/// Which request.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The method, such as GET.
    method: String,
    /// The URL, or a path on a host that no provider names.
    url: String,
    /// Judge by the policy of this agent: a name or an id.
    #[arg(long, value_name = "AGENT")]
    agent: Option<String>,
    #[command(flatten)]
    config: ConfigFile,
}

/// What was asked, and what comes of it.
struct Explanation {
    method: String,
    host: String,
    path: String,
    outcome: Result<Found, Refused>,
    /// Why routes that came through the management API were not looked at; none where they were.
    unseen: Option<String>,
}

/// The request has a route.
struct Found {
    path: CanonicalPath,
    route: Arc<Route>,
    provider: Arc<Provider>,
    payer: Option<Payer>,
    /// In the order of its 402.
    offers: Vec<Offered>,
}

/// The request is answered by the gateway itself.
struct Refused {
    status: u16,
    code: &'static str,
    reason: String,
}

/// An agent and what its policy says.
struct Payer {
    name: String,
    policy: SpendingPolicy,
    frozen: bool,
    violation: Option<PolicyViolation>,
}

/// Exit code 1 where nothing would be forwarded.
pub(crate) async fn execute(arguments: Arguments, format: Format) -> anyhow::Result<Verdict> {
    let target = Target::parse(&arguments.url)
        .context("write the URL as http://host/path, or a path from its `/` on")?;
    let config = arguments.config.load()?.config;
    let (catalog, unseen) = catalog(&config).await?;
    let mut outcome = find(&catalog, &config, &arguments.method, &target);
    if let (Ok(found), Some(name)) = (&mut outcome, &arguments.agent) {
        let (name, policy, frozen) = agent::find(&config, name).await?;
        let violation = violation(found, &policy);
        found.payer = Some(Payer { name, policy, frozen, violation });
    }
    let Target { host, path } = target;
    let explanation = Explanation { method: arguments.method, host, path, outcome, unseen };
    match format {
        Format::Json => print_json(&print::object(&explanation)),
        Format::Text => print_text(&print::text(&explanation)),
    }
    Ok(explanation.is_served().into())
}

/// What is served, and why only the file's part of it is known, where that is so.
async fn catalog(config: &Config) -> anyhow::Result<(Catalog, Option<String>)> {
    let filed = Catalog::new(0, config.catalog.providers.clone(), config.catalog.routes.clone())
        .map_err(|_| anyhow::anyhow!("two routes answer the same requests; `faregate check` says which"))?;
    let stored = Registry::stored_catalog(&config.data, Arc::new(SystemClock), &config.catalog);
    Ok(match stored.await {
        Ok(Some(all)) => (all, None),
        Ok(None) => (filed, Some(none_yet(&config.data))),
        Err(error) => (filed, Some(format!("{} cannot be read: {error}", place(&config.data)))),
    })
}

fn find(catalog: &Catalog, config: &Config, method: &str, target: &Target) -> Result<Found, Refused> {
    if matches!(method, "TRACE" | "CONNECT") {
        return Err(Refused::new(405, "method_not_allowed", format!("{method} is never served")));
    }
    let path = CanonicalPath::parse(target.path.as_bytes())
        .map_err(|error| Refused::new(400, "ambiguous_path", error.to_string()))?;
    match catalog.serve(&target.host, method, &path) {
        Ok(Served { route, provider, .. }) => {
            let (route, provider) = (Arc::clone(route), Arc::clone(provider));
            let offers = offers::all(&route, &provider, config);
            Ok(Found { path, route, provider, payer: None, offers })
        }
        Err(unserved) => {
            let reason = match unserved {
                Unserved::NotFound | Unserved::Method(_) => {
                    hint::no_route(catalog, method, &target.host, &path)
                }
                Unserved::EscapedSlash | Unserved::Suspended => unserved.to_string(),
            };
            let status = match unserved {
                Unserved::NotFound => 404,
                Unserved::Method(_) => 405,
                Unserved::EscapedSlash => 400,
                Unserved::Suspended => 503,
            };
            Err(Refused::new(status, unserved.code(), reason))
        }
    }
}

fn violation(found: &Found, policy: &SpendingPolicy) -> Option<PolicyViolation> {
    let amount = found.route.price.maximum()?;
    let sold = found.route.sold(&found.provider.name);
    policy.check(Spending { amount, sold, at: SystemClock.now() }).err()
}

// === impl Explanation ===

impl Explanation {
    fn is_served(&self) -> bool {
        let refused = |payer: &Payer| payer.frozen || payer.violation.is_some();
        self.outcome.as_ref().is_ok_and(|found| !found.payer.as_ref().is_some_and(refused))
    }
}

// === impl Found ===

impl Found {
    fn is_on_chain(&self) -> bool {
        self.offers.iter().any(|offered| offered.network.is_some())
    }

    /// Who has what is paid on public networks. On the non-EVM ones it is always the provider.
    fn custody(&self) -> Option<&'static str> {
        let foreign = (!self.provider.foreign.is_empty()).then_some(Custody::Direct);
        self.provider.payee.map(|payee| payee.custody()).or(foreign).map(Custody::name)
    }
}

// === impl Refused ===

impl Refused {
    const fn new(status: u16, code: &'static str, reason: String) -> Self {
        Self { status, code, reason }
    }
}

#[cfg(test)]
mod tests;
