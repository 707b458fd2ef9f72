-- Payments on public networks. A table whose walls grow is made anew, row for row: SQLite changes none in place.

-- `chain`: what came from payers in one token of one network (`token`: CAIP-2, a slash, its address), by a name of its own in `wallet`.
-- `direct` and `receivable`: what a provider was paid at its own address, less the platform's share, and that share, which it owes.
create table wider_account (
    id integer primary key,
    kind text not null
        check (kind in ('external', 'wallet', 'provider', 'fee', 'payable', 'chain', 'direct', 'receivable')),
    wallet blob unique check (length(wallet) = 16),
    provider text,
    token text unique,
    created_at integer not null,
    unique (provider, kind),
    check ((kind in ('wallet', 'chain')) = (wallet is not null)),
    check ((kind in ('provider', 'fee', 'payable', 'direct', 'receivable')) = (provider is not null)),
    check ((kind = 'chain') = (token is not null))
) strict;
insert into wider_account (id, kind, wallet, provider, created_at)
    select id, kind, wallet, provider, created_at from account;
drop table account;
alter table wider_account rename to account;

-- What a payer signed for a public network: committed with its hold, before anything is forwarded, and kept when it was captured. Until
-- it is closed, value may still move, or what moved may be undone: `settled` where the chain shows for good that it moved in the transaction
-- `hash`, `written_off` where it shows that it never will. An open one has the `hash` that was last seen.
-- One whose hold is voided is deleted with it.
create table intent (
    payment blob primary key check (length(payment) = 16),
    network text not null,
    token blob not null check (length(token) = 20),
    payer blob not null check (length(payer) = 20),
    pay_to blob not null check (length(pay_to) = 20),
    custody text not null check (custody in ('direct', 'treasury')),
    settle text not null check (settle in ('after', 'before', 'deferred')),
    amount integer not null check (amount > 0),
    -- Unix seconds.
    valid_before integer not null,
    -- A block that is older than the payment.
    since_block integer not null,
    -- The payment as it came and what was asked for, as JSON.
    payload text not null,
    requirements text not null,
    held_at integer not null,
    closed text check (closed in ('settled', 'written_off')),
    hash blob check (length(hash) = 32),
    closed_at integer,
    check ((closed is null) = (closed_at is null)),
    check (closed is null or (closed = 'settled') = (hash is not null))
) strict, without rowid;
create index intent_open on intent (valid_before) where closed is null;

-- A payment that can never be collected is given back in the books: nobody was paid. What looks at the table is made anew with it.
drop view ledger_entry;
drop view refund_total;
create table wider_refund (
    payment integer not null,
    remains integer not null check (remains >= 0),
    id blob not null unique check (length(id) = 16),
    provider integer not null,
    amount integer not null check (amount >= 0),
    fee integer not null check (fee between 0 and amount),
    reason text not null check (reason in ('broken_off', 'upstream_failed', 'operator', 'requested', 'written_off')),
    -- A person's word for it.
    idempotency_key text unique,
    at integer not null,
    batch integer not null,
    primary key (payment, remains)
) strict, without rowid;
insert into wider_refund (payment, remains, id, provider, amount, fee, reason, idempotency_key, at, batch)
    select payment, remains, id, provider, amount, fee, reason, idempotency_key, at, batch from refund;
drop table refund;
alter table wider_refund rename to refund;
create index refund_provider on refund (provider, batch);
create index refund_batch on refund (batch);

create view refund_total (payment, amount, fee, remains) as
    select payment, cast(sum(amount) as bigint), cast(sum(fee) as bigint), min(remains) from refund group by payment;

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
