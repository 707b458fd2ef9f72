//! What persons decide of money in suspense: whole or in parts, once each, in double entry, and never more than is there.

use domain::{Address, BasisPoints, Payee, PaymentId, PayoutDestination, Settle, UnixMillis};

use super::kit::{Books, HOUR, NOON, amount, clean};
use super::onchain::{DIRECT, TRANSACTION, onchain};
use super::suspense::{NETWORK, arrives, books, voided};
use super::tampered::broken_by;
use crate::{
    LedgerError, Outgoing, OutgoingState, Owed, Page, RefundReason, RefundRequest, Resolution, Resolving,
    Shown, Step, SuspendedFilter, audit_database,
};

/// 2.5 per cent.
fn share() -> Owed {
    Owed::Provider(BasisPoints::new(250).unwrap())
}

async fn resolve(
    books: &Books,
    payment: PaymentId,
    (owed, units): (Owed, Option<i64>),
    key: &str,
) -> Result<Resolution, LedgerError> {
    let (amount, idempotency_key) = (units.map(amount), key.to_owned());
    let reason = "looked at".to_owned();
    books.ledger.resolve(Resolving { payment, owed, amount, reason, idempotency_key }).await
}

async fn in_suspense(books: &Books, payment: PaymentId) -> i64 {
    books.ledger.suspended(payment).await.unwrap().unwrap().0.units
}

/// A signature that was voided, and moved.
async fn arrived(books: &Books, nonce: u8, payee: Payee) -> PaymentId {
    let payment = voided(books, onchain(nonce, payee, Settle::After)).await;
    arrives(books, payment).await.unwrap();
    payment
}

#[tokio::test]
async fn what_is_in_suspense_becomes_the_providers_or_goes_back_or_is_the_operators_each_once() {
    let mut books = books();
    let mut payments = Vec::new();
    for nonce in 1..=3 {
        payments.push(arrived(&books, nonce, Payee::Treasury).await);
    }
    let earned = resolve(&books, payments[0], (share(), None), "earned").await.unwrap();
    assert_eq!((earned.amount, earned.owed, earned.is_loss), (amount(100_000), "provider", false));
    assert_eq!(
        resolve(&books, payments[0], (share(), None), "earned").await.unwrap(),
        earned,
        "the same word"
    );
    assert_eq!(resolve(&books, payments[0], (Owed::Payer, None), "earned").await, Err(LedgerError::Conflict));
    let again = resolve(&books, payments[0], (share(), None), "again").await;
    assert_eq!(again, Err(LedgerError::NotInSuspense));
    let booked = books.ledger.payment(earned.booked.unwrap()).await.unwrap().unwrap();
    assert_eq!((&*booked.receipt.route, booked.receipt.fee), ("@suspense", amount(2_500)));
    assert_eq!(books.ledger.position("acme").await.unwrap().unwrap().net, 97_500);

    let somebody = books.ledger.asked_by("somebody");
    let part = Resolving {
        payment: payments[1],
        owed: Owed::Payer,
        amount: Some(amount(40_000)),
        reason: "half".to_owned(),
        idempotency_key: "part".to_owned(),
    };
    let part = somebody.resolve(part).await.unwrap();
    let more = resolve(&books, payments[1], (Owed::Operator, Some(60_001)), "more").await;
    assert_eq!(more, Err(LedgerError::NotInSuspense));
    let nothing = resolve(&books, payments[1], (Owed::Operator, Some(0)), "nothing").await;
    assert_eq!(nothing, Err(LedgerError::Amount));
    resolve(&books, payments[1], (Owed::Operator, None), "rest").await.unwrap();
    assert_eq!(in_suspense(&books, payments[1]).await, 0);
    assert_eq!(books.ledger.suspense().await.unwrap(), 100_000);
    let open = SuspendedFilter { open: true, ..SuspendedFilter::default() };
    let listed = books.ledger.suspended_list(&open, Page::default()).await.unwrap().items;
    let listed: Vec<_> = listed.iter().map(|one| (one.last.payment, one.units, one.payer)).collect();
    assert_eq!(listed, [(payments[2], 100_000, Some(Address::repeat_byte(1)))]);
    let acme = SuspendedFilter { provider: Some("acme".into()), open: false };
    assert_eq!(books.ledger.suspended_list(&acme, Page::default()).await.unwrap().items.len(), 3);

    let changes = books.ledger.changes((0, i64::MAX), 100).await.unwrap();
    let told: Vec<_> = changes.resolutions.iter().map(|(_, one)| (one.payment, one.owed)).collect();
    assert_eq!(told, [(payments[0], "provider"), (payments[1], "payer"), (payments[1], "operator")]);
    assert_eq!(changes.movers.get(part.id.as_bytes()).map(String::as_str), Some("somebody"));
    books.reopen().await;
    // Whoever signed is known for as long as something is open.
    books.clock.set(NOON + 72 * HOUR);
    arrived(&books, 4, Payee::Treasury).await;
    let back = resolve(&books, payments[2], (Owed::Payer, None), "back").await.unwrap();
    let due = books.ledger.outgoing_open(NETWORK, OutgoingState::Due, None, 10).await.unwrap();
    let [first, second] = &due[..] else { panic!("two are due: {due:?}") };
    assert_eq!((first.id, first.amount), (Outgoing::of_refund(part.id), amount(40_000)));
    assert_eq!(
        (second.id, second.suspense_of, second.payout()),
        (Outgoing::of_refund(back.id), Some(payments[2]), None)
    );
    assert_eq!((second.to.address, second.refund_of), (Address::repeat_byte(1), None));
    let sent = books.ledger.outgoing_step(second, Step::Send).await.unwrap();
    books.ledger.outgoing_step(&sent, Step::Pay(TRANSACTION)).await.unwrap();
    // And what is the provider's is paid out as anything it earned.
    let tally = books.ledger.begin_tally("acme").await.unwrap().unwrap();
    let tally = books.ledger.extend_tally(tally, UnixMillis(NOON + 71 * HOUR)).await.unwrap();
    let closing = books.ledger.close_tally(&tally).await.unwrap().unwrap();
    let settled = books.ledger.settle(closing, PayoutDestination::Manual("a bank".to_owned())).await.unwrap();
    assert_eq!((settled.payments, settled.net), (1, amount(97_500)));
    books.finish().await;
}

#[tokio::test]
async fn what_the_chain_does_not_show_only_the_operator_bears_and_what_comes_back_is_open_again() {
    let books = books();
    let request = onchain(1, Payee::Treasury, Settle::Deferred);
    books.hold(request.clone()).await.unwrap().capture().await.unwrap().delivered();
    books.ledger.settled(request.payment, TRANSACTION).await.unwrap();
    let unknown = resolve(&books, request.payment, (Owed::Operator, None), "early").await;
    assert_eq!(unknown, Err(LedgerError::UnknownDifference));
    books.ledger.differ(request.payment, Shown::NotMoved).await.unwrap().unwrap();
    for (owed, key) in [(share(), "provider"), (Owed::Payer, "payer")] {
        let refused = resolve(&books, request.payment, (owed, None), key).await;
        assert_eq!(refused, Err(LedgerError::OperatorOnly));
    }
    let loss = resolve(&books, request.payment, (Owed::Operator, None), "loss").await.unwrap();
    assert_eq!((loss.amount, loss.is_loss), (amount(100_000), true));
    assert_eq!(books.ledger.suspense().await.unwrap(), 0);
    arrives(&books, request.payment).await.unwrap();
    assert_eq!(in_suspense(&books, request.payment).await, 100_000, "the operator's, as a person may say");
    for (owed, key) in [(share(), "provider again"), (Owed::Payer, "payer again")] {
        let refused = resolve(&books, request.payment, (owed, None), key).await;
        assert_eq!(refused, Err(LedgerError::OperatorOnly), "the provider has earned it already");
    }
    resolve(&books, request.payment, (Owed::Operator, None), "found").await.unwrap();
    books.finish().await;
}

#[tokio::test]
async fn of_what_was_given_back_in_part_each_gets_what_is_theirs_when_it_arrives_after_all() {
    let books = books();
    let request = onchain(1, Payee::Treasury, Settle::Deferred);
    books.hold(request.clone()).await.unwrap().capture().await.unwrap().delivered();
    let refund = RefundRequest {
        payment: request.payment,
        amount: Some(amount(30_000)),
        reason: RefundReason::Operator,
        idempotency_key: "part".to_owned(),
    };
    books.ledger.refund_part(refund).await.unwrap();
    books.ledger.write_off(request.payment).await.unwrap();
    assert_eq!(arrives(&books, request.payment).await.unwrap().late, None);
    let back = resolve(&books, request.payment, (Owed::Payer, Some(30_000)), "back").await.unwrap();
    let kept = resolve(&books, request.payment, (share(), None), "kept").await.unwrap();
    assert_eq!((back.amount, kept.amount), (amount(30_000), amount(70_000)));
    let booked = books.ledger.payment(kept.booked.unwrap()).await.unwrap().unwrap().receipt;
    assert_eq!((&*booked.route, booked.fee), ("quotes", amount(1_750)), "as the payment itself was");
    books.finish().await;
}

#[tokio::test]
async fn what_came_to_a_providers_own_address_is_not_ours_to_send_back() {
    let books = books();
    let payment = arrived(&books, 1, DIRECT).await;
    assert_eq!(resolve(&books, payment, (Owed::Payer, None), "back").await, Err(LedgerError::OnChain));
    resolve(&books, payment, (share(), None), "theirs").await.unwrap();
    assert!(books.ledger.begin_tally("acme").await.unwrap().is_none(), "it has the money already");
    books.finish().await;
}

/// What is done to the books, and the invariants that must see it.
const TAMPERINGS: &[(&str, &str)] = &[
    ("delete from resolution where owed = 'provider'", "differences_are_booked_once"),
    ("delete from resolution where owed = 'payer'", "outgoing_is_booked"),
    ("delete from resolution where owed = 'operator'", "balances_match_entries"),
    ("update resolution set amount = amount - 1 where owed = 'provider'", "suspense_is_resolved_once"),
    ("update resolution set amount = amount - 1 where owed = 'payer'", "suspense_is_resolved_once"),
    ("update resolution set number = 2 where owed = 'payer'", "suspense_is_resolved_once"),
    ("update outgoing set suspense = null", "outgoing_is_booked"),
    ("drop trigger resolution_no_update", "money_rows_are_guarded"),
];

#[tokio::test]
async fn every_tampering_with_decisions_is_seen_by_the_invariant_meant_for_it() {
    let mut books = books();
    for (nonce, owed) in [(1, share()), (2, Owed::Payer), (3, Owed::Operator)] {
        let payment = arrived(&books, nonce, Payee::Treasury).await;
        resolve(&books, payment, (owed, None), &format!("{nonce}")).await.unwrap();
    }
    books.close().await;
    clean(&audit_database(&books.settings.database).await.unwrap());
    for (text, expected) in TAMPERINGS {
        let red = broken_by(&books, text).await;
        assert!(red.contains(expected), "{text}: {expected} saw nothing, only {red:?} did");
    }
    books.reopen().await;
    books.finish().await;
}
