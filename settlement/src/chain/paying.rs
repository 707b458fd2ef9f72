//! Whether a transaction paid somebody: transfers out of our treasury, and those that somebody says were.

use alloy_primitives::{Address, B256, U256};
use domain::Amount;

use super::contracts::Token;
use super::rpc::RpcError;
use super::{Chain, read};
use crate::rail::units;

// === impl Chain ===

impl Chain {
    /// Whether a transaction in a block that counts shows so much of the books' money sent out of our treasury.
    ///
    /// # Errors
    /// See [`RpcError`].
    pub async fn pays_out(
        &self,
        token: Address,
        treasury: Address,
        to: Address,
        amount: Amount,
        transaction: B256,
    ) -> Result<bool, RpcError> {
        self.pays(token, Some(treasury), to, units(amount), transaction).await
    }

    /// Whether a transaction in a block that counts shows the transfer of so much of a token to an address; from this one, where one is
    /// named.
    ///
    /// # Errors
    /// See [`RpcError`].
    pub async fn pays(
        &self,
        token: Address,
        from: Option<Address>,
        to: Address,
        amount: U256,
        transaction: B256,
    ) -> Result<bool, RpcError> {
        let Some(receipt) = self.receipt(transaction).await? else { return Ok(false) };
        let is_deep = receipt.block() <= self.settled_block().await?.number;
        let is_it = |moved: Token::Transfer| {
            (moved.to, moved.value) == (to, amount) && from.is_none_or(|from| from == moved.from)
        };
        let is_shown = receipt.succeeded()
            && receipt
                .logs
                .iter()
                .any(|log| log.address == token && read::<Token::Transfer>(log).is_some_and(is_it));
        Ok(is_deep && is_shown)
    }
}
