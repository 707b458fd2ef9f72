//! What the books are to be told of a payment that moved: where its transaction does not say that it is this one, for how many that are alike
//! it can be booked.

use std::time::Duration;

use domain::{Amount, B256};
use ledger::{Alike, Moved, Share};
use protocol::transfer::Transfer;

use super::{Rail, RailError, units};
use crate::chain::{Chain, RpcError, UNSHOWN};
use crate::signed::Signed;

/// How often a transaction is asked for that a node does not show, and the pause between two times: one that lags behind the node which showed
/// it knows it a moment later.
const TRIES: usize = 4;
const PAUSE: Duration = Duration::from_millis(250);

// === impl Rail ===

impl Rail {
    /// Of a payment of which so much moved in this transaction, as a settler says. Where that cannot be read now, it is booked for one at most:
    /// more come to be known once it can.
    pub async fn moved(&self, signed: &Signed, value: Amount, transaction: B256) -> Moved {
        let mut tries = 1;
        loop {
            match self.counted(signed, value, transaction).await {
                Ok(moved) => return moved,
                Err(RailError::Nodes(UNSHOWN)) if tries < TRIES => {
                    tries += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => {
                    tracing::debug!(%transaction, %error, "how many payments a transaction shows cannot be read");
                    let share = alike(signed, value, transaction).map(|alike| Share { alike, one_of: 1 });
                    return Moved { transaction: transaction.into(), share };
                }
            }
        }
    }

    /// The same as the chain shows it. What cannot be read says nothing: taken for less than there is, it would leave a payment unbooked that
    /// has moved.
    pub(crate) async fn counted(
        &self,
        signed: &Signed,
        value: Amount,
        transaction: B256,
    ) -> Result<Moved, RailError> {
        let share = share(self.line(&signed.network)?.chain(), signed, value, transaction).await?;
        Ok(Moved { transaction: transaction.into(), share })
    }
}

/// For how many payments a transaction can be booked that moved so much of this one; none where it says that it did.
pub(crate) async fn share(
    chain: &Chain,
    signed: &Signed,
    value: Amount,
    transaction: B256,
) -> Result<Option<Share>, RpcError> {
    let (Some(alike), Transfer::Permit(permit)) = (alike(signed, value, transaction), signed.transfer())
    else {
        return Ok(None);
    };
    let shown = chain.permits_in(signed.token, permit, units(value), transaction).await?;
    let one_of = u32::try_from(shown).unwrap_or(u32::MAX).max(1);
    Ok(Some(Share { alike, one_of }))
}

fn alike(signed: &Signed, value: Amount, transaction: B256) -> Option<Alike> {
    signed.is_permit().then(|| Alike {
        network: signed.network.clone(),
        transaction: transaction.into(),
        token: signed.token.into(),
        payer: signed.payer().into(),
        pay_to: signed.transfer().to().into(),
        value,
    })
}
