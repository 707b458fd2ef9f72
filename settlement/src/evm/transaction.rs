//! [`Transaction`]: one EIP-1559 transaction, and how it becomes the bytes that are sent.

use alloy_primitives::{Address, B256, Bytes, keccak256};
use protocol::signature::SigningKey;
use serde::{Deserialize, Serialize};

use super::fees::Fees;
use super::rlp::List;

/// Its number among the types of transactions (EIP-2718).
const TYPE: u8 = 2;

/// What is asked of the network. No coins go with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Transaction {
    pub(super) chain_id: u64,
    pub(super) nonce: u64,
    pub(super) fees: Fees,
    pub(super) gas: u64,
    pub(super) to: Address,
    pub(super) data: Bytes,
}

/// A transaction as it is sent, under what it offers for gas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// What nodes are given.
    pub raw: Bytes,
    /// What they call it.
    pub hash: B256,
    /// What it offers.
    pub fees: Fees,
}

// === impl Transaction ===

impl Transaction {
    pub(super) fn sign(&self, key: &SigningKey) -> Version {
        let signature = key.sign(keccak256(self.fields().typed(TYPE)));
        let (r, s) = signature[..64].split_at(32);
        let parity = u64::from(signature[64] == 28);
        let signed = self.fields().number(parity).word(r).word(s);
        let raw = signed.typed(TYPE);
        Version { hash: keccak256(&raw), raw: raw.into(), fees: self.fees }
    }

    fn fields(&self) -> List {
        let list = List::default().number(self.chain_id).number(self.nonce);
        let list = list.number(self.fees.tip).number(self.fees.most).number(self.gas);
        list.bytes(self.to.as_slice()).number(0).bytes(&self.data).empty_list()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// viem 2.48.11's `signTransaction` of the same fields with the same key: s without a leading zero, and with one.
    #[test]
    fn a_signed_transaction_is_byte_for_byte_that_of_viem() {
        let key = SigningKey::from_hex(&"42".repeat(32)).unwrap();
        let transaction = |nonce, data: Vec<u8>| Transaction {
            chain_id: 84_532,
            nonce,
            fees: Fees { tip: 1_000_000, most: 2_000_000_123 },
            gas: 123_456,
            to: Address::repeat_byte(0xca),
            data: data.into(),
        };
        let first = transaction(0, vec![0xab; 60]).sign(&key);
        let raw = "0x02f8aa83014a3480830f4240847735947b8301e24094cacacacacacacacacacacacacacacacacacacaca80b83cababababababababababababababababababababababababababababababababababababababababababababababababababababababababababababc080a0e5ac68edb4f220eccfdf086d257b630bfeb170fb7b7c4fb9f0eba3f936d3484ba024d6a4ec0601cf628cb078bb34dadffb277e5601c8a4a7e5ab36c6a343ad30d7";
        assert_eq!(first.raw.to_string(), raw);
        let hash = "0xfd927cde46ace1a29acac0d368d4a8d0ddefbcaca1f520dcd52882a23dece118";
        assert_eq!(first.hash.to_string(), hash);
        let short = transaction(635, Vec::new()).sign(&key);
        let raw = "0x02f86e83014a3482027b830f4240847735947b8301e24094cacacacacacacacacacacacacacacacacacacaca8080c001a0b1fb9f2e93144740aa8ddfd66f64232bb39473d2dff9db236a96c26f639780a89f5719c1d46bf02bf833064d86851f0dd94ce1bc24be588e186f6442d776a5dc";
        assert_eq!(short.raw.to_string(), raw);
    }
}
