//! [`Views`]: how much each client address asks for under the reserved prefix. It is free, so that it is bounded.

use std::net::IpAddr;

use dashmap::DashMap;
use domain::internet::customer;

/// Addresses that are counted at once; older minutes are let go first.
const ADDRESSES_MAX: usize = 50_000;

/// Answers of this minute, by whose address asks.
pub(crate) struct Views {
    /// The minute and how many were given in it.
    given: DashMap<IpAddr, (i64, u32)>,
    /// The most of one address in a minute.
    most: u32,
}

// === impl Views ===

impl Views {
    pub(crate) fn new(most: u32) -> Self {
        Self { given: DashMap::new(), most }
    }

    /// Counts one more. Whether it may be given.
    pub(crate) fn count(&self, client: IpAddr, minute: i64) -> bool {
        if self.given.len() >= ADDRESSES_MAX {
            self.given.retain(|_, (counted, _)| *counted == minute);
        }
        let mut entry = self.given.entry(customer(client)).or_insert((minute, 0));
        if entry.0 != minute {
            *entry = (minute, 0);
        }
        entry.1 = entry.1.saturating_add(1);
        entry.1 <= self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gets_so_many_in_a_minute_and_all_of_a_customer_s_are_one() {
        let views = Views::new(2);
        let count = |address: &str, minute| views.count(address.parse().unwrap(), minute);
        assert!(count("2001:db8::1", 7) && count("2001:db8::2", 7));
        assert!(!count("2001:db8::3", 7));
        assert!(count("2001:db8:0:1::1", 7) && count("192.0.2.1", 7));
        assert!(count("2001:db8::3", 8));
    }
}
