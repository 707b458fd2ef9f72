-- A person's decision on what is in suspense of a payment, or on a part of it; `number` counts those of one. It is the provider's, booked as
-- the payment `booked` out of suspense; the payer's, sent back by the outgoing transfer of the same name; or the operator's, out of the
-- books. `sign` is 1 where chains show more than the books gave to anybody, and the amount leaves suspense; -1 where they show less, and the
-- operator puts it in. `account` is what suspense is moved against.
create table resolution (
    id blob primary key check (length(id) = 16),
    payment blob not null check (length(payment) = 16),
    number integer not null check (number > 0),
    owed text not null check (owed in ('provider', 'payer', 'operator')),
    sign integer not null check (sign in (1, -1)),
    account integer not null,
    provider integer not null,
    amount integer not null check (amount > 0),
    booked blob unique check (length(booked) = 16),
    reason text not null,
    idempotency_key text not null unique,
    at integer not null,
    batch integer not null,
    unique (payment, number),
    check ((owed = 'provider') = (booked is not null)),
    check (sign = 1 or owed = 'operator')
) strict, without rowid;
create index resolution_batch on resolution (batch);
create trigger resolution_no_update before update on resolution begin select raise(abort, 'resolutions are never changed'); end;
create trigger resolution_no_delete before delete on resolution begin select raise(abort, 'resolutions are never deleted'); end;

-- The payment of which a transfer gives back what was in suspense.
alter table outgoing add column suspense blob check (length(suspense) = 16);
create index outgoing_suspense on outgoing (at) where suspense is not null;
drop trigger outgoing_no_update;
create trigger outgoing_no_update before update on outgoing
    when old.state in ('paid', 'void') or new.steps <> old.steps + 1 or new.id <> old.id or new.payment is not old.payment
      or new.provider <> old.provider or new.network <> old.network or new.token <> old.token
      or new.recipient <> old.recipient or new.amount <> old.amount or new.at <> old.at or new.batch <> old.batch
      or new.suspense is not old.suspense
    begin select raise(abort, 'what leaves only goes on'); end;

-- Pure double entry, for auditors: the rows of one kind and name sum to zero.
drop view ledger_entry;
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
    union all select 'settlement', id, payable, 0, net, at from settlement
    union all select 'difference', payment, case way when 'arrived' then account else 0 end, amount, 0, at
      from difference where way <> 'elsewhere'
    union all select 'difference', payment, case way when 'arrived' then 0 else account end, 0, amount, at
      from difference where way <> 'elsewhere'
    union all select 'resolution', id, case sign when 1 then 0 else account end, amount, 0, at
      from resolution where owed <> 'provider'
    union all select 'resolution', id, case sign when 1 then account else 0 end, 0, amount, at
      from resolution where owed <> 'provider';
