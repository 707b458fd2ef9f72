//! [`Settlers`]: who may settle payments of `upto`. Their payers sign the address of one facilitator, and nobody else can move their
//! value.

use std::sync::Arc;

use domain::{Address, UnixMillis};

/// Addresses that a payment of `upto` may name, the one that offers name first; none where nobody settles such payments.
pub type Settlers = Arc<[Address]>;

/// For how long what a facilitator says of itself is believed, and how soon one that said nothing is asked again.
const STANDS_MS: i64 = 60_000;
const AGAIN_MS: i64 = 5_000;

/// What one facilitator says of itself.
#[derive(Debug, Default)]
pub(super) struct Told {
    addresses: Vec<Address>,
    next: Option<UnixMillis>,
}

// === impl Told ===

impl Told {
    /// Whether it is to be asked now.
    pub(super) fn is_due(&self, now: UnixMillis) -> bool {
        self.next.is_none_or(|next| now >= next)
    }

    /// What it said; none where it gave no answer, and then what it said before stands. Whom offers name already, they go on naming.
    pub(super) fn hear(&mut self, heard: Option<Vec<Address>>, now: UnixMillis) {
        self.next = Some(now.plus(if heard.is_some() { STANDS_MS } else { AGAIN_MS }));
        let Some(mut heard) = heard else { return };
        let named = self.addresses.first().and_then(|named| heard.iter().position(|one| one == named));
        if let Some(place) = named {
            heard[..=place].rotate_right(1);
        }
        self.addresses = heard;
    }

    pub(super) fn addresses(&self) -> &[Address] {
        &self.addresses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_offers_name_is_kept_for_as_long_as_the_facilitator_has_it() {
        let [one, two, three] = [1, 2, 3].map(Address::repeat_byte);
        let mut told = Told::default();
        assert!(told.is_due(UnixMillis(0)));
        told.hear(Some(vec![one, two]), UnixMillis(0));
        told.hear(Some(vec![three, two, one]), UnixMillis(0));
        assert_eq!(told.addresses(), [one, three, two]);
        told.hear(None, UnixMillis(0));
        assert_eq!(told.addresses(), [one, three, two], "who is not there for a moment settles later");
        assert!(!told.is_due(UnixMillis(AGAIN_MS - 1)) && told.is_due(UnixMillis(AGAIN_MS)));
        told.hear(Some(vec![two, three]), UnixMillis(0));
        assert_eq!(told.addresses(), [two, three]);
        assert!(!told.is_due(UnixMillis(STANDS_MS - 1)));
    }
}
