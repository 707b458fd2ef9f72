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
        meaning: "no wallet is below zero, and no provider was paid more than it was promised",
        sql: "select count(*) from balance b join account a on a.id = b.account
          where a.kind in ('wallet', 'payable') and (b.credits < b.debits or b.floor <> 1)",
    },
    Invariant {
        name: "accounts_are_whole",
        meaning: "every account has its balance, and every payment moves between a wallet or a token, a provider and its fee account",
        sql: "select (select count(*) from account where id not in (select account from balance))
          + (select count(*) from payment p where
               not exists (select 1 from account a where a.id = p.wallet and a.kind in ('wallet', 'chain', 'suspense'))
               or not exists (select 1 from account a join account f on f.provider = a.provider
                              where a.id = p.provider and f.id = p.fee_account
                                and (a.kind = 'provider' and f.kind = 'fee'
                                  or a.kind = 'direct' and f.kind = 'receivable')))",
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
        meaning: "the refunds of a payment give back what was taken or less, and the fee in proportion",
        // The product fits 63 bits as long as a payment is below $3,000; above it only the bounds are looked at.
        sql: "select (select count(*) from refund r left join payment p on p.seq = r.payment
               where p.seq is null or r.at < p.captured_at or r.batch < p.batch or r.provider <> p.provider)
          + (select count(*) from refund_total t join payment p on p.seq = t.payment
               where t.remains <> p.gross - t.amount or t.fee > p.fee or (t.remains = 0 and t.fee <> p.fee)
                 or case when p.gross between 1 and 3000000000 then t.fee <> p.fee * t.amount / p.gross else false end)",
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
            select p.seq, p.agent, p.held_at, p.windows, p.held_at - p.held_at % 3600000 as hour,
                p.held_at - p.held_at % 86400000 as day,
                unixepoch(p.held_at / 1000, 'unixepoch', 'start of month') * 1000 as month,
                p.gross - coalesce(r.amount, 0) as spent
              from payment p left join refund_total r on r.payment = p.seq),
          charged as (
            select agent, 0 as period, day as start, '' as scope, spent from held
            union all select agent, 1, month, '', spent from held
            union all select agent, cast(substr(w.value, 1, 1) as bigint),
                case substr(w.value, 1, 1) when '0' then day when '1' then month else hour end,
                substr(w.value, 3), spent
              from held, json_each(held.windows) w where held.windows is not null),
          sums as (select agent, period, start, scope, sum(spent) as spent from charged
            group by agent, period, start, scope)
          select (select count(*) from sums s left join spend_window w
                    on w.agent = s.agent and w.period = s.period and w.start = s.start and w.scope = s.scope
                  where coalesce(w.spent, 0) <> s.spent)
            + (select count(*) from spend_window w left join sums s
                    on w.agent = s.agent and w.period = s.period and w.start = s.start and w.scope = s.scope
                  where s.spent is null and w.spent <> 0)",
    },
    Invariant {
        name: "limits_hold",
        meaning: "no window is spent beyond the highest limit it was spent under",
        sql: "select count(*) from spend_window where spent > lim or spent < 0",
    },
    Invariant {
        name: "calls_match_payments",
        meaning: "an agent's calls with a provider in a month, and what they cost, are its payments, refunds taken off",
        sql: "with sums as (
            select p.agent, p.provider, unixepoch(p.held_at / 1000, 'unixepoch', 'start of month') * 1000 as month,
              count(*) - count(case r.remains when 0 then 1 end) as calls, sum(p.gross - coalesce(r.amount, 0)) as spent
            from payment p left join refund_total r on r.payment = p.seq group by 1, 2, 3)
          select (select count(*) from sums s left join call_count c
                    on c.agent = s.agent and c.provider = s.provider and c.month = s.month
                  where c.calls is distinct from s.calls or c.spent is distinct from s.spent)
            + (select count(*) from call_count c left join sums s
                    on c.agent = s.agent and c.provider = s.provider and c.month = s.month
                  where s.calls is null and (c.calls <> 0 or c.spent <> 0))",
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
               not exists (select 1 from account a where a.id = h.wallet and a.kind in ('wallet', 'chain'))
               or not exists (select 1 from account a where a.id = h.provider and a.kind in ('provider', 'direct')))
          + (select count(*) from (select 1 from hold h join balance b on b.account = h.wallet and b.floor = 1
               group by h.wallet, b.credits, b.debits having sum(h.maximum) > b.credits - b.debits) uncovered)",
    },
    Invariant {
        name: "intents_match_payments",
        meaning: "what came from public networks was signed for, once: captured for no more than that, or held for as long as nobody knows",
        sql: "select (select count(*) from intent i left join payment p on p.id = i.payment
                  left join hold h on h.payment = i.payment
               where (p.seq is null) = (h.payment is null) or (i.closed is not null and p.seq is null)
                 or (p.seq is not null and p.gross > i.amount))
          + (select count(*) from payment p join account w on w.id = p.wallet and w.kind = 'chain'
               left join intent i on i.payment = p.id where i.payment is null)
          + (select count(*) from hold h join account w on w.id = h.wallet and w.kind = 'chain'
               left join intent i on i.payment = h.payment where i.payment is null)
          + (select count(*) from intent i join payment p on p.id = i.payment
               left join refund r on r.payment = p.seq and r.reason = 'written_off'
               where (i.closed is not null and i.closed = 'written_off')
                 <> (r.id is not null or exists (select 1 from outgoing o where o.payment = p.seq and o.state = 'void')))",
    },
    Invariant {
        name: "differences_are_booked_once",
        meaning: "what a chain shows otherwise is in suspense once, and what is booked from there was written off and arrived",
        sql: "select (select count(*) from difference d join payment l on l.id = d.late join payment p on p.id = d.payment
               where l.wallet <> 0 or l.gross <> d.amount or l.provider <> p.provider or d.booked <> 'written_off')
          + (select count(*) from difference d where d.late is not null
               and not exists (select 1 from payment l where l.id = d.late))
          + (select count(*) from payment p where p.wallet = 0 and not exists (select 1 from difference d where d.late = p.id)
               and not exists (select 1 from resolution r where r.booked = p.id))
          + (select count(*) from (select way, lag(way) over (partition by payment order by number) as way_before
               from difference where way <> 'elsewhere') d where d.way = d.way_before)
          + (select count(*) from (select payment from difference group by payment having count(*) <> max(number)) gaps)",
    },
    Invariant {
        name: "deposits_fund_wallets",
        meaning: "what was deposited moved for good, and is its wallet's by one funding of the same commit; nothing is between",
        sql: "select (select count(*) from payment p join account o on o.id = p.provider
               left join intent i on i.payment = p.id left join account w on w.wallet = i.deposit and w.kind = 'wallet'
               left join transfer t on t.id = p.id and t.kind = 'funding'
               where (i.deposit is not null) <> (o.provider = '@deposits')
                 or (i.deposit is not null and (t.id is null or w.id is null or t.debit <> p.provider or t.credit <> w.id
                   or t.amount <> p.gross or t.batch <> p.batch or p.fee <> 0 or i.closed is distinct from 'settled')))
          + (select count(*) from transfer t where t.kind = 'funding' and t.debit <> 1
               and not exists (select 1 from payment p join intent i on i.payment = p.id
                               where p.id = t.id and i.deposit is not null))
          + (select count(*) from account a join balance b on b.account = a.id
               where a.provider = '@deposits' and b.credits <> b.debits)",
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
    Invariant {
        name: "days_match_minutes",
        meaning: "the usage of a day is the sum of its minutes",
        sql: "with each as (
            select minute / 1440 as day, provider, route, payments, gross, fee, refunds, refunded, refunded_fee
              from usage_minute
            union all
            select day, provider, route, -payments, -gross, -fee, -refunds, -refunded, -refunded_fee from usage_day)
          select count(*) from (select 1 from each group by day, provider, route
            having sum(payments) <> 0 or sum(gross) <> 0 or sum(fee) <> 0
              or sum(refunds) <> 0 or sum(refunded) <> 0 or sum(refunded_fee) <> 0) unequal",
    },
    Invariant {
        name: "agents_have_their_payments",
        meaning: "every payment is listed once, as its agent's",
        sql: "select abs((select count(*) from payment) - (select count(*) from payment_of_agent))
          + (select count(*) from payment_of_agent)
          - (select count(*) from payment_of_agent a join payment p on p.seq = a.seq and p.agent = a.agent)",
    },
    Invariant {
        name: "times_follow_numbers",
        meaning: "a payment with a later number was not captured earlier",
        sql: "select count(*) from (select captured_at, lag(captured_at) over (order by seq) as before,
              batch, lag(batch) over (order by seq) as batch_before from payment) p
          where captured_at < before or batch < batch_before",
    },
];

/// Of settlements and payouts (I8).
pub(super) const SETTLED: &[Invariant] = &[
    Invariant {
        name: "settlements_are_contiguous",
        meaning: "each settlement of a provider begins where the one before ended, and ends with one of its payments",
        sql: "with s as (select provider, number, since, cut, through, batch,
              lag(number, 1, 0) over w as number_before, lag(cut, 1, 0) over w as cut_before,
              lag(through, 1, 0) over w as through_before
            from settlement window w as (partition by provider order by number))
          select count(*) from s where number <> number_before + 1 or since <> cut_before or through < through_before
            or through >= batch or not exists (select 1 from payment p where p.seq = s.cut and p.provider = s.provider)",
    },
    Invariant {
        name: "settlements_match_members",
        meaning: "the sums of a settlement are those of its payments and of the refunds that it counts, each once",
        sql: "with s as (select id, provider, since, cut, through, payments, gross, fee, refunds, adjustments,
              lag(through, 1, 0) over (partition by provider order by number) as through_before from settlement),
          paid as (select s.id, count(*) as n, sum(p.gross) as gross, sum(p.fee) as fee
            from s join payment p on p.provider = s.provider and p.seq > s.since and p.seq <= s.cut group by s.id),
          back as (select s.id, sum(r.amount - r.fee) as net
            from s join refund r on r.provider = s.provider and r.payment > s.since and r.payment <= s.cut
              and r.batch <= s.through group by s.id),
          late as (select s.id, sum(r.amount - r.fee) as net
            from s join refund r on r.provider = s.provider and r.batch > s.through_before and r.batch <= s.through
              and r.payment <= s.since group by s.id)
          select count(*) from s left join paid on paid.id = s.id left join back on back.id = s.id
            left join late on late.id = s.id
          where paid.n is distinct from s.payments or paid.gross is distinct from s.gross
            or paid.fee is distinct from s.fee or coalesce(back.net, 0) <> s.refunds
            or coalesce(late.net, 0) <> s.adjustments",
    },
    Invariant {
        name: "payouts_match_settlements",
        meaning: "every settlement has exactly one payout of its net, and what is paid was moved where it was to go",
        sql: "select (select count(*) from settlement s left join payout o on o.settlement = s.id
               where o.id is null or o.amount <> s.net or o.provider <> s.provider or o.payable <> s.payable)
          + (select count(*) from payout where settlement not in (select id from settlement))
          + (select count(*) from payout o left join transfer t on t.id = o.transfer
               where o.transfer is not null and (t.id is null or t.payout <> o.id or t.amount <> o.amount
                 or t.debit <> o.payable or t.batch <> o.paid_batch
                 or t.credit <> coalesce(o.wallet, (select a.id from outgoing g join account a
                      on a.kind = 'chain' and o.destination like a.token || '/%'
                      where g.id = o.id and g.state = 'paid'), 1)))
          + (select count(*) from transfer t where t.payout is not null
               and not exists (select 1 from payout o where o.transfer = t.id))",
    },
    Invariant {
        name: "payables_are_pending_payouts",
        meaning: "what a provider is owed is the sum of its payouts that are still to be paid",
        sql: "with pending as (select payable, sum(amount) as amount from payout where transfer is null group by payable)
          select count(*) from account a join balance b on b.account = a.id left join pending o on o.payable = a.id
          where a.kind = 'payable' and b.credits - b.debits <> coalesce(o.amount, 0)",
    },
];

/// SQLite looks at its own file: only it can.
pub(super) const FILE_SQLITE: Invariant = Invariant {
    name: "file_is_whole",
    meaning: "the database's pages and indexes hang together",
    sql: "select count(*) from pragma_integrity_check where integrity_check <> 'ok'",
};

const GUARDS: &str = "money_rows_are_guarded";

const GUARDS_MEANING: &str = "the triggers that refuse changes to payments, refunds, transfers, settlements, payouts, differences, decisions on them, verdicts and what leaves stand";

/// Asks SQLite's own catalog.
pub(super) const GUARDS_SQLITE: Invariant = Invariant {
    name: GUARDS,
    meaning: GUARDS_MEANING,
    sql: "select 21 - count(*) from sqlite_schema where type = 'trigger' and name in
          ('payment_no_update', 'payment_no_delete', 'refund_no_update', 'refund_no_delete', 'refund_fits',
           'transfer_no_update', 'transfer_no_delete', 'settlement_no_update', 'settlement_no_delete',
           'payout_no_update', 'payout_no_delete', 'outgoing_no_update', 'outgoing_no_delete',
           'outgoing_step_no_update', 'outgoing_step_no_delete',
           'difference_no_update', 'difference_no_delete', 'resolution_no_update', 'resolution_no_delete',
           'verdict_no_update', 'verdict_no_delete')",
};

/// Asks PostgreSQL's: its guards stand for update, delete and truncate at once.
pub(super) const GUARDS_POSTGRES: Invariant = Invariant {
    name: GUARDS,
    meaning: GUARDS_MEANING,
    sql: "select 23 - count(*) from pg_trigger where tgenabled in ('O', 'A') and tgname in
          ('payment_no_change', 'payment_no_truncate', 'refund_no_change', 'refund_no_truncate', 'refund_fits',
           'transfer_no_change', 'transfer_no_truncate', 'settlement_no_change', 'settlement_no_truncate',
           'payout_no_update', 'payout_no_delete', 'payout_no_truncate', 'outgoing_no_update', 'outgoing_no_delete',
           'outgoing_no_truncate', 'outgoing_step_no_change', 'outgoing_step_no_truncate',
           'difference_no_change', 'difference_no_truncate', 'resolution_no_change', 'resolution_no_truncate',
           'verdict_no_change', 'verdict_no_truncate')
          and tgrelid in ('payment'::regclass, 'refund'::regclass, 'transfer'::regclass, 'settlement'::regclass,
            'payout'::regclass, 'outgoing'::regclass, 'outgoing_step'::regclass, 'difference'::regclass, 'resolution'::regclass, 'verdict'::regclass)",
};

/// Kept where several gateways have one limit on it.
pub(super) const UNSETTLED_POSTGRES: Invariant = Invariant {
    name: "unsettled_matches_intents",
    meaning: "what a payer has open on a public network is the sum of its open payments there",
    sql: "with each as (
        select payer, network, amount as units from intent where closed is null and hash is null and deposit is null
        union all select payer, network, -units from unsettled)
      select count(*) from (select 1 from each group by payer, network having sum(units) <> 0) unequal",
};
