//! For how many payments a transaction may be booked that moved a permit.

use super::*;
use crate::chain::UNSHOWN;

/// One by Permit2, of the payments that the rail is told of here.
fn permit() -> Signed {
    let mut came = signed(1).payment();
    let authorization = came["payload"]["authorization"].clone();
    came["payload"] = json!({
        "signature": came["payload"]["signature"],
        "permit2Authorization": {
            "from": authorization["from"],
            "permitted": { "token": TOKEN, "amount": authorization["value"] },
            "spender": protocol::permit::EXACT_PROXY,
            "nonce": "1",
            "deadline": authorization["validBefore"],
            "witness": { "to": authorization["to"], "validAfter": "0" },
        },
    });
    let asked = signed(1).asked().unwrap();
    Signed::read(NETWORK.into(), TOKEN, 1, &came.to_string(), &asked).unwrap()
}

#[tokio::test]
async fn a_transaction_that_no_node_shows_is_not_counted_and_is_booked_for_one_where_a_settler_says_that_it_moved()
 {
    let world = World::new(1).await;
    let (permit, unknown) = (permit(), B256::repeat_byte(9));
    let counted = world.rail.counted(&permit, price(), unknown).await;
    assert_eq!(
        counted,
        Err(RailError::Nodes(UNSHOWN)),
        "what cannot be read is no proof that nothing is left"
    );
    let moved = world.rail.moved(&permit, price(), unknown).await;
    assert_eq!(moved.share.map(|share| share.one_of), Some(1));
}
