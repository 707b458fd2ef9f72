//! Payments of wallets that are contracts: signed by an owner's key, and wrapped where the contract is still to be made (ERC-6492).

use domain::Address;
use serde_json::json;

use crate::payer::{Payer, Payment};

/// Ends what is wrapped.
const SUFFIX: [u8; 2] = [0x64, 0x92];

// === impl Payment ===

impl Payment {
    /// The same out of a wallet, by its owner's key. Behind the key's 65 bytes stand others, which mean nothing to the wallet.
    #[must_use]
    pub fn out_of(self, wallet: Address, owner: &Payer, others: &[u8]) -> Self {
        let by_permit = self.payload["payload"].get("permit2Authorization").is_some();
        let signed = if by_permit { "permit2Authorization" } else { "authorization" };
        let from = json!(wallet.to_checksum(None));
        let payment = self.signed_with(owner, &format!("/payload/{signed}/from"), from);
        let bytes = [payment.signature(), others.to_vec()].concat();
        payment.with_signature(&bytes)
    }

    /// The same of a wallet that this factory makes when it is called so.
    #[must_use]
    pub fn to_be_made(self, factory: Address, call: &[u8]) -> Self {
        let signature = self.signature();
        let (call, after) = (sized(call), sized(&signature));
        let second = 96 + call.len();
        let mut bytes = [[0; 12].as_slice(), factory.as_slice(), &word(96), &word(second)].concat();
        bytes.extend([call, after].concat());
        bytes.extend(SUFFIX.repeat(16));
        self.with_signature(&bytes)
    }
}

/// Bytes as contracts take them: how many there are, then they, up to a whole word.
fn sized(bytes: &[u8]) -> Vec<u8> {
    let mut sized = [word(bytes.len()).as_slice(), bytes].concat();
    sized.resize(sized.len().next_multiple_of(32), 0);
    sized
}

fn word(number: usize) -> [u8; 32] {
    let mut word = [0; 32];
    word[24..].copy_from_slice(&u64::try_from(number).expect("a number").to_be_bytes());
    word
}
