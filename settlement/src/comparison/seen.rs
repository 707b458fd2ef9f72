//! What a chain shows of one payment that is closed, beside what the books say of it. Asks nodes alone, for many payments at once.

use std::collections::HashMap;
use std::sync::Arc;

use alloy_primitives::B256;
use domain::Amount;
use futures_util::{Stream, StreamExt, stream};
use ledger::BookedIntent;

use super::{Chains, Unread};
use crate::chain::{Block, Chain, Evidence};
use crate::signed::Signed;

/// Payments that nodes are asked for at once: one after another a busy gateway's hour takes longer than an hour, and many at once are
/// more than a node lets one caller ask, which payers wait for as well.
const AT_ONCE: usize = 4;

/// A network as it is compared with.
#[derive(Clone)]
struct Place {
    chain: Arc<Chain>,
    /// The last block that counts, read once for all that are compared with it.
    until: Block,
}

/// A payment beside what a chain shows of it.
pub(super) struct Seen {
    pub(super) booked: BookedIntent,
    pub(super) signed: Signed,
    pub(super) chain: Arc<Chain>,
    pub(super) shown: Shown,
}

pub(super) enum Shown {
    /// What the books say.
    AsBooked,
    /// Not that; where it moved, in this transaction, and how much of it: of `upto` another amount than was asked for may have.
    Otherwise(Option<(B256, Amount)>),
}

/// Looks at closed payments, in their order.
pub(super) async fn look(
    closed: Vec<BookedIntent>,
    chains: &Chains,
) -> impl Stream<Item = Result<Seen, Unread>> {
    let mut places = HashMap::new();
    for booked in &closed {
        let network = &booked.open.intent.network;
        if !places.contains_key(network) {
            places.insert(Arc::clone(network), place(chains.get(network)).await);
        }
    }
    let one = move |booked: BookedIntent| {
        let place = places.get(&booked.open.intent.network).cloned().flatten();
        seen(place, booked)
    };
    stream::iter(closed.into_iter().map(one)).buffered(AT_ONCE)
}

/// None where it is no longer taken, or cannot be read.
async fn place(chain: Option<&Arc<Chain>>) -> Option<Place> {
    let chain = Arc::clone(chain?);
    let until = chain.settled_block().await.ok()?;
    Some(Place { chain, until })
}

async fn seen(place: Option<Place>, booked: BookedIntent) -> Result<Seen, Unread> {
    let Place { chain, until } = place.ok_or(Unread)?;
    let signed = Signed::of(&booked.open.intent).map_err(|_| Unread)?;
    let shown = shown((&chain, until), &signed, &booked).await?;
    Ok(Seen { booked, signed, chain, shown })
}

async fn shown(
    (chain, until): (&Chain, Block),
    signed: &Signed,
    BookedIntent { moved, stands, earlier, .. }: &BookedIntent,
) -> Result<Shown, Unread> {
    let sought = signed.sought(*stands);
    if let Some(booked) = moved
        && chain.stands(sought, *earlier, *booked, until).await?
    {
        return Ok(Shown::AsBooked);
    }
    let evidence = chain.look_until(sought, signed.since_block, until).await?;
    let Evidence::Moved { transaction, value, .. } = evidence else { return Ok(Shown::Otherwise(None)) };
    let value = i64::try_from(value).ok().and_then(Amount::from_atomic).ok_or(Unread)?;
    Ok(Shown::Otherwise(Some((transaction, value)).filter(|_| !value.is_zero())))
}
