//! [`Challenge`]: the 402 of one route, prebuilt but for the URL that was called and the reason.
//!
//! One 402 serves both versions of x402: v2 clients read the `PAYMENT-REQUIRED` header, v1 clients the body. The body lists
//! only offers on networks that v1 has names for, because its clients refuse a whole list for one they do not know
//! (notes/clients.md section F).

use domain::Route;
use domain::party::is_evm;
use domain::router::Methods;
use http::HeaderName;
use protocol::challenge::{PAYMENT_IDENTIFIER, payment_identifier_extension};
use protocol::header;
use protocol::offer::Offer;
use protocol::offer_v1::{Described, OfferV1};
use serde_json::{Map, Value, json};

/// The parts of a route's 402 that no request changes.
pub(crate) struct Challenge {
    /// What follows the URL in the header's JSON.
    after_url: String,
    /// The offers that v1 knows.
    v1: Vec<OfferV1>,
}

/// A 402 for one call.
#[derive(Debug)]
pub(crate) struct Asking {
    /// The `PAYMENT-REQUIRED` header.
    pub(crate) header: String,
    /// The members of the body that v1 clients read, without braces; none where there is nothing to offer them.
    pub(crate) v1: Option<String>,
    /// What became of a payment that was refused where it was to be settled: a field and its value.
    pub(crate) refused: Option<(&'static HeaderName, String)>,
}

// === impl Challenge ===

impl Challenge {
    /// The offers stand in the order in which they are to be made.
    pub(crate) fn new(route: &Route, offers: &[Offer]) -> Self {
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
        let accepts = json!(offers);
        let extensions = json!({ PAYMENT_IDENTIFIER: payment_identifier_extension() });
        after_url.push_str(&format!("}},\"accepts\":{accepts},\"extensions\":{extensions}}}"));
        // v1 names no token: on a network where nobody here can tell which one was signed for, there is one to sign for.
        let is_the_one = |(place, offer): &(usize, &Offer)| {
            let is_there = |other: &Offer| other.network == offer.network;
            is_evm(&offer.network) || offers.iter().position(is_there) == Some(*place)
        };
        let known = offers.iter().enumerate().filter(is_the_one);
        let v1 = known.filter_map(|(_, offer)| OfferV1::new(offer, described(route))).collect();
        Self { after_url, v1 }
    }

    /// What a call of `url` is asked for; `reason` is a code where a payment was refused.
    pub(crate) fn asking(&self, url: &str, reason: &str) -> Asking {
        let header = format!(
            "{{\"x402Version\":2,\"error\":{},\"resource\":{{\"url\":{}{}",
            Value::from(reason),
            Value::from(url),
            self.after_url
        );
        let offers: Vec<String> = self.v1.iter().map(|offer| offer.json(url)).collect();
        let v1 =
            (!offers.is_empty()).then(|| format!("\"x402Version\":1,\"accepts\":[{}]", offers.join(",")));
        Asking { header: header::encode(header.as_bytes()), v1, refused: None }
    }
}

/// What v1 is told of a route.
pub(crate) fn described(route: &Route) -> Described<'_> {
    let method = match &route.methods {
        Methods::Any => None,
        Methods::Only(list) => list.first(),
    };
    Described {
        description: &route.description,
        mime_type: &route.mime_type,
        method: method.map_or("GET", String::as_str),
    }
}
