//! A public network on this machine, with the official facilitator: what we verify is what it settles, and what the chain shows is what
//! we believe.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use domain::{Address, Amount, Asset, B256, UnixMillis};
use protocol::challenge::PaymentRequired;
use protocol::eip712::Domain;
use protocol::header;
use protocol::offer::{MAX_TIMEOUT_SECONDS, Offer};
use protocol::payload::PaymentPayload;
use protocol::sign::{authorize, sign_offer};
use protocol::signature::SigningKey;
use protocol::verify::{Expected, Method, Quote, verify};
use serde_json::Value;
use settlement::chain::{Chain, Evidence, Nodes};
use settlement::facilitator::{Configuration, Facilitator, Headers, Settled, Shown, Unknown, Verified};
use tests::chain::{Network, usdc};

/// How long a call may take here.
const PATIENCE: Duration = Duration::from_secs(20);

fn chain(network: &Network) -> Chain {
    Chain::new(Nodes::new(vec![network.url()], PATIENCE).expect("a client"), 0)
}

fn facilitator(url: &str) -> Facilitator {
    let configuration = Configuration {
        url: url.to_owned(),
        headers: Headers::default(),
        verify_timeout: PATIENCE,
        settle_timeout: PATIENCE,
    };
    Facilitator::new(configuration).expect("a client")
}

fn now() -> UnixMillis {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    UnixMillis(i64::try_from(now.as_millis()).expect("a time"))
}

/// Who pays, where we would take it.
fn verified(payment: &str, (asset, pay_to, price): (&Asset, Address, Amount), at: UnixMillis) -> Address {
    let quotes = [Quote { price, revision: 1, quote: "" }];
    let domain = Domain::new(asset);
    let expected = Expected {
        asset,
        method: Method::Authorization(&domain),
        pay_to,
        max_timeout_seconds: MAX_TIMEOUT_SECONDS,
        margin_seconds: 6,
        quotes: &quotes,
        at,
    };
    let parsed = PaymentPayload::parse(payment.as_bytes()).expect("a payment");
    verify(&parsed, &expected).expect("a right one").payer()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_facilitator_settles_what_we_verified_and_the_chain_shows_it() {
    let key = SigningKey::from_hex(&"42".repeat(32)).expect("a key");
    let _ = rustls::crypto::ring::default_provider().install_default();
    let network = Network::start().await;
    network.fund(key.address(), 1_500).await;
    let official = network.official().await;
    let (chain, facilitator) = (chain(&network), facilitator(&official.url()));
    let (asset, pay_to, price) =
        (usdc(), Address::repeat_byte(9), Amount::from_atomic(1_000).expect("an amount"));
    assert_eq!(chain.id().await, Ok(asset.chain_id));
    let kinds = facilitator.supported().await.expect("what it settles").kinds;
    assert!(
        kinds.iter().any(|kind| (&*kind.scheme, &*kind.network) == ("exact", &*asset.network)),
        "{kinds:?}"
    );

    let offer = Offer::wallet(&asset, pay_to, price, None);
    let challenge = PaymentRequired {
        x402_version: 2,
        error: None,
        resource: None,
        accepts: vec![offer.clone()],
        extensions: None,
    };
    let (at, begun) = (now(), chain.settled_block().await.expect("a block").number);
    let pay = |nonce: u8| sign_offer(&key, &challenge, 0, B256::repeat_byte(nonce), at).expect("a payment");
    let signed = |nonce: u8| authorize(&key, &offer, B256::repeat_byte(nonce), at).expect("an authorization");
    let payment = pay(1);
    let payer = verified(&payment, (&asset, pay_to, price), at);

    let paid = async || chain.balance(asset.address, pay_to).await.expect("a balance").to_string();
    let evidence = async |nonce: u8| chain.evidence(asset.address, &signed(nonce), begun).await;
    assert!(matches!(evidence(1).await, Ok(Evidence::Unused { .. })));
    let whole = |payment: &str| -> Value {
        serde_json::from_slice(&header::decode(payment.as_bytes()).expect("base64")).expect("JSON")
    };
    let first = whole(&payment);
    let shown = Shown { version: 2, payment: &first, requirements: &offer, payer: Some(payer.into()) };
    assert_eq!(facilitator.verify(shown).await, Ok(Verified::Valid));
    let Ok(Settled::Moved { transaction }) = facilitator.settle(shown).await else { panic!("not settled") };
    let Ok(Evidence::Moved { transaction: seen, .. }) = evidence(1).await else { panic!("not on chain") };
    assert_eq!(seen.to_string(), transaction);
    assert_eq!(paid().await, "1000");

    // Again: whatever it answers, nothing more moves and the chain says the same.
    let again = facilitator.settle(shown).await;
    assert!(
        !matches!(&again, Ok(Settled::Moved { transaction: other }) if *other != transaction),
        "{again:?}"
    );
    assert_eq!(paid().await, "1000");
    assert!(matches!(evidence(1).await, Ok(Evidence::Moved { .. })));

    // A second payment that the payer has no money for.
    let second = whole(&pay(2));
    let shown = Shown { version: 2, payment: &second, requirements: &offer, payer: Some(payer.into()) };
    assert!(matches!(facilitator.verify(shown).await, Ok(Verified::Invalid(_))));
    // It sends a transaction that fails, and says no more than that one did: it could be sent again.
    let failed = facilitator.settle(shown).await;
    assert!(matches!(failed, Err(Unknown::Undecided(_))), "{failed:?}");
    assert!(matches!(evidence(2).await, Ok(Evidence::Unused { .. })));
}
