use domain::Address;
use serde_json::{Value, json};

use super::*;

#[test]
fn who_has_no_wallet_is_pointed_to_the_public_networks_where_they_are_offered() {
    let unpaid = || Unpaid::UnknownSigner { address: Address::repeat_byte(1), on_chain: false };
    let said = |is_on_chain| Refusal::PaymentRequired(unpaid().pointing(is_on_chain)).body();
    assert!(said(true).contains("on a public network") && !said(false).contains("on a public network"));
    let poor = Unpaid::Funds { available: Amount::ZERO, price: Amount::ZERO, on_chain: false };
    assert!(poor.pointing(true).to_string().ends_with("on a public network"));
}

#[test]
fn who_has_too_little_on_a_public_network_is_told_what_of_and_how_much_and_where() {
    let units = |units| Amount::from_atomic(units).unwrap();
    let payer = Address::repeat_byte(0xab);
    let said = |unsettled| {
        let (name, token, network) = ("USDC".into(), "0xcd".into(), "eip155:84532".into());
        let (available, price) = (units(1_000), units(2_500));
        let short = Short { payer, token, name, network, available, price, unsettled };
        Refusal::PaymentRequired(Unpaid::Balance { short: Box::new(short) })
    };
    let poor = said(Amount::ZERO);
    assert_eq!((poor.status(), poor.code()), (402, "insufficient_funds"));
    let text = format!(
        "{} has $0.001 of USDC on eip155:84532, and this call costs $0.0025: send it some",
        payer.to_checksum(None)
    );
    assert_eq!(poor.to_string(), text);
    let body: Value = serde_json::from_str(&poor.body()).unwrap();
    assert_eq!((&body["available"]["amount"], &body["price"]["amount"]), (&json!("1000"), &json!("2500")));
    assert_eq!((&body["network"], &body["token"]), (&json!("eip155:84532"), &json!("0xcd")));
    assert!(said(units(500)).to_string().contains("beside $0.0005 that is not settled yet: send it some"));
}

#[test]
fn who_has_not_allowed_permit2_is_told_what_to_do_and_not_to_sign_again() {
    let payer = Address::repeat_byte(1);
    let unpaid = Unpaid::Allowance { payer, token: "0x02".into(), network: "eip155:84532".into() };
    let refusal = Refusal::PaymentRequired(unpaid);
    assert_eq!((refusal.status(), refusal.code()), (412, "permit2_allowance_required"));
    let body: Value = serde_json::from_str(&refusal.body()).unwrap();
    assert_eq!(body["spender"], "0x000000000022D473030F116dDEE9F6B43aC78BA3");
    assert_eq!((&body["network"], &body["token"]), (&json!("eip155:84532"), &json!("0x02")));
    assert!(refusal.to_string().contains("approve("), "{refusal}");
}

#[test]
fn what_nobody_knows_of_a_call_is_told_to_whoever_can_make_it_again() {
    let unknown = || Refusal::OutcomeUnknown {
        payment: PaymentId::generate(domain::UnixMillis(1), [0; 10]),
        repeatable: true,
    };
    assert_eq!(unknown().retry_after(), Some(5));
    let once = unknown().of_no_other_call();
    assert_eq!((once.retry_after(), once.payment()), (None, unknown().payment()));
    assert!(!once.to_string().contains("send the same"), "{once}");
}
