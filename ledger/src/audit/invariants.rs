//! The list. Each question is written from the money rows (`ledger_entry`, `payment`, `refund`, `transfer`), which
//! are never changed, and counts what the sums beside them say otherwise.

use super::Finding;

/// One question.
pub(super) struct Invariant {
    pub(super) name: &'static str,
    pub(super) meaning: &'static str,
    /// Counts the offending rows.
    pub(super) sql: &'static str,
}

// === impl Invariant ===

impl Invariant {
    pub(super) const fn finding(&self, offending: u64) -> Finding {
        Finding { invariant: self.name, meaning: self.meaning, offending }
    }
}

pub(super) const INVARIANTS: &[Invariant] = &[
    Invariant {
        name: "sum_is_zero",
        meaning: "over all accounts, debits equal credits",
        sql: "select (select count(*) from (select sum(debits) from balance having sum(debits) <> sum(credits)) unequal)
          + (select count(*) from (select 1 from ledger_entry group by kind, name having sum(debit) <> sum(credit)) entries)",
    },
    Invariant {
        name: "balances_match_entries",
        meaning: "every account's balance is the sum of its entries",
        sql: "with e as (select account, sum(debit) as debits, sum(credit) as credits from ledger_entry group by account)
          select (select count(*) from balance b left join e on e.account = b.account
                  where b.debits <> coalesce(e.debits, 0) or b.credits <> coalesce(e.credits, 0))
            + (select count(*) from e where account not in (select account from balance))",
    },
    Invariant {
        name: "no_overdraft",
        meaning: "no wallet is below zero",
        sql: "select count(*) from balance b join account a on a.id = b.account
          where a.kind = 'wallet' and (b.credits < b.debits or b.floor <> 1)",
    },
    Invariant {
        name: "accounts_are_whole",
        meaning: "every account has its balance, and every payment moves between a wallet, a provider and its fee account",
        sql: "select (select count(*) from account where id not in (select account from balance))
          + (select count(*) from payment p where
               not exists (select 1 from account a where a.id = p.wallet and a.kind = 'wallet')
               or not exists (select 1 from account a join account f on f.provider = a.provider and f.kind = 'fee'
                              where a.id = p.provider and a.kind = 'provider' and f.id = p.fee_account))",
    },
    Invariant {
        name: "captured_once",
        meaning: "a replay key and a payment's name are captured at most once",
        sql: "select (select count(*) from (select 1 from payment where replay_key is not null
                group by substr(replay_key, 1) having count(*) > 1) keys)
          + (select count(*) from (select 1 from payment group by substr(id, 1) having count(*) > 1) ids)",
    },
    Invariant {
        name: "refunds_match_payments",
        meaning: "a refund gives back exactly its payment, once",
        sql: "select count(*) from refund r left join payment p on p.seq = r.payment
          where p.seq is null or r.amount <> p.gross or r.fee <> p.fee or r.at < p.captured_at",
    },
    Invariant {
        name: "identifiers_match_payments",
        meaning: "an identifier belongs to a captured payment of the same request",
        sql: "select count(*) from idempotency i left join payment p on p.id = i.payment
          where p.seq is null or p.fingerprint <> i.fingerprint or p.idempotency is distinct from i.key",
    },
    Invariant {
        name: "batches_are_gapless",
        meaning: "the marker's last number and sum are those of the payments, and no number is missing",
        sql: "select count(*) from marker m,
            (select count(*) as n, coalesce(max(seq), 0) as seq, coalesce(sum(gross), 0) as gross,
               coalesce(max(batch), 0) as batch, coalesce(max(captured_at), 0) as at from payment) p
          where m.seq <> p.n or m.seq <> p.seq or m.gross <> p.gross or m.batch < p.batch or m.at < p.at",
    },
    Invariant {
        name: "windows_match_payments",
        meaning: "what an agent spent in a window is the sum of its payments held in it, refunds taken off",
        sql: "with held as (
            select p.agent, 0 as period, p.held_at - p.held_at % 86400000 as start, p.gross - coalesce(r.amount, 0) as spent
              from payment p left join refund r on r.payment = p.seq
            union all
            select p.agent, 1, unixepoch(p.held_at / 1000, 'unixepoch', 'start of month') * 1000, p.gross - coalesce(r.amount, 0)
              from payment p left join refund r on r.payment = p.seq),
          sums as (select agent, period, start, sum(spent) as spent from held group by agent, period, start)
          select (select count(*) from sums s left join spend_window w
                    on w.agent = s.agent and w.period = s.period and w.start = s.start
                  where w.spent is distinct from s.spent)
            + (select count(*) from spend_window w left join sums s
                    on w.agent = s.agent and w.period = s.period and w.start = s.start
                  where s.spent is null and w.spent <> 0)",
    },
    Invariant {
        name: "limits_hold",
        meaning: "no window is spent beyond the highest limit it was spent under",
        sql: "select count(*) from spend_window where spent > lim or spent < 0",
    },
    Invariant {
        name: "calls_match_payments",
        meaning: "an agent's calls with a provider in a month are its payments, refunds taken off",
        sql: "with sums as (
            select p.agent, p.provider, unixepoch(p.held_at / 1000, 'unixepoch', 'start of month') * 1000 as month,
              count(*) - count(r.payment) as calls
            from payment p left join refund r on r.payment = p.seq group by 1, 2, 3)
          select (select count(*) from sums s left join call_count c
                    on c.agent = s.agent and c.provider = s.provider and c.month = s.month where c.calls is distinct from s.calls)
            + (select count(*) from call_count c left join sums s
                    on c.agent = s.agent and c.provider = s.provider and c.month = s.month
                  where s.calls is null and c.calls <> 0)",
    },
    Invariant {
        name: "holds_are_open",
        meaning: "a hold on disk belongs to no captured payment",
        sql: "select count(*) from hold h where exists (select 1 from payment p where p.id = h.payment)
          or exists (select 1 from payment p where p.replay_key = h.replay_key)",
    },
    Invariant {
        name: "holds_are_covered",
        meaning: "the holds on disk are a provider's to have, and their wallet has the money",
        sql: "select (select count(*) from hold h where
               not exists (select 1 from account a where a.id = h.wallet and a.kind = 'wallet')
               or not exists (select 1 from account a where a.id = h.provider and a.kind = 'provider'))
          + (select count(*) from (select 1 from hold h join balance b on b.account = h.wallet
               group by h.wallet, b.credits, b.debits having sum(h.maximum) > b.credits - b.debits) uncovered)",
    },
    Invariant {
        name: "usage_matches_payments",
        meaning: "the usage of a minute is the sum of its payments and refunds",
        // One sum over both sides: a join of the minutes with themselves takes minutes for a ledger of a month.
        sql: "with each as (
            select captured_at / 60000 as minute, provider, route, 1 as n, gross, fee, 0 as rn, 0 as rgross, 0 as rfee
              from payment
            union all
            select r.at / 60000, p.provider, p.route, 0, 0, 0, 1, r.amount, r.fee
              from refund r join payment p on p.seq = r.payment
            union all
            select minute, provider, route, -payments, -gross, -fee, -refunds, -refunded, -refunded_fee
              from usage_minute)
          select count(*) from (select 1 from each group by minute, provider, route
            having sum(n) <> 0 or sum(gross) <> 0 or sum(fee) <> 0
              or sum(rn) <> 0 or sum(rgross) <> 0 or sum(rfee) <> 0) unequal",
    },
];

/// SQLite looks at its own file: only it can.
pub(super) const FILE_SQLITE: Invariant = Invariant {
    name: "file_is_whole",
    meaning: "the database's pages and indexes hang together",
    sql: "select count(*) from pragma_integrity_check where integrity_check <> 'ok'",
};

const GUARDS: &str = "money_rows_are_guarded";

const GUARDS_MEANING: &str = "the triggers that refuse changes to payments, refunds and transfers stand";

/// Asks SQLite's own catalog.
pub(super) const GUARDS_SQLITE: Invariant = Invariant {
    name: GUARDS,
    meaning: GUARDS_MEANING,
    sql: "select 6 - count(*) from sqlite_schema where type = 'trigger' and name in
          ('payment_no_update', 'payment_no_delete', 'refund_no_update', 'refund_no_delete',
           'transfer_no_update', 'transfer_no_delete')",
};

/// Asks PostgreSQL's: its guards stand for update, delete and truncate at once.
pub(super) const GUARDS_POSTGRES: Invariant = Invariant {
    name: GUARDS,
    meaning: GUARDS_MEANING,
    sql: "select 6 - count(*) from pg_trigger where tgenabled in ('O', 'A') and tgname in
          ('payment_no_change', 'payment_no_truncate', 'refund_no_change', 'refund_no_truncate',
           'transfer_no_change', 'transfer_no_truncate')
          and tgrelid in ('payment'::regclass, 'refund'::regclass, 'transfer'::regclass)",
};
