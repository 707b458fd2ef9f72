//! Signing an offer by Permit2.

use alloy_primitives::U256;
use domain::{Address, B256, UnixMillis};
use serde_json::{Value, json};

use super::{SignError, chain_id};
use crate::offer::{FACILITATOR, Offer, PERMIT2_METHOD, SCHEME_EXACT, SCHEME_UPTO, TRANSFER_METHOD};
use crate::permit::{EXACT_PROXY, Permit, PermitDomain, UPTO_PROXY, Witness};
use crate::signature::SigningKey;
use crate::wire;

/// Who moves the money by the permit that an offer wants, and who alone may have it done.
pub(super) fn spender(offer: &Offer) -> Result<(Address, Option<Address>), SignError> {
    let method = offer.extra.get(TRANSFER_METHOD).and_then(Value::as_str);
    match (&*offer.scheme, method) {
        (SCHEME_EXACT, Some(PERMIT2_METHOD)) => Ok((EXACT_PROXY, None)),
        (SCHEME_UPTO, _) => {
            let named = offer.extra.get(FACILITATOR).and_then(Value::as_str).and_then(wire::address);
            Ok((UPTO_PROXY, Some(named.ok_or(SignError::Field("extra.facilitatorAddress"))?)))
        }
        (scheme, method) => Err(SignError::Unsupported(format!("{scheme} / {}", method.unwrap_or_default()))),
    }
}

/// What the key would sign for an offer.
pub(super) fn permit(
    key: &SigningKey,
    offer: &Offer,
    nonce: B256,
    at: UnixMillis,
) -> Result<Permit, SignError> {
    let (spender, facilitator) = spender(offer)?;
    let seconds = u64::try_from(at.seconds()).unwrap_or(0);
    let to = wire::address(&offer.pay_to).ok_or(SignError::Field("payTo"))?;
    Ok(Permit {
        from: key.address(),
        token: wire::address(&offer.asset).ok_or(SignError::Field("asset"))?,
        amount: wire::number(&offer.amount).ok_or(SignError::Field("amount"))?,
        spender,
        nonce: nonce.into(),
        deadline: U256::from(seconds.saturating_add(offer.max_timeout_seconds)),
        witness: Witness { to, valid_after: U256::ZERO, facilitator },
    })
}

/// What it is signed over.
pub(super) fn domain(offer: &Offer) -> Result<PermitDomain, SignError> {
    Ok(PermitDomain::new(chain_id(offer)?))
}

/// A permit and its signature as they stand in a payment.
pub(super) fn payload_json(permit: &Permit, signature: &[u8]) -> Value {
    let Permit { from, token, amount, spender, nonce, deadline, witness } = permit;
    let mut witnessed =
        json!({ "to": witness.to.to_checksum(None), "validAfter": witness.valid_after.to_string() });
    if let Some(facilitator) = witness.facilitator {
        witnessed["facilitator"] = Value::from(facilitator.to_checksum(None));
    }
    json!({
        "signature": alloy_primitives::hex::encode_prefixed(signature),
        "permit2Authorization": {
            "from": from.to_checksum(None),
            "permitted": { "token": token.to_checksum(None), "amount": amount.to_string() },
            "spender": spender.to_checksum(None),
            "nonce": nonce.to_string(),
            "deadline": deadline.to_string(),
            "witness": witnessed,
        },
    })
}
