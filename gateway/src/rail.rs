//! [`PublicRail`]: what the gateway asks of public networks, and [`Public`]: what it risks there.
//!
//! What one payer has open is counted in [`exposure`], what is being asked about in [`verifying`]; [`signed_hold`] settles, and writes down what
//! came of it.

pub(crate) mod exposure;
pub(crate) mod signed_hold;
pub(crate) mod verifying;

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use async_trait::async_trait;
use domain::{Address, Amount, B256, PaymentId};
use ledger::Moved;
use settlement::rail::{ContractSignature, Funds, Known, Purse, Settlers, Validity};
use settlement::{Foreign, Rail, RailError, Settling, Signed};
use tokio::sync::watch;

use crate::rail::exposure::Exposure;
use crate::rail::verifying::Verifying;
use crate::rate::Strangers;

/// Public networks, as a request needs them.
#[async_trait]
pub trait PublicRail: Send + Sync {
    /// Whether a payment of this payer could be settled there now. Asks nobody.
    ///
    /// # Errors
    /// Why not.
    fn ready(&self, network: &str, payer: Address) -> Result<(), RailError>;

    /// Whether a payer paid all that it was served for. Whoever did not is served only after it has paid.
    fn is_trusted(&self, payer: Address) -> bool;

    /// A block that is older than any settlement from now on; none before the network was first read.
    fn last_block(&self, network: &str) -> Option<u64>;

    /// Who may settle payments of `upto` there, as far as is known; none where nobody does.
    fn settlers(&self, network: &str) -> Settlers;

    /// Sees each change of who may.
    fn changes(&self) -> watch::Receiver<u64>;

    /// Whether a payment's payer is a contract that signed it. Asked often, it answers from what it knows, or not at all.
    ///
    /// # Errors
    /// The network cannot be read, or was asked too often.
    async fn validate(&self, signature: ContractSignature<'_>) -> Result<Validity, RailError>;

    /// What is known of a purse that `amount` is to come out of. Asks nobody.
    fn known(&self, purse: &Purse, amount: Amount) -> Known;

    /// What is in it to pay `amount` with.
    ///
    /// # Errors
    /// The network cannot be read.
    async fn funds(&self, purse: &Purse, amount: Amount) -> Result<Funds, RailError>;

    /// Has so much of a payment settled. Whoever gives up waiting knows nothing.
    async fn settle(&self, payment: PaymentId, signed: &Signed, amount: Amount) -> Settling;

    /// What the books are to be told of so much of it that moved in a transaction.
    async fn moved(&self, signed: &Signed, amount: Amount, transaction: B256) -> Moved;
}

/// Public networks on which payments are taken, and how much of them may be open.
#[derive(Clone)]
pub struct PublicNetworks {
    /// Who knows the chains.
    pub rail: Arc<dyn PublicRail>,
    /// The most that one payer may have verified and not settled yet, by network (CAIP-2). None is taken where nothing is said.
    pub payer_unsettled_max: HashMap<Arc<str>, Amount>,
    /// The non-EVM networks; none where there are none.
    pub foreign: Option<Foreign>,
}

/// [`PublicNetworks`] in use, with what is counted there.
pub(crate) struct Public {
    pub(crate) networks: PublicNetworks,
    pub(crate) exposure: Exposure,
    pub(crate) strangers: Strangers,
    pub(crate) verifying: Verifying,
}

// === impl Rail ===

#[async_trait]
impl PublicRail for Rail {
    fn ready(&self, network: &str, payer: Address) -> Result<(), RailError> {
        Self::ready(self, network, payer)
    }

    fn is_trusted(&self, payer: Address) -> bool {
        Self::is_trusted(self, payer)
    }

    fn last_block(&self, network: &str) -> Option<u64> {
        Self::last_block(self, network)
    }

    fn settlers(&self, network: &str) -> Settlers {
        Self::settlers(self, network)
    }

    fn changes(&self) -> watch::Receiver<u64> {
        Self::changes(self)
    }

    async fn validate(&self, signature: ContractSignature<'_>) -> Result<Validity, RailError> {
        Self::validate(self, signature).await
    }

    fn known(&self, purse: &Purse, amount: Amount) -> Known {
        Self::known(self, purse, amount)
    }

    async fn funds(&self, purse: &Purse, amount: Amount) -> Result<Funds, RailError> {
        Self::funds(self, purse, amount).await
    }

    async fn settle(&self, payment: PaymentId, signed: &Signed, amount: Amount) -> Settling {
        Self::settle(self, payment, signed, amount).await
    }

    async fn moved(&self, signed: &Signed, amount: Amount, transaction: B256) -> Moved {
        Self::moved(self, signed, amount, transaction).await
    }
}

// === impl Public ===

impl Public {
    /// So many clients may stand behind an address.
    pub(crate) fn new(networks: PublicNetworks, clients_per_address: NonZeroU32) -> Self {
        let (exposure, strangers) = (Exposure::default(), Strangers::new(clients_per_address));
        Self { networks, exposure, strangers, verifying: Verifying::default() }
    }

    /// The most that one payer may have open on a network.
    pub(crate) fn unsettled_max(&self, network: &str) -> Amount {
        self.networks.payer_unsettled_max.get(network).copied().unwrap_or(Amount::ZERO)
    }
}
