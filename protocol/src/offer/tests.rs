use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::captures::{CHALLENGE, usdc};

#[test]
fn an_offer_has_the_keys_of_the_specification_and_no_others() {
    let offer = Offer::wallet(
        &usdc(),
        crate::captures::address("0x90f79bf6eb2c4f870365e785982e1f101e93b906"),
        Amount::from_atomic(1000).unwrap(),
        Some("3.Yk"),
    );
    let expected = json!({
        "scheme": "exact",
        "network": "eip155:84532",
        "amount": "1000",
        "asset": "0x036CbD53842c5426634e7929541eC2318f3dCF7e",
        "payTo": "0x90F79bf6EB2c4f870365E785982E1f101E93b906",
        "maxTimeoutSeconds": 60,
        "extra": {"name": "USDC", "version": "2", "quote": "3.Yk"},
    });
    assert_eq!(serde_json::to_value(&offer).unwrap(), expected);
}

#[test]
fn without_a_quote_an_offer_is_the_reference_servers() {
    let reference: Value = serde_json::from_str(CHALLENGE).unwrap();
    let pay_to = crate::captures::address("0x90f79bf6eb2c4f870365e785982e1f101e93b906");
    let mut ours = Offer::wallet(&usdc(), pay_to, Amount::from_atomic(1000).unwrap(), None);
    ours.max_timeout_seconds = 300;
    assert_eq!(serde_json::to_value(&ours).unwrap(), reference["accepts"][0]);
}

fn any_offer() -> impl Strategy<Value = Offer> {
    let texts = (".*", ".*", ".*", ".*", ".*");
    let extra = proptest::collection::btree_map(".*", any::<Option<u64>>(), 0..4);
    (texts, any::<u64>(), extra).prop_map(|((scheme, network, amount, asset, pay_to), timeout, extra)| {
        Offer {
            scheme,
            network,
            amount,
            asset,
            pay_to,
            max_timeout_seconds: timeout,
            extra: extra.into_iter().map(|(key, value)| (key, json!(value))).collect(),
        }
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(offer in any_offer()) {
        let text = serde_json::to_string(&offer).unwrap();
        prop_assert_eq!(serde_json::from_str::<Offer>(&text).unwrap(), offer);
    }
}
