//! The writer's statements. Each batch is one text and one round trip; there is one text for each number of payments, which
//! is prepared once.
//!
//! `$1` holds that end, `$2` balances, `$3` windows, `$4` calls, `$5` usage, `$6` identifiers: JSON arrays of arrays.
//! `$7` batch, `$8` time, `$9` open list, `$10` number of balances, `$11` last seq, `$12` gross so far. `$13` accounts,
//! `$14` refunds, `$15` transfers, `$16` responses, `$17` windows given back, `$18` calls given back, `$19` identifiers
//! set free, `$20` when they expire, `$21` holds that begin. Bytes are in hex. Payments are most of what is written, and
//! reading JSON cost a third of their time: their values are bound one by one, with `?`, and stand in front of all others.

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

/// The texts that were asked for.
#[derive(Debug, Default)]
pub(super) struct Texts {
    made: HashMap<(Kind, usize), Arc<str>>,
}

/// Values of a payment that are bound; batch and time are the same for all.
const PAYMENT_VALUES: usize = 16;

const PAYMENTS: &str = "
insert into payment (seq, id, agent, wallet, provider, fee_account, route, gross, fee, revision, call, replay_key,
    digest, fingerprint, idempotency, held_at, captured_at, batch) values ";

const PAYMENT: &str = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, $8, $7)";

/// What every batch writes beside its payments. The marker follows the balances at once: `changes()` counts the rows just moved.
macro_rules! captures {
    () => {
        "
update balance set debits = debits + m.debit, credits = credits + m.credit
  from (select value->>0 as account, value->>1 as debit, value->>2 as credit from json_each($2)) as m
  where balance.account = m.account;
update marker set batch = $7, at = $8, seq = $11, gross = $12, open = $9, unmatched = $10 - changes();
insert into spend_window (agent, period, start, spent, lim)
  select unhex(value->>0), value->>1, value->>2, value->>3, value->>4 from json_each($3) where true
  on conflict (agent, period, start)
  do update set spent = spend_window.spent + excluded.spent, lim = max(spend_window.lim, excluded.lim);
insert into call_count (agent, provider, month, calls)
  select unhex(value->>0), value->>1, value->>2, value->>3 from json_each($4) where true
  on conflict (agent, provider, month) do update set calls = call_count.calls + excluded.calls;
insert into usage_minute (minute, provider, route, payments, gross, fee, refunds, refunded, refunded_fee)
  select value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, value->>8
  from json_each($5) where true
  on conflict (minute, provider, route) do update set payments = usage_minute.payments + excluded.payments,
    gross = usage_minute.gross + excluded.gross, fee = usage_minute.fee + excluded.fee,
    refunds = usage_minute.refunds + excluded.refunds, refunded = usage_minute.refunded + excluded.refunded,
    refunded_fee = usage_minute.refunded_fee + excluded.refunded_fee;
insert into idempotency (key, payment, fingerprint, expires_at)
  select unhex(value->>0), unhex(value->>1), unhex(value->>2), $20 from json_each($6) where true
  on conflict (key)
  do update set payment = excluded.payment, fingerprint = excluded.fingerprint, expires_at = excluded.expires_at;
"
    };
}

/// Holds on disk that begin or end. One that ends must be there: the marker's wall sees it, as it does for balances.
macro_rules! holds {
    () => {
        "
delete from hold where payment in (select unhex(value) from json_each($1));
update marker set unmatched = json_array_length($1) - changes();
insert into hold (payment, agent, wallet, provider, route, price, maximum, revision, fee_points, per_day, per_month,
    replay_key, digest, fingerprint, idempotency, held_at, batch)
  select unhex(value->>0), unhex(value->>1), value->>2, value->>3, value->>4, value->>5, value->>6, value->>7,
    value->>8, value->>9, value->>10, unhex(value->>11), unhex(value->>12), unhex(value->>13), unhex(value->>14),
    value->>15, $7
  from json_each($21);
"
    };
}

const CAPTURES: &str = captures!();

const HOLDS: &str = concat!(holds!(), captures!());

/// New accounts come first: their balances may move in the next batch.
const EVERYTHING: &str = concat!(
    "
insert into account (id, kind, wallet, provider, created_at)
  select value->>0, value->>1, unhex(value->>2), value->>3, $8 from json_each($13);
insert into balance (account, floor, debits, credits)
  select value->>0, value->>1 = 'wallet', 0, 0 from json_each($13);
",
    holds!(),
    captures!(),
    "
insert into refund (payment, id, amount, fee, reason, at, batch)
  select value->>0, unhex(value->>1), value->>2, value->>3, value->>4, $8, $7 from json_each($14);
insert into transfer (id, kind, debit, credit, amount, idempotency_key, external_reference, at, batch)
  select unhex(value->>0), 'funding', 1, value->>1, value->>2, value->>3, value->>4, $8, $7 from json_each($15);
insert into response (payment, status, headers, body, expires_at)
  select unhex(value->>0), value->>1, value->>2, unhex(value->>3), $20 from json_each($16) where true
  on conflict (payment) do nothing;
update spend_window set spent = spend_window.spent - r.amount
  from (select unhex(value->>0) as agent, value->>1 as period, value->>2 as start, value->>3 as amount
        from json_each($17)) as r
  where spend_window.agent = r.agent and spend_window.period = r.period and spend_window.start = r.start;
update call_count set calls = call_count.calls - r.calls
  from (select unhex(value->>0) as agent, value->>1 as provider, value->>2 as month, value->>3 as calls
        from json_each($18)) as r
  where call_count.agent = r.agent and call_count.provider = r.provider and call_count.month = r.month;
delete from idempotency
  where exists (select 1 from json_each($19)
                where unhex(value->>0) = idempotency.key and unhex(value->>1) = idempotency.payment);
"
);

/// `$1` now, `$2` rows at most.
pub(super) const EXPIRE: &str = "
begin immediate;
delete from idempotency where key in (select key from idempotency where expires_at <= $1 limit $2);
delete from response where payment in (select payment from response where expires_at <= $1 limit $2);
commit;
";

// === impl Texts ===

impl Texts {
    pub(super) fn get(&mut self, kind: Kind, payments: usize) -> Arc<str> {
        let text = self.made.entry((kind, payments)).or_insert_with(|| kind.text(payments).into());
        Arc::clone(text)
    }
}

// === impl Kind ===

impl Kind {
    fn text(self, payments: usize) -> String {
        let rest = match self {
            Self::Captures => CAPTURES,
            Self::Holds => HOLDS,
            Self::Everything => EVERYTHING,
        };
        let mut text = String::from("begin immediate;");
        if payments > 0 {
            text.push_str(PAYMENTS);
            text.push_str(&vec![PAYMENT; payments].join(", "));
            text.push(';');
        }
        text.push_str(rest);
        text.push_str("commit;");
        behind(&text, payments * PAYMENT_VALUES)
    }
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
    fn numbered_parameters_stand_behind_those_of_the_payments() {
        let text = Kind::Captures.text(2);
        assert_eq!(text.matches('?').count(), 2 * PAYMENT_VALUES);
        assert!(text.contains("?, $40, $39), (?"), "{text}");
        assert!(text.contains("update marker set batch = $39, at = $40, seq = $43"), "{text}");
        assert!(Kind::Everything.text(0).starts_with("begin immediate;\ninsert into account"));
        assert!(Kind::Holds.text(1).contains("json_each($37)"));
    }
}
