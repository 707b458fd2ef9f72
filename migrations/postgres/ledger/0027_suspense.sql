-- What a chain shows otherwise than the books say of payments that are closed. The tables are those of SQLite.

-- `suspense`, account 0: value that the chain shows and the books do not have (credits), and the other way round (debits), until a person
-- decides whose it is. It has the wallet that no agent has, so that what is booked from it is a payment like others.
alter table account
    drop constraint account_kind_check,
    drop constraint account_of_wallet_check,
    add constraint account_kind_check
        check (kind in ('external', 'wallet', 'provider', 'fee', 'payable', 'chain', 'direct', 'receivable', 'suspense')),
    add constraint account_of_wallet_check check ((kind in ('wallet', 'chain', 'suspense')) = (wallet is not null)),
    add constraint account_suspense_check check ((kind = 'suspense') = (id = 0));
insert into account (id, kind, wallet, created_at) values (0, 'suspense', decode(repeat('00', 16), 'hex'), 0);
insert into balance (account, floor, debits, credits) values (0, 0, 0, 0);

-- One difference of a payment; `number` counts those of one. `arrived`: it moved in the transaction `hash`, and the books said that it did
-- not. `missing`: it did not, and they said that it did, in `hash`. `elsewhere`: in another transaction than they said; nothing is moved by
-- that. `booked` is what they said before all differences: settled, written off, or void. What was written off and arrived after all is
-- booked from suspense, as the payment `late`.
create table difference (
    payment bytea not null check (length(payment) = 16),
    number bigint not null check (number > 0),
    way text not null check (way in ('arrived', 'missing', 'elsewhere')),
    booked text not null check (booked in ('settled', 'written_off', 'void')),
    network text not null,
    -- Of the token, and of the provider.
    account bigint not null,
    provider bigint not null,
    amount bigint not null check (amount > 0),
    hash bytea not null check (length(hash) = 32),
    late bytea unique check (length(late) = 16),
    at bigint not null,
    batch bigint not null,
    primary key (payment, number),
    check (late is null or way = 'arrived')
);
create index difference_batch on difference (batch);
create trigger difference_no_change before update or delete on difference for each row execute function money_rows_stay();
create trigger difference_no_truncate before truncate on difference execute function money_rows_stay();

-- Intents that went with a hold that was voided and may have been shown to somebody, kept for a day behind their time: should value move by
-- one all the same, it is known whose it is. `account` is the token's.
create table voided (
    payment bytea primary key check (length(payment) = 16),
    network text not null,
    token bytea not null check (length(token) = 20),
    payer bytea not null check (length(payer) = 20),
    pay_to bytea not null check (length(pay_to) = 20),
    custody text not null,
    settle text not null,
    amount bigint not null,
    valid_before bigint not null,
    since_block bigint not null,
    payload text not null,
    requirements text not null,
    held_at bigint not null,
    account bigint not null,
    provider bigint not null,
    replay_key bytea check (length(replay_key) = 24)
);
create index voided_expiry on voided (valid_before);

create index intent_written_off on intent (closed_at) where closed = 'written_off';

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
      from difference where way <> 'elsewhere';
