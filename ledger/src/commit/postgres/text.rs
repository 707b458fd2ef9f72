//! The writer's statements. A batch of captures is one of them; sqlx prepares each once.

/// `$1` batch, `$2` time, `$3` last seq, `$4` gross so far, `$5` open list, `$6` epoch, `$7` when identifiers expire, `$8` number
/// of balances; then the columns of payments (`$9` to `$24`), balances (`$25` to `$27`), windows (`$28` to `$32`), calls (`$33`
/// to `$36`), usage (`$37` to `$45`) and identifiers (`$46` to `$48`); what the calls cost (`$49`), the scopes of windows
/// (`$50`), the windows of payments (`$51`) and whether they are free (`$52`).
macro_rules! captures {
    () => {
        "
with fence as (
  update marker set batch = $1, at = $2, seq = $3, gross = $4, open = $5
  where id = 1 and epoch = $6 and batch = $1 - 1
    and exists (select 1 from lease where lease.id = 1 and lease.epoch = $6 and lease.expires_at > clock_timestamp())
  returning 1),
paid as (
  insert into payment (seq, id, agent, wallet, provider, fee_account, route, gross, fee, revision, call, replay_key,
      digest, fingerprint, idempotency, held_at, windows, free, captured_at, batch)
    select p.*, $2, $1
    from unnest($9::bigint[], $10::bytea[], $11::bytea[], $12::bigint[], $13::bigint[], $14::bigint[], $15::text[],
      $16::bigint[], $17::bigint[], $18::bigint[], $19::bigint[], $20::bytea[], $21::bytea[], $22::bytea[],
      $23::bytea[], $24::bigint[], $51::text[], $52::bigint[]) as p
    where exists (select 1 from fence)),
moved as (
  update balance set debits = balance.debits + m.debit, credits = balance.credits + m.credit
  from unnest($25::bigint[], $26::bigint[], $27::bigint[]) as m (account, debit, credit)
  where balance.account = m.account and exists (select 1 from fence)
  returning 1),
windows as (
  insert into spend_window (agent, period, start, spent, lim, scope)
    select w.* from unnest($28::bytea[], $29::bigint[], $30::bigint[], $31::bigint[], $32::bigint[], $50::text[]) as w
    where exists (select 1 from fence)
  on conflict (agent, period, start, scope)
  do update set spent = spend_window.spent + excluded.spent, lim = greatest(spend_window.lim, excluded.lim)),
called as (
  insert into call_count (agent, provider, month, calls, spent)
    select c.* from unnest($33::bytea[], $34::bigint[], $35::bigint[], $36::bigint[], $49::bigint[]) as c
    where exists (select 1 from fence)
  on conflict (agent, provider, month)
  do update set calls = call_count.calls + excluded.calls, spent = call_count.spent + excluded.spent),
used as (
  insert into usage_minute (minute, provider, route, payments, gross, fee, refunds, refunded, refunded_fee)
    select u.* from unnest($37::bigint[], $38::bigint[], $39::text[], $40::bigint[], $41::bigint[], $42::bigint[],
      $43::bigint[], $44::bigint[], $45::bigint[]) as u
    where exists (select 1 from fence)
  on conflict (minute, provider, route) do update set payments = usage_minute.payments + excluded.payments,
    gross = usage_minute.gross + excluded.gross, fee = usage_minute.fee + excluded.fee,
    refunds = usage_minute.refunds + excluded.refunds, refunded = usage_minute.refunded + excluded.refunded,
    refunded_fee = usage_minute.refunded_fee + excluded.refunded_fee),
used_days as (
  insert into usage_day (provider, day, route, payments, gross, fee, refunds, refunded, refunded_fee)
    select u.provider, u.minute / 1440, u.route, u.payments, u.gross, u.fee, u.refunds, u.refunded, u.refunded_fee
    from unnest($37::bigint[], $38::bigint[], $39::text[], $40::bigint[], $41::bigint[], $42::bigint[],
      $43::bigint[], $44::bigint[], $45::bigint[])
      as u (minute, provider, route, payments, gross, fee, refunds, refunded, refunded_fee)
    where exists (select 1 from fence)
  on conflict (provider, day, route) do update set payments = usage_day.payments + excluded.payments,
    gross = usage_day.gross + excluded.gross, fee = usage_day.fee + excluded.fee,
    refunds = usage_day.refunds + excluded.refunds, refunded = usage_day.refunded + excluded.refunded,
    refunded_fee = usage_day.refunded_fee + excluded.refunded_fee),
named as (
  insert into idempotency (key, payment, fingerprint, expires_at)
    select i.*, $7 from unnest($46::bytea[], $47::bytea[], $48::bytea[]) as i
    where exists (select 1 from fence)
  on conflict (key)
  do update set payment = excluded.payment, fingerprint = excluded.fingerprint, expires_at = excluded.expires_at)"
    };
}

/// `$53` holds on disk that end, then the columns of those that begin (`$54` to `$72`, and `$91` what they cost in any case), and whose they
/// are (`$73`).
macro_rules! holds {
    () => {
        ",
ended as (
  delete from hold where payment = any($53::bytea[]) and exists (select 1 from fence)
  returning 1),
held as (
  insert into hold (payment, agent, wallet, provider, route, price, maximum, revision, fee_points, per_day, per_month,
      replay_key, digest, fingerprint, idempotency, held_at, limits, free, capture, owed,
      instance, batch)
    select h.*, $73, $1
    from unnest($54::bytea[], $55::bytea[], $56::bigint[], $57::bigint[], $58::text[], $59::text[], $60::bigint[],
      $61::bigint[], $62::bigint[], $63::bigint[], $64::bigint[], $65::bytea[], $66::bytea[], $67::bytea[],
      $68::bytea[], $69::bigint[], $70::text[], $71::bigint[], $72::text[], $91::bigint[]) as h
    where exists (select 1 from fence))"
    };
}

/// What holds for public networks have beside that, which few batches do: each of these costs as much where it has nothing to do. What
/// earlier holds cost in any case from now on (`$92` and `$93`). The columns of intents that begin (`$74` to `$86`, and `$94` the wallets that
/// they fund), those that go with a hold that is voided (`$87`), and those that are closed (`$88` to `$90`, `$95`
/// and `$96`).
macro_rules! intents {
    () => {
        ",
kept as (
  update hold set owed = k.owed from unnest($92::bytea[], $93::bigint[]) as k (payment, owed)
  where hold.payment = k.payment and exists (select 1 from fence)
  returning 1),
signed as (
  insert into intent (payment, network, token, payer, pay_to, custody, settle, amount, valid_before, since_block, payload,
      requirements, held_at, deposit)
    select i.* from unnest($74::bytea[], $75::text[], $76::bytea[], $77::bytea[], $78::bytea[], $79::text[], $80::text[],
      $81::bigint[], $82::bigint[], $83::bigint[], $84::text[], $85::text[], $86::bigint[], $94::bytea[]) as i
    where exists (select 1 from fence)),
voided as (
  insert into voided (payment, network, token, payer, pay_to, custody, settle, amount, valid_before, since_block, payload,
      requirements, held_at, account, provider, replay_key)
    select i.payment, i.network, i.token, i.payer, i.pay_to, i.custody, i.settle, i.amount, i.valid_before, i.since_block,
      i.payload, i.requirements, i.held_at, h.wallet, h.provider, h.replay_key
    from intent i join hold h on h.payment = i.payment
    where i.payment = any($87::bytea[]) and i.settle <> 'deferred' and exists (select 1 from fence)
  on conflict (payment) do nothing),
unsigned as (
  delete from intent where payment = any($87::bytea[]) and closed is null and exists (select 1 from fence)
  returning 1),
closed as (
  update intent set closed = c.closed, hash = c.hash, closed_at = case when c.closed is not null then $2 end, moved = c.moved,
    one_of = c.one_of
  from unnest($88::bytea[], $89::text[], $90::bytea[], $95::bigint[], $96::bigint[]) as c (payment, closed, hash, moved, one_of)
  where intent.payment = c.payment and intent.closed is null and exists (select 1 from fence)
  returning 1)"
    };
}

/// Gives 1 where it was written and 0 where the fence held it back: then nothing was.
macro_rules! written {
    ($($walls:expr),*) => {
        concat!(
            "
select case
  when not exists (select 1 from fence) then 0
  when (select count(*) from moved) <> $8 then refuse('a balance that a batch moves is not there')",
            $($walls,)*
            "
  else 1 end::bigint"
        )
    };
}

/// What one of several processes writes beside all that: its own row, with its open list (`$97`), and what it tells the others (`$98`).
macro_rules! told {
    () => {
        ",
noted as (
  update instance set batch = $1, open = $97 where id = $73 and exists (select 1 from fence)
  returning 1),
told as (
  insert into change (batch, body) select $1, $98 where exists (select 1 from fence)
  on conflict (batch) do update set body = excluded.body)"
    };
}

/// The wall of holds that end.
macro_rules! ended {
    () => {
        "
  when (select count(*) from ended) <> cardinality($53::bytea[]) then refuse('a hold that a batch ends is not there')"
    };
}

/// The walls of those for public networks.
macro_rules! closed {
    () => {
        "
  when (select count(*) from kept) <> cardinality($92::bytea[]) then refuse('a hold that a batch changes is not there')
  when (select count(*) from unsigned) <> cardinality($87::bytea[])
    or (select count(*) from closed) <> cardinality($88::bytea[]) then refuse('an intent that a batch ends is not open')"
    };
}

/// A batch of captures.
pub(super) const CAPTURES: &str = concat!(captures!(), written!());

/// A batch of captures, and of holds on disk.
pub(super) const HOLDS: &str = concat!(captures!(), holds!(), written!(ended!()));

/// The same, where some are for public networks.
pub(super) const INTENTS: &str = concat!(captures!(), holds!(), intents!(), written!(ended!(), closed!()));

/// A batch of one of several processes.
pub(super) const SHARED: &str = concat!(captures!(), holds!(), told!(), written!(ended!()));

/// The same, where some holds are for public networks.
pub(super) const SHARED_INTENTS: &str =
    concat!(captures!(), holds!(), intents!(), told!(), written!(ended!(), closed!()));

/// `$1` ids, `$2` kinds, `$3` wallets, `$4` providers, `$5` time, `$6` tokens.
pub(super) const ACCOUNTS: &str = "
with opened as (
  insert into account (id, kind, wallet, provider, token, created_at)
    select a.*, $5 from unnest($1::bigint[], $2::text[], $3::bytea[], $4::text[], $6::text[]) as a
  returning id, kind)
insert into balance (account, floor, debits, credits) select id, case when kind in ('wallet', 'payable') then 1 else 0 end, 0, 0 from opened";

/// `$1` payments, `$2` ids, `$3` providers, `$4` amounts, `$5` fees, `$6` what remains, `$7` reasons, `$8` idempotency keys,
/// `$9` time, `$10` batch.
pub(super) const REFUNDS: &str = "
insert into refund (payment, id, provider, amount, fee, remains, reason, idempotency_key, at, batch)
  select r.*, $9, $10
  from unnest($1::bigint[], $2::bytea[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[], $8::text[]) as r";

/// `$1` ids, `$2` kinds, `$3` accounts debited and `$4` credited, `$5` amounts, `$6` wallets, `$7` payouts, `$8` idempotency
/// keys, `$9` references, `$10` time, `$11` batch.
pub(super) const TRANSFERS: &str = "
insert into transfer (id, kind, debit, credit, amount, wallet, payout, idempotency_key, external_reference, at, batch)
  select t.*, $10, $11
  from unnest($1::bytea[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bytea[], $8::text[],
    $9::text[]) as t";

/// `$1` ids, `$2` providers, `$3` numbers, `$4` since, `$5` cut, `$6` through, `$7` payments, `$8` gross, `$9` fee, `$10` refunds,
/// `$11` adjustments, `$12` net, `$13` payable accounts, `$14` time, `$15` batch.
pub(super) const SETTLEMENTS: &str = "
insert into settlement (id, provider, number, since, cut, through, payments, gross, fee, refunds, adjustments, net,
    payable, at, batch)
  select s.*, $14, $15
  from unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
    $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[]) as s";

/// `$1` ids, `$2` settlements, `$3` providers, `$4` payable accounts, `$5` rails, `$6` wallets, `$7` destinations, `$8` amounts,
/// `$9` transfers, `$10` time, `$11` batch.
pub(super) const PAYOUTS: &str = "
insert into payout (id, settlement, provider, payable, rail, wallet, destination, amount, transfer, paid_batch, at, batch)
  select p.*, case when p.transfer is not null then $11::bigint end, $10, $11
  from unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[], $7::text[], $8::bigint[],
    $9::bytea[]) as p (id, settlement, provider, payable, rail, wallet, destination, amount, transfer)";

/// `$1` payouts, `$2` the transfers that paid them, `$3` batch.
pub(super) const PAID: &str = "
update payout set transfer = r.transfer, paid_batch = $3
from unnest($1::bytea[], $2::bytea[]) as r (payout, transfer) where payout.id = r.payout";

/// `$1` payments, `$2` numbers, `$3` ways, `$4` what was booked, `$5` networks, `$6` accounts, `$7` providers, `$8` amounts, `$9` hashes,
/// `$10` late payments, `$11` time, `$12` batch.
pub(super) const DIFFERENCES: &str = "
insert into difference (payment, number, way, booked, network, account, provider, amount, hash, late, at, batch)
  select d.*, $11, $12
  from unnest($1::bytea[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[],
    $9::bytea[], $10::bytea[]) as d";
/// `$1` ids, `$2` payments, `$3` providers, `$4` networks, `$5` tokens, `$6` recipients, `$7` amounts, `$8` time, `$9` batch,
/// `$10` payments of what was in suspense.
pub(super) const OUTGOING: &str = "
insert into outgoing (id, payment, provider, network, token, recipient, amount, suspense, state, tries, steps, at, batch,
    changed_at)
  select o.*, 'due', 0, 0, $8, $9, $8
  from unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::text[], $5::bytea[], $6::bytea[], $7::bigint[], $10::bytea[]) as o";

/// `$1` ids, `$2` payments, `$3` numbers, `$4` whose, `$5` signs, `$6` accounts, `$7` providers, `$8` amounts, `$9` what books them, `$10` reasons,
/// `$11` idempotency keys, `$12` time, `$13` batch.
pub(super) const RESOLUTIONS: &str = "
insert into resolution (id, payment, number, owed, sign, account, provider, amount, booked, reason, idempotency_key, at, batch)
  select r.*, $12, $13
  from unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
    $9::bytea[], $10::text[], $11::text[]) as r";

/// `$1` transfers, `$2` numbers, `$3` states, `$4` hashes, `$5` reasons, `$6` time, `$7` batch.
pub(super) const STEPS: &str = "
insert into outgoing_step (outgoing, number, state, hash, reason, at, batch)
  select s.*, $6, $7 from unnest($1::bytea[], $2::bigint[], $3::text[], $4::bytea[], $5::text[]) as s";

/// `$1` transfers, `$2` numbers of their steps, `$3` states, `$4` hashes, `$5` reasons, `$6` time, `$7` tries.
pub(super) const STEPPED: &str = "
update outgoing
  set state = s.state, hash = s.hash, reason = s.reason, tries = s.tries, steps = s.number, changed_at = $6
from unnest($1::bytea[], $2::bigint[], $3::text[], $4::bytea[], $5::text[], $7::bigint[])
  as s (outgoing, number, state, hash, reason, tries)
where outgoing.id = s.outgoing";

/// `$1` what moved, `$2` who asked for it, `$3` batch.
pub(super) const MOVERS: &str = "
insert into mover (moved, who, batch) select m.*, $3 from unnest($1::bytea[], $2::text[]) as m";

/// `$1` payments, `$2` networks, `$3` tokens, `$4` amounts, `$5` hashes, `$6` time, `$7` batch.
pub(super) const VERDICTS: &str = "
insert into verdict (payment, network, token, amount, hash, at, batch)
  select v.*, $6, $7 from unnest($1::bytea[], $2::text[], $3::bytea[], $4::bigint[], $5::bytea[]) as v";

/// `$1` payments, `$2` statuses, `$3` headers, `$4` bodies, `$5` when they expire.
pub(super) const RESPONSES: &str = "
insert into response (payment, status, headers, body, expires_at)
  select r.*, $5 from unnest($1::bytea[], $2::bigint[], $3::text[], $4::bytea[]) as r
  on conflict (payment) do nothing";

/// `$1` agents, `$2` periods, `$3` starts, `$4` amounts given back, `$5` scopes.
pub(super) const WINDOWS_BACK: &str = "
update spend_window set spent = spend_window.spent - r.amount
from unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[]) as r (agent, period, start, amount, scope)
where spend_window.agent = r.agent and spend_window.period = r.period and spend_window.start = r.start
  and spend_window.scope = r.scope";

/// `$1` agents, `$2` providers, `$3` months, `$4` calls and `$5` amounts given back.
pub(super) const CALLS_BACK: &str = "
update call_count set calls = call_count.calls - r.calls, spent = call_count.spent - r.amount
from unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[]) as r (agent, provider, month, calls, amount)
where call_count.agent = r.agent and call_count.provider = r.provider and call_count.month = r.month";

/// `$1` identifiers, `$2` their payments: free again.
pub(super) const RELEASED: &str = "
delete from idempotency using unnest($1::bytea[], $2::bytea[]) as r (key, payment)
where idempotency.key = r.key and idempotency.payment = r.payment";

/// Each: `$1` now, `$2` rows at most, `$3` epoch. Nobody takes over in the middle: what the next owner writes may be of what is deleted.
pub(crate) const EXPIRE: [&str; 3] = [
    "delete from idempotency where key in (select key from idempotency where expires_at <= $1 limit $2)
       and exists (select 1 from marker where epoch = $3 for share)",
    "delete from response where payment in (select payment from response where expires_at <= $1 limit $2)
       and exists (select 1 from marker where epoch = $3 for share)",
    "delete from voided where payment in (select payment from voided where valid_before <= $1 / 1000 - 86400
       and not exists (select 1 from difference d where d.payment = voided.payment) limit $2)
       and exists (select 1 from marker where epoch = $3 for share)",
];
