use domain::catalog::SupersededPrice;
use domain::{Address, TransferMethod};
use protocol::challenge::PaymentRequired;
use serde_json::{Value, json};

use super::*;
use crate::answer::refusal::{Refusal, Unpaid};
use crate::answer::reply::Reply;
use crate::samples;

fn offered(route: &Route, provider: &Provider, networks: &[Network]) -> RouteOffer {
    let currencies = Currencies::new(&samples::wallet_asset(), networks);
    RouteOffer::new(route, provider, &currencies, &QuoteKey::new([7; 32])).unwrap()
}

/// The networks of an offer, in its order.
fn networks(offer: &RouteOffer) -> Vec<&str> {
    offer.ways.iter().map(|way| &*way.currency.asset.network).collect()
}

fn header(offer: &RouteOffer) -> Value {
    let asking = offer.challenge.asking("https://api.example/paid", "payment_required");
    json!(PaymentRequired::parse(asking.header.as_bytes()).unwrap().unwrap())
}

fn body(offer: &RouteOffer) -> Value {
    let refusal = Refusal::PaymentRequired(Unpaid::Missing { price: Amount::from_atomic(1000).unwrap() });
    let asking = offer.challenge.asking("https://api.example/paid", "payment_required");
    serde_json::from_slice(Reply::asking(&refusal, asking).body()).unwrap()
}

#[test]
fn a_route_is_offered_in_the_order_that_it_says() {
    let (mut route, provider) = (samples::route(), samples::provider());
    let both = ["eip155:84532", "eip155:402402"];
    assert_eq!(networks(&offered(&route, &provider, &[samples::network()])), both);
    route.offer_order = OfferOrder::WalletFirst;
    assert_eq!(networks(&offered(&route, &provider, &[samples::network()])), [both[1], both[0]]);
}

#[test]
fn a_token_is_offered_by_each_of_its_methods_and_v1_only_hears_of_eip_3009() {
    let mut network = samples::network();
    network.tokens[0].methods = vec![TransferMethod::Permit2, TransferMethod::Eip3009];
    let offer = offered(&samples::route(), &samples::provider(), &[network]);
    let v2 = header(&offer);
    let methods: Vec<_> = (0..3).map(|at| &v2["accepts"][at]["extra"]["assetTransferMethod"]).collect();
    assert_eq!(methods, [&json!("permit2"), &Value::Null, &Value::Null]);
    assert_eq!(v2["accepts"][0]["scheme"], "exact");
    let v1 = body(&offer);
    assert_eq!(v1["accepts"].as_array().unwrap().len(), 1, "its clients would sign another thing");
    assert_eq!(v1["accepts"][0]["extra"]["assetTransferMethod"], Value::Null);
}

#[test]
fn a_network_where_nobody_can_be_paid_is_not_offered() {
    let (route, mut provider) = (samples::route(), samples::provider());
    let wallet_alone = ["eip155:402402"];
    provider.payee = Some(Payee::Treasury);
    assert_eq!(networks(&offered(&route, &provider, &[samples::network()])), wallet_alone);
    let treasury = Network { treasury: Some(Address::repeat_byte(6)), ..samples::network() };
    let offer = offered(&route, &provider, &[treasury]);
    assert_eq!(offer.ways[0].pay_to, Address::repeat_byte(6));
    assert!(offer.is_on_chain());
    let before = Route { settle: Settle::Before, ..samples::route() };
    let treasury = Network { treasury: Some(Address::repeat_byte(6)), ..samples::network() };
    for payee in [Payee::Treasury, Payee::Direct(Address::repeat_byte(6))] {
        provider.payee = Some(payee);
        let offer = offered(&before, &provider, std::slice::from_ref(&treasury));
        assert_eq!(networks(&offer), wallet_alone, "nobody could give it back");
    }
    provider.payee = Some(Payee::Treasury);
    let id = Arc::clone(&treasury.id);
    let mut currencies = Currencies::new(&samples::wallet_asset(), &[treasury]);
    currencies.outlets = [id].into();
    let key = QuoteKey::new([7; 32]);
    assert!(RouteOffer::new(&before, &provider, &currencies, &key).unwrap().is_on_chain());
    provider.payee = None;
    let offer = offered(&route, &provider, &[samples::network()]);
    assert_eq!((networks(&offer), offer.is_on_chain()), (wallet_alone.to_vec(), false));
}

#[test]
fn one_402_serves_v2_in_its_header_and_v1_in_its_body() {
    let (mut route, provider) = (samples::route(), samples::provider());
    route.description = "a thing".to_owned();
    let offer = offered(&route, &provider, &[samples::network()]);
    let v2 = header(&offer);
    assert_eq!(v2["x402Version"], 2);
    assert_eq!(v2["accepts"].as_array().unwrap().len(), 2);
    let chain = &v2["accepts"][0];
    let to = Address::repeat_byte(4).to_checksum(None);
    assert_eq!((&chain["network"], &chain["payTo"]), (&json!("eip155:84532"), &json!(to)));
    assert_eq!((&chain["maxTimeoutSeconds"], &chain["amount"]), (&json!(300), &json!("1000")));
    assert_eq!(v2["accepts"][1]["maxTimeoutSeconds"], 60);

    let v1 = body(&offer);
    assert_eq!((&v1["x402Version"], &v1["error"]), (&json!(1), &json!("payment_required")));
    assert_eq!(v1["price"]["amount"], "1000", "what the body said before is still there");
    let accepts = v1["accepts"].as_array().unwrap();
    assert_eq!(accepts.len(), 1, "v1 has no name for the wallet's network, and would refuse the list for it");
    let expected = json!({
        "scheme": "exact",
        "network": "base-sepolia",
        "maxAmountRequired": "1000",
        "resource": "https://api.example/paid",
        "description": "a thing",
        "mimeType": "",
        "payTo": to,
        "maxTimeoutSeconds": 300,
        "asset": Address::repeat_byte(5).to_checksum(None),
        "outputSchema": {"input": {"type": "http", "method": "GET"}},
        "extra": chain["extra"],
    });
    assert_eq!(accepts[0], expected);
}

#[test]
fn a_body_that_offers_v1_nothing_says_nothing_of_v1() {
    let offer = offered(&samples::route(), &samples::provider(), &[]);
    let body = body(&offer);
    assert_eq!((body.get("x402Version"), body.get("accepts")), (None, None));
    assert_eq!(body["error"], "payment_required");
}

#[test]
fn a_superseded_price_is_honoured_for_as_long_as_a_payment_of_it_may_be_valid() {
    let (mut route, provider) = (samples::route(), samples::provider());
    let until = UnixMillis(1_000_000);
    let price = Price::Fixed(Amount::from_atomic(900).unwrap());
    route.superseded = vec![SupersededPrice { revision: 0, since: 0, price, until }];
    let offer = offered(&route, &provider, &[samples::network()]);
    let payable = |way: usize, at: i64| offer.payable(&offer.ways[way], until.plus(at)).count();
    let longer = 300_000 - QUOTE_TTL_MS;
    assert_eq!([payable(1, -1), payable(1, 0)], [2, 1], "the wallet's payments are valid for 60 s");
    assert_eq!([payable(0, longer - 1), payable(0, longer)], [2, 1]);
}
