//! What leaves our treasury, with a real ledger: what cannot be paid keeps nothing else, and nothing is begun that may have left before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use alloy_primitives::B256;
use domain::{Custody, Price, Settle};
use ledger::{Held, HoldRequest, Intent, Outgoing, OutgoingState, RefundReason, RefundRequest, Step};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::house::{NOON, amount};
use super::open::Both;
use crate::evm::stub::Stub;
use crate::outgoing::{OutgoingObserver, Outlet, Sender, member};
use crate::rail::tests::{NETWORK, PAY_TO, TOKEN, payer, transaction};

/// Rounds that were begun while nothing that is due may be, and what is over.
#[derive(Default)]
struct Counted {
    held: watch::Sender<usize>,
    over: watch::Sender<Vec<OutgoingState>>,
}

/// Payments to the treasury, and whoever sends.
struct Desk {
    both: Both,
    stub: Stub,
    watched: Arc<Counted>,
    payments: AtomicU8,
}

impl OutgoingObserver for Counted {
    fn open(&self, _: &str, _: usize) {}

    fn held(&self, _: &str, held: bool) {
        self.held.send_modify(|rounds| *rounds += usize::from(held));
    }

    fn over(&self, _: &str, state: OutgoingState) {
        self.over.send_modify(|over| over.push(state));
    }
}

// === impl Desk ===

impl Desk {
    async fn new() -> Self {
        let both = Both::new().await;
        Self { both, stub: Stub::start(PAY_TO), watched: Arc::default(), payments: AtomicU8::new(0) }
    }

    /// Takes a payment, and gives so much of it back.
    async fn give_back(&self, units: i64, key: &str) {
        let number = self.payments.fetch_add(1, Ordering::Relaxed) + 1;
        let request = self.both.request(number, Settle::After);
        let intent = Intent { custody: Custody::Treasury, ..(**request.intent.as_ref().unwrap()).clone() };
        let price = Price::Fixed(amount(1_000));
        let request = HoldRequest { intent: Some(Arc::new(intent)), price, ..request };
        let payment = request.payment;
        let Held::Hold(hold) = self.both.house.ledger.hold(request).await.unwrap() else { panic!("no hold") };
        let moved = transaction(B256::repeat_byte(number));
        hold.capture_settled(moved).await.unwrap().delivered();
        let (amount, idempotency_key) = (Some(amount(units)), key.to_owned());
        let request = RefundRequest { payment, amount, reason: RefundReason::Operator, idempotency_key };
        self.both.house.ledger.refund_part(request).await.unwrap();
    }

    async fn that_are(&self, state: OutgoingState) -> Vec<Outgoing> {
        self.both.house.ledger.outgoing_open(NETWORK, state, None, 1_000).await.unwrap()
    }

    fn sends(&self) -> (JoinHandle<()>, watch::Sender<bool>) {
        let chain = Arc::clone(&self.both.world.rail.chains()[NETWORK]);
        let outlet = Outlet { network: NETWORK.into(), chain, settler: self.stub.settler.clone() };
        let watched = Arc::clone(&self.watched);
        let sender = Sender::new(self.both.house.ledger.clone(), vec![outlet], watched);
        let (stop, stopped) = watch::channel(false);
        (tokio::spawn(sender.run(Duration::from_millis(1), stopped)), stop)
    }
}

#[tokio::test]
async fn transfers_that_the_treasury_cannot_pay_keep_no_later_one_waiting() {
    let desk = Desk::new().await;
    for number in 0..70 {
        desk.give_back(100, &format!("large {number}")).await;
    }
    desk.both.house.clock.set(NOON + 1);
    desk.give_back(10, "small").await;
    desk.both.world.chain.lock().balance = 50;
    let (sending, stop) = desk.sends();
    let mut over = desk.watched.over.subscribe();
    over.wait_for(|over| !over.is_empty()).await.unwrap();
    assert_eq!(*desk.watched.over.borrow(), [OutgoingState::Paid]);
    let due = desk.that_are(OutgoingState::Due).await;
    assert_eq!((due.len(), due.iter().all(|one| one.amount == amount(100))), (70, true));
    // As soon as there is some more, what it is enough for.
    desk.both.world.chain.lock().balance = 250;
    over.wait_for(|over| over.len() >= 3).await.unwrap();
    stop.send_replace(true);
    sending.await.unwrap();
    desk.both.house.finish().await;
}

#[tokio::test]
async fn while_the_outbox_does_not_know_all_that_was_sent_nothing_that_is_due_is_begun() {
    let desk = Desk::new().await;
    desk.give_back(100, "handed over").await;
    let [first] = &desk.that_are(OutgoingState::Due).await[..] else { panic!("one is due") };
    let first = desk.both.house.ledger.outgoing_step(first, Step::Send).await.unwrap();
    desk.give_back(200, "due").await;
    desk.stub.forgets();
    let (sending, stop) = desk.sends();
    desk.watched.over.subscribe().wait_for(|over| !over.is_empty()).await.unwrap();
    // Many rounds more.
    let rounds = *desk.watched.held.borrow();
    desk.watched.held.subscribe().wait_for(|held| *held > rounds + 10).await.unwrap();
    stop.send_replace(true);
    sending.await.unwrap();
    assert_eq!(desk.stub.asked(), [member(&first)], "whoever has it asks the outbox, and that one alone");
    let [due] = &desk.that_are(OutgoingState::Due).await[..] else { panic!("it stays due") };
    // A person has seen that it left.
    let left = Stub::transaction("by hand");
    desk.both.house.ledger.outgoing_step(due, Step::Left(left)).await.unwrap();
    desk.both.house.finish().await;
}

#[tokio::test]
async fn what_the_books_say_has_left_is_compared_with_the_chain() {
    use crate::comparison::{Comparison, Stray};
    let desk = Desk::new().await;
    let there = transaction(B256::repeat_byte(1));
    desk.both.world.chain.lock().use_up(B256::repeat_byte(1), true);
    desk.give_back(100, "one").await;
    let [model] = &desk.that_are(OutgoingState::Due).await[..] else { panic!("one is due") };
    let paid = |to, units, transaction, network: &str| {
        let to = domain::ChainAccount { network: network.into(), token: TOKEN, address: to };
        let transaction = Some(transaction);
        Outgoing { to, amount: amount(units), state: OutgoingState::Paid, transaction, ..model.clone() }
    };
    let gone = transaction(B256::repeat_byte(2));
    let left = vec![
        paid(PAY_TO, 1_000, there, NETWORK),
        paid(PAY_TO, 1_001, there, NETWORK),
        paid(payer(), 1_000, there, NETWORK),
        paid(PAY_TO, 1_000, gone, NETWORK),
        paid(PAY_TO, 1_000, there, "eip155:1"),
    ];
    let stray = |of: &Outgoing| Stray {
        outgoing: of.id,
        network: NETWORK.into(),
        amount: of.amount,
        to: of.to.address,
        transaction: of.transaction.unwrap(),
    };
    let strays: Vec<_> = left[1..4].iter().map(stray).collect();
    let mut found = Comparison::default();
    found.add_left(left, &desk.both.world.rail.chains()).await;
    assert_eq!((found.left, found.unread, found.strays), (4, 1, strays));
    // And all of it in the hourly look.
    let ledger = &desk.both.house.ledger;
    let sent = ledger.outgoing_step(model, Step::Send).await.unwrap();
    ledger.outgoing_step(&sent, Step::Pay(gone)).await.unwrap();
    let found = crate::comparison::compare(ledger, &desk.both.world.rail).await.unwrap();
    assert_eq!((found.left, found.strays.len()), (1, 1));
    desk.both.house.finish().await;
}
