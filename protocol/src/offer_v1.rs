//! [`OfferV1`]: an offer in the words of x402 v1, where the resource stands inside each offer and networks have names.

use serde_json::{Value, json};

use crate::network;
use crate::offer::Offer;

/// What v1 wants to know of a resource beside its URL.
#[derive(Clone, Copy, Debug)]
pub struct Described<'a> {
    /// What it is; may be empty.
    pub description: &'a str,
    /// The media type of its answer; may be empty.
    pub mime_type: &'a str,
    /// The method it is called with, upper case.
    pub method: &'a str,
}

/// An offer, written but for the URL that is called.
#[derive(Clone, Debug)]
pub struct OfferV1 {
    /// What follows the URL in its JSON.
    after_url: String,
}

// === impl OfferV1 ===

impl OfferV1 {
    /// The same offer in v1's words. None on a network that v1 has no name for, or of another scheme than its only one: its clients
    /// would refuse the whole list for it. None by Permit2 either: they would sign another thing.
    #[must_use]
    pub fn new(offer: &Offer, described: Described<'_>) -> Option<Self> {
        let network = network::v1_name(&offer.network).filter(|_| offer.is_plain())?;
        let described = json!({
            "scheme": offer.scheme,
            "network": network,
            "maxAmountRequired": offer.amount,
            "description": described.description,
            "mimeType": described.mime_type,
            // An object: v1 clients take null for a malformed offer (notes/clients.md C).
            "outputSchema": {"input": {"type": "http", "method": described.method}},
            "payTo": offer.pay_to,
            "maxTimeoutSeconds": offer.max_timeout_seconds,
            "asset": offer.asset,
            "extra": offer.extra,
        });
        let text = described.to_string();
        Some(Self { after_url: text.replacen('{', ",", 1) })
    }

    /// Its JSON for a call of `url`.
    #[must_use]
    pub fn json(&self, url: &str) -> String {
        format!("{{\"resource\":{}{}", Value::from(url), self.after_url)
    }
}

#[cfg(test)]
mod tests {
    use domain::Amount;

    use super::*;
    use crate::captures::{address, usdc};

    fn offer_to() -> domain::Address {
        address("0x90F79bf6EB2c4f870365E785982E1f101E93b906")
    }

    fn offer() -> Offer {
        Offer::exact(&usdc(), offer_to(), Amount::from_atomic(1000).unwrap(), 60, None)
    }

    const DESCRIBED: Described<'_> = Described { description: "a \"thing\"", mime_type: "", method: "POST" };

    /// Beside `x402-express` 1.2 (notes/clients.md, wire captures).
    #[test]
    fn an_offer_of_v1_has_the_keys_of_the_reference_server() {
        let text = OfferV1::new(&offer(), DESCRIBED).unwrap().json("https://a.example/x?\"");
        let expected = json!({
            "scheme": "exact",
            "network": "base-sepolia",
            "maxAmountRequired": "1000",
            "resource": "https://a.example/x?\"",
            "description": "a \"thing\"",
            "mimeType": "",
            "payTo": "0x90F79bf6EB2c4f870365E785982E1f101E93b906",
            "maxTimeoutSeconds": 60,
            "asset": "0x036CbD53842c5426634e7929541eC2318f3dCF7e",
            "outputSchema": {"input": {"type": "http", "method": "POST"}},
            "extra": {"name": "USDC", "version": "2"},
        });
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
    }

    #[test]
    fn what_v1_has_no_name_for_is_not_offered_in_it() {
        let private = Offer { network: "eip155:402402".to_owned(), ..offer() };
        assert!(OfferV1::new(&private, DESCRIBED).is_none());
        assert!(OfferV1::new(&offer().by_permit(), DESCRIBED).is_none());
        assert!(OfferV1::new(&offer().upto(offer_to()), DESCRIBED).is_none());
    }
}
