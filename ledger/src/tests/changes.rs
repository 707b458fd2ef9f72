//! What batches tell other processes, as bytes.

use domain::{UnixMillis, Window, WindowLimit};

use super::kit::{NOON, agent, amount, named, signed, wallet};
use crate::batch::{AccountId, Cost, Delta, HoldRow};
use crate::change::Change;
use crate::hold::HoldRequest;

fn changed() -> Change {
    let mut first = signed(10, 7);
    first.per_day = Some(amount(90));
    let scope = Some("route:a b".parse().unwrap());
    first.limits = vec![WindowLimit { scope, window: Window::Hour, limit: amount(7) }];
    let second = named(0, "mine");
    let row = |request: &HoldRequest, free| HoldRow {
        request: request.clone(),
        wallet_account: AccountId(4),
        provider_account: AccountId(5),
        cost: Cost::new(request, free),
        held_at: UnixMillis(NOON),
        owed: None,
    };
    let holds = vec![row(&first, false), row(&second, true)];
    let ended = vec![second.payment];
    let change = Change::of(&Delta { holds, ended, ..Delta::default() });
    let captured = vec![(first.payment, amount(9))];
    Change { captured, wallets: vec![wallet(3)], agents: vec![agent(4), agent(5)], ..change }
}

#[test]
fn a_change_is_read_as_it_was_told() {
    let change = changed();
    assert_eq!((change.begun.len(), change.voided.len()), (2, 1));
    for told in [change, Change::default()] {
        assert_eq!(Change::from_bytes(&told.to_bytes()), Some(told));
    }
}

#[test]
fn a_change_that_is_cut_off_or_of_another_version_is_not_read() {
    let bytes = changed().to_bytes();
    for end in 0..bytes.len() {
        assert_eq!(Change::from_bytes(&bytes[..end]), None, "{end} of {}", bytes.len());
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(Change::from_bytes(&longer), None);
    let other = [&[bytes[0] + 1], &bytes[1..]].concat();
    assert_eq!(Change::from_bytes(&other), None);
}
