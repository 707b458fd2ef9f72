-- A person's decision on what is in suspense of a payment, or on a part of it; `number` counts those of one. It is the provider's, booked as
-- the payment `booked` out of suspense; the payer's, sent back by the outgoing transfer of the same name; or the operator's, out of the
-- books. `sign` is 1 where chains show more than the books gave to anybody, and the amount leaves suspense; -1 where they show less, and the
-- operator puts it in. `account` is what suspense is moved against.
create table resolution (
    id bytea primary key check (length(id) = 16),
    payment bytea not null check (length(payment) = 16),
    number bigint not null check (number > 0),
    owed text not null check (owed in ('provider', 'payer', 'operator')),
    sign bigint not null check (sign in (1, -1)),
    account bigint not null,
    provider bigint not null,
    amount bigint not null check (amount > 0),
    booked bytea unique check (length(booked) = 16),
    reason text not null,
    idempotency_key text not null unique,
    at bigint not null,
    batch bigint not null,
    unique (payment, number),
    check ((owed = 'provider') = (booked is not null)),
    check (sign = 1 or owed = 'operator')
);
create index resolution_batch on resolution (batch);
create trigger resolution_no_change before update or delete on resolution for each row execute function money_rows_stay();
create trigger resolution_no_truncate before truncate on resolution execute function money_rows_stay();

-- The payment of which a transfer gives back what was in suspense.
alter table outgoing add column suspense bytea check (length(suspense) = 16);
create index outgoing_suspense on outgoing (at) where suspense is not null;
drop trigger outgoing_no_update on outgoing;
create trigger outgoing_no_update before update on outgoing for each row
  when (old.state in ('paid', 'void') or new.steps <> old.steps + 1
    or (new.id, new.payment, new.provider, new.network, new.token, new.recipient, new.amount, new.at, new.batch, new.suspense)
      is distinct from
       (old.id, old.payment, old.provider, old.network, old.token, old.recipient, old.amount, old.at, old.batch, old.suspense))
  execute function outgoing_goes_on();

-- Pure double entry, for auditors: the rows of one kind and name sum to zero.
create or replace view ledger_entry (kind, name, account, debit, credit, at) as
    select 'payment', id, wallet, gross, 0::bigint, captured_at from payment
    union all select 'payment', id, provider, 0, gross - fee, captured_at from payment
    union all select 'payment', id, fee_account, 0, fee, captured_at from payment
    union all select 'refund', r.id, p.wallet, 0, r.amount, r.at from refund r join payment p on p.seq = r.payment
    union all select 'refund', r.id, p.provider, r.amount - r.fee, 0, r.at from refund r join payment p on p.seq = r.payment
    union all select 'refund', r.id, p.fee_account, r.fee, 0, r.at from refund r join payment p on p.seq = r.payment
    union all select 'transfer', id, debit, amount, 0, at from transfer
    union all select 'transfer', id, credit, 0, amount, at from transfer
    union all select 'settlement', id, provider, net, 0, at from settlement
    union all select 'settlement', id, payable, 0, net, at from settlement
    union all select 'difference', payment, case way when 'arrived' then account else 0 end, amount, 0, at
      from difference where way <> 'elsewhere'
    union all select 'difference', payment, case way when 'arrived' then 0 else account end, 0, amount, at
      from difference where way <> 'elsewhere'
    union all select 'resolution', id, case sign when 1 then 0 else account end, amount, 0, at
      from resolution where owed <> 'provider'
    union all select 'resolution', id, case sign when 1 then account else 0 end, 0, amount, at
      from resolution where owed <> 'provider';
