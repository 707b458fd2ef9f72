-- Payments on public networks that are no EVM ones: addresses and transactions are kept as they are written there, while those of EVM
-- networks have 20 and 32 bytes. A table whose walls grow is made anew, row for row: SQLite changes none in place.
-- Of such payments `owed` of a hold says that somebody was asked to settle it, and only `settled` closes one.

create table wider_intent (
    payment blob primary key check (length(payment) = 16),
    network text not null,
    token blob not null,
    payer blob not null,
    pay_to blob not null,
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
    hash blob,
    closed_at integer,
    deposit blob check (length(deposit) = 16),
    check ((closed is null) = (closed_at is null)),
    check (closed is null or (closed = 'settled') = (hash is not null)),
    check (case when substr(network, 1, 7) = 'eip155:'
        then length(token) = 20 and length(payer) = 20 and length(pay_to) = 20 and coalesce(length(hash) = 32, true)
        else length(token) between 1 and 96 and length(payer) between 1 and 96 and length(pay_to) between 1 and 96
            and coalesce(length(hash) between 1 and 96, true) end)
) strict, without rowid;
insert into wider_intent (payment, network, token, payer, pay_to, custody, settle, amount, valid_before, since_block, payload,
    requirements, held_at, closed, hash, closed_at, deposit)
  select payment, network, token, payer, pay_to, custody, settle, amount, valid_before, since_block, payload, requirements,
    held_at, closed, hash, closed_at, deposit from intent;
drop table intent;
alter table wider_intent rename to intent;
create index intent_open on intent (valid_before) where closed is null;
create index intent_written_off on intent (closed_at) where closed = 'written_off';
create index intent_payer on intent (payer);
-- There one transaction pays once: what names one that has paid is no payment.
create index intent_foreign on intent (network, hash) where substr(network, 1, 7) <> 'eip155:' and hash is not null;

create table wider_voided (
    payment blob primary key check (length(payment) = 16),
    network text not null,
    token blob not null check (length(token) between 1 and 96),
    payer blob not null check (length(payer) between 1 and 96),
    pay_to blob not null check (length(pay_to) between 1 and 96),
    custody text not null,
    settle text not null,
    amount integer not null,
    valid_before integer not null,
    since_block integer not null,
    payload text not null,
    requirements text not null,
    held_at integer not null,
    account integer not null,
    provider integer not null,
    replay_key blob check (length(replay_key) = 24)
) strict, without rowid;
insert into wider_voided (payment, network, token, payer, pay_to, custody, settle, amount, valid_before, since_block, payload,
    requirements, held_at, account, provider, replay_key)
  select payment, network, token, payer, pay_to, custody, settle, amount, valid_before, since_block, payload, requirements,
    held_at, account, provider, replay_key from voided;
drop table voided;
alter table wider_voided rename to voided;
create index voided_expiry on voided (valid_before);
create index voided_nonce on voided (substr(replay_key, 9));
