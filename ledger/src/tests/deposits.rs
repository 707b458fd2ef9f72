//! Deposits: what came from a public network for a wallet funds it once, whatever is repeated, killed or claimed.

use domain::{Address, B256, Custody, Fingerprint, PaymentId, ReplayKey, Settle, UnixMillis};

use super::kit::{Books, NOON, amount, clean, request, wallet};
use crate::{
    CaptureError, Close, DEPOSITS, Deposit, Held, HoldError, HoldRequest, Intent, LedgerError, Page,
    RefundReason, RefundRequest, Transfer, TransferKind,
};

const TRANSACTION: B256 = B256::repeat_byte(0xaa);

/// Five dollars for wallet 1, that `nonce` names.
pub(super) fn deposit(nonce: u8) -> HoldRequest {
    let intent = Intent {
        network: "eip155:84532".into(),
        token: Address::repeat_byte(5).into(),
        payer: Address::repeat_byte(1).into(),
        pay_to: Address::repeat_byte(7).into(),
        custody: Custody::Direct,
        deposit: None,
        settle: Settle::Deferred,
        valid_before: u64::try_from(NOON / 1000 + 60).unwrap(),
        since_block: 41,
        payload: "{}".into(),
        requirements: "{}".into(),
    };
    let (until, network) = (intent.valid_before, intent.network.clone());
    Deposit {
        payment: PaymentId::generate(UnixMillis(NOON), [nonce; 10]),
        wallet: wallet(1),
        amount: amount(5_000_000),
        replay: ReplayKey::new(
            until,
            &network,
            Address::repeat_byte(5),
            Address::repeat_byte(1),
            B256::repeat_byte(nonce),
        ),
        intent,
        digest: B256::repeat_byte(nonce),
        fingerprint: Fingerprint::from_bytes([1; 16]),
    }
    .request()
}

async fn books() -> Books {
    Books::funded(1_000).await
}

/// What came into wallet 1 by deposits.
async fn deposited(books: &Books) -> Vec<Transfer> {
    let all = books.ledger.transfers(wallet(1), Page::first(100)).await.unwrap().items;
    all.into_iter().filter(|transfer| transfer.external_reference.starts_with("eip155")).collect()
}

#[tokio::test]
async fn a_deposit_that_moved_funds_its_wallet_with_the_same_commit_and_is_no_sale() {
    let books = books().await;
    let request = deposit(1);
    assert_eq!(request.intent.as_ref().unwrap().custody, Custody::Treasury);
    let hold = books.hold(request.clone()).await.unwrap();
    assert_eq!(books.balance(1).await, 1_000, "held is not funded");
    clean(&books.ledger.audit().await.unwrap());
    hold.capture_settled(TRANSACTION).await.unwrap().delivered();
    assert_eq!((books.balance(1).await, books.available(1).await), (5_001_000, 5_001_000));
    let told = deposited(&books).await;
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].kind, told[0].amount), (TransferKind::Funding, amount(5_000_000)));
    assert_eq!(told[0].external_reference, format!("eip155:84532 {TRANSACTION}"));
    let changes = books.ledger.changes((0, i64::MAX), 100).await.unwrap();
    assert!(changes.transfers.iter().any(|(_, transfer)| *transfer == told[0]), "it is told of");
    assert_eq!(books.ledger.captured_between((0, i64::MAX)).await.unwrap(), []);
    let record = books.ledger.payment(request.payment).await.unwrap().unwrap();
    assert_eq!((&*record.receipt.provider, &*record.receipt.route), (DEPOSITS, &*wallet(1).to_string()));
    assert_eq!(books.ledger.due("eip155:84532", 10).await.unwrap(), []);
    // The same again is the same; what was signed for it pays for nothing else.
    assert!(matches!(books.ledger.hold(request.clone()).await, Ok(Held::Prior(_))));
    let other = HoldRequest { fingerprint: Fingerprint::from_bytes([2; 16]), ..request };
    assert_eq!(books.ledger.hold(other).await.unwrap_err(), HoldError::Reused);
    assert_eq!(books.balance(1).await, 5_001_000);
    books.finish().await;
}

#[tokio::test]
async fn what_did_not_move_for_good_funds_nothing_and_stays_unknown() {
    let books = books().await;
    let (seen, unsaid) = (deposit(1), deposit(2));
    let hold = books.hold(seen.clone()).await.unwrap();
    assert_eq!(hold.capture_seen(TRANSACTION).await.unwrap_err(), CaptureError::Unknown);
    let hold = books.hold(unsaid.clone()).await.unwrap();
    assert_eq!(hold.capture().await.unwrap_err(), CaptureError::Unknown);
    assert_eq!(books.balance(1).await, 1_000);
    for request in [&seen, &unsaid] {
        let again = books.ledger.hold(request.clone()).await;
        assert_eq!(again.unwrap_err(), HoldError::SettlementUnknown(request.payment));
    }
    books.ledger.close(seen.payment, Close::Moved(TRANSACTION.into())).await.unwrap();
    books.ledger.close(unsaid.payment, Close::Void).await.unwrap();
    assert_eq!(books.balance(1).await, 5_001_000);
    assert!(matches!(books.ledger.hold(seen).await, Ok(Held::Prior(_))), "nothing is owed any more");
    books.hold(unsaid).await.unwrap().void().await.unwrap();
    books.finish().await;
}

#[tokio::test]
async fn d8_a_deposit_that_a_crash_left_is_closed_by_evidence_and_funds_once() {
    let mut books = books().await;
    let (moved, void) = (deposit(1), deposit(2));
    let running = [books.hold(moved.clone()).await.unwrap(), books.hold(void.clone()).await.unwrap()];
    books.reopen().await;
    drop(running);
    let open = books.ledger.unknown();
    assert_eq!(open.len(), 2);
    assert!(open.iter().all(|open| open.intent.deposit == Some(wallet(1))));
    books.ledger.close(moved.payment, Close::Moved(TRANSACTION.into())).await.unwrap();
    let again = books.ledger.close(moved.payment, Close::Moved(TRANSACTION.into())).await;
    assert_eq!(again, Err(LedgerError::UnknownPayment));
    books.ledger.close(void.payment, Close::Void).await.unwrap();
    books.reopen().await;
    assert_eq!(books.balance(1).await, 5_001_000);
    assert_eq!(deposited(&books).await.len(), 1);
    assert!(matches!(books.ledger.hold(moved).await, Ok(Held::Prior(_))));
    books.finish().await;
}

#[tokio::test]
async fn what_was_deposited_is_given_back_by_nobody_and_spent_like_other_money() {
    let books = books().await;
    let request_of_five = deposit(1);
    books
        .hold(request_of_five.clone())
        .await
        .unwrap()
        .capture_settled(TRANSACTION)
        .await
        .unwrap()
        .delivered();
    let asked = RefundRequest {
        payment: request_of_five.payment,
        amount: None,
        reason: RefundReason::Operator,
        idempotency_key: "once".to_owned(),
    };
    assert_eq!(books.ledger.refund_part(asked).await, Err(LedgerError::Deposit));
    assert_eq!(books.ledger.write_off(request_of_five.payment).await, Err(LedgerError::Deposit));
    books.pay(request(4_000_000)).await.delivered();
    assert_eq!(books.balance(1).await, 1_001_000);
    books.finish().await;
}

#[tokio::test]
async fn nothing_is_held_for_a_wallet_that_is_not_there() {
    let books = Books::new();
    assert_eq!(books.hold(deposit(1)).await.unwrap_err(), HoldError::Unavailable);
    books.until_idle().await;
    books.finish().await;
}
