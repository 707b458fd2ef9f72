//! [`Customers`]: what each client address has open here: connections, and requests on them. One has an eighth of what there is for all, and
//! as many eighths as clients may stand behind an address: whoever floods takes nobody else's place (case A4).
//!
//! It is looked up once a connection, under a lock that nobody waits in; a request only counts up and down where its connection's customer is.
//! Next: [`crate::connection::listener`], which lets connections in, and [`crate::proxy::decision`], which refuses requests.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use domain::internet::customer;
use parking_lot::Mutex;
use registry::config::Limits;

/// One address has such a part of what there is.
const SHARE: usize = 8;

/// What its requests that are one too many count as in metrics.
pub(crate) const SCOPE: &str = "address";

/// Between two lines in the log.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Who has something open; nobody else is in it.
#[derive(Debug)]
pub(crate) struct Customers {
    /// The most of one customer.
    connections_max: usize,
    requests_max: usize,
    present: Mutex<HashMap<IpAddr, Arc<Customer>>>,
    /// When it was last said in the log that one has its share of connections.
    told: Mutex<Option<Instant>>,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Customer {
    address: IpAddr,
    all: Arc<Customers>,
    connections: AtomicUsize,
    requests: AtomicUsize,
}

/// An open connection of somebody, until it is dropped.
#[derive(Debug)]
pub(crate) struct Connected(Arc<Customer>);

/// A request of somebody, until it is dropped.
#[derive(Debug)]
pub(crate) struct Requesting {
    customer: Arc<Customer>,
    is_one_too_many: bool,
}

// === impl Customers ===

impl Customers {
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        let clients = usize::try_from(limits.clients_per_address.get()).unwrap_or(SHARE);
        // Who may have all of it is told no with everybody.
        let share = |all: usize| {
            if clients < SHARE { all.saturating_mul(clients).div_ceil(SHARE) } else { usize::MAX }
        };
        Arc::new(Self {
            connections_max: share(limits.connections_max),
            requests_max: share(limits.requests_in_flight_max),
            present: Mutex::default(),
            told: Mutex::default(),
        })
    }

    /// A connection from this address; none where it has its share already.
    pub(crate) fn connect(self: &Arc<Self>, address: IpAddr) -> Option<Connected> {
        let address = customer(address);
        let mut present = self.present.lock();
        let entry = present.entry(address).or_insert_with(|| {
            let (connections, requests) = (AtomicUsize::new(0), AtomicUsize::new(0));
            Arc::new(Customer { address, all: Arc::clone(self), connections, requests })
        });
        // Changed under the lock alone.
        if entry.connections.load(Ordering::Relaxed) >= self.connections_max {
            drop(present);
            self.tell(address);
            return None;
        }
        entry.connections.fetch_add(1, Ordering::Relaxed);
        Some(Connected(Arc::clone(entry)))
    }

    /// Says once a minute whose connections are refused: it may be a balancer, behind which everybody is.
    fn tell(&self, address: IpAddr) {
        let mut told = self.told.lock();
        if told.is_some_and(|at| at.elapsed() < TELL_EVERY) {
            return;
        }
        *told = Some(Instant::now());
        tracing::warn!(
            client.address = %address,
            connections = self.connections_max,
            "an address has its share of connections, more are closed; behind a balancer set clients_per_address"
        );
    }
}

// === impl Customer ===

impl Customer {
    /// A request begins.
    pub(crate) fn request(self: &Arc<Self>) -> Requesting {
        let before = self.requests.fetch_add(1, Ordering::AcqRel);
        Requesting { customer: Arc::clone(self), is_one_too_many: before >= self.all.requests_max }
    }

    /// Forgets a customer that has nothing open any more. Requests may outlive their connection.
    fn forget_if_gone(&self, present: &mut HashMap<IpAddr, Arc<Self>>) {
        let is_gone =
            self.connections.load(Ordering::Relaxed) == 0 && self.requests.load(Ordering::Acquire) == 0;
        let is_this = |known: &Arc<Self>| std::ptr::eq(Arc::as_ptr(known), self);
        if is_gone && present.get(&self.address).is_some_and(is_this) {
            present.remove(&self.address);
        }
    }
}

// === impl Connected ===

impl Connected {
    pub(crate) const fn customer(&self) -> &Arc<Customer> {
        &self.0
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        let mut present = self.0.all.present.lock();
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
        self.0.forget_if_gone(&mut present);
    }
}

// === impl Requesting ===

impl Requesting {
    /// Whether its customer had its share before.
    pub(crate) const fn is_one_too_many(&self) -> bool {
        self.is_one_too_many
    }
}

impl Drop for Requesting {
    fn drop(&mut self) {
        let left = self.customer.requests.fetch_sub(1, Ordering::AcqRel);
        // The lock is for the last one of a customer whose connections are gone.
        if left == 1 && self.customer.connections.load(Ordering::Relaxed) == 0 {
            self.customer.forget_if_gone(&mut self.customer.all.present.lock());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn customers(all: usize, clients: u32) -> Arc<Customers> {
        let clients_per_address = NonZeroU32::new(clients).unwrap();
        let limits = Limits {
            connections_max: all,
            requests_in_flight_max: all,
            clients_per_address,
            ..Limits::default()
        };
        Customers::new(&limits)
    }

    fn connect(customers: &Arc<Customers>, address: &str) -> Option<Connected> {
        customers.connect(address.parse().unwrap())
    }

    #[test]
    fn a4_an_address_has_an_eighth_of_the_connections_and_as_many_as_clients_stand_behind_it() {
        for (clients, share) in [(1, 2), (3, 6), (100, 16)] {
            let customers = customers(16, clients);
            // Of IPv6 a customer has all of these.
            let home = |number: usize| connect(&customers, &format!("2001:db8::{number:x}"));
            let open: Vec<Connected> = (0..16).map_while(home).collect();
            assert_eq!(open.len(), share);
            assert!(connect(&customers, "192.0.2.1").is_some());
        }
        assert!(connect(&customers(3, 1), "192.0.2.1").is_some(), "where there are few, it is one");
    }

    #[test]
    fn a4_an_address_has_an_eighth_of_the_requests_over_all_of_its_connections() {
        let customers = customers(16, 1);
        let connections =
            [connect(&customers, "192.0.2.1").unwrap(), connect(&customers, "192.0.2.1").unwrap()];
        let other = connect(&customers, "192.0.2.2").unwrap();
        let requests = connections.each_ref().map(|connection| connection.customer().request());
        assert!(requests.iter().all(|request| !request.is_one_too_many()));
        assert!(connections[0].customer().request().is_one_too_many());
        assert!(!other.customer().request().is_one_too_many());
        drop(requests);
        assert!(!connections[1].customer().request().is_one_too_many());
    }

    #[test]
    fn a_customer_is_known_for_as_long_as_anything_of_it_is_open() {
        let customers = customers(16, 1);
        let count = || customers.present.lock().len();
        let connection = connect(&customers, "192.0.2.1").unwrap();
        let request = connection.customer().request();
        drop(connection);
        assert_eq!(count(), 1, "a request that outlives its connection");
        let again = connect(&customers, "192.0.2.1").unwrap();
        assert_eq!(
            again.customer().requests.load(Ordering::Acquire),
            1,
            "and counts with what comes after it"
        );
        drop(again);
        assert_eq!(count(), 1);
        drop(request);
        assert_eq!(count(), 0);
    }
}
