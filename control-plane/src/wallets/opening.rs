//! The ledger opens the wallets that the registry has: right after they are made, or, where that broke off, as soon as somebody asks
//! for one, and every so often ([`crate::upkeep`]). Opening is the same twice.

use domain::WalletId;
use ledger::{Ledger, LedgerError};
use registry::{Registry, RegistryError, Wallet};
use thiserror::Error;

use crate::control::ControlState;

/// Wallets looked up at once.
const WALLETS_MAX: u32 = 100;

/// Why a wallet was not opened. It stays in the registry, and is opened later.
#[derive(Debug, Error)]
pub(crate) enum OpeningError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// Opens a wallet where it is not known to be open.
pub(super) async fn ensure(state: &ControlState, wallet: &Wallet) -> Result<(), OpeningError> {
    if wallet.opened { Ok(()) } else { open(&state.ledger, &state.registry, wallet.id).await }
}

/// Opens a wallet that was made just now. It is made in any case: a ledger that cannot open it now does so later.
pub(crate) async fn open_new(state: &ControlState, id: WalletId) {
    if let Err(error) = open(&state.ledger, &state.registry, id).await {
        tracing::warn!(wallet.id = %id, %error, "a new wallet could not be opened yet");
    }
}

/// Opens what is not open yet; how many there were.
pub(crate) async fn open_all(ledger: &Ledger, registry: &Registry) -> Result<usize, OpeningError> {
    let mut opened = 0;
    loop {
        let wallets = registry.unopened_wallets(WALLETS_MAX).await?;
        if wallets.is_empty() {
            return Ok(opened);
        }
        for id in wallets {
            open(ledger, registry, id).await?;
            opened += 1;
        }
    }
}

async fn open(ledger: &Ledger, registry: &Registry, id: WalletId) -> Result<(), OpeningError> {
    ledger.create_wallet(id).await?;
    Ok(registry.set_wallet_opened(id).await?)
}
