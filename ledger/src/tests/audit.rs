//! The audit turns red: each way to tamper with a copy of the books is seen by the invariant meant for it.

use std::task::Poll;

use domain::{B256, PayoutDestination, UnixMillis};

use super::deposits::deposit;
use super::foreign::{foreign, moved};
use super::kit::{Books, amount, clean, named, request, signed, tiers};
use super::tampered::{broken_by, is_postgres, refuse};
use crate::{
    Close, Held, HoldRequest, PayoutPayment, RefundReason, RefundRequest, Settlement, audit_database,
};

/// What is done to the books, and the invariants that must see it.
const TAMPERINGS: &[(&str, &[&str])] = &[
    (
        "update payment set gross = gross - 1 where seq = 1",
        &[
            "balances_match_entries",
            "batches_are_gapless",
            "windows_match_payments",
            "usage_matches_payments",
        ],
    ),
    ("update payment set fee = fee + 1 where seq = 1", &["balances_match_entries", "usage_matches_payments"]),
    (
        "delete from payment where seq = 2",
        &["balances_match_entries", "batches_are_gapless", "windows_match_payments"],
    ),
    (
        "update payment set agent = zeroblob(16) where seq = 1",
        &["windows_match_payments", "calls_match_payments"],
    ),
    ("update payment set provider = 1 where seq = 1", &["accounts_are_whole", "balances_match_entries"]),
    ("update payment set captured_at = captured_at - 120000 where seq = 1", &["usage_matches_payments"]),
    (
        "update payment set fingerprint = zeroblob(16) where idempotency is not null",
        &["identifiers_match_payments"],
    ),
    ("delete from refund", &["balances_match_entries", "windows_match_payments", "calls_match_payments"]),
    ("update refund set amount = amount - 1", &["refunds_match_payments", "balances_match_entries"]),
    ("update refund set fee = fee + 1", &["refunds_match_payments", "balances_match_entries"]),
    ("update refund set remains = remains + 1 where remains > 0", &["refunds_match_payments"]),
    ("update transfer set amount = amount + 1", &["balances_match_entries"]),
    (
        "update balance set credits = credits + 1 where account = 2",
        &["sum_is_zero", "balances_match_entries"],
    ),
    (
        "update balance set floor = 0; update balance set debits = debits + 100000 where floor = 0",
        &["no_overdraft"],
    ),
    ("update spend_window set spent = spent - 1", &["windows_match_payments"]),
    ("update call_count set calls = calls + 1", &["calls_match_payments"]),
    ("update usage_minute set fee = fee + 1", &["usage_matches_payments"]),
    ("update usage_day set refunded = refunded + 1", &["days_match_minutes"]),
    ("update call_count set spent = spent + 1", &["calls_match_payments"]),
    ("update payment set captured_at = captured_at + 1 where seq = 1", &["times_follow_numbers"]),
    ("update marker set gross = gross + 1", &["batches_are_gapless"]),
    ("delete from balance where account = 3", &["accounts_are_whole"]),
    (
        "insert into hold (payment, agent, wallet, provider, route, price, maximum, revision, fee_points, per_day, per_month,
           limits, free, replay_key, digest, fingerprint, idempotency, held_at, batch, capture, owed)
         select id, agent, wallet, provider, route, '[[1,5]]', 5, revision, 0, null, null, '[]', 0, replay_key,
           digest, fingerprint, null, held_at, batch, 'before', null from payment where seq = 1",
        &["holds_are_open"],
    ),
    (
        "insert into hold (payment, agent, wallet, provider, route, price, maximum, revision, fee_points, per_day, per_month,
           limits, free, replay_key, digest, fingerprint, idempotency, held_at, batch, capture, owed)
         select zeroblob(16), agent, wallet, 1, route, '[[1,5]]', 5, revision, 0, null, null, '[]', 0, null,
           null, fingerprint, null, held_at, batch, 'before', null from payment where seq = 1",
        &["holds_are_covered"],
    ),
    (
        "insert into hold (payment, agent, wallet, provider, route, price, maximum, revision, fee_points, per_day, per_month,
           limits, free, replay_key, digest, fingerprint, idempotency, held_at, batch, capture, owed)
         select zeroblob(16), agent, wallet, provider, route, '[[1,9]]', 9999999, revision, 0, null,
           null, '[]', 0, null, null, fingerprint, null, held_at, batch, 'before', null from payment where seq = 1",
        &["holds_are_covered"],
    ),
    ("update settlement set since = since + 1 where number = 2", &["settlements_are_contiguous", "settlements_match_members"]),
    ("update settlement set cut = cut - 1 where number = 1", &["settlements_are_contiguous", "settlements_match_members"]),
    ("update settlement set number = number + 1 where number = 2", &["settlements_are_contiguous"]),
    ("update settlement set gross = gross + 1, fee = fee + 1 where number = 1", &["settlements_match_members"]),
    ("update settlement set through = 0 where number = 2", &["settlements_are_contiguous", "settlements_match_members"]),
    (
        "update settlement set refunds = refunds + adjustments, adjustments = 0 where number = 2",
        &["settlements_match_members"],
    ),
    (
        "update settlement set gross = gross + 1, net = net + 1 where number = 1",
        &["balances_match_entries", "settlements_match_members", "payouts_match_settlements"],
    ),
    ("delete from payout where transfer is null", &["payouts_match_settlements", "payables_are_pending_payouts"]),
    ("update payout set amount = amount + 1", &["payouts_match_settlements", "payables_are_pending_payouts"]),
    ("update payout set transfer = null, paid_batch = null", &["payouts_match_settlements", "payables_are_pending_payouts"]),
    ("update transfer set credit = 2 where payout is not null", &["balances_match_entries", "payouts_match_settlements"]),
    ("update intent set deposit = null", &["deposits_fund_wallets"]),
    ("update intent set deposit = zeroblob(16)", &["deposits_fund_wallets"]),
    ("update intent set closed = null, hash = null, closed_at = null", &["deposits_fund_wallets"]),
    ("update transfer set id = zeroblob(16) where kind = 'funding' and debit <> 1", &["deposits_fund_wallets"]),
    (
        "update transfer set debit = 1 where kind = 'funding' and debit <> 1",
        &["deposits_fund_wallets", "balances_match_entries"],
    ),
    ("update verdict set hash = null", &["verdicts_stand"]),
    ("update verdict set amount = amount + 1", &["verdicts_stand"]),
    ("delete from mover", &["verdicts_stand"]),
    (
        "drop index intent_foreign;
         insert into intent select zeroblob(16), network, token, payer, pay_to, custody, settle, amount, valid_before, since_block,
           payload, requirements, held_at, closed, hash, closed_at, deposit, null, null, null from intent where network like 'solana:%'",
        &["transactions_pay_once"],
    ),
    (
        "update intent set moved = amount, one_of = 1 where network like 'eip155:%' and hash is not null;
         insert into intent select zeroblob(16), network, token, payer, pay_to, custody, settle, amount, valid_before, since_block,
           payload, requirements, held_at, closed, hash, closed_at, deposit, null, moved, one_of from intent where one_of is not null",
        &["transactions_pay_as_often_as_they_show"],
    ),
    ("drop trigger verdict_no_delete", &["money_rows_are_guarded"]),
    ("drop trigger payment_no_update", &["money_rows_are_guarded"]),
    ("drop trigger payout_no_update", &["money_rows_are_guarded"]),
    ("drop trigger refund_fits", &["money_rows_are_guarded"]),
];

/// The same of what only SQLite has.
const OF_SQLITE: &[(&str, &[&str])] = &[
    ("update marker set entered = entered + 1", &["agents_have_their_payments"]),
    (
        "insert into agent_payment select agent, seq from payment where seq = 2",
        &["agents_have_their_payments"],
    ),
];

async fn books_with_history() -> Books {
    let books = Books::new();
    books.fund(1, 10_000).await;
    books.pay(signed(400, 1)).await.delivered();
    books.pay(named(400, "call")).await.delivered();
    let tiered = HoldRequest { price: tiers(&[(1, 90), (3, 80)]), ..request(0) };
    let receipt = books.pay(tiered).await;
    let payment = receipt.record().payment;
    receipt.delivered();
    books.ledger.refund(payment, RefundReason::Operator).await.unwrap();
    let receipt = books.pay(request(500)).await;
    let idempotency_key = "part".to_owned();
    let (payment, amount) = (receipt.record().payment, Some(amount(123)));
    receipt.delivered();
    let part = RefundRequest { payment, amount, reason: RefundReason::Operator, idempotency_key };
    books.ledger.refund_part(part).await.unwrap();
    let first = settle(&books).await;
    let reference = "bank 7".to_owned();
    let idempotency_key = "paid".to_owned();
    let paid = PayoutPayment { payout: first.payout, reference, idempotency_key };
    books.ledger.pay_out(paid).await.unwrap();
    let late =
        RefundRequest { payment, amount, reason: RefundReason::Operator, idempotency_key: "late".to_owned() };
    books.ledger.refund_part(late).await.unwrap();
    books.pay(request(900)).await.delivered();
    books.pay(request(900)).await.delivered();
    settle(&books).await;
    let deposited = books.hold(deposit(1)).await.unwrap().capture_settled(B256::repeat_byte(1));
    deposited.await.unwrap().delivered();
    let foreign = foreign(7);
    let payment = foreign.payment;
    books.hold(foreign).await.unwrap().ask().await.unwrap().leave_unknown();
    books.ledger.asked_by("somebody").close(payment, Close::Moved(moved("a").into())).await.unwrap();
    books
}

async fn settle(books: &Books) -> Settlement {
    let tally = books.ledger.begin_tally("acme").await.unwrap().unwrap();
    let tally = books.ledger.extend_tally(tally, UnixMillis(i64::MAX)).await.unwrap();
    let closing = books.ledger.close_tally(&tally).await.unwrap().unwrap();
    books.ledger.settle(closing, PayoutDestination::Manual("a bank".to_owned())).await.unwrap()
}

#[tokio::test]
async fn every_tampering_is_seen_by_the_invariant_meant_for_it() {
    let mut books = books_with_history().await;
    books.close().await;
    clean(&audit_database(&books.settings.database).await.unwrap());
    let of_sqlite = OF_SQLITE.iter().filter(|_| !is_postgres(&books));
    for (text, expected) in TAMPERINGS.iter().chain(of_sqlite) {
        let red = broken_by(&books, text).await;
        for invariant in *expected {
            assert!(red.contains(invariant), "{text}: {invariant} saw nothing, only {red:?} did");
        }
    }
    books.reopen().await;
    books.finish().await;
}

#[tokio::test]
async fn the_books_refuse_to_change_money_rows_and_to_overdraw() {
    let mut books = books_with_history().await;
    books.close().await;
    for text in [
        "update payment set gross = 1",
        "delete from payment",
        "update transfer set amount = 1",
        "delete from transfer",
        "update refund set amount = 1",
        "delete from refund",
        "insert into refund select payment, remains - 1, zeroblob(16), provider, 2, 0, reason, null, at, batch
           from refund where remains > 0",
        "update settlement set gross = 1",
        "delete from settlement",
        "insert into settlement select zeroblob(16), provider, 3, since, cut + 1, through, payments, gross, fee, refunds,
           adjustments, net, payable, at, batch from settlement where number = 2",
        "update payout set amount = 1",
        "update payout set transfer = null, paid_batch = null",
        "update payout set transfer = zeroblob(16), destination = 'elsewhere' where transfer is null",
        "delete from payout",
        "update balance set debits = credits + 1 where floor = 1",
        "update spend_window set spent = -1",
        "insert into payment select 99, zeroblob(16), agent, wallet, provider, fee_account, route, gross, fee, revision,
           call, replay_key, digest, fingerprint, idempotency, held_at, captured_at, batch, windows, free
         from payment where replay_key is not null",
    ] {
        assert!(refuse(&books, text).await, "{text}");
    }
    // A batch of SQLite counts there which balances it did not find.
    assert!(is_postgres(&books) || refuse(&books, "update marker set unmatched = 1").await);
    books.reopen().await;
    books.finish().await;
}

#[tokio::test]
async fn memory_that_differs_from_the_books_is_seen() {
    let books = books_with_history().await;
    clean(&books.ledger.audit().await.unwrap());
    let change = |units: i64| {
        let mut memory = books.ledger.shared.memory.lock();
        memory.facts.wallets.get_mut(&super::kit::wallet(1)).unwrap().balance += units;
        memory.facts.agents.get_mut(&super::kit::agent(1)).unwrap().windows[0].spent += units;
    };
    change(1);
    let report = books.ledger.audit().await.unwrap();
    let red: Vec<_> = report
        .findings
        .iter()
        .filter(|finding| finding.offending > 0)
        .map(|finding| finding.invariant)
        .collect();
    assert_eq!(red, ["memory_balances", "memory_windows"]);
    change(-1);
    books.finish().await;
}

#[tokio::test]
async fn an_audit_under_load_looks_at_one_point_between_two_batches() {
    let books = Books::funded(100_000).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let ledger = books.ledger.clone();
        tasks.spawn(async move {
            for _ in 0..50 {
                let Ok(crate::Held::Hold(hold)) = ledger.hold(request(1)).await else { panic!("no hold") };
                hold.capture().await.unwrap().delivered();
            }
        });
    }
    for _ in 0..20 {
        clean(&books.ledger.audit().await.unwrap());
        clean(&audit_database(&books.settings.database).await.unwrap());
    }
    tasks.join_all().await;
    assert_eq!(books.balance(1).await, 100_000 - 400);
    books.finish().await;
}

/// How often the same identifier comes again: on each connection of the pool.
const LOOK_UPS: u8 = 8;

#[tokio::test]
async fn r4_an_audit_that_nobody_waits_for_any_more_leaves_no_old_view_of_the_books() {
    let books = Books::funded(100_000).await;
    let mut ended = false;
    for steps in 1.. {
        if ended {
            break;
        }
        // Whoever asked for it leaves, a step later each time.
        ended = finishes_within(steps, books.ledger.audit()).await;
        let call = named(1, &format!("call {steps}"));
        books.pay(call.clone()).await.delivered();
        for _ in 0..LOOK_UPS {
            let again = books.ledger.hold(call.clone()).await;
            assert!(matches!(again, Ok(Held::Prior(_))), "after {steps} steps: {again:?}");
        }
    }
    books.finish().await;
}

/// Whether a future is ready after it was polled this often; it is dropped.
async fn finishes_within(steps: u32, future: impl Future) -> bool {
    let mut future = std::pin::pin!(future);
    let mut left = steps;
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        future.as_mut().poll(context).map(|_| true)
    })
    .await
}
