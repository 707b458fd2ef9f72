//! Balances, limits, tiers, refunds: what is charged, and what never is.

use std::collections::HashSet;

use domain::{PolicyViolation, Window};

use super::kit::{Books, HOUR, NOON, agent, amount, funding, request, tiers, wallet};
use crate::{HoldError, LedgerError, RefundReason};

#[tokio::test]
async fn a_payment_debits_the_wallet_and_credits_provider_and_fee() {
    let books = Books::funded(1_000).await;
    let receipt = books.pay(request(400)).await;
    assert_eq!((receipt.record().amount, receipt.record().fee), (amount(400), amount(10)));
    assert_eq!(books.balance(1).await, 600);
    let record = books.ledger.payment(receipt.record().payment).await.unwrap().unwrap();
    assert_eq!(&record.receipt, receipt.record());
    assert_eq!((record.wallet, record.refunded), (wallet(1), None));
    receipt.delivered();
    books.finish().await;
}
