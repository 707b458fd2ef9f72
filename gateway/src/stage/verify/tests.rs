use domain::{Address, B256, Network, Provider, Token, TransferMethod};
use http::HeaderValue;
use protocol::challenge::PaymentRequired;
use protocol::header;
use protocol::quote::QuoteKey;
use protocol::sign::sign_offer;
use protocol::signature::SigningKey;
use serde_json::{Value, json};

use super::*;
use crate::offer::currency::Currencies;
use crate::offer::way::Moves;
use crate::samples;

const NOW: UnixMillis = UnixMillis(1_795_349_701_000);

/// Ways to pay in the order of the offers.
const CHAIN: usize = 0;
const WALLET: usize = 1;

fn offered(networks: &[Network]) -> RouteOffer {
    let currencies = Currencies::new(&samples::wallet_asset(), networks);
    let provider: Provider = samples::provider();
    RouteOffer::new(&samples::route(), &provider, &currencies, &QuoteKey::new([7; 32])).unwrap()
}

/// A payment for one of the offers, changed by `change` before it is encoded; what was signed stays.
fn payment(offer: &RouteOffer, way: usize, change: impl FnOnce(&mut Value)) -> String {
    let quote = offer.payable(&offer.ways[way], NOW).next().unwrap();
    let accepts = offer.ways.iter().map(|way| way.offer(quote.amount, &quote.text)).collect();
    let challenge =
        PaymentRequired { x402_version: 2, error: None, resource: None, accepts, extensions: None };
    let signed = sign_offer(&key(), &challenge, way, B256::repeat_byte(5), NOW).unwrap();
    let mut payment: Value = serde_json::from_slice(&header::decode(signed.as_bytes()).unwrap()).unwrap();
    change(&mut payment);
    header::encode(payment.to_string().as_bytes())
}

/// The same in v1, on a network that its client names so.
fn in_v1(network: &str) -> impl FnOnce(&mut Value) {
    let network = network.to_owned();
    move |payment| {
        let payload = payment["payload"].take();
        *payment = json!({"x402Version": 1, "scheme": "exact", "network": network, "payload": payload});
    }
}

fn key() -> SigningKey {
    SigningKey::from_hex(&"42".repeat(32)).unwrap()
}

fn judged(offer: &RouteOffer, payment: &str, at: UnixMillis) -> Result<Claim, Refusal> {
    let header = HeaderValue::from_str(payment).unwrap();
    verify(Credential::Payment(&header), &samples::route(), offer, at, None, &Limits::default())
}

fn on_chain(claim: Claim) -> OnChain {
    match claim.claimant {
        Claimant::OnChain(paid) => *paid,
        _ => panic!("it is paid on chain"),
    }
}

fn refused(offer: &RouteOffer, payment: &str) -> (u16, &'static str) {
    let refusal = match judged(offer, payment, NOW) {
        // Signed for what is not offered: refused so where nothing was paid with it before.
        Ok(Claim { claimant: Claimant::Earlier { rejection, .. }, .. }) => refuse(&rejection),
        // Refused so where its payer is no contract that has signed it.
        Ok(Claim { claimant: Claimant::Unproven(unproven), .. }) => unproven.refusal,
        Ok(_) => panic!("it pays"),
        Err(refusal) => refusal,
    };
    (refusal.status(), refusal.code())
}

#[test]
fn a_payment_says_by_its_network_and_asset_which_rail_it_is_on() {
    let offer = offered(&[samples::network()]);
    let claim = judged(&offer, &payment(&offer, WALLET, |_| {}), NOW).unwrap();
    assert!(matches!(claim.claimant, Claimant::Signature(_)));

    let text = payment(&offer, CHAIN, |_| {});
    let claim = judged(&offer, &text, NOW).unwrap();
    assert_eq!(claim.maximum(), Amount::from_atomic(samples::PRICE).unwrap());
    let paid = on_chain(claim);
    assert_eq!((paid.payment.payer(), paid.payload.version()), (key().address(), 2));
    assert_eq!(
        (paid.way.pay_to, &*paid.way.currency.asset.network),
        (Address::repeat_byte(4), "eip155:84532")
    );
    assert_eq!(paid.payload.json().as_bytes(), header::decode(text.as_bytes()).unwrap());
}

#[test]
fn a_payment_of_v1_is_judged_against_the_offers_on_chain() {
    let offer = offered(&[samples::network()]);
    let paid = on_chain(judged(&offer, &payment(&offer, CHAIN, in_v1("base-sepolia")), NOW).unwrap());
    assert_eq!((paid.payload.version(), &*paid.way.currency.asset.network), (1, "eip155:84532"));
    assert_eq!(refused(&offer, &payment(&offer, CHAIN, in_v1("base"))), (402, "invalid_network"));
}

#[test]
fn the_wallets_network_has_no_word_in_v1() {
    for networks in [vec![], vec![samples::network()]] {
        let offer = offered(&networks);
        let wallet = offer.ways.len() - 1;
        let text = payment(&offer, wallet, in_v1("eip155:402402"));
        assert_eq!(refused(&offer, &text), (400, "invalid_payload"), "{} networks", networks.len());
    }
    let offer = offered(&[]);
    assert_eq!(refused(&offer, &payment(&offer, 0, in_v1("base-sepolia"))), (400, "invalid_payload"));
}

#[test]
fn the_signature_of_a_v1_payment_tells_its_token() {
    let mut network = samples::network();
    network.tokens.push(Token::new(samples::token("eip155:84532", 84_532, 8)));
    let offer = offered(&[network]);
    for way in [0, 1] {
        let text = payment(&offer, way, in_v1("base-sepolia"));
        let paid = on_chain(judged(&offer, &text, NOW).unwrap());
        assert_eq!(paid.way.currency.asset.address, offer.ways[way].currency.asset.address);
    }
}

#[test]
fn other_terms_than_were_offered_on_chain_are_refused_with_their_code() {
    let offer = offered(&[samples::network()]);
    let with = |pointer: &'static str, value: Value| {
        refused(&offer, &payment(&offer, CHAIN, |payment| *payment.pointer_mut(pointer).unwrap() = value)).1
    };
    let other = json!(Address::repeat_byte(1).to_checksum(None));
    assert_eq!(with("/accepted/network", json!("eip155:1")), "invalid_network");
    assert_eq!(with("/accepted/asset", other.clone()), "invalid_payment_requirements");
    assert_eq!(with("/accepted/scheme", json!("upto")), "unsupported_scheme");
    assert_eq!(with("/payload/authorization/to", other), "invalid_exact_evm_recipient_mismatch");
    assert_eq!(with("/payload/authorization/value", json!("999")), "invalid_exact_evm_authorization_value");
}

/// Its token is moved by both methods.
fn by_both() -> RouteOffer {
    let mut network = samples::network();
    network.tokens[0].methods = TransferMethod::ALL.to_vec();
    offered(&[network])
}

#[test]
fn a_payment_is_judged_against_the_offer_of_its_own_method() {
    let offer = by_both();
    for (way, moves) in [(0, Moves::Authorization), (1, Moves::Permit)] {
        let paid = on_chain(judged(&offer, &payment(&offer, way, |_| {}), NOW).unwrap());
        assert_eq!((paid.way.moves, paid.payment.payer()), (moves, key().address()));
    }
    let with = |pointer: &'static str, value: Value| {
        refused(&offer, &payment(&offer, 1, |payment| *payment.pointer_mut(pointer).unwrap() = value)).1
    };
    let other = json!(Address::repeat_byte(1).to_checksum(None));
    assert_eq!(
        with("/payload/permit2Authorization/witness/to", other.clone()),
        "invalid_permit2_recipient_mismatch"
    );
    assert_eq!(with("/payload/permit2Authorization/spender", other.clone()), "invalid_permit2_spender");
    assert_eq!(with("/payload/permit2Authorization/permitted/token", other), "permit2_token_mismatch");
    assert_eq!(
        with("/payload/permit2Authorization/permitted/amount", json!("999")),
        "permit2_amount_mismatch"
    );
    assert_eq!(with("/payload/permit2Authorization/nonce", json!("9")), "invalid_permit2_signature");
    assert_eq!(with("/accepted/scheme", json!("upto")), "unsupported_scheme");
}

#[test]
fn a_permit_pays_nothing_where_none_is_offered() {
    let text = payment(&by_both(), 1, |_| {});
    assert_eq!(refused(&offered(&[samples::network()]), &text), (402, "unsupported_payload_type"));
    // It may have paid when one was: its outcome is looked for before it is refused.
    let claim = judged(&offered(&[samples::network()]), &text, NOW).unwrap();
    assert!(matches!(claim.claimant, Claimant::Earlier { .. }));
}

#[test]
fn the_same_words_signed_for_the_wallet_do_not_pay_on_chain() {
    let offer = offered(&[samples::network()]);
    let chain = offer.ways[CHAIN].offer(Amount::from_atomic(samples::PRICE).unwrap(), "");
    let text = payment(&offer, WALLET, |payment| {
        payment["accepted"] = json!(chain);
        payment["accepted"]["extra"].as_object_mut().unwrap().remove("quote");
        payment["payload"]["authorization"]["to"] = json!(chain.pay_to);
    });
    assert_eq!(refused(&offer, &text), (402, "invalid_exact_evm_signature"));
}

#[test]
fn a_payment_on_chain_must_have_time_left_to_be_settled() {
    let offer = offered(&[samples::network()]);
    let text = payment(&offer, CHAIN, |_| {});
    let at = |seconds: i64| judged(&offer, &text, NOW.plus(seconds * 1000)).unwrap().claimant;
    assert!(matches!(at(149), Claimant::OnChain(_)));
    let Claimant::Earlier { rejection, way, version } = at(150) else {
        panic!("half of its time is what its call may take")
    };
    assert_eq!(rejection.code(), "invalid_exact_evm_payload_authorization_valid_before");
    assert_eq!((way.pay_to, version), (Address::repeat_byte(4), 2));
}

#[test]
fn nobody_but_a_key_signs_for_a_wallet_here_and_on_a_public_network_a_contract_may() {
    let offer = offered(&[samples::network()]);
    let sealed = |payment: &mut Value| payment["payload"]["signature"] = json!("0x1271");
    assert_eq!(refused(&offer, &payment(&offer, WALLET, sealed)), (400, "invalid_payload"));
    let claim = judged(&offer, &payment(&offer, CHAIN, sealed), NOW).unwrap();
    let Claimant::Unproven(unproven) = claim.claimant else { panic!("its contract is to be asked") };
    let [(network, digest)] = &*unproven.digests else { panic!("one thing was signed") };
    assert_eq!((&**network, unproven.payer), ("eip155:84532", key().address()));
    assert_eq!(unproven.refusal.code(), "invalid_exact_evm_signature");
    let text = payment(&offer, CHAIN, sealed);
    let header = HeaderValue::from_str(&text).unwrap();
    let found = Some(*digest);
    let credential = Credential::Payment(&header);
    let claim = verify(credential, &samples::route(), &offer, NOW, found, &Limits::default()).unwrap();
    assert_eq!(on_chain(claim).payment.digest(), *digest);
}
