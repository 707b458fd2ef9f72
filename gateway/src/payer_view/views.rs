//! [`Views`]: how much each client address asks for under the reserved prefix. It is free, so that it is bounded.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicI64, Ordering};

use dashmap::DashMap;
use domain::internet::customer;

/// Addresses that are counted at once; older minutes are let go first. Those that find no place are counted together.
const ADDRESSES_MAX: usize = 50_000;

/// As whom.
const OTHERS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Answers of this minute, by whose address asks.
pub(crate) struct Views {
    /// The minute and how many were given in it.
    given: DashMap<IpAddr, (i64, u32)>,
    /// The most of one address in a minute.
    most: u32,
    /// The last minute in which older ones were let go: all of them are looked at for that.
    cleared: AtomicI64,
}

// === impl Views ===

impl Views {
    pub(crate) fn new(most: u32) -> Self {
        Self { given: DashMap::new(), most, cleared: AtomicI64::new(i64::MIN) }
    }

    /// Counts one more. Whether it may be given.
    pub(crate) fn count(&self, client: IpAddr, minute: i64) -> bool {
        let mut client = customer(client);
        if self.given.len() >= ADDRESSES_MAX {
            if self.cleared.swap(minute, Ordering::Relaxed) != minute {
                self.given.retain(|_, (counted, _)| *counted == minute);
            }
            if self.given.len() >= ADDRESSES_MAX && !self.given.contains_key(&client) {
                client = OTHERS;
            }
        }
        let mut entry = self.given.entry(client).or_insert((minute, 0));
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

    #[test]
    fn addresses_that_find_no_place_are_counted_together_until_the_next_minute() {
        let views = Views::new(2);
        let address = |number: usize| IpAddr::V4(u32::try_from(number).unwrap().to_be_bytes().into());
        for number in 1..=ADDRESSES_MAX {
            assert!(views.count(address(number), 7));
        }
        let late = [1, 2, 3].map(|number| views.count(address(ADDRESSES_MAX + number), 7));
        assert_eq!((late, views.given.len()), ([true, true, false], ADDRESSES_MAX + 1));
        assert!(views.count(address(1), 7), "it has its place");
        assert!(views.count(address(ADDRESSES_MAX + 3), 8));
        assert_eq!(views.given.len(), 1);
    }
}
