//! The token of a [`Network`]: who has how much, who was paid by whom.

use domain::{Address, B256};
use serde_json::{Value, json};

use super::{BANK, Network, address_word, number, usdc, word};
use crate::payer::Payer;

/// `keccak256("Transfer(address,address,uint256)")`.
const TRANSFER: &str = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef";

/// Accounts that get their units in one transaction.
const AT_ONCE: usize = 200;

/// Where it is on every network.
const PERMIT2: &str = "0x000000000022D473030F116dDEE9F6B43aC78BA3";

/// 10^18 wei.
const ONE_COIN: &str = "0xde0b6b3a7640000";

/// Value that moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Who paid.
    pub from: Address,
    /// Atomic units.
    pub value: u64,
    /// In which transaction.
    pub transaction: B256,
    /// In which block.
    pub block: u64,
}

// === impl Network ===

impl Network {
    /// Gives an address so many atomic units.
    pub async fn fund(&self, to: Address, units: u64) {
        self.mint(&[to], units).await;
    }

    /// The first so many payers, the same ones on every chain, with so many atomic units each.
    pub async fn payers(&self, count: u64, units: u64) -> Vec<Payer> {
        let payers: Vec<Payer> = (0..count).map(Payer::numbered).collect();
        let addresses: Vec<Address> = payers.iter().map(Payer::address).collect();
        for some in addresses.chunks(AT_ONCE) {
            self.mint(some, units).await;
        }
        payers
    }

    /// Atomic units that an address has.
    pub async fn balance(&self, owner: Address) -> u64 {
        let data = format!("0x70a08231{}", address_word(owner));
        let call = json!([{ "to": usdc().address, "data": data }, "latest"]);
        number(&self.rpc("eth_call", call).await)
    }

    /// Every transfer to an address, oldest first.
    pub async fn received(&self, by: Address) -> Vec<Transfer> {
        let topics = json!([TRANSFER, null, format!("0x{}", address_word(by))]);
        let range = json!([{ "address": usdc().address, "topics": topics, "fromBlock": "0x0" }]);
        let logs = self.rpc("eth_getLogs", range).await;
        logs.as_array().expect("a list").iter().map(Transfer::read).collect()
    }

    /// Lets Permit2 move all that an address has, as its owner would once.
    pub async fn approve_permit2(&self, owner: Address) {
        self.approve(owner, &"f".repeat(64)).await;
    }

    /// Lets Permit2 move so many units and no more.
    pub async fn approve_permit2_of(&self, owner: Address, units: u64) {
        self.approve(owner, &word(units)).await;
    }

    /// Moves units from one address to another, by no x402 at all.
    pub async fn pay(&self, from: Address, to: Address, units: u64) {
        self.send_from(from, &format!("0xa9059cbb{}{}", address_word(to), word(units))).await;
    }

    async fn approve(&self, owner: Address, units: &str) {
        let spender = address_word(PERMIT2.parse().expect("an address"));
        self.send_from(owner, &format!("0x095ea7b3{spender}{units}")).await;
    }

    /// A call of the token by an address, which is given the coins for it.
    async fn send_from(&self, from: Address, data: &str) {
        let from = from.to_string();
        self.rpc("anvil_setBalance", json!([from, ONE_COIN])).await;
        self.send(&from, usdc().address, data).await;
    }

    /// `mint(address[],uint256)`.
    async fn mint(&self, to: &[Address], units: u64) {
        let count = word(u64::try_from(to.len()).expect("a count"));
        let addresses: String = to.iter().copied().map(address_word).collect();
        let data = format!("0xea66696c{}{}{count}{addresses}", word(0x40), word(units));
        self.send(BANK, usdc().address, &data).await;
    }
}

// === impl Transfer ===

impl Transfer {
    fn read(log: &Value) -> Self {
        let from = log["topics"][1].as_str().expect("who paid");
        Self {
            from: format!("0x{}", &from[from.len() - 40..]).parse().expect("an address"),
            value: number(&log["data"]),
            transaction: log["transactionHash"].as_str().expect("a hash").parse().expect("32 bytes"),
            block: number(&log["blockNumber"]),
        }
    }
}
