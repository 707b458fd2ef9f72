-- Refunds in part, withdrawals, settlements and payouts, and what lists and reports ask for. The tables are those of SQLite.
drop view ledger_entry;

-- `payable`: what a provider was promised by settlements and was not paid yet.
alter table account
    drop constraint account_kind_check,
    drop constraint account_check1,
    add constraint account_kind_check check (kind in ('external', 'wallet', 'provider', 'fee', 'payable')),
    add constraint account_provider_check check ((kind in ('provider', 'fee', 'payable')) = (provider is not null));

-- What was given back of a payment, whole or in parts. `remains` is what is left of its gross afterwards. The rows that
-- stand are copied: an update of them is refused, and dropping a table asks nobody.
create table refund_part (
    payment bigint not null,
    remains bigint not null check (remains >= 0),
    id bytea not null unique check (length(id) = 16),
    provider bigint not null,
    amount bigint not null check (amount >= 0),
    fee bigint not null check (fee between 0 and amount),
    reason text not null check (reason in ('broken_off', 'upstream_failed', 'operator', 'requested')),
    -- A person's word for it.
    idempotency_key text unique,
    at bigint not null,
    batch bigint not null,
    primary key (payment, remains)
);
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
    id bytea primary key check (length(id) = 16),
    kind text not null check (kind in ('funding', 'withdrawal', 'payout')),
    debit bigint not null,
    credit bigint not null,
    amount bigint not null check (amount > 0),
    wallet bigint,
    payout bytea unique check (length(payout) = 16),
    idempotency_key text unique,
    external_reference text not null,
    at bigint not null,
    batch bigint not null,
    check (debit <> credit),
    check ((kind = 'payout') = (payout is not null)),
    check (kind = 'payout' or (wallet is not null and idempotency_key is not null))
);
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
    id bytea primary key check (length(id) = 16),
    provider bigint not null,
    number bigint not null check (number > 0),
    since bigint not null,
    cut bigint not null check (cut > since),
    through bigint not null,
    payments bigint not null check (payments > 0),
    gross bigint not null,
    fee bigint not null check (fee between 0 and gross),
    refunds bigint not null check (refunds >= 0),
    adjustments bigint not null check (adjustments >= 0),
    net bigint not null check (net > 0),
    payable bigint not null,
    at bigint not null,
    batch bigint not null,
    unique (provider, number),
    unique (provider, since),
    unique (provider, cut),
    check (net = gross - fee - refunds - adjustments)
);
create index settlement_provider on settlement (provider, id);
create index settlement_batch on settlement (batch);

-- What leaves for a provider, for one settlement: into a wallet (rail `ledger`) at once, or by a person's hand to what
-- `destination` says. Only its end is written, once: the transfer that paid it.
create table payout (
    id bytea primary key check (length(id) = 16),
    settlement bytea not null unique check (length(settlement) = 16),
    provider bigint not null,
    payable bigint not null,
    rail text not null check (rail in ('ledger', 'manual')),
    wallet bigint,
    destination text,
    amount bigint not null check (amount > 0),
    transfer bytea unique check (length(transfer) = 16),
    at bigint not null,
    batch bigint not null,
    paid_batch bigint,
    check ((rail = 'ledger') = (wallet is not null)),
    check ((rail = 'manual') = (destination is not null)),
    check (rail = 'manual' or transfer is not null),
    check ((transfer is null) = (paid_batch is null))
);
create index payout_provider on payout (provider, id);
create index payout_pending on payout (id) where transfer is null;
create index payout_batch on payout (batch);
create index payout_paid on payout (paid_batch) where paid_batch is not null;

-- Lists, and the sums of a settlement.
create index payment_provider on payment (provider, seq);
create index payment_agent on payment (agent, seq);

-- The usage of a day, UTC, counted from the epoch; a provider's days lie together.
create table usage_day (
    provider bigint not null,
    day bigint not null,
    route text not null,
    payments bigint not null,
    gross bigint not null,
    fee bigint not null,
    refunds bigint not null,
    refunded bigint not null,
    refunded_fee bigint not null,
    primary key (provider, day, route)
) with (fillfactor = 60);
insert into usage_day (provider, day, route, payments, gross, fee, refunds, refunded, refunded_fee)
    select provider, minute / 1440, route, sum(payments), sum(gross), sum(fee), sum(refunds), sum(refunded),
      sum(refunded_fee)
    from usage_minute group by 1, 2, 3;

-- What the calls of a month cost, refunds taken off.
alter table call_count add column spent bigint not null default 0 check (spent >= 0);
update call_count set spent = s.spent
    from (select p.agent, p.provider, unixepoch(p.held_at / 1000, 'unixepoch', 'start of month') * 1000 as month,
            sum(p.gross - coalesce(r.amount, 0)) as spent
          from payment p left join refund_total r on r.payment = p.seq group by 1, 2, 3) s
    where call_count.agent = s.agent and call_count.provider = s.provider and call_count.month = s.month;
create index call_count_provider on call_count (provider, month);

-- Pure double entry, for auditors: the rows of one kind and name sum to zero.
create view ledger_entry (kind, name, account, debit, credit, at) as
    select 'payment', id, wallet, gross, 0::bigint, captured_at from payment
    union all select 'payment', id, provider, 0, gross - fee, captured_at from payment
    union all select 'payment', id, fee_account, 0, fee, captured_at from payment
    union all select 'refund', r.id, p.wallet, 0, r.amount, r.at from refund r join payment p on p.seq = r.payment
    union all select 'refund', r.id, p.provider, r.amount - r.fee, 0, r.at from refund r join payment p on p.seq = r.payment
    union all select 'refund', r.id, p.fee_account, r.fee, 0, r.at from refund r join payment p on p.seq = r.payment
    union all select 'transfer', id, debit, amount, 0, at from transfer
    union all select 'transfer', id, credit, 0, amount, at from transfer
    union all select 'settlement', id, provider, net, 0, at from settlement
    union all select 'settlement', id, payable, 0, net, at from settlement;

create function refund_must_fit() returns trigger language plpgsql as $$ begin
  if new.remains is distinct from
      (select p.gross - new.amount - coalesce((select sum(r.amount) from refund r where r.payment = p.seq), 0)
       from payment p where p.seq = new.payment) then
    raise exception using errcode = 'check_violation', message = 'a refund gives back more than is left';
  end if;
  return new;
end $$;
create function payouts_are_paid() returns trigger language plpgsql as
  $$ begin raise exception using errcode = 'check_violation', message = 'payouts are only ever paid'; end $$;
create trigger refund_fits before insert on refund for each row execute function refund_must_fit();
create trigger refund_no_change before update or delete on refund for each row execute function money_rows_stay();
create trigger refund_no_truncate before truncate on refund execute function money_rows_stay();
create trigger transfer_no_change before update or delete on transfer for each row execute function money_rows_stay();
create trigger transfer_no_truncate before truncate on transfer execute function money_rows_stay();
create trigger settlement_no_change before update or delete on settlement for each row execute function money_rows_stay();
create trigger settlement_no_truncate before truncate on settlement execute function money_rows_stay();
create trigger payout_no_update before update on payout for each row
  when (old.transfer is not null or new.transfer is null
    or (new.id, new.settlement, new.provider, new.payable, new.rail, new.wallet, new.destination, new.amount, new.at, new.batch)
      is distinct from
       (old.id, old.settlement, old.provider, old.payable, old.rail, old.wallet, old.destination, old.amount, old.at, old.batch))
  execute function payouts_are_paid();
create trigger payout_no_delete before delete on payout for each row execute function money_rows_stay();
create trigger payout_no_truncate before truncate on payout execute function money_rows_stay();
