//! What the books are to be told of a payment that moved: where its transaction does not say that it is this one, for how many that are alike
//! it can be booked.

use domain::{Amount, B256};
use ledger::{Alike, Moved, Share};
use protocol::transfer::Transfer;

use super::{Rail, units};
use crate::chain::{Chain, RpcError};
use crate::signed::Signed;

// === impl Rail ===

impl Rail {
    /// Of a payment of which so much moved in this transaction. Where that cannot be read now, it is booked for one at most: more come to be
    /// known once it can.
    pub async fn moved(&self, signed: &Signed, value: Amount, transaction: B256) -> Moved {
        let share = match self.line(&signed.network) {
            Ok(line) => share(line.chain(), signed, value, transaction).await,
            Err(_) => Ok(alike(signed, value, transaction).map(|alike| Share { alike, one_of: 1 })),
        };
        let share = share.unwrap_or_else(|error| {
            tracing::debug!(%transaction, %error, "how many payments a transaction shows cannot be read");
            alike(signed, value, transaction).map(|alike| Share { alike, one_of: 1 })
        });
        Moved { transaction: transaction.into(), share }
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
    let shown = chain.permits_in(signed.token, (permit, units(value)), transaction).await?;
    let one_of = shown.and_then(|shown| u32::try_from(shown).ok()).unwrap_or_default().max(1);
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
