//! [`Journal`]: what the clients of a storm know. A call is acknowledged, refused, or unknown, and unknown may be either.

use std::collections::HashSet;

use tests::{Request, Response};

/// What all clients know together.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// Payments whose receipt a client has read.
    pub(crate) acknowledged: Vec<String>,
    /// Signed requests whose answer never came.
    pub(crate) unknown: Vec<Request>,
}

/// What one call turned out to be.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Captured: the payment's id.
    Charged(String),
    /// Not charged, and it can be sent again.
    Again,
}

// === impl Journal ===

impl Journal {
    /// Adds what one client knows.
    pub(crate) fn merge(&mut self, other: Self) {
        self.acknowledged.extend(other.acknowledged);
        self.unknown.extend(other.unknown);
    }

    /// Fails the test where a payment was acknowledged twice: each was signed once.
    pub(crate) fn expect_distinct(&self) {
        let distinct: HashSet<&String> = self.acknowledged.iter().collect();
        assert_eq!(distinct.len(), self.acknowledged.len(), "one payment was acknowledged for two requests");
    }
}

// === impl Outcome ===

impl Outcome {
    /// Reads an answer to a signed request.
    ///
    /// # Panics
    /// When it is one that this request may not get: a fresh 402, another's outcome.
    pub(crate) fn of(response: &Response) -> Self {
        let receipt = || response.receipt()["extra"]["paymentId"].as_str().expect("a payment id").to_owned();
        match (response.status, response.header("payment-response").is_some()) {
            (200, true) => Self::Charged(receipt()),
            (409, true) => {
                response.expect_refusal(409, "already_delivered");
                Self::Charged(receipt())
            }
            (409, false) => {
                response.expect_refusal(409, "payment_in_progress");
                Self::Again
            }
            (502 | 503, false) => Self::Again,
            _ => panic!("a signed request may not get this: {response:?}\n{}", response.text()),
        }
    }
}
