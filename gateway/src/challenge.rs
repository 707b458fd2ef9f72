//! [`Challenge`]: the 402 of one route, prebuilt but for the URL that was called and the reason.
//!
//! x402 v2 stands in the `PAYMENT-REQUIRED` header. The body says the same to people; it lists no v1 offers, because
//! v1 clients know only public networks and break on a list with any other (notes/clients.md section F).

use domain::{Amount, Asset, Provider, Route};
use protocol::challenge::{PAYMENT_IDENTIFIER, payment_identifier_extension};
use protocol::header;
use protocol::offer::Offer;
use serde_json::{Map, Value, json};

/// The parts of a route's 402 that no request changes.
pub(crate) struct Challenge {
    /// What follows the URL in the header's JSON.
    after_url: String,
}

// === impl Challenge ===

impl Challenge {
    pub(crate) fn new(
        route: &Route,
        provider: &Provider,
        asset: &Asset,
        amount: Amount,
        quote: &str,
    ) -> Self {
        let offer = Offer::wallet(asset, provider.pay_to, amount, Some(quote));
        let mut resource = Map::new();
        for (key, text) in [("description", &route.description), ("mimeType", &route.mime_type)] {
            if !text.is_empty() {
                resource.insert(key.to_owned(), Value::from(text.as_str()));
            }
        }
        let mut after_url = String::new();
        for (key, value) in &resource {
            after_url.push_str(&format!(",{}:{value}", Value::from(key.as_str())));
        }
        let accepts = json!([offer]);
        let extensions = json!({ PAYMENT_IDENTIFIER: payment_identifier_extension() });
        after_url.push_str(&format!("}},\"accepts\":{accepts},\"extensions\":{extensions}}}"));
        Self { after_url }
    }

    /// The `PAYMENT-REQUIRED` header for a call of `url`; `reason` is a code where a payment was refused.
    pub(crate) fn header(&self, url: &str, reason: &str) -> String {
        let reason = Value::from(reason);
        let url = Value::from(url);
        let text =
            format!("{{\"x402Version\":2,\"error\":{reason},\"resource\":{{\"url\":{url}{}", self.after_url);
        header::encode(text.as_bytes())
    }
}
