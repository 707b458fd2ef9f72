//! [`Call`]: what a client asks for, in small numbers, so that calls meet; and its translation for the ledger.

use domain::price::{Tier, Tiers};
use domain::{
    Address, AgentId, Amount, B256, BasisPoints, Capture, Fingerprint, IdempotencyKey, PaymentId, Price,
    ReplayKey, WalletId,
};

use super::kind::limits;
use crate::HoldRequest;

/// Agents 0 and 1 share wallet 0, agent 2 has wallet 1; the wallet of agent 3 was never made.
pub(super) const WALLET_OF: [u8; 4] = [0, 0, 1, 9];
pub(super) const WALLETS: u8 = 2;
pub(super) const PROVIDERS: [&str; 2] = ["acme", "blue"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) agent: u8,
    pub(super) provider: u8,
    pub(super) cost: Cost,
    /// Its hold is to outlive the process.
    pub(super) durable: bool,
    pub(super) signed: Option<Signed>,
    /// The client's identifier for the request.
    pub(super) word: Option<u8>,
    pub(super) body: u8,
    /// The limits that the agent's policy has as the call comes.
    pub(super) per_day: Option<i64>,
    pub(super) per_month: Option<i64>,
    pub(super) per_hour: Option<i64>,
    /// On what it buys of its provider in a day.
    pub(super) on_provider: Option<i64>,
    /// Calls a day that the route gives each agent for nothing.
    pub(super) free_per_day: u32,
}

/// A signed authorization: its nonce, and `validBefore` in Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Signed {
    pub(super) nonce: u8,
    pub(super) until: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cost {
    Fixed(i64),
    /// Half from the third call of the month on, nothing from the sixth.
    Falling(i64),
}

// === impl Cost ===

impl Cost {
    pub(super) const fn most(self) -> i64 {
        self.of(1)
    }

    pub(super) const fn of(self, call: u64) -> i64 {
        match self {
            Self::Fixed(units) => units,
            Self::Falling(units) if call < 3 => units,
            Self::Falling(units) if call < 6 => units / 2,
            Self::Falling(_) => 0,
        }
    }

    fn price(self) -> Price {
        match self {
            Self::Fixed(units) => Price::Fixed(amount(units)),
            Self::Falling(units) => {
                let tier = |(from_call, units)| Tier { from_call, amount: amount(units) };
                let steps = [(1, units), (3, units / 2), (6, 0)];
                Price::Tiered(Tiers::new(steps.map(tier).to_vec()).unwrap())
            }
        }
    }
}

// === impl Call ===

impl Call {
    pub(super) fn wallet(&self) -> u8 {
        WALLET_OF[usize::from(self.agent)]
    }

    /// Whether the same request can be recognised when it comes again.
    pub(super) fn is_keyed(&self) -> bool {
        self.signed.is_some() || self.word.is_some()
    }

    pub(super) fn replay(&self) -> Option<ReplayKey> {
        let signed = self.signed?;
        let (payer, nonce) = (Address::repeat_byte(self.agent), B256::repeat_byte(signed.nonce));
        Some(ReplayKey::new(signed.until as u64, "eip155:402402", Address::ZERO, payer, nonce))
    }

    pub(super) fn identifier(&self) -> Option<IdempotencyKey> {
        Some(IdempotencyKey::new(agent(self.agent), &self.word?.to_string()))
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        let mut bytes = [self.body; 16];
        bytes[0] = self.agent;
        Fingerprint::from_bytes(bytes)
    }

    pub(super) fn request(&self, payment: PaymentId) -> HoldRequest {
        HoldRequest {
            payment,
            agent: agent(self.agent),
            wallet: wallet(self.wallet()),
            provider: PROVIDERS[usize::from(self.provider)].into(),
            route: "route".into(),
            price: self.cost.price(),
            capture: if self.durable { Capture::Before } else { Capture::After },
            revision: 1,
            fee: BasisPoints::new(333).unwrap(),
            per_day: self.per_day.map(amount),
            per_month: self.per_month.map(amount),
            limits: limits(self),
            free_per_day: self.free_per_day,
            replay: self.replay(),
            digest: self.signed.map(|signed| B256::repeat_byte(signed.nonce)),
            idempotency: self.identifier(),
            intent: None,
            fingerprint: self.fingerprint(),
            unsettled_max: None,
        }
    }
}

pub(super) fn amount(units: i64) -> Amount {
    Amount::from_atomic(units).unwrap()
}

pub(super) fn wallet(number: u8) -> WalletId {
    WalletId::from_bytes([number; 16])
}

pub(super) fn agent(number: u8) -> AgentId {
    AgentId::from_bytes([number; 16])
}
