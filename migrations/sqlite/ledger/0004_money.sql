-- Refunds in part, withdrawals, settlements and payouts, and what lists and reports ask for. A table whose walls grow is made
-- anew, row for row: SQLite changes none in place, and a table that is dropped takes its guards with it.
drop view ledger_entry;

-- `payable`: what a provider was promised by settlements and was not paid yet.
create table wider_account (
    id integer primary key,
    kind text not null check (kind in ('external', 'wallet', 'provider', 'fee', 'payable')),
    wallet blob unique check (length(wallet) = 16),
    provider text,
    created_at integer not null,
    unique (provider, kind),
    check ((kind = 'wallet') = (wallet is not null)),
    check ((kind in ('provider', 'fee', 'payable')) = (provider is not null))
) strict;
insert into wider_account (id, kind, wallet, provider, created_at)
    select id, kind, wallet, provider, created_at from account;
drop table account;
alter table wider_account rename to account;

-- What was given back of a payment, whole or in parts. `remains` is what is left of its gross afterwards.
create table refund_part (
    payment integer not null,
    remains integer not null check (remains >= 0),
    id blob not null unique check (length(id) = 16),
    provider integer not null,
    amount integer not null check (amount >= 0),
    fee integer not null check (fee between 0 and amount),
    reason text not null check (reason in ('broken_off', 'upstream_failed', 'operator', 'requested')),
    -- A person's word for it.
    idempotency_key text unique,
    at integer not null,
    batch integer not null,
    primary key (payment, remains)
) strict, without rowid;
insert into refund_part (payment, remains, id, provider, amount, fee, reason, at, batch)
    select r.payment, 0, r.id, p.provider, r.amount, r.fee, r.reason, r.at, r.batch
    from refund r join payment p on p.seq = r.payment;
drop table refund;
alter table refund_part rename to refund;
create index refund_provider on refund (provider, batch);
create index refund_batch on refund (batch);

-- What was given back of each payment that was refunded at all.
create view refund_total (payment, amount, fee, remains) as
    select payment, cast(sum(amount) as bigint), cast(sum(fee) as bigint), min(remains) from refund group by payment;

-- Money that moves and is no payment. `wallet` is the account of the wallet that it concerns, `payout` what it pays.
create table wider_transfer (
    id blob primary key check (length(id) = 16),
    kind text not null check (kind in ('funding', 'withdrawal', 'payout')),
    debit integer not null,
    credit integer not null,
    amount integer not null check (amount > 0),
    wallet integer,
    payout blob unique check (length(payout) = 16),
    idempotency_key text unique,
    external_reference text not null,
    at integer not null,
    batch integer not null,
    check (debit <> credit),
    check ((kind = 'payout') = (payout is not null)),
    check (kind = 'payout' or (wallet is not null and idempotency_key is not null))
) strict, without rowid;
insert into wider_transfer (id, kind, debit, credit, amount, wallet, idempotency_key, external_reference, at, batch)
    select id, kind, debit, credit, amount, credit, idempotency_key, external_reference, at, batch from transfer;
drop table transfer;
alter table wider_transfer rename to transfer;
create index transfer_wallet on transfer (wallet, id);
create index transfer_batch on transfer (batch);

-- A batch of a provider's captured payments: those with a number above `since` and up to `cut`. `refunds` were given back of
-- them until the batch `through`; `adjustments` of payments settled before, since the settlement before counted. Both less
-- the fee that returned.
create table settlement (
    id blob primary key check (length(id) = 16),
    provider integer not null,
    number integer not null check (number > 0),
    since integer not null,
    cut integer not null check (cut > since),
    through integer not null,
    payments integer not null check (payments > 0),
    gross integer not null,
    fee integer not null check (fee between 0 and gross),
    refunds integer not null check (refunds >= 0),
    adjustments integer not null check (adjustments >= 0),
    net integer not null check (net > 0),
    payable integer not null,
    at integer not null,
    batch integer not null,
    unique (provider, number),
    unique (provider, since),
    unique (provider, cut),
    check (net = gross - fee - refunds - adjustments)
) strict, without rowid;
create index settlement_provider on settlement (provider, id);
create index settlement_batch on settlement (batch);

-- What leaves for a provider, for one settlement: into a wallet (rail `ledger`) at once, or by a person's hand to what
-- `destination` says. Only its end is written, once: the transfer that paid it.
create table payout (
    id blob primary key check (length(id) = 16),
    settlement blob not null unique check (length(settlement) = 16),
    provider integer not null,
    payable integer not null,
    rail text not null check (rail in ('ledger', 'manual')),
    wallet integer,
    destination text,
    amount integer not null check (amount > 0),
    transfer blob unique check (length(transfer) = 16),
    at integer not null,
    batch integer not null,
    paid_batch integer,
    check ((rail = 'ledger') = (wallet is not null)),
    check ((rail = 'manual') = (destination is not null)),
    check (rail = 'manual' or transfer is not null),
    check ((transfer is null) = (paid_batch is null))
) strict, without rowid;
create index payout_provider on payout (provider, id);
create index payout_pending on payout (id) where transfer is null;
create index payout_batch on payout (batch);
create index payout_paid on payout (paid_batch) where paid_batch is not null;

-- Lists, and the sums of a settlement. Each index ends with the row's number by itself.
create index payment_provider on payment (provider);
create index payment_agent on payment (agent);

-- The usage of a day, UTC, counted from the epoch; a provider's days lie together.
create table usage_day (
    provider integer not null,
    day integer not null,
    route text not null,
    payments integer not null,
    gross integer not null,
    fee integer not null,
    refunds integer not null,
    refunded integer not null,
    refunded_fee integer not null,
    primary key (provider, day, route)
) strict, without rowid;
insert into usage_day (provider, day, route, payments, gross, fee, refunds, refunded, refunded_fee)
    select provider, minute / 1440, route, sum(payments), sum(gross), sum(fee), sum(refunds), sum(refunded),
      sum(refunded_fee)
    from usage_minute group by 1, 2, 3;

-- What the calls of a month cost, refunds taken off.
alter table call_count add column spent integer not null default 0 check (spent >= 0);
update call_count set spent = s.spent
    from (select p.agent, p.provider, unixepoch(p.held_at / 1000, 'unixepoch', 'start of month') * 1000 as month,
            sum(p.gross - coalesce(r.amount, 0)) as spent
          from payment p left join refund_total r on r.payment = p.seq group by 1, 2, 3) s
    where call_count.agent = s.agent and call_count.provider = s.provider and call_count.month = s.month;
create index call_count_provider on call_count (provider, month);

-- Pure double entry, for auditors: the rows of one kind and name sum to zero.
create view ledger_entry (kind, name, account, debit, credit, at) as
    select 'payment', id, wallet, gross, 0, captured_at from payment
    union all select 'payment', id, provider, 0, gross - fee, captured_at from payment
    union all select 'payment', id, fee_account, 0, fee, captured_at from payment
    union all select 'refund', r.id, p.wallet, 0, r.amount, r.at from refund r join payment p on p.seq = r.payment
    union all select 'refund', r.id, p.provider, r.amount - r.fee, 0, r.at from refund r join payment p on p.seq = r.payment
    union all select 'refund', r.id, p.fee_account, r.fee, 0, r.at from refund r join payment p on p.seq = r.payment
    union all select 'transfer', id, debit, amount, 0, at from transfer
    union all select 'transfer', id, credit, 0, amount, at from transfer
    union all select 'settlement', id, provider, net, 0, at from settlement
    union all select 'settlement', id, payable, 0, net, at from settlement;

create trigger refund_fits before insert on refund
    when new.remains is not
      (select p.gross - new.amount - coalesce((select sum(r.amount) from refund r where r.payment = p.seq), 0)
       from payment p where p.seq = new.payment)
    begin select raise(abort, 'a refund gives back more than is left'); end;
create trigger refund_no_update before update on refund begin select raise(abort, 'refunds are never changed'); end;
create trigger refund_no_delete before delete on refund begin select raise(abort, 'refunds are never deleted'); end;
create trigger transfer_no_update before update on transfer begin select raise(abort, 'transfers are never changed'); end;
create trigger transfer_no_delete before delete on transfer begin select raise(abort, 'transfers are never deleted'); end;
create trigger settlement_no_update before update on settlement begin select raise(abort, 'settlements are never changed'); end;
create trigger settlement_no_delete before delete on settlement begin select raise(abort, 'settlements are never deleted'); end;
create trigger payout_no_update before update on payout
    when old.transfer is not null or new.transfer is null or new.id <> old.id or new.settlement <> old.settlement
      or new.provider <> old.provider or new.payable <> old.payable or new.rail <> old.rail
      or new.wallet is not old.wallet or new.destination is not old.destination or new.amount <> old.amount
      or new.at <> old.at or new.batch <> old.batch
    begin select raise(abort, 'payouts are only ever paid'); end;
create trigger payout_no_delete before delete on payout begin select raise(abort, 'payouts are never deleted'); end;
