//! The writer's statements. Each batch is one text and one round trip; there is one text for each [`Size`], which is prepared
//! once.
//!
//! What a payment writes is most of what is written, and reading JSON cost half of its time: its values are bound one by
//! one, with `?`, in the order of [`super::encode`], and stand in front of all others. The rest are JSON arrays of arrays,
//! bytes in hex: `$1` holds that end, `$2` those that begin, `$3` usage, `$4` identifiers, `$5` accounts, `$6` refunds,
//! `$7` transfers, `$8` responses, `$9` windows given back, `$10` calls given back, `$11` identifiers set free. And the
//! batch's own: `$12` its number, `$13` time, `$14` open list, `$15` number of balances, `$16` last seq, `$17` gross so far,
//! `$18` when identifiers and responses expire. Behind them `$19` settlements, `$20` payouts, `$21` payouts that are paid,
//! `$22` who asked for what moves, `$23` windows of limits that not every payment is charged to, `$24` intents that begin, `$25` those that
//! go with a hold that is voided, `$26` those that are closed; `$27` transfers out of our treasury, `$28` steps of those, `$29` holds that are
//! charged in any case, `$30` differences, `$31` decisions on what is in suspense, `$32` what persons say of payments of which nobody knew.

use std::collections::HashMap;
use std::sync::Arc;

/// What a batch has in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// Captures alone.
    Captures,
    /// Captures, and holds on disk.
    Holds,
    /// Anything.
    Everything,
}

/// How many rows of each kind are bound; the rows that a batch does not need are NULL and are passed over. A power of two:
/// few texts fit every batch, and are prepared once each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Size {
    payments: usize,
}

/// The texts that were asked for.
#[derive(Debug, Default)]
pub(super) struct Texts {
    made: HashMap<(Kind, Size), Arc<str>>,
}

/// Values of a row that are bound.
pub(super) const PAYMENT_VALUES: usize = 18;
pub(super) const BALANCE_VALUES: usize = 3;
pub(super) const WINDOW_VALUES: usize = 5;
pub(super) const CALL_VALUES: usize = 5;

/// So many payments are entered under their agents at once: a list of an agent reads one by one those that are not. Few in tests.
const UNENTERED_MAX: u32 = if cfg!(test) { 16 } else { 1024 };

/// What every batch writes. The marker follows the balances at once: `changes()` counts the rows just moved.
macro_rules! captures {
    () => {
        "
insert into payment (seq, id, agent, wallet, provider, fee_account, route, gross, fee, revision, call, replay_key,
    digest, fingerprint, idempotency, held_at, windows, free, captured_at, batch)
  select *, $13, $12 from (values {payments}) where column1 is not null;
update balance set debits = debits + m.column2, credits = credits + m.column3
  from (values {balances}) as m where balance.account = m.column1;
update marker set batch = $12, at = $13, seq = $16, gross = $17, open = $14, unmatched = $15 - changes();
insert into spend_window (agent, period, start, spent, lim, scope)
  select *, '' from (values {windows}) where column1 is not null
  union all select unhex(value->>0), value->>1, value->>2, value->>4, value->>5, value->>3 from json_each($23) where true
  on conflict (agent, period, start, scope)
  do update set spent = spend_window.spent + excluded.spent, lim = max(spend_window.lim, excluded.lim);
insert into call_count (agent, provider, month, calls, spent)
  select * from (values {calls}) where column1 is not null
  on conflict (agent, provider, month)
  do update set calls = call_count.calls + excluded.calls, spent = call_count.spent + excluded.spent;
insert into usage_minute (minute, provider, route, payments, gross, fee, refunds, refunded, refunded_fee)
  select value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, value->>8
  from json_each($3) where true
  on conflict (minute, provider, route) do update set payments = usage_minute.payments + excluded.payments,
    gross = usage_minute.gross + excluded.gross, fee = usage_minute.fee + excluded.fee,
    refunds = usage_minute.refunds + excluded.refunds, refunded = usage_minute.refunded + excluded.refunded,
    refunded_fee = usage_minute.refunded_fee + excluded.refunded_fee;
insert into usage_day (provider, day, route, payments, gross, fee, refunds, refunded, refunded_fee)
  select value->>1, (value->>0) / 1440, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, value->>8
  from json_each($3) where true
  on conflict (provider, day, route) do update set payments = usage_day.payments + excluded.payments,
    gross = usage_day.gross + excluded.gross, fee = usage_day.fee + excluded.fee,
    refunds = usage_day.refunds + excluded.refunds, refunded = usage_day.refunded + excluded.refunded,
    refunded_fee = usage_day.refunded_fee + excluded.refunded_fee;
insert into idempotency (key, payment, fingerprint, expires_at)
  select unhex(value->>0), unhex(value->>1), unhex(value->>2), $18 from json_each($4) where true
  on conflict (key)
  do update set payment = excluded.payment, fingerprint = excluded.fingerprint, expires_at = excluded.expires_at;
insert into agent_payment (agent, payment)
  select agent, seq from payment
  where $16 - (select entered from marker) >= {unentered} and seq > (select entered from marker) order by agent, seq;
update marker set entered = seq where seq - entered >= {unentered};
"
    };
}

/// Holds on disk that begin, change or end. One that changes or ends must be there: the marker's wall sees it, as it does for balances.
macro_rules! holds {
    () => {
        "
insert into voided (payment, network, token, payer, pay_to, custody, settle, amount, valid_before, since_block, payload,
    requirements, held_at, account, provider, replay_key)
  select i.payment, i.network, i.token, i.payer, i.pay_to, i.custody, i.settle, i.amount, i.valid_before, i.since_block,
    i.payload, i.requirements, i.held_at, h.wallet, h.provider, h.replay_key
  from (select unhex(value) as payment from json_each($25)) v
    join intent i on i.payment = v.payment and i.settle <> 'deferred' join hold h on h.payment = v.payment
  where true on conflict (payment) do nothing;
delete from hold where payment in (select unhex(value) from json_each($1));
update marker set unmatched = json_array_length($1) - changes();
insert into hold (payment, agent, wallet, provider, route, price, maximum, revision, fee_points, per_day, per_month,
    limits, free, replay_key, digest, fingerprint, idempotency, held_at, capture, owed, batch)
  select unhex(value->>0), unhex(value->>1), value->>2, value->>3, value->>4, value->>5, value->>6, value->>7,
    value->>8, value->>9, value->>10, value->>11, value->>12, unhex(value->>13), unhex(value->>14), unhex(value->>15),
    unhex(value->>16), value->>17, value->>18, value->>19, $12
  from json_each($2);
update hold set owed = k.owed
  from (select unhex(value->>0) as payment, value->>1 as owed from json_each($29)) as k where hold.payment = k.payment;
update marker set unmatched = json_array_length($29) - changes();
insert into intent (payment, network, token, payer, pay_to, custody, settle, amount, valid_before, since_block, payload,
    requirements, held_at, deposit)
  select unhex(value->>0), value->>1, unhex(value->>2), unhex(value->>3), unhex(value->>4), value->>5, value->>6,
    value->>7, value->>8, value->>9, value->>10, value->>11, value->>12, unhex(value->>13)
  from json_each($24);
delete from intent where payment in (select unhex(value) from json_each($25)) and closed is null;
update marker set unmatched = json_array_length($25) - changes();
update intent set closed = c.closed, hash = c.hash, closed_at = iif(c.closed is null, null, $13), moved = c.moved, one_of = c.one_of
  from (select unhex(value->>0) as payment, value->>1 as closed, unhex(value->>2) as hash, value->>3 as moved, value->>4 as one_of
    from json_each($26)) as c
  where intent.payment = c.payment and intent.closed is null;
update marker set unmatched = json_array_length($26) - changes();
"
    };
}

const CAPTURES: &str = captures!();

const HOLDS: &str = concat!(holds!(), captures!());

/// New accounts come first: their balances may move in the next batch.
const EVERYTHING: &str = concat!(
    "
insert into account (id, kind, wallet, provider, token, created_at)
  select value->>0, value->>1, unhex(value->>2), value->>3, value->>4, $13 from json_each($5);
insert into balance (account, floor, debits, credits)
  select value->>0, value->>1 in ('wallet', 'payable'), 0, 0 from json_each($5);
",
    holds!(),
    captures!(),
    "
insert into refund (payment, id, provider, amount, fee, remains, reason, idempotency_key, at, batch)
  select value->>0, unhex(value->>1), value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, $13, $12
  from json_each($6);
insert into transfer (id, kind, debit, credit, amount, wallet, payout, idempotency_key, external_reference, at, batch)
  select unhex(value->>0), value->>1, value->>2, value->>3, value->>4, value->>5, unhex(value->>6), value->>7,
    value->>8, $13, $12
  from json_each($7);
insert into settlement (id, provider, number, since, cut, through, payments, gross, fee, refunds, adjustments, net,
    payable, at, batch)
  select unhex(value->>0), value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, value->>8,
    value->>9, value->>10, value->>11, value->>12, $13, $12
  from json_each($19);
insert into payout (id, settlement, provider, payable, rail, wallet, destination, amount, transfer, paid_batch, at,
    batch)
  select unhex(value->>0), unhex(value->>1), value->>2, value->>3, value->>4, value->>5, value->>6, value->>7,
    unhex(value->>8), iif(value->>8 is null, null, $12), $13, $12
  from json_each($20);
update payout set transfer = r.transfer, paid_batch = $12
  from (select unhex(value->>0) as payout, unhex(value->>1) as transfer from json_each($21)) as r
  where payout.id = r.payout;
insert into outgoing (id, payment, provider, network, token, recipient, amount, suspense, state, tries, steps, at, batch,
    changed_at)
  select unhex(value->>0), value->>1, value->>2, value->>3, unhex(value->>4), unhex(value->>5), value->>6, unhex(value->>7),
    'due', 0, 0, $13, $12, $13
  from json_each($27);
insert into outgoing_step (outgoing, number, state, hash, reason, at, batch)
  select unhex(value->>0), value->>1, value->>2, unhex(value->>3), value->>4, $13, $12 from json_each($28);
update outgoing set state = s.state, hash = s.hash, reason = s.reason, tries = s.tries, steps = s.number, changed_at = $13
  from (select unhex(value->>0) as outgoing, value->>1 as number, value->>2 as state, unhex(value->>3) as hash,
          value->>4 as reason, value->>5 as tries
        from json_each($28)) as s
  where outgoing.id = s.outgoing;
insert into difference (payment, number, way, booked, network, account, provider, amount, hash, late, at, batch)
  select unhex(value->>0), value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, unhex(value->>8),
    unhex(value->>9), $13, $12
  from json_each($30);
insert into resolution (id, payment, number, owed, sign, account, provider, amount, booked, reason, idempotency_key, at, batch)
  select unhex(value->>0), unhex(value->>1), value->>2, value->>3, value->>4, value->>5, value->>6, value->>7,
    unhex(value->>8), value->>9, value->>10, $13, $12
  from json_each($31);
insert into verdict (payment, network, token, amount, hash, at, batch)
  select unhex(value->>0), value->>1, unhex(value->>2), value->>3, unhex(value->>4), $13, $12 from json_each($32);
insert into mover (moved, who, batch) select unhex(value->>0), value->>1, $12 from json_each($22);
insert into response (payment, status, headers, body, expires_at)
  select unhex(value->>0), value->>1, value->>2, unhex(value->>3), $18 from json_each($8) where true
  on conflict (payment) do nothing;
update spend_window set spent = spend_window.spent - r.amount
  from (select unhex(value->>0) as agent, value->>1 as period, value->>2 as start, value->>3 as scope,
          value->>4 as amount
        from json_each($9)) as r
  where spend_window.agent = r.agent and spend_window.period = r.period and spend_window.start = r.start
    and spend_window.scope = r.scope;
update call_count set calls = call_count.calls - r.calls, spent = call_count.spent - r.amount
  from (select unhex(value->>0) as agent, value->>1 as provider, value->>2 as month, value->>3 as calls,
          value->>4 as amount
        from json_each($10)) as r
  where call_count.agent = r.agent and call_count.provider = r.provider and call_count.month = r.month;
delete from idempotency
  where exists (select 1 from json_each($11)
                where unhex(value->>0) = idempotency.key and unhex(value->>1) = idempotency.payment);
"
);

/// `$1` now, `$2` rows at most.
pub(super) const EXPIRE: &str = "
begin immediate;
delete from idempotency where key in (select key from idempotency where expires_at <= $1 limit $2);
delete from response where payment in (select payment from response where expires_at <= $1 limit $2);
delete from voided where payment in (select payment from voided where valid_before <= $1 / 1000 - 86400
  and not exists (select 1 from difference d where d.payment = voided.payment) limit $2);
commit;
";

// === impl Size ===

impl Size {
    /// The smallest that holds so many rows of each kind.
    pub(super) fn of(payments: usize, balances: usize, windows: usize, calls: usize) -> Self {
        // Most payments have a wallet of their own and share a provider and its fee account.
        let rows = payments.max(balances.saturating_sub(1).div_ceil(2)).max(windows.div_ceil(2)).max(calls);
        Self { payments: rows.next_power_of_two() }
    }

    pub(super) const fn payments(self) -> usize {
        self.payments
    }

    pub(super) const fn balances(self) -> usize {
        2 * self.payments + 1
    }

    pub(super) const fn windows(self) -> usize {
        2 * self.payments
    }

    pub(super) const fn calls(self) -> usize {
        self.payments
    }

    /// All values that are bound in rows.
    const fn values(self) -> usize {
        self.payments() * PAYMENT_VALUES
            + self.balances() * BALANCE_VALUES
            + self.windows() * WINDOW_VALUES
            + self.calls() * CALL_VALUES
    }
}

// === impl Texts ===

impl Texts {
    pub(super) fn get(&mut self, kind: Kind, size: Size) -> Arc<str> {
        Arc::clone(self.made.entry((kind, size)).or_insert_with(|| kind.text(size).into()))
    }
}

// === impl Kind ===

impl Kind {
    fn text(self, size: Size) -> String {
        let template = match self {
            Self::Captures => CAPTURES,
            Self::Holds => HOLDS,
            Self::Everything => EVERYTHING,
        };
        let text = template
            .replace("{unentered}", &UNENTERED_MAX.to_string())
            .replace("{payments}", &rows(size.payments(), PAYMENT_VALUES))
            .replace("{balances}", &rows(size.balances(), BALANCE_VALUES))
            .replace("{windows}", &rows(size.windows(), WINDOW_VALUES))
            .replace("{calls}", &rows(size.calls(), CALL_VALUES));
        format!("begin immediate;{}commit;", behind(&text, size.values()))
    }
}

/// `(?, ?), (?, ?)`
fn rows(count: usize, values: usize) -> String {
    let row = format!("({})", vec!["?"; values].join(", "));
    vec![row; count].join(", ")
}

/// The same text with its numbered parameters behind so many others.
fn behind(text: &str, others: usize) -> String {
    let mut parts = text.split('$');
    let mut moved = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|character: char| !character.is_ascii_digit()).unwrap_or(part.len());
        let (number, rest) = part.split_at(end);
        // Every number in the texts above is one of two digits.
        let number = number.parse::<usize>().unwrap_or_default() + others;
        moved.push_str(&format!("${number}{rest}"));
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbered_parameters_stand_behind_those_of_the_rows() {
        let size = Size::of(2, 4, 4, 2);
        let text = Kind::Captures.text(size);
        assert_eq!((size.values(), text.matches('?').count()), (81, 81));
        assert!(text.contains("select *, $94, $93 from (values (?"), "{text}");
        assert!(text.contains("update marker set batch = $93, at = $94, seq = $97"), "{text}");
        assert!(Kind::Holds.text(size).contains("json_each($82)"));
    }

    #[test]
    fn a_size_holds_every_row_and_sqlite_takes_the_largest() {
        for (payments, balances, windows, calls) in
            [(0, 0, 0, 0), (1, 3, 2, 1), (3, 5, 6, 3), (0, 7, 0, 0), (5, 2, 20, 9)]
        {
            let size = Size::of(payments, balances, windows, calls);
            assert!(size.payments() >= payments && size.balances() >= balances, "{size:?}");
            assert!(size.windows() >= windows && size.calls() >= calls, "{size:?}");
        }
        // A batch of refunds alone moves three balances each.
        let most = Size::of(0, 3 * 256, 0, 0);
        assert!(most.values() + 32 <= 32_766, "{most:?}");
    }
}
