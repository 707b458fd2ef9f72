//! What leaves our treasury on public networks: refunds of what came there, and payouts, each written with what books it, sent once,
//! and booked as it went.

mod marked;

use std::collections::HashMap;

use domain::{
    Address, B256, ChainAccount, OutgoingId, Payee, PaymentId, PayoutDestination, Settle, UnixMillis,
};

use super::kit::{Books, HOUR, NOON, amount, clean};
use super::onchain::{DIRECT, TRANSACTION, onchain};
use super::tampered::broken_by;
use crate::{
    Collection, HoldRequest, LedgerError, Outgoing, OutgoingFilter, OutgoingState, Outlet, Page,
    PaymentState, PayoutPayment, RefundReason, RefundRequest, Refunded, Settlement, Step, Stepped,
    audit_database,
};

const NETWORK: &str = "eip155:84532";
const SENT: B256 = B256::repeat_byte(0xee);

fn books() -> Books {
    with_outlet(Outlet::default())
}

fn with_outlet(outlet: Outlet) -> Books {
    Books::with(|settings| settings.outlets = HashMap::from([(NETWORK.into(), outlet)]))
}

/// A payment of ten cents to the treasury, settled for good.
async fn settled(books: &Books, nonce: u8) -> HoldRequest {
    let request = onchain(nonce, Payee::Treasury, Settle::After);
    books.hold(request.clone()).await.unwrap().capture_settled(TRANSACTION).await.unwrap().delivered();
    request
}

async fn give_back(
    books: &Books,
    payment: PaymentId,
    units: i64,
    key: &str,
) -> Result<Refunded, LedgerError> {
    let (amount, idempotency_key) = (Some(amount(units)), key.to_owned());
    let reason = RefundReason::Operator;
    books.ledger.refund_part(RefundRequest { payment, amount, reason, idempotency_key }).await
}

async fn at(books: &Books, state: OutgoingState) -> Vec<Outgoing> {
    books.ledger.outgoing_open(NETWORK, state, None, 10).await.unwrap()
}

/// What was sent, and then what is due.
async fn due(books: &Books) -> Vec<Outgoing> {
    let mut open = at(books, OutgoingState::Sent).await;
    open.extend(at(books, OutgoingState::Due).await);
    open
}

async fn step(books: &Books, outgoing: &Outgoing, step: Step) -> Outgoing {
    books.ledger.outgoing_step(outgoing, step).await.unwrap()
}

async fn sent(books: &Books, outgoing: &Outgoing) -> Outgoing {
    step(books, outgoing, Step::Send).await
}

fn account() -> ChainAccount {
    ChainAccount {
        network: NETWORK.into(),
        token: Address::repeat_byte(5),
        address: Address::repeat_byte(0x99),
    }
}

async fn settle(books: &Books) -> Result<Settlement, LedgerError> {
    settle_into(books, PayoutDestination::Chain(account())).await
}

async fn settle_into(books: &Books, destination: PayoutDestination) -> Result<Settlement, LedgerError> {
    let tally = books.ledger.begin_tally("acme").await.unwrap().unwrap();
    let tally = books.ledger.extend_tally(tally, UnixMillis(NOON + HOUR)).await.unwrap();
    let closing = books.ledger.close_tally(&tally).await.unwrap().unwrap();
    books.ledger.settle(closing, destination).await
}

/// What the token's account has, in the books.
async fn of_token(books: &Books, request: &HoldRequest) -> i64 {
    -books.ledger.shared.memory.lock().wallet(&request.wallet).unwrap().0
}

#[tokio::test]
async fn a_refund_of_what_came_to_the_treasury_is_sent_back_to_its_payer_in_full_and_in_parts() {
    let mut books = books();
    let request = settled(&books, 1).await;
    let part = give_back(&books, request.payment, 40_000, "part").await.unwrap();
    assert_eq!((part.fee, part.remains), (amount(1_000), amount(60_000)));
    books.clock.set(NOON + 1);
    let rest = books.ledger.refund(request.payment, RefundReason::UpstreamFailed).await.unwrap();
    assert_eq!((rest.fee, rest.remains), (amount(1_500), amount(0)));
    assert_eq!(give_back(&books, request.payment, 40_000, "part").await.unwrap(), part, "the same word");
    assert_eq!(
        books.ledger.refund(request.payment, RefundReason::Operator).await,
        Err(LedgerError::RefundedBefore)
    );

    for _ in 0..2 {
        let back = due(&books).await;
        let units: Vec<_> = back.iter().map(|outgoing| outgoing.amount.atomic()).collect();
        assert_eq!(units, [40_000, 60_000]);
        let [first, _] = &back[..] else { panic!("{back:?}") };
        assert_eq!(first.id, Outgoing::of_refund(part.id));
        assert_eq!((first.refund_of, first.state), (Some(request.payment), OutgoingState::Due));
        assert_eq!(first.to, ChainAccount { address: Address::repeat_byte(1), ..account() });
        let elsewhere = books.ledger.outgoing_open("eip155:1", OutgoingState::Due, None, 10).await;
        assert_eq!(elsewhere.unwrap(), []);
        books.reopen().await;
    }
    let back = due(&books).await;
    let first = sent(&books, &back[0]).await;
    assert_eq!((first.state, due(&books).await.len()), (OutgoingState::Sent, 2), "until it is paid");
    let first = step(&books, &first, Step::Show(SENT)).await;
    assert_eq!((first.state, first.transaction), (OutgoingState::Sent, Some(SENT)));
    clean(&books.ledger.audit().await.unwrap());
    let first = step(&books, &first, Step::Pay(SENT)).await;
    assert_eq!((first.state, first.transaction), (OutgoingState::Paid, Some(SENT)));
    assert_eq!(books.ledger.outgoing_step(&first, Step::Pay(SENT)).await.unwrap(), first, "said before");
    for late in [Step::Send, Step::Pay(TRANSACTION), Step::Fail("late".to_owned()), Step::Retry] {
        assert_eq!(books.ledger.outgoing_step(&first, late).await, Err(LedgerError::Step));
    }
    assert_eq!(due(&books).await.len(), 1);
    assert_eq!(books.ledger.outgoing_of(request.payment).await.unwrap().len(), 2);
    assert_eq!(books.ledger.outgoing(first.id).await.unwrap(), Some(first));
    assert_eq!(of_token(&books, &request).await, 0);
    books.finish().await;
}

#[tokio::test]
async fn nothing_is_sent_back_before_the_payment_itself_came_for_good_and_nothing_at_all_where_it_never_does()
{
    let books = books();
    let (whole, part) =
        (onchain(1, Payee::Treasury, Settle::Deferred), onchain(2, Payee::Treasury, Settle::Deferred));
    let came = onchain(3, Payee::Treasury, Settle::Before);
    for request in [&whole, &part] {
        books.hold(request.clone()).await.unwrap().capture().await.unwrap().delivered();
    }
    books.hold(came.clone()).await.unwrap().capture_seen(TRANSACTION).await.unwrap().delivered();
    books.ledger.refund(whole.payment, RefundReason::UpstreamFailed).await.unwrap();
    give_back(&books, part.payment, 30_000, "part").await.unwrap();
    books.ledger.refund(came.payment, RefundReason::UpstreamFailed).await.unwrap();
    assert_eq!(due(&books).await, [], "none of them came yet");
    clean(&books.ledger.audit().await.unwrap());

    books.ledger.settled(came.payment, TRANSACTION).await.unwrap();
    let [back] = &due(&books).await[..] else { panic!("one came") };
    assert_eq!(back.refund_of, Some(came.payment));

    let nothing = books.ledger.write_off(whole.payment).await.unwrap();
    assert_eq!((nothing.amount, nothing.reason), (amount(0), RefundReason::WrittenOff));
    assert_eq!(books.ledger.write_off(part.payment).await.unwrap().amount, amount(70_000));
    assert!(books.ledger.write_off(whole.payment).await.is_err());
    let states = [(&whole, PaymentState::Refunded), (&part, PaymentState::WrittenOff)];
    for (request, state) in states {
        let shown = books.ledger.payment(request.payment).await.unwrap().unwrap();
        assert_eq!(shown.state, state, "what was given back before is not lost");
        assert!(matches!(shown.collection, Some(Collection::WrittenOff(_))), "{shown:?}");
    }
    for payment in [whole.payment, part.payment] {
        let [kept] = &books.ledger.outgoing_of(payment).await.unwrap()[..] else { panic!("one each") };
        assert_eq!(kept.state, OutgoingState::Void);
        assert_eq!(books.ledger.outgoing_step(kept, Step::Send).await, Err(LedgerError::Step));
    }
    assert_eq!(books.ledger.due("eip155:84532", 10).await.unwrap(), []);
    assert_eq!(due(&books).await.len(), 1);
    books.finish().await;
}

#[tokio::test]
async fn no_settlement_is_paid_into_the_account_of_a_token() {
    let books = books();
    let request = settled(&books, 1).await;
    let paid = settle_into(&books, PayoutDestination::Wallet(request.wallet)).await;
    assert_eq!(paid, Err(LedgerError::UnknownWallet));
    books.finish().await;
}

#[tokio::test]
async fn a_day_has_room_for_so_much_of_what_people_give_back_and_for_all_that_a_rule_does() {
    let books = with_outlet(Outlet { refunds_per_day: Some(amount(100_000)) });
    let (first, second) = (settled(&books, 1).await, settled(&books, 2).await);
    let third = settled(&books, 3).await;
    books.ledger.refund(third.payment, RefundReason::UpstreamFailed).await.unwrap();
    give_back(&books, first.payment, 60_000, "one").await.unwrap();
    assert_eq!(give_back(&books, second.payment, 40_001, "two").await, Err(LedgerError::RefundLimit));
    // Of many at once no more than what is left goes through.
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..8 {
        let (ledger, payment) = (books.ledger.clone(), second.payment);
        let (amount, idempotency_key) = (Some(amount(10_000)), format!("many {number}"));
        let reason = RefundReason::Operator;
        tasks.spawn(async move {
            ledger.refund_part(RefundRequest { payment, amount, reason, idempotency_key }).await
        });
    }
    let done = tasks.join_all().await;
    assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 4, "{done:?}");
    assert_eq!(done.iter().filter(|done| **done == Err(LedgerError::RefundLimit)).count(), 4);
    books.clock.set(NOON + 12 * HOUR);
    give_back(&books, first.payment, 40_000, "tomorrow").await.unwrap();
    books.finish().await;
}

#[tokio::test]
async fn a_payout_on_chain_is_owed_until_its_transaction_counts_and_then_booked_once() {
    let mut books = books();
    let request = settled(&books, 1).await;
    let settlement = settle(&books).await.unwrap();
    let payout = books.ledger.payout(settlement.payout).await.unwrap().unwrap();
    assert_eq!((&payout.destination, payout.paid), (&PayoutDestination::Chain(account()), None));
    assert_eq!(payout.sending.unwrap().state, OutgoingState::Due);
    books.reopen().await;
    let [outgoing] = &due(&books).await[..] else { panic!("one is due") };
    assert_eq!((outgoing.payout(), outgoing.amount), (Some(settlement.payout), amount(97_500)));
    assert_eq!((&outgoing.to, outgoing.refund_of), (&account(), None));
    let outgoing = sent(&books, outgoing).await;
    assert_eq!(books.ledger.position("acme").await.unwrap().unwrap().pending, amount(97_500));
    let by_hand = |key: &str| PayoutPayment {
        payout: settlement.payout,
        reference: "bank 7".to_owned(),
        idempotency_key: key.to_owned(),
    };
    assert_eq!(books.ledger.pay_out(by_hand("meanwhile")).await, Err(LedgerError::OnItsWay));
    assert_eq!(of_token(&books, &request).await, 100_000);
    step(&books, &outgoing, Step::Pay(SENT)).await;
    assert_eq!(of_token(&books, &request).await, 2_500, "the platform's share is left");
    let payout = books.ledger.payout(settlement.payout).await.unwrap().unwrap();
    assert_eq!(payout.paid.unwrap().reference, SENT.to_string());
    let sending = payout.sending.unwrap();
    assert_eq!((sending.state, sending.transaction), (OutgoingState::Paid, Some(SENT)));
    assert_eq!(books.ledger.position("acme").await.unwrap().unwrap().pending, amount(0));
    assert_eq!(books.ledger.pay_out(by_hand("late")).await, Err(LedgerError::PaidBefore));
    let changes = books.ledger.changes((0, i64::MAX), 100).await.unwrap();
    let states: Vec<_> = changes.outgoing.iter().map(|step| step.outgoing.state).collect();
    assert_eq!(states, [OutgoingState::Sent, OutgoingState::Paid]);
    assert_eq!(changes.paid.len(), 1);
    books.finish().await;
}

#[tokio::test]
async fn what_failed_is_seen_and_goes_on_only_when_a_person_says_so() {
    let books = books();
    settled(&books, 1).await;
    let settlement = settle(&books).await.unwrap();
    let [outgoing] = &due(&books).await[..] else { panic!("one is due") };
    let failed = step(&books, &sent(&books, outgoing).await, Step::Fail("reverted".to_owned())).await;
    assert_eq!((failed.state, failed.reason.as_deref()), (OutgoingState::Failed, Some("reverted")));
    assert_eq!(due(&books).await, []);
    let filter = OutgoingFilter { state: Some(OutgoingState::Failed), ..OutgoingFilter::default() };
    let listed = books.ledger.outgoing_list(&filter, Page::default()).await.unwrap();
    assert_eq!(listed.items, std::slice::from_ref(&failed));
    assert_eq!(books.ledger.position("acme").await.unwrap().unwrap().pending, amount(97_500), "still owed");
    let before = books.ledger.head().await.unwrap().batch;
    let again = step(&books, &failed, Step::Retry).await;
    assert_eq!((again.state, again.tries, again.reason.as_deref()), (OutgoingState::Due, 1, None));
    let followed = books.ledger.changes((before, i64::MAX), 100).await.unwrap();
    assert_eq!(followed.outgoing.len(), 1, "nothing else moved with it");
    let failed = step(&books, &sent(&books, &again).await, Step::Fail("reverted again".to_owned())).await;

    // Or paid in another way: then nothing is sent any more.
    let (reference, idempotency_key) = ("bank 7".to_owned(), "word".to_owned());
    let payout = settlement.payout;
    let paid = PayoutPayment { payout, reference, idempotency_key };
    let done = books.ledger.pay_out(paid.clone()).await.unwrap();
    assert_eq!(done.sending.as_ref().unwrap().state, OutgoingState::Void);
    assert_eq!(books.ledger.pay_out(paid).await.unwrap().paid, done.paid);
    assert_eq!(books.ledger.payout(payout).await.unwrap().unwrap(), done);
    assert_eq!(books.ledger.outgoing_step(&failed, Step::Retry).await, Err(LedgerError::Step));
    books.finish().await;
}

#[tokio::test]
async fn what_became_of_an_earlier_try_is_not_taken_for_the_present_one() {
    let books = books();
    settled(&books, 1).await;
    settle(&books).await.unwrap();
    let [outgoing] = &due(&books).await[..] else { panic!("one is due") };
    let first = sent(&books, outgoing).await;
    let failed = step(&books, &first, Step::Fail("reverted".to_owned())).await;
    let present = sent(&books, &step(&books, &failed, Step::Retry).await).await;
    for late in [Step::Show(SENT), Step::Pay(SENT), Step::Fail("reverted".to_owned())] {
        assert_eq!(books.ledger.outgoing_step(&first, late).await, Err(LedgerError::Step));
    }
    assert_eq!(due(&books).await, std::slice::from_ref(&present), "still on its way");
    assert_eq!(step(&books, &present, Step::Pay(SENT)).await.state, OutgoingState::Paid);
    books.finish().await;
}

#[tokio::test]
async fn nothing_leaves_where_nothing_can_be_sent() {
    let books = Books::new();
    settled(&books, 1).await;
    assert_eq!(settle(&books).await, Err(LedgerError::NoOutlet));
    let direct = onchain(2, DIRECT, Settle::After);
    books.hold(direct.clone()).await.unwrap().capture_settled(TRANSACTION).await.unwrap().delivered();
    let unknown = Outgoing { id: OutgoingId::from_bytes([7; 16]), ..outgoing_of_nothing() };
    assert_eq!(books.ledger.outgoing_step(&unknown, Step::Send).await, Err(LedgerError::UnknownOutgoing));
    books.finish().await;
}

/// What is done to the books, and the invariants that must see it.
const TAMPERINGS: &[(&str, &str)] = &[
    ("delete from outgoing where payment is null", "outgoing_is_booked"),
    ("delete from outgoing where payment is not null", "outgoing_is_booked"),
    ("update outgoing set amount = amount + 1 where payment is null", "outgoing_is_booked"),
    ("update outgoing set amount = amount + 1 where payment is not null", "outgoing_is_booked"),
    ("update outgoing set recipient = zeroblob(20) where payment is not null", "outgoing_is_booked"),
    ("update outgoing set network = 'eip155:1' where payment is null", "outgoing_is_booked"),
    ("update outgoing set hash = zeroblob(32) where payment is not null", "outgoing_goes_on"),
    (
        "update outgoing set hash = zeroblob(32) where hash is not null;
         update outgoing_step set hash = zeroblob(32) where hash is not null",
        "outgoing_goes_on",
    ),
    ("update outgoing set state = 'due', steps = 0, hash = null where payment is null", "outgoing_goes_on"),
    ("update outgoing set state = 'void' where payment is not null", "outgoing_goes_on"),
    ("update intent set closed = null, closed_at = null", "outgoing_goes_on"),
    ("delete from outgoing_step where number = 1", "outgoing_goes_on"),
    ("update transfer set credit = 1 where payout is not null", "payouts_match_settlements"),
    ("drop trigger outgoing_no_update", "money_rows_are_guarded"),
];

#[tokio::test]
async fn every_tampering_with_what_leaves_is_seen_by_the_invariant_meant_for_it() {
    let mut books = books();
    let request = settled(&books, 1).await;
    give_back(&books, request.payment, 40_000, "part").await.unwrap();
    settle(&books).await.unwrap();
    for (outgoing, transaction) in due(&books).await.iter().zip([SENT, TRANSACTION]) {
        step(&books, &sent(&books, outgoing).await, Step::Pay(transaction)).await;
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

fn outgoing_of_nothing() -> Outgoing {
    Outgoing {
        id: OutgoingId::from_bytes([0; 16]),
        provider: "acme".into(),
        refund_of: None,
        suspense_of: None,
        to: account(),
        amount: amount(1),
        state: OutgoingState::Due,
        transaction: None,
        reason: None,
        tries: 0,
        at: UnixMillis(NOON),
        changed_at: UnixMillis(NOON),
    }
}
