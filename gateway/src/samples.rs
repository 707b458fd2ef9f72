//! A provider, its route and a public network, for tests.

use std::time::Duration;

use domain::catalog::{ChargeOn, Retry, Upstream, UpstreamAddress, UpstreamTimeouts};
use domain::pattern::PathPattern;
use domain::router::Methods;
use domain::{
    Address, Amount, Asset, BasisPoints, Capture, Network, OfferOrder, Payee, Price, Provider, ProviderId,
    Route, Settle, SettlementRules, Token,
};

/// What a call of [`route`] costs, in atomic units.
pub(crate) const PRICE: i64 = 1_000;

/// Paid on public networks at an address of its own.
pub(crate) fn provider() -> Provider {
    let seconds = Duration::from_secs(1);
    let upstream = Upstream {
        addresses: vec![UpstreamAddress { host: "127.0.0.1".to_owned(), port: 9 }],
        tls: None,
        base_path: String::new(),
        host: None,
        headers: Vec::new(),
        timeouts: UpstreamTimeouts { connect: seconds, read: seconds, write: seconds, idle: seconds },
        health: None,
        http2: false,
        public_only: false,
    };
    Provider {
        name: "acme".into(),
        pay_to: Address::repeat_byte(3),
        payee: Some(Payee::Direct(Address::repeat_byte(4))),
        foreign: Vec::new(),
        fee: BasisPoints::new(250).unwrap(),
        hosts: Vec::new(),
        suspended: false,
        rate_limit: None,
        settlement: SettlementRules::default(),
        upstream,
    }
}

/// `/paid`, with a fixed price.
pub(crate) fn route() -> Route {
    Route {
        name: "paid".into(),
        provider: ProviderId(0),
        methods: Methods::Any,
        pattern: PathPattern::parse("/paid").unwrap(),
        category: None,
        price: Price::Fixed(Amount::from_atomic(PRICE).unwrap()),
        free_per_day: 0,
        revision: 1,
        since: 1,
        superseded: Vec::new(),
        description: String::new(),
        mime_type: String::new(),
        retry: Retry::Never,
        charge_on: ChargeOn::default(),
        capture: Capture::After,
        redeliver: false,
        escaped_slash: false,
        cacheable: false,
        request_bytes_max: 1024,
        stream_bytes_min: 0,
        settle: Settle::After,
        offer_order: OfferOrder::ChainFirst,
        rate_limit: None,
    }
}

/// The wallet's dollar, on a network that v1 has no name for.
pub(crate) fn wallet_asset() -> Asset {
    token("eip155:402402", 402_402, 9)
}

/// Base Sepolia with one token.
pub(crate) fn network() -> Network {
    Network {
        id: "eip155:84532".into(),
        tokens: vec![Token::new(token("eip155:84532", 84_532, 5))],
        max_timeout_seconds: 300,
        margin_seconds: 10,
        treasury: None,
    }
}

/// A token at an address of this byte.
pub(crate) fn token(network: &str, chain_id: u64, byte: u8) -> Asset {
    let (name, version) = ("USDC".into(), "2".into());
    Asset { network: network.into(), chain_id, address: Address::repeat_byte(byte), name, version }
}
