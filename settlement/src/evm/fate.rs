//! What became of members that no transaction of ours is known to have moved: by their nonces, and by the chain's evidence.

use alloy_primitives::{Address, B256, U256};

use super::batch;
use super::member::{Call, Member, Order};
use crate::chain::{Block, Chain, Depth, Evidence, RpcError, Sought};

/// What the chain says of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is moved, in a block that counts.
    Moved(B256),
    /// Its nonce is not used.
    Unused,
    /// It is not used, and its time is over: it never will be.
    Expired,
    /// Its nonce is used; by what, is not shown. Nodes whose logs lag behind show the same of one that moved: only time tells.
    Unclear,
}

/// Whether nonces are used after a block; the last one, where none is named. Our own transfers have none.
pub(super) async fn used(
    chain: &Chain,
    us: Address,
    members: &[Member],
    block: Option<u64>,
) -> Result<Vec<bool>, RpcError> {
    let reads: Vec<Option<Call>> = members.iter().map(Member::nonce_read).collect();
    let calls = reads.iter().flatten().count();
    if calls == 0 {
        return Ok(vec![false; members.len()]);
    }
    let all = batch::all(reads.iter().flatten().cloned());
    let answer = chain.call(us, all.target, &all.data, block).await?;
    let answers = batch::answers(&answer, calls).ok_or(RpcError::Malformed("aggregate3"))?;
    let mut answers = answers.iter();
    let read = |(member, read): (&Member, Option<Call>)| match read {
        None => Ok(false),
        Some(_) => {
            let number = answers.next().and_then(batch::number);
            Ok(member.is_used(number.ok_or(RpcError::Malformed("aggregate3"))?))
        }
    };
    members.iter().zip(reads).map(read).collect()
}

/// What became of each, in blocks that count. One of which nodes do not tell, as they keep too little, hides no other.
pub(super) async fn fates(chain: &Chain, us: Address, members: &[Member]) -> Vec<Result<Fate, RpcError>> {
    let seen = async {
        let until = chain.settled_block().await?;
        Ok::<_, RpcError>((until, used(chain, us, members, Some(until.number)).await?))
    };
    let (until, used) = match seen.await {
        Ok(seen) => seen,
        Err(error) => return vec![Err(error); members.len()],
    };
    let mut fates = Vec::with_capacity(members.len());
    for (member, is_used) in members.iter().zip(used) {
        fates.push(fate(chain, member, is_used, until).await);
    }
    fates
}

async fn fate(chain: &Chain, member: &Member, is_used: bool, until: Block) -> Result<Fate, RpcError> {
    let Order::Payment { token, transfer, amount, .. } = &member.order else { return Ok(Fate::Unclear) };
    if !is_used {
        let is_over = U256::from(until.time) >= transfer.valid_before();
        return Ok(if is_over { Fate::Expired } else { Fate::Unused });
    }
    let sought = Sought { token: *token, signed: transfer, asked: *amount };
    Ok(match chain.look(sought, member.since_block, Depth::Counts).await? {
        Evidence::Moved { transaction, value, .. } if value == *amount => Fate::Moved(transaction),
        Evidence::Moved { .. } | Evidence::Void | Evidence::Unused { .. } => Fate::Unclear,
    })
}
