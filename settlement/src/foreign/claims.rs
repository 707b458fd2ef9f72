//! [`Claims`]: which payment a transaction was named for, while that may not be on disk yet.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use domain::{PaymentId, TransactionId};

/// Transactions that are remembered.
const CLAIMS_MAX: usize = 65_536;

/// A transaction on its network, CAIP-2.
type Named = (Arc<str>, TransactionId);

/// Which payment a transaction was first named for, in this process.
#[derive(Default)]
pub(super) struct Claims {
    owners: HashMap<Named, PaymentId>,
    transactions: HashMap<PaymentId, TransactionId>,
    /// The oldest first.
    order: VecDeque<Named>,
}

// === impl Claims ===

impl Claims {
    /// Whose the transaction is: this payment's where nobody else named it before.
    pub(super) fn claim(&mut self, named: Named, payment: PaymentId) -> PaymentId {
        if let Some(owner) = self.owners.get(&named) {
            return *owner;
        }
        if self.order.len() >= CLAIMS_MAX
            && let Some(oldest) = self.order.pop_front()
            && let Some(owner) = self.owners.remove(&oldest)
        {
            self.transactions.remove(&owner);
        }
        self.order.push_back(named.clone());
        self.transactions.insert(payment, named.1);
        self.owners.insert(named, payment);
        payment
    }

    /// It was another payment's before, on disk.
    pub(super) fn correct(&mut self, named: &Named, payment: PaymentId, owner: PaymentId) {
        if let Some(claimed) = self.owners.get_mut(named) {
            *claimed = owner;
        }
        if self.transactions.get(&payment) == Some(&named.1) {
            self.transactions.remove(&payment);
        }
    }

    /// Which transaction a payment has.
    pub(super) fn of(&self, payment: PaymentId) -> Option<TransactionId> {
        self.transactions.get(&payment).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_is_whose_it_was_first_and_a_payment_knows_its_own() {
        let named = |text: &str| ("solana:devnet".into(), TransactionId::Named(text.parse().unwrap()));
        let (one, other) = (PaymentId::from_bytes([1; 16]), PaymentId::from_bytes([2; 16]));
        let mut claims = Claims::default();
        assert_eq!((claims.claim(named("a"), one), claims.claim(named("a"), other)), (one, one));
        assert_eq!((claims.of(one), claims.of(other)), (Some(named("a").1), None));
        // Long ago it had paid for the other one.
        claims.correct(&named("a"), one, other);
        assert_eq!((claims.of(one), claims.claim(named("a"), one)), (None, other));
        for number in 0..CLAIMS_MAX {
            claims.claim(named(&number.to_string()), other);
        }
        assert_eq!(claims.claim(named("a"), one), one, "it was forgotten");
        assert!(claims.order.len() == CLAIMS_MAX && claims.transactions.len() <= CLAIMS_MAX);
    }
}
