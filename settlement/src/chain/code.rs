//! Which accounts have code, asked of many in one question.

use std::collections::HashSet;

use alloy_primitives::{Address, B256, Bytes, hex};
use serde_json::json;

use super::Chain;
use super::rpc::RpcError;

/// Code that is run once and stored nowhere: it answers how much code there is (EXTCODESIZE) at each of the addresses behind it, a word each.
/// No contract that is everywhere tells that. An account with a key and code has 23 bytes of it (EIP-7702).
const SIZES: [u8; 35] =
    hex!("60233803806023600039" "60005b818110" "15601f57" "80513b8152" "602001600c56" "5b6000f3");

/// Bytes of a word.
const WORD: usize = 32;

// === impl Chain ===

impl Chain {
    /// Those of these accounts that have code, in the last block.
    ///
    /// # Errors
    /// See [`RpcError`].
    pub(crate) async fn with_code(&self, accounts: &[Address]) -> Result<HashSet<Address>, RpcError> {
        match self.sizes(accounts).await {
            // Not every network runs what is stored nowhere: some refuse it, and some may answer nothing.
            Err(RpcError::Refused { .. } | RpcError::Malformed(_)) => self.one_by_one(accounts).await,
            sizes => sizes,
        }
    }

    async fn sizes(&self, accounts: &[Address]) -> Result<HashSet<Address>, RpcError> {
        let words = accounts.iter().flat_map(|account| B256::left_padding_from(account.as_slice()));
        let data: Bytes = SIZES.into_iter().chain(words).collect();
        let sizes: Bytes = self.nodes.call("eth_call", json!([{ "data": data }, "latest"])).await?;
        if sizes.len() != accounts.len().saturating_mul(WORD) {
            return Err(RpcError::Malformed("eth_call"));
        }
        let has_code = |size: &[u8]| size.iter().any(|byte| *byte != 0);
        let found = accounts.iter().zip(sizes.chunks(WORD)).filter(|(_, size)| has_code(size));
        Ok(found.map(|(account, _)| *account).collect())
    }

    async fn one_by_one(&self, accounts: &[Address]) -> Result<HashSet<Address>, RpcError> {
        let mut found = HashSet::new();
        for account in accounts {
            if self.has_code(*account).await? {
                found.insert(*account);
            }
        }
        Ok(found)
    }
}
