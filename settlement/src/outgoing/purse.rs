//! [`Purse`]: what the treasury has of each token beside what is on its way, for one round: its balance is read once.

use std::collections::HashMap;

use alloy_primitives::{Address, U256};
use ledger::Outgoing;
use tracing::warn;

use super::{Outlet, Shared};
use crate::rail::units;

pub(super) struct Purse<'a> {
    shared: &'a Shared,
    outlet: &'a Outlet,
    /// None where it cannot be read.
    left: HashMap<Address, Option<U256>>,
}

// === impl Purse ===

impl<'a> Purse<'a> {
    pub(super) fn new(shared: &'a Shared, outlet: &'a Outlet) -> Self {
        Self { shared, outlet, left: HashMap::new() }
    }

    /// Takes out what a transfer needs; false where it is not there.
    pub(super) async fn take(&mut self, outgoing: &Outgoing) -> bool {
        let (token, network) = (outgoing.to.token, &self.outlet.network);
        if !self.left.contains_key(&token) {
            let left = self.look(token).await;
            self.left.insert(token, left);
        }
        let Some(Some(left)) = self.left.get_mut(&token) else { return false };
        match left.checked_sub(units(outgoing.amount)) {
            Some(rest) => {
                *left = rest;
                true
            }
            None => {
                warn!(outgoing.id = %outgoing.id, amount = %outgoing.amount, %left, %network,
                    "the treasury does not have what is to leave it; it waits");
                false
            }
        }
    }

    /// What is on its way is summed up first: what lands meanwhile counts twice rather than not at all.
    async fn look(&self, token: Address) -> Option<U256> {
        let Self { shared, outlet, .. } = self;
        let taken = shared.on_its_way(&outlet.network, token);
        match outlet.chain.balance(token, outlet.settler.address()).await {
            Ok(balance) => Some(balance.saturating_sub(taken)),
            Err(error) => {
                warn!(network = %outlet.network, %error, "the treasury's balance cannot be read");
                None
            }
        }
    }
}
