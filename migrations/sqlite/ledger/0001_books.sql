-- The books. One process writes them (ledger/src/commit/sqlite.rs), everyone may read them. Money rows are never
-- updated or deleted; sums beside them (balance, spend_window, call_count, usage_minute) change in the commit that
-- writes the rows they sum. Amounts are atomic units of the one wallet asset, times are Unix milliseconds.

-- Who this ledger is: made at first start, never changed. Signed payments are bound to the asset.
create table meta (
    id integer primary key check (id = 1),
    chain_id integer not null check (chain_id > 0),
    asset_name text not null,
    asset_version text not null,
    asset_address blob not null check (length(asset_address) = 20),
    secret blob not null check (length(secret) = 32)
) strict;

-- The last batch: tells whether an ambiguous COMMIT happened. `open` is the list of payments (16 bytes each) that
-- were captured and whose delivery was not confirmed when the batch was written. `unmatched` is a wall: balance
-- rows that a batch meant to move and did not find.
create table marker (
    id integer primary key check (id = 1),
    batch integer not null,
    at integer not null,
    seq integer not null,
    gross integer not null,
    open blob not null check (length(open) % 16 = 0),
    unmatched integer not null check (unmatched = 0)
) strict;
insert into marker (id, batch, at, seq, gross, open, unmatched) values (1, 0, 0, 0, 0, x'', 0);

create table account (
    id integer primary key,
    kind text not null check (kind in ('external', 'wallet', 'provider', 'fee')),
    wallet blob unique check (length(wallet) = 16),
    provider text,
    created_at integer not null,
    unique (provider, kind),
    check ((kind = 'wallet') = (wallet is not null)),
    check ((kind in ('provider', 'fee')) = (provider is not null))
) strict;

-- `floor` 1: the account may not go below zero.
create table balance (
    account integer primary key,
    floor integer not null check (floor in (0, 1)),
    debits integer not null check (debits >= 0),
    credits integer not null check (credits >= 0),
    check (floor = 0 or credits >= debits)
) strict;

insert into account (id, kind, created_at) values (1, 'external', 0);
insert into balance (account, floor, debits, credits) values (1, 0, 0, 0);

-- One captured payment: debits the wallet by gross, credits the provider by gross - fee and the fee account by fee.
-- `call` is the payer's how-manieth call with the provider in the month of the hold: it chose the tier.
create table payment (
    seq integer primary key,
    id blob not null check (length(id) = 16),
    agent blob not null check (length(agent) = 16),
    wallet integer not null,
    provider integer not null,
    fee_account integer not null,
    route text not null,
    gross integer not null check (gross >= 0),
    fee integer not null check (fee between 0 and gross),
    revision integer not null,
    call integer not null check (call > 0),
    replay_key blob check (length(replay_key) = 24),
    digest blob check (length(digest) = 32),
    fingerprint blob not null check (length(fingerprint) = 16),
    idempotency blob check (length(idempotency) = 16),
    held_at integer not null,
    captured_at integer not null,
    batch integer not null
) strict;
create unique index payment_id on payment (id);
-- Expiry first, then a digest: the index grows at its right edge. A signed payload is captured at most once, ever.
create unique index payment_replay_key on payment (replay_key) where replay_key is not null;

-- The whole of one payment, given back: its key says at most once.
create table refund (
    payment integer primary key,
    id blob not null unique check (length(id) = 16),
    amount integer not null check (amount >= 0),
    fee integer not null check (fee between 0 and amount),
    reason text not null check (reason in ('broken_off', 'upstream_failed', 'operator')),
    at integer not null,
    batch integer not null
) strict;

create table transfer (
    id blob primary key check (length(id) = 16),
    kind text not null check (kind in ('funding')),
    debit integer not null,
    credit integer not null,
    amount integer not null check (amount > 0),
    idempotency_key text not null unique,
    external_reference text not null,
    at integer not null,
    batch integer not null,
    check (debit <> credit)
) strict, without rowid;

-- What an agent spent in a calendar window (period 0: day, 1: month) of its holds; `lim` is the highest limit that
-- a payment of the window was accepted under.
create table spend_window (
    agent blob not null,
    period integer not null check (period in (0, 1)),
    start integer not null,
    spent integer not null,
    lim integer not null,
    primary key (agent, period, start),
    check (spent >= 0),
    check (spent <= lim)
) strict, without rowid;

-- Calls of an agent with a provider in the calendar month of the holds: chooses the tier.
create table call_count (
    agent blob not null,
    provider integer not null,
    month integer not null,
    calls integer not null check (calls >= 0),
    primary key (agent, provider, month)
) strict, without rowid;

-- For dashboards, which never scan payment. Minutes since the epoch, of the commit.
create table usage_minute (
    minute integer not null,
    provider integer not null,
    route text not null,
    payments integer not null,
    gross integer not null,
    fee integer not null,
    refunds integer not null,
    refunded integer not null,
    refunded_fee integer not null,
    primary key (minute, provider, route)
) strict, without rowid;

-- The client's word for a request, for 24 hours.
create table idempotency (
    key blob primary key check (length(key) = 16),
    payment blob not null check (length(payment) = 16),
    fingerprint blob not null check (length(fingerprint) = 16),
    expires_at integer not null
) strict, without rowid;
create index idempotency_expiry on idempotency (expires_at);

-- Responses kept to answer the same request with the same bytes, for 24 hours. `headers` is JSON, values in hex.
create table response (
    payment blob primary key check (length(payment) = 16),
    status integer not null,
    headers text not null,
    body blob not null,
    expires_at integer not null
) strict;
create index response_expiry on response (expires_at);

-- Pure double entry, for auditors: the rows of one kind and name sum to zero.
create view ledger_entry (kind, name, account, debit, credit, at) as
    select 'payment', id, wallet, gross, 0, captured_at from payment
    union all select 'payment', id, provider, 0, gross - fee, captured_at from payment
    union all select 'payment', id, fee_account, 0, fee, captured_at from payment
    union all select 'refund', r.id, p.wallet, 0, r.amount, r.at from refund r join payment p on p.seq = r.payment
    union all select 'refund', r.id, p.provider, r.amount - r.fee, 0, r.at from refund r join payment p on p.seq = r.payment
    union all select 'refund', r.id, p.fee_account, r.fee, 0, r.at from refund r join payment p on p.seq = r.payment
    union all select 'transfer', id, debit, amount, 0, at from transfer
    union all select 'transfer', id, credit, 0, amount, at from transfer;

create trigger payment_no_update before update on payment begin select raise(abort, 'payments are never changed'); end;
create trigger payment_no_delete before delete on payment begin select raise(abort, 'payments are never deleted'); end;
create trigger refund_no_update before update on refund begin select raise(abort, 'refunds are never changed'); end;
create trigger refund_no_delete before delete on refund begin select raise(abort, 'refunds are never deleted'); end;
create trigger transfer_no_update before update on transfer begin select raise(abort, 'transfers are never changed'); end;
create trigger transfer_no_delete before delete on transfer begin select raise(abort, 'transfers are never deleted'); end;
