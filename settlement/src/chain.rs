//! [`Chain`]: one public EVM network as its nodes show it: what became of a signed payment, by evidence alone.
//!
//! Read only; who sends is elsewhere. A node that does not answer, or answers something else, has shown nothing ([`RpcError`]).
//! Next: [`evidence`] for what counts as proof, [`rpc`] for the nodes.

mod code;
mod contracts;
mod evidence;
mod paying;
mod permit;
mod proxies;
mod rpc;
mod sending;
mod wallet;

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::{SolCall, SolEvent};
use protocol::authorization::Authorization;
use protocol::permit::{PERMIT2, Permit};
use protocol::transfer::Transfer;
use serde_json::{Value, json};

use contracts::Token;

pub use evidence::Evidence;
pub use rpc::{Log, Nodes, RpcError, host};

pub use wallet::Making;

#[cfg(test)]
pub(crate) use contracts::Proxy;
pub(crate) use evidence::{Movement, is_transfer, judge, read};
pub(crate) use proxies::count;
pub(crate) use rpc::Receipt;
pub(crate) use wallet::{LOOK_GAS, MAKE_GAS, Shown, Standing, data_gas};

/// A transaction that no node shows.
pub(crate) const UNSHOWN: RpcError = RpcError::Malformed("eth_getTransactionReceipt");

/// Blocks whose logs are asked for at once: what nodes commonly allow.
const LOG_BLOCKS_MAX: u64 = 1_000;

/// A network and how deep a block must lie before it counts.
pub struct Chain {
    nodes: Nodes,
    /// Blocks on top of one that is final for us. 0: the last one is.
    confirmations: u64,
}

/// Which blocks are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// All of them: what they show may be taken back.
    Last,
    /// Those that count.
    Counts,
}

/// A payment that is looked for: what its payer signed for a token, and how much of that it was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Sought<'a> {
    /// The token's contract.
    pub token: Address,
    /// What was signed.
    pub signed: &'a Transfer,
    /// Atomic units.
    pub asked: U256,
}

/// A block as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its height.
    pub number: u64,
    /// Its time, in Unix seconds.
    pub time: u64,
}

// === impl Chain ===

impl Chain {
    /// A network by its nodes.
    #[must_use]
    pub const fn new(nodes: Nodes, confirmations: u64) -> Self {
        Self { nodes, confirmations }
    }

    /// The number in the EIP-712 domains of its tokens.
    ///
    /// # Errors
    /// See [`RpcError`].
    pub async fn id(&self) -> Result<u64, RpcError> {
        self.quantity("eth_chainId", json!([])).await
    }

    /// The last block that counts.
    ///
    /// # Errors
    /// See [`RpcError`]; a chain that is shorter than its confirmations has none.
    pub async fn settled_block(&self) -> Result<Block, RpcError> {
        self.block(Depth::Counts).await
    }

    /// The last block of a depth.
    pub(crate) async fn block(&self, depth: Depth) -> Result<Block, RpcError> {
        let last = self.quantity("eth_blockNumber", json!([])).await?;
        let number = match depth {
            Depth::Last => last,
            Depth::Counts => {
                last.checked_sub(self.confirmations).ok_or(RpcError::Malformed("eth_blockNumber"))?
            }
        };
        let block: Value = self.nodes.call("eth_getBlockByNumber", json!([hex(number), false])).await?;
        let time = block["timestamp"].as_str().and_then(rpc::quantity);
        Ok(Block { number, time: time.ok_or(RpcError::Malformed("eth_getBlockByNumber"))? })
    }

    /// How many blocks stand on one that counts.
    #[must_use]
    pub const fn confirmations(&self) -> u64 {
        self.confirmations
    }

    /// Whether the last block counts.
    #[must_use]
    pub const fn is_final_at_once(&self) -> bool {
        self.confirmations == 0
    }

    /// Atomic units of a token that an address has, in the last block.
    ///
    /// # Errors
    /// See [`RpcError`].
    pub async fn balance(&self, token: Address, owner: Address) -> Result<U256, RpcError> {
        let call = Token::balanceOfCall { owner };
        self.read(token, &call, "latest".into()).await
    }

    /// Atomic units of a token that Permit2 may move for an address, in the last block.
    ///
    /// # Errors
    /// See [`RpcError`].
    pub async fn allowance(&self, token: Address, owner: Address) -> Result<U256, RpcError> {
        let call = Token::allowanceCall { owner, spender: PERMIT2 };
        self.read(token, &call, "latest".into()).await
    }

    /// Whether the nonce of a payment is used in the last block, however shallow.
    ///
    /// # Errors
    /// See [`RpcError`].
    pub async fn is_used(&self, token: Address, signed: &Transfer) -> Result<bool, RpcError> {
        match signed {
            Transfer::Authorization(signed) => {
                let call = Token::authorizationStateCall { authorizer: signed.from, nonce: signed.nonce };
                self.read(token, &call, "latest".into()).await
            }
            Transfer::Permit(signed) => permit::is_used(self, signed, "latest".into()).await,
        }
    }

    /// What became of a payment, looked for from a block on that is older than it.
    ///
    /// # Errors
    /// See [`RpcError`]. The nodes must still know the state of the block in which a Permit2 payment moved.
    pub async fn look(
        &self,
        sought: Sought<'_>,
        from_block: u64,
        depth: Depth,
    ) -> Result<Evidence, RpcError> {
        self.look_until(sought, from_block, self.block(depth).await?).await
    }

    /// The same up to a block that was read before.
    pub(crate) async fn look_until(
        &self,
        Sought { token, signed, asked }: Sought<'_>,
        from_block: u64,
        until: Block,
    ) -> Result<Evidence, RpcError> {
        match signed {
            Transfer::Authorization(signed) => self.authorization(token, signed, from_block, until).await,
            Transfer::Permit(signed) => permit::evidence(self, token, signed, asked, from_block, until).await,
        }
    }

    /// Whether a transaction that counts, by the last block that does, shows the transfer of a payment. Permits that are alike are not told apart: beside this one it shows
    /// as many as were booked before it (`earlier`).
    ///
    /// # Errors
    /// See [`RpcError`].
    pub async fn stands(
        &self,
        Sought { token, signed, asked }: Sought<'_>,
        earlier: u64,
        transaction: B256,
        until: Block,
    ) -> Result<bool, RpcError> {
        let Some(receipt) = self.receipt(transaction).await? else { return Ok(false) };
        let is_deep = receipt.block() <= until.number;
        let is_shown = match signed {
            Transfer::Authorization(signed) => {
                matches!(judge(token, signed, &receipt), Evidence::Moved { .. })
            }
            Transfer::Permit(permit) => {
                let shown = count(&receipt, &movement(token, permit, asked));
                u64::try_from(shown).unwrap_or(u64::MAX) > earlier
            }
        };
        Ok(is_deep && is_shown)
    }

    /// How many permits a transaction moves that are as this one.
    ///
    /// # Errors
    /// See [`RpcError`]; [`UNSHOWN`] where the transaction is not shown.
    pub(crate) async fn permits_in(
        &self,
        token: Address,
        signed: &Permit,
        value: U256,
        transaction: B256,
    ) -> Result<usize, RpcError> {
        let receipt = self.receipt_of(transaction).await?;
        Ok(count(&receipt, &movement(token, signed, value)))
    }

    /// What became of an authorization for this token, looked for from a block on that is older than it.
    ///
    /// # Errors
    /// See [`RpcError`].
    pub async fn evidence(
        &self,
        token: Address,
        signed: &Authorization,
        from_block: u64,
    ) -> Result<Evidence, RpcError> {
        let until = self.settled_block().await?;
        self.authorization(token, signed, from_block, until).await
    }

    async fn authorization(
        &self,
        token: Address,
        signed: &Authorization,
        from_block: u64,
        until: Block,
    ) -> Result<Evidence, RpcError> {
        let call = Token::authorizationStateCall { authorizer: signed.from, nonce: signed.nonce };
        if !self.read(token, &call, hex(until.number).into()).await? {
            return Ok(Evidence::Unused { at: until.time });
        }
        let topics = json!([
            Token::AuthorizationUsed::SIGNATURE_HASH,
            B256::left_padding_from(signed.from.as_slice()),
            signed.nonce
        ]);
        for (first, last) in ranges(from_block, until.number) {
            let used = self.logs(token, &topics, first, last).await?;
            if let Some(used) = used.first() {
                let receipt = self.receipt_of(used.transaction_hash).await?;
                return Ok(judge(token, signed, &receipt));
            }
        }
        Ok(Evidence::Void)
    }

    /// The events of a contract by their topics, in blocks of a range.
    async fn logs(
        &self,
        contract: Address,
        topics: &Value,
        first: u64,
        last: u64,
    ) -> Result<Vec<Log>, RpcError> {
        let filter = json!([{
            "address": contract, "topics": topics, "fromBlock": hex(first), "toBlock": hex(last)
        }]);
        let mut logs: Vec<Log> = self.nodes.call("eth_getLogs", filter).await?;
        logs.retain(|log| log.address == contract);
        Ok(logs)
    }

    /// The receipt of a transaction whose logs were shown.
    async fn receipt_of(&self, transaction: B256) -> Result<Receipt, RpcError> {
        self.receipt(transaction).await?.ok_or(UNSHOWN)
    }

    /// What a transaction was called with.
    async fn input(&self, transaction: B256) -> Result<Bytes, RpcError> {
        let found: Value = self.nodes.call("eth_getTransactionByHash", json!([transaction])).await?;
        let input = found["input"].as_str().and_then(|text| text.parse().ok());
        input.ok_or(RpcError::Malformed("eth_getTransactionByHash"))
    }

    async fn read<C: SolCall>(&self, to: Address, call: &C, block: Value) -> Result<C::Return, RpcError> {
        let data = alloy_primitives::hex::encode_prefixed(call.abi_encode());
        let answer: String = self.nodes.call("eth_call", json!([{ "to": to, "data": data }, block])).await?;
        let bytes = alloy_primitives::hex::decode(answer).map_err(|_| RpcError::Malformed("eth_call"))?;
        C::abi_decode_returns(&bytes).map_err(|_| RpcError::Malformed("eth_call"))
    }

    async fn quantity(&self, method: &'static str, parameters: Value) -> Result<u64, RpcError> {
        let text: String = self.nodes.call(method, parameters).await?;
        rpc::quantity(&text).ok_or(RpcError::Malformed(method))
    }
}

/// What a permit moves.
const fn movement(token: Address, signed: &Permit, value: U256) -> Movement {
    Movement { token, from: signed.from, to: signed.witness.to, value }
}

/// The blocks of a range, in parts that nodes give the logs of.
fn ranges(first: u64, last: u64) -> impl Iterator<Item = (u64, u64)> {
    let mut next = Some(first).filter(|first| *first <= last);
    std::iter::from_fn(move || {
        let first = next?;
        let end = first.saturating_add(LOG_BLOCKS_MAX - 1).min(last);
        next = end.checked_add(1).filter(|next| *next <= last);
        Some((first, end))
    })
}

fn hex(number: u64) -> String {
    format!("0x{number:x}")
}

#[cfg(test)]
mod tests;
