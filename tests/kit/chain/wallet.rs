//! Wallets that are contracts, as `Wallets.sol` makes them on a [`Network`].

use domain::Address;
use serde_json::json;

use super::{BANK, Network, address_word, word};
use crate::payer::unhex;

/// Makes wallets.
const FACTORY: &str = "0xfaC7000000000000000000000000000000001271";

/// What a wallet does when it is asked for a signature.
#[derive(Clone, Copy, Debug)]
pub enum Manner {
    /// Says what is so.
    Honest = 0,
    /// Takes all the gas in a block, and says what is so to whoever only asks.
    Burning = 1,
}

// === impl Network ===

impl Network {
    /// Who makes wallets here.
    #[must_use]
    pub fn wallet_factory() -> Address {
        FACTORY.parse().expect("an address")
    }

    /// The same at another address.
    pub async fn another_factory(&self) -> Address {
        let other = Address::repeat_byte(0xfc);
        let code = self.rpc("eth_getCode", json!([FACTORY, "latest"])).await;
        self.rpc("anvil_setCode", json!([other, code])).await;
        other
    }

    /// What a factory is called with to make an owner's wallet of this number.
    #[must_use]
    pub fn making_wallet(owner: Address, number: u64) -> Vec<u8> {
        unhex(&format!("aa7cc20b{}{}", address_word(owner), word(number)))
    }

    /// Where an owner's wallet of this number is, or will be.
    pub async fn wallet_of(&self, factory: Address, owner: Address, number: u64) -> Address {
        let data = format!("0x7fd22e39{}{}", address_word(owner), word(number));
        let found = self.rpc("eth_call", json!([{ "to": factory, "data": data }, "latest"])).await;
        let text = found.as_str().expect("a word");
        text[text.len() - 40..].parse().expect("an address")
    }

    /// A wallet that is there, with so many atomic units.
    pub async fn wallet(&self, owner: Address, number: u64, units: u64) -> Address {
        let making = crate::payer::hex(&Self::making_wallet(owner, number));
        self.send(BANK, Self::wallet_factory(), &making).await;
        let wallet = self.wallet_of(Self::wallet_factory(), owner, number).await;
        assert!(self.has_code(wallet).await, "no wallet was made");
        self.fund(wallet, units).await;
        wallet
    }

    /// Hands a wallet over to another owner.
    pub async fn hand_over(&self, wallet: Address, owner: Address) {
        self.send(BANK, wallet, &format!("0xa1194c8e{}", address_word(owner))).await;
    }

    /// What a wallet does from now on.
    pub async fn behaves(&self, wallet: Address, manner: Manner) {
        self.send(BANK, wallet, &format!("0x1ed22158{}", word(manner as u64))).await;
    }

    /// Whether there is a contract.
    pub async fn has_code(&self, address: Address) -> bool {
        self.rpc("eth_getCode", json!([address, "latest"])).await != "0x"
    }
}
