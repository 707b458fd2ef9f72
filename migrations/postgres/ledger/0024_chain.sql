-- Payments on public networks. The tables are those of SQLite.

-- `chain`: what came from payers in one token of one network (`token`: CAIP-2, a slash, its address), by a name of its own in `wallet`.
-- `direct` and `receivable`: what a provider was paid at its own address, less the platform's share, and that share, which it owes.
alter table account
    add column token text unique,
    drop constraint account_kind_check,
    drop constraint account_check,
    drop constraint account_provider_check,
    add constraint account_kind_check
        check (kind in ('external', 'wallet', 'provider', 'fee', 'payable', 'chain', 'direct', 'receivable')),
    add constraint account_of_wallet_check check ((kind in ('wallet', 'chain')) = (wallet is not null)),
    add constraint account_provider_check
        check ((kind in ('provider', 'fee', 'payable', 'direct', 'receivable')) = (provider is not null)),
    add constraint account_token_check check ((kind = 'chain') = (token is not null));

-- What a payer signed for a public network: committed with its hold, before anything is forwarded, and kept when it was captured. Until
-- it is closed, value may still move, or what moved may be undone: `settled` where the chain shows for good that it moved in the transaction
-- `hash`, `written_off` where it shows that it never will. An open one has the `hash` that was last seen.
-- One whose hold is voided is deleted with it.
create table intent (
    payment bytea primary key check (length(payment) = 16),
    network text not null,
    token bytea not null check (length(token) = 20),
    payer bytea not null check (length(payer) = 20),
    pay_to bytea not null check (length(pay_to) = 20),
    custody text not null check (custody in ('direct', 'treasury')),
    settle text not null check (settle in ('after', 'before', 'deferred')),
    amount bigint not null check (amount > 0),
    -- Unix seconds.
    valid_before bigint not null,
    -- A block that is older than the payment.
    since_block bigint not null,
    -- The payment as it came and what was asked for, as JSON.
    payload text not null,
    requirements text not null,
    held_at bigint not null,
    closed text check (closed in ('settled', 'written_off')),
    hash bytea check (length(hash) = 32),
    closed_at bigint,
    check ((closed is null) = (closed_at is null)),
    check (closed is null or (closed = 'settled') = (hash is not null))
);
create index intent_open on intent (valid_before) where closed is null;

-- A payment that can never be collected is given back in the books: nobody was paid.
alter table refund
    drop constraint refund_part_reason_check,
    add constraint refund_reason_check
        check (reason in ('broken_off', 'upstream_failed', 'operator', 'requested', 'written_off'));
