//! Whether public networks can be paid on, as seen from here: nodes that are of their network, facilitators that settle there, and gas
//! for our own transactions. Nothing is sent that anybody pays for.

use std::sync::Arc;

use domain::{ForeignName, Provider};
use futures_util::{StreamExt, stream};
use protocol::offer::SCHEME_EXACT;
use protocol::signature::SigningKey;
use registry::Config;
use registry::config::network::{
    EvmSettings, FacilitatorSettings, ForeignSettings, NetworkSettings, SettlerSettings,
};
use settlement::chain::host;

use super::Finding;
use crate::service::networks::{chain, facilitator, witness};

/// What the ops listener says of a network where nothing can be sent, and of why this process cannot, as far as its name.
const NOT_ABLE: &str = "faregate_chain_settler_able{network=\"";
const UNABLE: &str = "faregate_chain_settler_unable{network=\"";

/// And of payments on networks that its file does not name.
const ELSEWHERE: &str = "faregate_chain_payments_elsewhere ";

/// Nodes and facilitators that are asked at the same time.
const ASKED_MAX: usize = 8;

const SETTLES_NONE: &str = "it says that it settles no `exact` payments on this network: name another facilitator, or another network";

/// A finding for each node, facilitator and settler of the file, in their order, and for each account of a provider's where nodes show it.
pub(super) async fn examine(config: &Config) -> Vec<Finding> {
    let all = config.networks.iter().map(|network| async move {
        let mut findings = Vec::new();
        for url in &network.nodes {
            let one = NetworkSettings { nodes: vec![url.clone()], ..network.clone() };
            let what = format!("node {} of {}", host(url.expose()), network.network.id);
            findings.push(Finding::new(&what, node(&one).await.err().map(|error| format!("{error:#}"))));
        }
        match &network.settler {
            SettlerSettings::Facilitators(all) => {
                for settings in all {
                    let what = format!("facilitator {} on {}", host(&settings.url), network.network.id);
                    let wrong = settles(settings, &network.network.id).await.err();
                    findings.push(Finding::new(&what, wrong.map(|error| format!("{error:#}"))));
                }
            }
            SettlerSettings::Evm(evm) => {
                let what = format!("settler on {}", network.network.id);
                let wrong = has_gas(network, evm).await.err();
                findings.push(Finding::new(&what, wrong.map(|error| format!("{error:#}"))));
            }
        }
        findings
    });
    let found: Vec<Vec<Finding>> = stream::iter(all).buffered(ASKED_MAX).collect().await;
    let others = config.foreign.iter().map(|network| foreign(network, &config.catalog.providers));
    let others: Vec<Vec<Finding>> = stream::iter(others).buffered(ASKED_MAX).collect().await;
    found.into_iter().chain(others).flatten().collect()
}

/// Where nothing of ours can be sent, and why, as the process itself says.
pub(super) fn unable(metrics: &str) -> Option<String> {
    let network = |line: &str| Some(line.strip_prefix(NOT_ABLE)?.strip_suffix("\"} 0")?.to_owned());
    let reason = |line: &str, network: &str| {
        let reason = line.strip_prefix(UNABLE)?.strip_prefix(network)?.strip_prefix("\",reason=\"")?;
        Some(reason.strip_suffix("\"} 1")?.to_owned())
    };
    let told = metrics.lines().filter_map(network).map(|network| {
        let reasons: Vec<String> = metrics.lines().filter_map(|line| reason(line, &network)).collect();
        let why = if reasons.is_empty() { "another process says why".to_owned() } else { reasons.join(", ") };
        format!("{network}: nothing can be sent, and payments there are refused ({why})")
    });
    Some(told.collect::<Vec<_>>().join("\n")).filter(|told| !told.is_empty())
}

/// How many payments wait on networks that nobody looks at.
pub(super) fn left(metrics: &str) -> Option<String> {
    let payments = metrics.lines().find_map(|line| line.strip_prefix(ELSEWHERE))?;
    let words = || {
        format!(
            "{payments} payments are open on networks that the file does not name: `faregate check` says where"
        )
    };
    (payments != "0").then(words)
}

/// A non-EVM network: its facilitator, and nodes where some are named, which show whether the file's providers can be paid.
async fn foreign(settings: &ForeignSettings, providers: &[Arc<Provider>]) -> Vec<Finding> {
    let (network, facilitator) = (&*settings.network.id, &settings.facilitator);
    let mut findings = Vec::new();
    for url in &settings.nodes {
        let one = ForeignSettings { nodes: vec![url.clone()], ..settings.clone() };
        let what = format!("node {} of {network}", host(url.expose()));
        findings.push(Finding::new(&what, answers(&one).await.err().map(|error| format!("{error:#}"))));
    }
    let what = format!("facilitator {} on {network}", host(&facilitator.url));
    let wrong = settles_whole(facilitator, network).await.err();
    findings.push(Finding::new(&what, wrong.map(|error| format!("{error:#}"))));
    if !settings.nodes.is_empty() {
        for (provider, owner) in providers.iter().filter_map(|provider| paid_on(provider, network)) {
            let what = format!("account of {} on {network}", provider.name);
            let wrong = has_accounts(settings, owner).await.err();
            findings.push(Finding::new(&what, wrong.map(|error| format!("{error:#}"))));
        }
    }
    findings
}

/// A provider with its address on a network; none where it is not paid there.
fn paid_on<'a>(provider: &'a Arc<Provider>, network: &str) -> Option<(&'a Provider, ForeignName)> {
    let own = provider.foreign.iter().find(|(id, _)| **id == *network);
    own.map(|(_, owner)| (&**provider, *owner))
}

/// For each token that is taken there: a transfer to whom none was made fails, and its payer pays for none.
async fn has_accounts(settings: &ForeignSettings, owner: ForeignName) -> anyhow::Result<()> {
    let Some(witness) = witness(settings)? else { return Ok(()) };
    for token in &settings.network.tokens {
        let has_one = witness.has_account(owner, *token).await?;
        anyhow::ensure!(
            has_one,
            "{owner} has no account for the token {token}, so that nobody can pay it: make one, a wallet does when it first gets some"
        );
    }
    Ok(())
}

/// Its nodes refuse one of another network themselves.
async fn answers(settings: &ForeignSettings) -> anyhow::Result<()> {
    if let Some(witness) = witness(settings)? {
        witness.answers().await?;
    }
    Ok(())
}

/// Of the network, and far enough that a block counts. The chain refuses a node of another network itself.
async fn node(network: &NetworkSettings) -> anyhow::Result<()> {
    chain(network)?.settled_block().await?;
    Ok(())
}

async fn settles(settings: &FacilitatorSettings, network: &str) -> anyhow::Result<()> {
    let supported = facilitator(settings)?.supported().await?;
    anyhow::ensure!(supported.settles(SCHEME_EXACT, network), SETTLES_NONE);
    Ok(())
}

/// The same where payments pass to it whole, in x402 v2.
async fn settles_whole(settings: &FacilitatorSettings, network: &str) -> anyhow::Result<()> {
    let supported = facilitator(settings)?.supported().await?;
    anyhow::ensure!(supported.extra_of_exact(network).is_some(), SETTLES_NONE);
    Ok(())
}

async fn has_gas(network: &NetworkSettings, evm: &EvmSettings) -> anyhow::Result<()> {
    let address = SigningKey::from_hex(evm.key.expose())?.address();
    let coins = chain(network)?.coins(address).await?;
    anyhow::ensure!(!coins.is_zero(), "{address} has no coins for gas on this network: send it some");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_doctor_names_each_network_on_which_nothing_can_be_sent_and_why() {
        let metrics = "faregate_chain_settler_able{network=\"eip155:1\"} 1\n\
                       faregate_chain_settler_able{network=\"eip155:8453\"} 0\n\
                       faregate_chain_settler_unable{network=\"eip155:1\",reason=\"price\"} 1\n\
                       faregate_chain_settler_unable{network=\"eip155:8453\",reason=\"coins\"} 1\n\
                       faregate_chain_settler_unable{network=\"eip155:8453\",reason=\"price\"} 0\n";
        let told = unable(metrics).unwrap();
        assert!(told.starts_with("eip155:8453: ") && told.ends_with("(coins)"), "{told}");
        assert_eq!(unable("faregate_chain_settler_able{network=\"eip155:1\"} 1\n"), None);
    }

    #[test]
    fn the_doctor_counts_payments_on_networks_that_are_not_named() {
        assert!(left("faregate_chain_payments_elsewhere 3\n").unwrap().starts_with("3 payments"));
        assert_eq!(left("faregate_chain_payments_elsewhere 0\n"), None);
    }
}
