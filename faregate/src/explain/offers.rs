//! What a priced route asks for, in the order of its 402: on public networks as the file has them, and from wallets.

use domain::catalog::{Provider, Route};
use domain::{ForeignName, Network, OfferOrder, Payee, Settle, Token, TransferMethod};
use registry::Config;

use crate::service::outlets;

/// One way to pay.
pub(crate) struct Offered {
    /// CAIP-2; none is a wallet here.
    pub(crate) network: Option<String>,
    /// The token's name, where the file has it, and its address.
    pub(crate) token: Option<(Option<String>, String)>,
    /// By what its payer signs.
    pub(crate) by: &'static str,
    /// Who is paid.
    pub(crate) pay_to: String,
}

/// All of them; nothing for a free route. What a gateway offers besides depends on its networks as they are: `upto` only where a settler
/// takes it, and a non-EVM network once its facilitator has said what offers must carry.
pub(crate) fn all(route: &Route, provider: &Provider, config: &Config) -> Vec<Offered> {
    if !route.is_priced() {
        return Vec::new();
    }
    let wallet =
        Offered { network: None, token: None, by: "exact", pay_to: provider.pay_to.to_checksum(None) };
    let outlets = outlets::all(config);
    let can_be = |payee: Payee, network: &Network| {
        let can_give_back = payee == Payee::Treasury && outlets.contains_key(&network.id);
        route.settle != Settle::Before || (can_give_back && route.price.metered().is_none())
    };
    let on_chain = config.networks.iter().flat_map(|settings| {
        let network = &settings.network;
        let payee = provider.payee.filter(|payee| can_be(*payee, network));
        let address = payee.and_then(|payee| payee.address(network));
        let tokens = address
            .into_iter()
            .flat_map(move |address| network.tokens.iter().map(move |token| (token, address)));
        tokens.flat_map(move |(token, address)| {
            ways(route, token).into_iter().map(move |by| Offered {
                network: Some(network.id.to_string()),
                token: Some((Some(token.asset.name.to_string()), token.asset.address.to_string())),
                by,
                pay_to: address.to_string(),
            })
        })
    });
    let on_chain = on_chain.chain(foreign(route, provider, config));
    match route.offer_order {
        OfferOrder::ChainFirst => on_chain.chain([wallet]).collect(),
        OfferOrder::WalletFirst => [wallet].into_iter().chain(on_chain).collect(),
    }
}

/// Those on non-EVM networks.
fn foreign(route: &Route, provider: &Provider, config: &Config) -> Vec<Offered> {
    if route.settle != Settle::After || route.price.metered().is_some() {
        return Vec::new();
    }
    let named = config.foreign.iter().filter_map(|settings| {
        let network = &settings.network;
        let own = provider.foreign.iter().find(|(id, _)| *id == network.id)?;
        Some((network, own.1))
    });
    let in_token = |network: &str, token: &ForeignName, pay_to: ForeignName| Offered {
        network: Some(network.to_owned()),
        token: Some((None, token.to_string())),
        by: "exact, where its facilitator takes it",
        pay_to: pay_to.to_string(),
    };
    let all = named.flat_map(|(network, own)| network.tokens.iter().map(move |token| (network, token, own)));
    all.map(|(network, token, own)| in_token(&network.id, token, own)).collect()
}

fn ways(route: &Route, token: &Token) -> Vec<&'static str> {
    let exact = |method: &TransferMethod| match method {
        TransferMethod::Eip3009 => "exact by EIP-3009",
        TransferMethod::Permit2 => "exact by Permit2",
    };
    match route.price.metered() {
        None => token.methods.iter().map(exact).collect(),
        Some(_) if token.takes_permits() => vec!["upto by Permit2, where a settler takes it"],
        Some(_) => Vec::new(),
    }
}
