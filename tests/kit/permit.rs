//! What a [`Payer`] signs for Permit2 and one of x402's proxies, in place of an EIP-3009 authorization.

use protocol::permit::{EXACT_PROXY, Permit, PermitDomain, UPTO_PROXY, Witness};
use serde_json::{Value, json};

use crate::chain::usdc;
use crate::payer::{Payer, hex};

// === impl Payer ===

impl Payer {
    /// What an offer by Permit2 wants signed, valid until `deadline`, in Unix seconds. `nonce` is 32 bytes.
    #[must_use]
    pub(crate) fn permit(&self, offer: &Value, deadline: u64, nonce: &str) -> Value {
        let is_upto = offer["scheme"] == "upto";
        let mut witness = json!({ "to": offer["payTo"], "validAfter": "0" });
        if is_upto {
            witness["facilitator"] = offer["extra"]["facilitatorAddress"].clone();
        }
        json!({
            "from": self.address().to_checksum(None),
            "permitted": { "token": offer["asset"], "amount": offer["amount"] },
            "spender": if is_upto { UPTO_PROXY } else { EXACT_PROXY }.to_checksum(None),
            "nonce": nonce,
            "deadline": deadline.to_string(),
            "witness": witness,
        })
    }

    /// The signature of a permit as it stands.
    pub(crate) fn sign_permit(&self, permit: &Value) -> String {
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("a text: {value}")).to_owned();
        let (permitted, witness) = (&permit["permitted"], &permit["witness"]);
        let facilitator =
            witness.get("facilitator").map(|address| text(address).parse().expect("an address"));
        let permit = Permit {
            from: text(&permit["from"]).parse().expect("an address"),
            token: text(&permitted["token"]).parse().expect("an address"),
            amount: text(&permitted["amount"]).parse().expect("a number"),
            spender: text(&permit["spender"]).parse().expect("an address"),
            nonce: text(&permit["nonce"]).parse().expect("a number"),
            deadline: text(&permit["deadline"]).parse().expect("a number"),
            witness: Witness {
                to: text(&witness["to"]).parse().expect("an address"),
                valid_after: text(&witness["validAfter"]).parse().expect("a number"),
                facilitator,
            },
        };
        hex(&self.sign_digest(PermitDomain::new(usdc().chain_id).digest(&permit)))
    }
}
