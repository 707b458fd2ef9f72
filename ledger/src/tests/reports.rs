//! Lists and reports against what was done: every page, in both orders, under every filter.

use domain::{AgentId, PaymentId, UnixMillis};

use super::kit::{Books, HOUR, NOON, agent, amount, request, signed, wallet};
use crate::{
    Changes, Consumer, DeliveryState, Head, HoldRequest, Order, Page, PaymentFilter, PaymentState,
    RefundReason, RefundRequest, RevenueBy, Withdrawal,
};

/// A payment as a test made it.
#[derive(Clone)]
struct Made {
    id: PaymentId,
    agent: AgentId,
    provider: &'static str,
    route: &'static str,
    at: i64,
    state: PaymentState,
}

/// Sixty payments of three agents from two wallets, to two providers, over two days.
async fn history(books: &Books) -> Vec<Made> {
    books.fund(2, 100_000).await;
    let mut made = Vec::new();
    for number in 0..60_u8 {
        let at = NOON + i64::from(number / 4) * HOUR;
        books.clock.set(at);
        let provider = ["acme", "blue"][usize::from(number % 2)];
        let route = ["quotes", "search", "maps"][usize::from(number % 3)];
        let (payer, purse) = (agent(1 + number % 3), wallet(1 + u8::from(number % 3 == 2)));
        let asked = HoldRequest {
            agent: payer,
            wallet: purse,
            provider: provider.into(),
            route: route.into(),
            ..request(100 + i64::from(number))
        };
        let receipt = books.pay(asked).await;
        let id = receipt.record().payment;
        receipt.delivered();
        let state = [PaymentState::Captured, PaymentState::PartlyRefunded, PaymentState::Refunded]
            [usize::from(number % 10).saturating_sub(7)];
        if state != PaymentState::Captured {
            let units = (state == PaymentState::PartlyRefunded).then(|| amount(40));
            let (reason, idempotency_key) = (RefundReason::Operator, number.to_string());
            let back = RefundRequest { payment: id, amount: units, reason, idempotency_key };
            books.ledger.refund_part(back).await.unwrap();
        }
        made.push(Made { id, agent: payer, provider, route, at, state });
    }
    made
}

/// All pages of a filter are the payments that fit it, in order.
async fn expect_pages(books: &Books, made: &[Made], filter: &PaymentFilter, fits: impl Fn(&Made) -> bool) {
    for order in [Order::Newest, Order::Oldest] {
        let mut expected: Vec<_> = made.iter().filter(|made| fits(made)).map(|made| made.id).collect();
        if order == Order::Newest {
            expected.reverse();
        }
        for limit in [1, 7, 1_000] {
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let page = books.ledger.payments(filter, Page { after, limit, order }).await.unwrap();
                assert!(page.items.len() <= limit);
                found.extend(page.items.iter().map(|payment| payment.receipt.payment));
                match page.next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
            assert_eq!(found, expected, "{filter:?}, {order:?}, {limit} at a time");
        }
    }
}

#[tokio::test]
async fn payments_are_listed_by_every_filter_in_pages() {
    let books = Books::funded(100_000).await;
    let made = history(&books).await;
    let all = PaymentFilter::default();
    expect_pages(&books, &made, &all, |_| true).await;
    let filter = PaymentFilter { agents: vec![agent(2)], ..all.clone() };
    expect_pages(&books, &made, &filter, |made| made.agent == agent(2)).await;
    let filter = PaymentFilter { agents: vec![agent(3), agent(1)], ..all.clone() };
    expect_pages(&books, &made, &filter, |made| made.agent != agent(2)).await;
    let filter =
        PaymentFilter { agents: (1..50).map(agent).filter(|one| *one != agent(2)).collect(), ..all.clone() };
    expect_pages(&books, &made, &filter, |made| made.agent != agent(2)).await;
    let filter = PaymentFilter { wallet: Some(wallet(2)), ..all.clone() };
    expect_pages(&books, &made, &filter, |made| made.agent == agent(3)).await;
    let filter = PaymentFilter { provider: Some("blue".into()), ..all.clone() };
    expect_pages(&books, &made, &filter, |made| made.provider == "blue").await;
    let filter = PaymentFilter { provider: Some("nobody".into()), ..all.clone() };
    expect_pages(&books, &made, &filter, |_| false).await;
    let filter = PaymentFilter { route: Some("maps".into()), ..all.clone() };
    expect_pages(&books, &made, &filter, |made| made.route == "maps").await;
    for state in [PaymentState::Captured, PaymentState::PartlyRefunded, PaymentState::Refunded] {
        let filter = PaymentFilter { state: Some(state), ..all.clone() };
        expect_pages(&books, &made, &filter, |made| made.state == state).await;
        let filter = PaymentFilter {
            agents: vec![agent(1), agent(2)],
            provider: Some("acme".into()),
            state: Some(state),
            from: Some(UnixMillis(NOON + HOUR)),
            until: Some(UnixMillis(NOON + 13 * HOUR)),
            ..all.clone()
        };
        expect_pages(&books, &made, &filter, |made| {
            made.agent != agent(3)
                && (made.provider, made.state) == ("acme", state)
                && (NOON + HOUR..NOON + 13 * HOUR).contains(&made.at)
        })
        .await;
    }
    let filter = PaymentFilter { at_least: Some(amount(130)), ..all.clone() };
    let those: Vec<_> = made[30..].iter().map(|made| made.id).collect();
    expect_pages(&books, &made, &filter, |made| those.contains(&made.id)).await;
    let filter = PaymentFilter { numbers: Some((11, 20)), ..all.clone() };
    let those: Vec<_> = made[10..20].iter().map(|made| made.id).collect();
    expect_pages(&books, &made, &filter, |made| those.contains(&made.id)).await;
    books.finish().await;
}

#[tokio::test]
async fn whatever_is_asked_an_index_leads_to_the_payments() {
    let books = Books::funded(100_000).await;
    history(&books).await;
    let states = [
        None,
        Some(PaymentState::Captured),
        Some(PaymentState::PartlyRefunded),
        Some(PaymentState::Refunded),
        Some(PaymentState::WrittenOff),
    ];
    let agents = [vec![], vec![agent(1)], (1..4).map(agent).collect(), (1..100).map(agent).collect()];
    let mut seen = 0;
    for bits in 0..64_u8 {
        let set = |bit: u8| bits & 1 << bit != 0;
        for (state, agents) in
            states.iter().flat_map(|state| agents.iter().map(move |agents| (state, agents)))
        {
            let filter = PaymentFilter {
                agents: agents.clone(),
                wallet: set(0).then(|| wallet(1)),
                provider: set(1).then(|| "acme".into()),
                route: set(2).then(|| "maps".into()),
                state: *state,
                is_due: set(5),
                from: set(3).then_some(UnixMillis(NOON + HOUR)),
                until: set(3).then_some(UnixMillis(NOON + 5 * HOUR)),
                at_least: set(4).then(|| amount(110)),
                ..PaymentFilter::default()
            };
            for order in [Order::Newest, Order::Oldest] {
                let page = Page { after: Some(30), limit: 50, order };
                let plan = books.ledger.payments_plan(&filter, page).await.unwrap();
                let is_bad = |line: &String| {
                    ["SCAN payment", "SCAN refund", "SCAN r", "SCAN i"].contains(&&**line)
                        || ["Seq Scan on", "TEMP B-TREE FOR ORDER", "Sort", "Join"]
                            .iter()
                            .any(|word| line.contains(word))
                };
                let bad: Vec<_> = plan.iter().filter(|line| is_bad(line)).collect();
                assert!(!plan.is_empty() && bad.is_empty(), "{filter:?} {order:?}: {plan:#?}");
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 64 * 20 * 2);
    books.finish().await;
}

#[tokio::test]
async fn revenue_and_consumers_are_the_sums_of_what_was_done() {
    let books = Books::funded(100_000).await;
    let made = history(&books).await;
    let days = (UnixMillis(NOON), UnixMillis(NOON + 24 * HOUR));
    let by_day = books.ledger.revenue("acme", days, RevenueBy::Day, 100).await.unwrap();
    let by_route = books.ledger.revenue("acme", days, RevenueBy::Route, 100).await.unwrap();
    let own = |made: &&Made| made.provider == "acme";
    assert_eq!(by_day.iter().map(|day| day.payments).collect::<Vec<_>>(), [24, 6]);
    assert_eq!(by_day[1].day, Some(UnixMillis(NOON + 12 * HOUR)));
    assert_eq!(
        by_route.iter().map(|route| route.payments).sum::<u64>(),
        made.iter().filter(own).count() as u64
    );
    let gross: i64 = by_route.iter().map(|route| route.gross.atomic()).sum();
    assert_eq!(gross, (0..60).filter(|number| number % 2 == 0).map(|number| 100 + number).sum::<i64>());
    assert_eq!(by_day.iter().map(|day| day.gross.atomic()).sum::<i64>(), gross);
    let refunds = made.iter().filter(own).filter(|made| made.state != PaymentState::Captured).count();
    assert_eq!(by_day.iter().map(|day| day.refunds).sum::<u64>(), refunds as u64);
    let both = books.ledger.revenue("acme", (days.0, days.0), RevenueBy::DayAndRoute, 100).await.unwrap();
    assert_eq!(both.iter().map(|both| both.payments).sum::<u64>(), 24);
    assert!(both.iter().all(|both| both.day.is_some() && both.route.is_some()));
    let first = books.ledger.revenue("acme", (days.0, days.0), RevenueBy::DayAndRoute, 1).await.unwrap();
    assert_eq!(first, both[..1]);

    let top = books.ledger.consumers("acme", UnixMillis(NOON), 2).await.unwrap();
    let mut expected = Vec::new();
    for number in 1..=3 {
        let mut consumer = Consumer { agent: agent(number), calls: 0, spent: amount(0) };
        for (number, one) in
            made.iter().enumerate().filter(|(_, one)| one.agent == consumer.agent && own(one))
        {
            let gross = 100 + i64::try_from(number).unwrap();
            let left = match one.state {
                PaymentState::Captured => gross,
                PaymentState::PartlyRefunded => gross - 40,
                PaymentState::Refunded | PaymentState::WrittenOff => 0,
            };
            consumer.calls += u64::from(!one.state.is_undone());
            consumer.spent = amount(consumer.spent.atomic() + left);
        }
        expected.push(consumer);
    }
    expected.sort_by_key(|consumer| std::cmp::Reverse(consumer.spent));
    assert_eq!(top, expected[..2]);
    let next_month = UnixMillis(NOON + 30 * 24 * HOUR);
    assert_eq!(books.ledger.consumers("acme", next_month, 2).await.unwrap(), []);
    books.finish().await;
}

#[tokio::test]
async fn whoever_follows_the_books_sees_each_row_once() {
    let books = Books::funded(100_000).await;
    let made = history(&books).await;
    let idempotency_key = "out".to_owned();
    let out = Withdrawal {
        wallet: wallet(1),
        amount: amount(7),
        idempotency_key,
        external_reference: String::new(),
    };
    books.ledger.withdraw(out).await.unwrap();
    let tally = books.ledger.begin_tally("blue").await.unwrap().unwrap();
    let tally = books.ledger.extend_tally(tally, UnixMillis(NOON + 5 * HOUR)).await.unwrap();
    let closing = books.ledger.close_tally(&tally).await.unwrap().unwrap();
    let destination = domain::PayoutDestination::Wallet(wallet(2));
    let settlement = books.ledger.settle(closing, destination).await.unwrap();
    let head = books.ledger.head().await.unwrap();
    assert_eq!(head.number, 60);
    for limit in [1, 5, 10_000] {
        let mut seen: Vec<Changes> = Vec::new();
        while seen.last().is_none_or(|changes| changes.upto < head.batch) {
            let after = seen.last().map_or(0, |changes| changes.upto);
            let changes = books.ledger.changes((after, head.batch), limit).await.unwrap();
            assert!(changes.upto > after, "it goes on");
            seen.push(changes);
        }
        let refunds: Vec<_> = seen.iter().flat_map(|changes| &changes.refunds).collect();
        let expected = made.iter().filter(|made| made.state != PaymentState::Captured);
        assert!(
            refunds.iter().map(|change| change.refunded.payment).eq(expected.clone().map(|made| made.id))
        );
        assert!(refunds.iter().map(|change| &*change.provider).eq(expected.map(|made| made.provider)));
        assert!(refunds.is_sorted_by_key(|change| change.batch));
        let transfers = seen.iter().flat_map(|changes| &changes.transfers);
        assert_eq!(transfers.count(), 4, "two fundings, a withdrawal, a payout");
        let settlements: Vec<_> = seen.iter().flat_map(|changes| &changes.settlements).collect();
        assert_eq!(settlements, [&(head.batch, settlement.clone())]);
        let made: Vec<_> = seen.iter().flat_map(|changes| &changes.payouts).collect();
        assert_eq!(made, seen.iter().flat_map(|changes| &changes.paid).collect::<Vec<_>>());
        assert_eq!((made.len(), made[0].1.id), (1, settlement.payout));
    }
    let nothing = books.ledger.changes((head.batch, head.batch + 5), 5).await.unwrap();
    assert_eq!((nothing.upto, nothing.transfers.len()), (head.batch, 0));
    expect_captured(&books).await;
    books.finish().await;
}

/// Ranges of payments are their members, and whose balances moved is known.
async fn expect_captured(books: &Books) {
    let mut numbers: Vec<i64> = Vec::new();
    for stretch in [(0, 7), (7, 8), (8, 60)] {
        for range in books.ledger.captured_between(stretch).await.unwrap() {
            let filter = PaymentFilter {
                provider: Some(range.provider.clone()),
                numbers: Some((range.first, range.last)),
                ..PaymentFilter::default()
            };
            let members = books.ledger.payments(&filter, Page::first(1_000)).await.unwrap().items;
            assert_eq!((members.len() as u64, members[0].receipt.captured_at), (range.count, range.at));
            let gross: i64 = members.iter().map(|member| member.receipt.amount.atomic()).sum();
            let fee: i64 = members.iter().map(|member| member.receipt.fee.atomic()).sum();
            assert_eq!((amount(gross), amount(fee)), (range.gross, range.fee));
            numbers.extend(members.iter().map(|member| member.number));
        }
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=60).collect::<Vec<_>>());
    let head = books.ledger.head().await.unwrap();
    let before = Head { batch: head.batch - 1, number: 60 };
    assert_eq!(books.ledger.touched(before, head).await.unwrap(), [wallet(2)], "the payout");
    let (first, third) = (Head { batch: head.batch, number: 2 }, Head { batch: head.batch, number: 3 });
    assert_eq!(books.ledger.touched(first, third).await.unwrap(), [wallet(2)], "of the third payment");
    let balances = books.ledger.committed_balances(&[wallet(2), wallet(77)]).await.unwrap();
    assert_eq!(balances, [(wallet(2), amount(books.balance(2).await), head.batch)]);
}

#[tokio::test]
async fn a_timeline_knows_the_delivery_and_every_refund() {
    let books = Books::funded(1_000).await;
    let receipt = books.pay(signed(100, 1)).await;
    let payment = receipt.record().payment;
    let delivery = async || books.ledger.timeline(payment).await.unwrap().unwrap().delivery;
    assert_eq!(delivery().await, DeliveryState::Running);
    drop(receipt);
    assert_eq!(delivery().await, DeliveryState::Unconfirmed);
    for (units, key) in [(10, "one"), (20, "two")] {
        let (amount, reason) = (Some(amount(units)), RefundReason::Requested);
        let back = RefundRequest { payment, amount, reason, idempotency_key: key.to_owned() };
        books.ledger.refund_part(back).await.unwrap();
    }
    assert_eq!(delivery().await, DeliveryState::Unconfirmed, "a part is no end of it");
    books.ledger.refund(payment, RefundReason::Operator).await.unwrap();
    let timeline = books.ledger.timeline(payment).await.unwrap().unwrap();
    let back: Vec<_> = timeline.refunds.iter().map(|refunded| refunded.amount.atomic()).collect();
    assert_eq!((back, timeline.delivery), (vec![10, 20, 70], DeliveryState::Over));
    assert_eq!(timeline.payment.state, PaymentState::Refunded);
    assert_eq!(books.ledger.timeline(request(1).payment).await.unwrap(), None);
    books.finish().await;
}

#[tokio::test]
async fn wallets_and_their_transfers_are_listed_in_pages() {
    let books = Books::new();
    for number in 1..=5 {
        books.fund(number, i64::from(number) * 10).await;
    }
    for number in 0..5 {
        books.clock.set(NOON + 1 + number);
        let funding = super::kit::funding(1, 1 + number, &format!("again {number}"));
        books.ledger.fund(funding).await.unwrap();
    }
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = Page { after, limit: 2, order: Order::Oldest };
        let page = books.ledger.wallets(page).await.unwrap();
        found.extend(page.items.iter().map(|listed| listed.wallet));
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!(found, (1..=5).map(wallet).collect::<Vec<_>>());
    let newest = books.ledger.wallets(Page::first(1)).await.unwrap();
    assert_eq!(newest.items[0].wallet, wallet(5));
    let balances = books.ledger.balances(&[wallet(3), wallet(99), wallet(1)]).await.unwrap();
    let units = balances.iter().map(|balance| balance.map(|balance| balance.balance.atomic()));
    assert_eq!(units.collect::<Vec<_>>(), [Some(30), None, Some(25)]);
    let first = books.ledger.transfers(wallet(1), Page::first(4)).await.unwrap();
    let rest = Page { after: first.next, ..Page::first(4) };
    let rest = books.ledger.transfers(wallet(1), rest).await.unwrap();
    assert_eq!((first.items.len(), rest.items.len(), rest.next), (4, 2, None));
    assert_eq!(rest.items[1].amount, amount(10), "the first funding comes last");
    books.finish().await;
}
