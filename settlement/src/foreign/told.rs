//! [`Told`]: what the facilitator of a network that is not read here says of itself there, and [`OfferTerms`]: what offers carry by it.

use std::sync::Arc;

use protocol::foreign::is_exact;
use serde_json::{Map, Value};

use crate::facilitator::Supported;

/// Accounts of a facilitator that are known.
const ACCOUNTS_MAX: usize = 256;

/// Bytes of what offers carry for a facilitator, as JSON. It stands in the header of each 402, whatever else is offered there, and many clients
/// and proxies read no more than 8 or 16 KiB of all fields.
const EXTRA_BYTES_MAX: usize = 2 * 1024;

/// What clients must find in an offer, so that the facilitator settles what they sign.
#[derive(Clone, Debug, PartialEq)]
pub struct OfferTerms {
    /// As it stands in offers.
    pub extra: Arc<Map<String, Value>>,
    /// From which the facilitator sends. Where `extra` names one of them, what was signed for another one is settled as well.
    accounts: Vec<String>,
}

/// What it said; nothing before it did.
#[derive(Debug, Default)]
pub(super) struct Told {
    terms: Option<Arc<OfferTerms>>,
}

// === impl OfferTerms ===

impl OfferTerms {
    /// What an offer carried that a client took, where that was one of these terms: it may name another account of the facilitator, which names
    /// one of its own each time that it is asked, whoever asks: us before a restart, or another gateway.
    #[must_use]
    pub fn taken_as(&self, taken: &Map<String, Value>) -> Arc<Map<String, Value>> {
        let mut extra = Arc::clone(&self.extra);
        for (key, ours) in &*self.extra {
            let account = taken.get(key).filter(|theirs| self.is_account(ours) && self.is_account(theirs));
            if let Some(account) = account.filter(|account| *account != ours) {
                Arc::make_mut(&mut extra).insert(key.clone(), account.clone());
            }
        }
        extra
    }

    fn is_account(&self, value: &Value) -> bool {
        value.as_str().is_some_and(|text| self.accounts.iter().any(|account| account == text))
    }
}

// === impl Told ===

impl Told {
    pub(super) fn terms(&self) -> Option<Arc<OfferTerms>> {
        self.terms.clone()
    }

    /// Takes in what it says; whether offers, or what is judged by them, change. The account that they name they go on naming for as long as it
    /// is the facilitator's: clients have the first one.
    pub(super) fn hear(&mut self, supported: &Supported, network: &str) -> bool {
        let accounts = supported.accounts_of(network, ACCOUNTS_MAX);
        let heard = supported.extra_of_exact(network).filter(|extra| fits(extra, network));
        let heard = heard.map(|extra| Arc::new(OfferTerms { extra: Arc::new(extra), accounts }));
        let next = match (&self.terms, heard) {
            (Some(then), Some(now)) if now.taken_as(&then.extra) == then.extra => {
                Some(Arc::new(OfferTerms { extra: Arc::clone(&then.extra), accounts: now.accounts.clone() }))
            }
            (_, heard) => heard,
        };
        let has_changed = self.terms != next;
        self.terms = next;
        has_changed
    }
}

/// Whether offers can carry it. Clients send it back, and a number that is not kept as it was written is another one then.
fn fits(extra: &Map<String, Value>, network: &str) -> bool {
    let is_short = serde_json::to_string(extra).is_ok_and(|text| text.len() <= EXTRA_BYTES_MAX);
    let fits = is_short && extra.values().all(is_exact);
    if !fits {
        tracing::error!(
            network,
            is_short,
            "what the facilitator wants in offers is too long, or has a number that is no integer: none are made"
        );
    }
    fits
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SOLANA: &str = "solana:devnet";

    fn supported(account: &str, signers: &[&str]) -> Supported {
        serde_json::from_value(json!({
            "kinds": [{
                "x402Version": 2, "scheme": "exact", "network": SOLANA,
                "extra": { "feePayer": account, "memo": "m" }
            }],
            "signers": { "solana:*": signers },
        }))
        .unwrap()
    }

    #[test]
    fn the_account_that_offers_name_is_kept_for_as_long_as_it_is_the_facilitators() {
        let mut told = Told::default();
        assert!(told.hear(&supported("a", &["a", "b"]), SOLANA));
        assert!(!told.hear(&supported("b", &["b", "a"]), SOLANA));
        assert_eq!(told.terms().unwrap().extra["feePayer"], "a");
        assert!(told.hear(&supported("b", &["b"]), SOLANA));
        assert_eq!(told.terms().unwrap().extra["feePayer"], "b");
        assert!(told.hear(&supported("b", &["a", "b"]), SOLANA), "more may be signed for");
        assert_eq!(told.terms().unwrap().extra["feePayer"], "b");
        assert!(told.hear(&Supported::default(), SOLANA) && told.terms().is_none());
    }

    #[test]
    fn what_is_too_long_for_offers_or_has_inexact_numbers_is_as_if_nothing_was_said() {
        let says = |extra: Value| -> Supported {
            let kind = json!({ "x402Version": 2, "scheme": "exact", "network": SOLANA, "extra": extra });
            serde_json::from_value(json!({ "kinds": [kind] })).unwrap()
        };
        let mut told = Told::default();
        let long = |letters: usize| json!({ "a": "a".repeat(letters) });
        let unfit = [long(EXTRA_BYTES_MAX), json!({ "a": 0.1 }), json!({ "a": [{ "b": 1e3 }] })];
        for extra in unfit {
            assert!(told.hear(&says(long(EXTRA_BYTES_MAX - 8)), SOLANA) && told.terms().is_some());
            assert!(told.hear(&says(extra.clone()), SOLANA) && told.terms().is_none(), "{extra}");
        }
        assert!(told.hear(&says(json!({ "a": [-1, { "b": 7 }] })), SOLANA) && told.terms().is_some());
    }

    #[test]
    fn what_was_signed_for_another_account_of_the_facilitator_is_for_these_terms_and_nothing_else_is() {
        let mut told = Told::default();
        told.hear(&supported("a", &["a", "b"]), SOLANA);
        let terms = told.terms().unwrap();
        let taken = |extra: Value| terms.taken_as(extra.as_object().unwrap());
        assert_eq!(taken(json!({ "feePayer": "b", "memo": "m" }))["feePayer"], "b");
        for other in [json!({ "feePayer": "c" }), json!({ "feePayer": 7 }), json!({ "memo": "b" }), json!({})]
        {
            assert_eq!(taken(other.clone()), terms.extra, "{other}");
        }
    }
}
